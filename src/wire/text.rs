//! Texts that arrive from outside, checked once so that everything behind the edge may trust them. What people type is
//! cleaned where that takes nothing away that one could see, and refused only where nothing would be left.

use super::glyphs::{Kind, cleaned, is_seen};
use crate::limits::Limits;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("text is empty")]
    Empty,
    /// Something, and nothing of it can be seen.
    #[error("text has nothing that can be seen")]
    Unseen,
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
    /// A display name: 1 to 40 characters, at least one of which can be seen. Trimmed, white space folded, without control
    /// and direction-changing characters and whatever else shows nothing, without piles of marks.
    Name, |text| seen(text, Kind::Name, Limits::NAME_CHARS)
}
checked_text! {
    /// A chat message: 1 to 4,000 characters, at least one of which can be seen. Line breaks and tabs stay, other control
    /// characters and piles of marks do not.
    Body, |text| seen(text, Kind::Body, Limits::CHAT_CHARS)
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

/// What is left of `text`, if one can see it and it is not too long.
fn seen(text: &str, kind: Kind, most: usize) -> Result<String, TextError> {
    let cleaned = cleaned(text, kind);
    match cleaned.chars().count() {
        n if n > most => Err(TextError::TooLong),
        _ if is_seen(&cleaned) => Ok(cleaned),
        _ if text.trim().is_empty() => Err(TextError::Empty),
        _ => Err(TextError::Unseen),
    }
}

/// Reads texts that were stored: those of an older program may be such as are refused today, and a log must stay readable.
macro_rules! stored_text {
    ($read:ident, $name:ident) => {
        pub(super) fn $read<'de, D: Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
            let text = String::deserialize(from)?;
            Ok($name::new(&text).unwrap_or_else(|_| $name("?".to_owned())))
        }
    };
}
stored_text!(stored_name, Name);
stored_text!(stored_body, Body);

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
        assert_eq!(Name::new("<script>").map(String::from), Ok("<script>".into()));
    }

    #[test]
    fn a_name_loses_what_nobody_sees_and_is_refused_where_nothing_is_left() {
        for marked in ["Ana\u{200E}", "\u{FEFF}Ana", "An\u{202E}a", "Ana\u{61C}", "A\u{0}na", "Ana\u{200B}"] {
            let name = Name::new(marked).expect("something is left");
            assert!(name.as_str().chars().all(|c| c.is_ascii_alphabetic()), "{marked:?}");
        }
        for empty in ["\u{200B}\u{200B}", "\u{2060}", "\u{3164}", "\u{2800}", "\u{AD}", "\u{FE0F}", "\u{301}", "\u{0}"]
        {
            assert_eq!(Name::new(empty), Err(TextError::Unseen), "{empty:?}");
        }
        let longest = "x".repeat(40) + "\u{200E}";
        assert_eq!(Name::new(&longest).map(|name| name.as_str().len()), Ok(40), "a mark does not count");
        for shown in ["🦊", "...", "علی\u{200C}رضا", "นำ้"] {
            assert_eq!(Name::new(shown).map(String::from), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn marks_do_not_pile_up() {
        let pile = format!("A{}na", "\u{335}".repeat(37));
        let name = Name::new(&pile).expect("something is left");
        assert_eq!(name.as_str().chars().count(), 3 + Limits::MARKS_IN_A_ROW);
        assert_eq!(Body::new(&pile).map(|body| body.as_str().chars().count()), Ok(3 + Limits::MARKS_IN_A_ROW));
        for between in ['\u{0}', '\u{200B}', '\u{34F}', '\u{FE0F}'] {
            let pile = format!("A{}", format!("{between}\u{335}").repeat(37));
            let marks = |text: &str| text.chars().filter(|c| *c == '\u{335}').count();
            let (name, body) = (Name::new(&pile).expect("a letter"), Body::new(&pile).expect("a letter"));
            assert!(marks(name.as_str()) <= Limits::MARKS_IN_A_ROW, "{between:?} is no letter");
            assert!(marks(body.as_str()) <= Limits::MARKS_IN_A_ROW, "{between:?} is no letter");
        }
    }

    #[test]
    fn what_a_paste_brings_along_is_dropped_from_a_message() {
        for (pasted, said) in [
            ("ls \u{1B}[31mred", "ls [31mred"),
            ("one\u{B}two\u{C}three\r\nfour", "one\ntwo\nthree\nfour"),
            ("it\u{92}s", "its"),
            ("tab\tstays", "tab\tstays"),
        ] {
            assert_eq!(Body::new(pasted).map(String::from), Ok(said.to_owned()));
        }
        for empty in ["\u{200B}", "\u{3164}", "\u{AD}", "\u{1B}"] {
            assert_eq!(Body::new(empty), Err(TextError::Unseen), "{empty:?}");
        }
    }

    #[test]
    fn cleaning_twice_is_cleaning_once() {
        let odd = [
            'A',
            ' ',
            '\r',
            '\n',
            '\u{1B}',
            '\u{200D}',
            '\u{FE0F}',
            '\u{301}',
            '👩',
            '\u{E0067}',
            '\u{1F3F4}',
            'ع',
            '\u{200C}',
            '\u{3000}',
            '\u{64B}',
            '\u{0}',
        ];
        let mut rng = crate::rng::Rng::new(5);
        for _ in 0..20_000 {
            let text: String = (0..12).map(|_| odd[rng.below(odd.len() as u64) as usize]).collect();
            if let Ok(name) = Name::new(&text) {
                assert_eq!(Name::new(name.as_str()), Ok(name), "{text:?}");
            }
            if let Ok(body) = Body::new(&text) {
                assert_eq!(Body::new(body.as_str()), Ok(body), "{text:?}");
            }
        }
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
