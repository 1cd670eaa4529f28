//! Pairs of escapes that stand for one character: JSON may write `😀` as `\ud83d\ude00`, and the small reader knows no pairs.

use std::borrow::Cow;

/// The text with such pairs put in as the characters they mean. Half a pair stays, and is refused by the reader.
pub(super) fn with_whole_pairs(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        whole.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(c) = pair(rest) {
            whole.push(c);
            rest = &rest[12..];
        } else {
            // This backslash belongs to the character behind it, also if that is a backslash.
            let end = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
            whole.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
    whole.push_str(rest);
    Cow::Owned(whole)
}

/// The character whose pair of escapes the text begins with.
fn pair(text: &str) -> Option<char> {
    let half = |from: usize| {
        let digits = text.get(from..from + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let (high, low) = (half(0)?.checked_sub(0xD800)?, half(6)?.checked_sub(0xDC00)?);
    if high < 0x400 && low < 0x400 { char::from_u32(0x1_0000 + (high << 10) + low) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_characters_and_nothing_else_changes() {
        for (given, read) in [
            (r#""\ud83d\ude00""#, r#""😀""#),
            (r#""a\uD83D\uDE00\ud83d\ude00b""#, r#""a😀😀b""#),
            (r#""\\ud83d\\ude00""#, r#""\\ud83d\\ude00""#),
            (r#""\\\ud83d\ude00""#, r#""\\😀""#),
            (r#""\ud83d""#, r#""\ud83d""#),
            (r#""\ude00\ud83d""#, r#""\ude00\ud83d""#),
            (r#""\u00e9\n\u0041""#, r#""\u00e9\n\u0041""#),
            ("\"\\u", "\"\\u"),
            ("\\", "\\"),
        ] {
            assert_eq!(with_whole_pairs(given), read);
        }
    }
}
