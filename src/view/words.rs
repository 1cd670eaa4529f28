//! How times, names and messages are put into words.

use crate::time::Millis;

/// The time of day on the person's clock, such as `14:05`.
#[must_use]
pub fn clock_text(at: Millis, utc_offset_min: i32) -> String {
    let minutes = (at.as_unix() / 60_000).saturating_add_signed(i64::from(utc_offset_min)) % 1_440;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Up to two letters that stand for a name.
#[must_use]
pub fn initials(name: &str) -> String {
    let mut words =
        name.split_whitespace().filter(|word| !word.starts_with('(')).filter_map(|word| word.chars().next());
    let first = words.next();
    first.into_iter().chain(words.next_back()).flat_map(char::to_uppercase).collect()
}

/// A piece of a chat message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Words.
    Text(String),
    /// A web address, safe to link to.
    Link(String),
}

/// Splits a message into words and links. Only `http:` and `https:` addresses become links.
#[must_use]
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = vec![];
    let mut plain = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let address = bare.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '"', '\'']);
        let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
        if rest.is_some_and(|rest| rest.starts_with(char::is_alphanumeric) && !address.contains(['<', '>', '"'])) {
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Link(address.to_owned()));
            plain.push_str(&word[address.len()..]);
        } else {
            plain.push_str(word);
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_become_links() {
        let shown = pieces("see https://a.example/x?y=1, and javascript:alert(1) http://b.");
        assert_eq!(
            shown,
            [
                Piece::Text("see ".into()),
                Piece::Link("https://a.example/x?y=1".into()),
                Piece::Text(", and javascript:alert(1) ".into()),
                Piece::Link("http://b".into()),
                Piece::Text(".".into()),
            ]
        );
        assert_eq!(pieces("https://"), [Piece::Text("https://".into())]);
        assert_eq!(pieces("https://<b>"), [Piece::Text("https://<b>".into())]);
    }

    #[test]
    fn splitting_loses_no_character() {
        for text in ["", " a\n b ", "http://x.y (https://z)", "ü https://ü.example!"] {
            let joined: String = pieces(text)
                .into_iter()
                .map(|piece| match piece {
                    Piece::Text(t) | Piece::Link(t) => t,
                })
                .collect();
            assert_eq!(joined, text);
        }
    }

    #[test]
    fn times_and_initials_read_well() {
        assert_eq!(clock_text(Millis::from_unix(3_600_000 * 23), 90), "00:30");
        assert_eq!(clock_text(Millis::from_unix(60_000), -120), "00:00");
        assert_eq!(initials("ana maria lópez"), "AL");
        assert_eq!((initials("bo"), initials("")), ("B".into(), String::new()));
    }
}
