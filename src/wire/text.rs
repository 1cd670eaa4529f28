//! Texts that arrive from outside, checked once so that everything behind the edge may trust them.

use crate::limits::Limits;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("text is empty")]
    Empty,
    /// Longer than its limit.
    #[error("text is too long")]
    TooLong,
    /// Has characters that are not allowed there.
    #[error("text has a character that is not allowed")]
    Character,
}

/// Declares a checked text: its type, its serde form and its accessor.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks a text.
            ///
            /// # Errors
            /// [`TextError`] when the text is out of its bounds.
            pub fn new(text: &str) -> Result<Self, TextError> {
                let check: fn(&str) -> Result<String, TextError> = $check;
                check(text).map(Self)
            }
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = TextError;
            fn try_from(text: String) -> Result<Self, TextError> {
                Self::new(&text)
            }
        }
        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    };
}

checked_text! {
    /// A display name: 1 to 40 characters, trimmed, white space folded, no control or direction-changing characters.
    Name, |text| {
        let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let legal = folded.chars().all(|c| !c.is_control() && !changes_direction(c));
        within(folded, 1, Limits::NAME_CHARS).and_then(|t| if legal { Ok(t) } else { Err(TextError::Character) })
    }
}
checked_text! {
    /// A chat message: 1 to 4,000 characters, not only white space, no control characters but line breaks and tabs.
    Body, |text| {
        if text.trim().is_empty() {
            return Err(TextError::Empty);
        }
        let legal = text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t');
        within(text.to_owned(), 1, Limits::CHAT_CHARS).and_then(|t| if legal { Ok(t) } else { Err(TextError::Character) })
    }
}
checked_text! {
    /// A session description, opaque to everyone but the browsers, bounded in bytes.
    Sdp, |text| match text.len() {
        0 => Err(TextError::Empty),
        n if n > Limits::SDP_BYTES => Err(TextError::TooLong),
        _ => Ok(text.to_owned()),
    }
}
checked_text! {
    /// A resume token: opaque to the client, URL-safe characters.
    Token, |text| {
        let legal = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        match text.len() {
            0 => Err(TextError::Empty),
            n if n > Limits::TOKEN_BYTES => Err(TextError::TooLong),
            _ if !legal => Err(TextError::Character),
            _ => Ok(text.to_owned()),
        }
    }
}

fn within(text: String, least: usize, most: usize) -> Result<String, TextError> {
    match text.chars().count() {
        n if n < least => Err(TextError::Empty),
        n if n > most => Err(TextError::TooLong),
        _ => Ok(text),
    }
}

/// Unicode's explicit direction marks can make a name read as another one.
const fn changes_direction(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// Names, chat bodies, descriptions and tokens must not reach a log: their debug form says only how long they are.
macro_rules! hide_text {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({} bytes)", stringify!($name), self.0.len())
            }
        }
    )*};
}
hide_text!(Name, Body, Sdp, Token);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_bounded() {
        assert_eq!(Name::new("  Ana \t  Maria ").map(String::from), Ok("Ana Maria".into()));
        assert_eq!(Name::new(" \n "), Err(TextError::Empty));
        assert_eq!(Name::new(&"é".repeat(41)), Err(TextError::TooLong));
        assert_eq!(Name::new("a\u{202E}b"), Err(TextError::Character));
        assert_eq!(Name::new("a\u{0}b"), Err(TextError::Character));
        assert_eq!(Name::new("<script>").map(String::from), Ok("<script>".into()));
    }

    #[test]
    fn bodies_keep_their_line_breaks() {
        assert_eq!(Body::new("a\nb").map(String::from), Ok("a\nb".into()));
        assert_eq!(Body::new(&"x".repeat(4_001)), Err(TextError::TooLong));
        assert_eq!(Body::new(" \n"), Err(TextError::Empty));
    }

    #[test]
    fn debug_output_hides_what_people_wrote() {
        let shown = format!("{:?} {:?}", Name::new("Ana").expect("valid"), Body::new("secret").expect("valid"));
        assert_eq!(shown, "Name(3 bytes) Body(6 bytes)");
    }
}
