//! What people see of a text: characters that show nothing, marks that pile up on a letter, and what one letter is.

use crate::limits::Limits;

/// Characters that show nothing of their own: Unicode's `Default_Ignorable_Code_Point`, and the blank of Braille.
const UNSEEN: &[(char, char)] = &[
    ('\u{AD}', '\u{AD}'),
    ('\u{34F}', '\u{34F}'),
    ('\u{61C}', '\u{61C}'),
    ('\u{115F}', '\u{1160}'),
    ('\u{17B4}', '\u{17B5}'),
    ('\u{180B}', '\u{180F}'),
    ('\u{200B}', '\u{200F}'),
    ('\u{202A}', '\u{202E}'),
    ('\u{2060}', '\u{206F}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{FE00}', '\u{FE0F}'),
    ('\u{FEFF}', '\u{FEFF}'),
    ('\u{FFA0}', '\u{FFA0}'),
    ('\u{FFF0}', '\u{FFFB}'),
    ('\u{1BCA0}', '\u{1BCA3}'),
    ('\u{1D173}', '\u{1D17A}'),
    ('\u{E0000}', '\u{E0FFF}'),
];

/// The marks that stand on the letter before them, of the scripts whose marks are known to be piled up.
const MARKS: &[(char, char)] = &[
    ('\u{300}', '\u{36F}'),
    ('\u{483}', '\u{489}'),
    ('\u{591}', '\u{5BD}'),
    ('\u{5BF}', '\u{5C7}'),
    ('\u{610}', '\u{61A}'),
    ('\u{64B}', '\u{65F}'),
    ('\u{670}', '\u{670}'),
    ('\u{6D6}', '\u{6ED}'),
    ('\u{900}', '\u{903}'),
    ('\u{93A}', '\u{93C}'),
    ('\u{93E}', '\u{94F}'),
    ('\u{E31}', '\u{E31}'),
    ('\u{E34}', '\u{E3A}'),
    ('\u{E47}', '\u{E4E}'),
    ('\u{F71}', '\u{F84}'),
    ('\u{1AB0}', '\u{1AFF}'),
    ('\u{1DC0}', '\u{1DFF}'),
    ('\u{20D0}', '\u{20FF}'),
    ('\u{3099}', '\u{309A}'),
    ('\u{FE20}', '\u{FE2F}'),
];

fn is_in(c: char, ranges: &[(char, char)]) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// Whether a character shows nothing and changes at most what stands beside it.
pub(crate) fn is_unseen(c: char) -> bool {
    c >= '\u{AD}' && is_in(c, UNSEEN)
}

/// Whether a character stands on the one before it.
pub(crate) fn is_mark(c: char) -> bool {
    c >= '\u{300}' && is_in(c, MARKS)
}

/// Whether a text shows anything.
pub(super) fn is_seen(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace() && !c.is_control() && !is_unseen(c) && !is_mark(c))
}

/// What a text may keep.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One line: white space is folded, and what shows nothing goes, but for what makes a letter or an emoji what it is:
    /// joiners and selectors behind a sign of a script that needs them, and the tags behind a flag.
    Name,
    /// Many lines: line breaks and tabs stay, and what shows nothing may.
    Body,
}

/// The text without control characters, without marks past [`Limits::MARKS_IN_A_ROW`], and without what its kind forbids.
pub(super) fn cleaned(text: &str, kind: Kind) -> String {
    let mut kept = String::with_capacity(text.len());
    // The last sign that was kept, and what was found behind it: what shows nothing, and marks.
    let (mut sign, mut unseen, mut marks) = (' ', 0, 0);
    let mut rest = text.chars().peekable();
    while let Some(mut c) = rest.next() {
        if matches!(c, '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}') {
            if c == '\r' && rest.peek() == Some(&'\n') {
                continue;
            }
            c = '\n';
        }
        if kind == Kind::Name {
            if c.is_whitespace() {
                c = ' ';
                if kept.is_empty() || kept.ends_with(' ') {
                    continue;
                }
            }
            if is_unseen(c) {
                unseen += 1;
                let needed = match c {
                    // Persian and Indic words need them between two letters; families of emoji are joined by them.
                    '\u{200C}' | '\u{200D}' => rest.peek().is_some_and(|next| is_letter(*next)),
                    '\u{FE0E}' | '\u{FE0F}' => unseen == 1,
                    '\u{E0020}'..='\u{E007F}' => sign == '\u{1F3F4}',
                    _ => false,
                };
                if needed && is_letter(sign) && unseen <= 7 {
                    kept.push(c);
                }
                continue;
            }
        }
        if c.is_control() && c != '\n' && c != '\t' {
            continue;
        }
        let mark = is_mark(c);
        // What shows nothing is no letter: marks before it and behind it stand on the same one.
        marks = if mark { marks + 1 } else { marks * usize::from(is_unseen(c)) };
        if mark && marks > Limits::MARKS_IN_A_ROW {
            continue;
        }
        if !mark {
            sign = c;
        }
        unseen = 0;
        kept.push(c);
    }
    if kind == Kind::Name && kept.ends_with(' ') {
        kept.pop();
    }
    kept
}

/// Whether a joiner may stand beside it: a letter of a script that needs joiners, or an emoji.
fn is_letter(c: char) -> bool {
    c >= '\u{590}' && !c.is_whitespace() && !is_unseen(c) && !is_mark(c)
}

/// The first sign of a text as its reader counts them: a letter with its marks, or an emoji with all that is joined to it.
pub(crate) fn first_sign(text: &str) -> &str {
    let is_flag = |c: char| ('\u{1F1E6}'..='\u{1F1FF}').contains(&c);
    let mut chars = text.char_indices();
    let Some((_, first)) = chars.next() else { return "" };
    let (mut last, mut letters) = (first, 1);
    for (at, c) in chars {
        let joined = is_mark(c)
            || is_unseen(c)
            || last == '\u{200D}'
            || ('\u{1F3FB}'..='\u{1F3FF}').contains(&c)
            || (letters == 1 && is_flag(first) && is_flag(c));
        if !joined {
            return &text[..at];
        }
        letters += usize::from(is_flag(c));
        last = c;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_letter_stays_and_what_shows_nothing_goes() {
        for stays in [
            "Ana",
            "علی\u{200C}رضا",
            "👩\u{200D}👩\u{200D}👧",
            "❤\u{FE0F}\u{200D}🔥",
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
            "क्\u{200D}ष",
        ] {
            assert_eq!(cleaned(stays, Kind::Name), stays);
        }
        for (given, left) in [
            ("Ana\u{200E}", "Ana"),
            ("\u{202A}Ana\u{202C}", "Ana"),
            ("A\u{200C}na\u{200D}", "Ana"),
            ("An\u{61C}a\u{AD}", "Ana"),
            ("علی\u{200C}", "علی"),
            ("A\u{E0041}na", "Ana"),
            ("🦊\u{E0041}", "🦊"),
        ] {
            assert_eq!(cleaned(given, Kind::Name), left, "{given:?}");
        }
    }

    #[test]
    fn a_sign_is_what_a_reader_counts_as_one() {
        for (text, sign) in [
            ("", ""),
            ("Ana", "A"),
            ("e\u{301}a", "e\u{301}"),
            ("🇩🇪🇫🇷", "🇩🇪"),
            ("👩\u{200D}👩\u{200D}👧x", "👩\u{200D}👩\u{200D}👧"),
            ("👍🏽👍", "👍🏽"),
            ("❤\u{FE0F}a", "❤\u{FE0F}"),
        ] {
            assert_eq!(first_sign(text), sign);
        }
    }
}
