//! Which room people mean by what they paste, type or were told on the telephone.
//!
//! A code of our own making is known by its shape, whatever stands between its letters: `kavotimuresakem` is the room
//! that was meant, and not an empty one of that name.

use ::app::address::decode;
use holdfast::RoomId;

/// The room that a code or a link names, in whatever it was sent: brackets, quotes, words around it, broken lines.
pub fn room_in(text: &str) -> Option<RoomId> {
    let text = cleaned(text);
    let mut links = text.match_indices("/r/").map(|(at, found)| &text[at + found.len()..]);
    links.find_map(|rest| minted(rest).or_else(|| first_word(rest))).or_else(|| {
        let starts = text.char_indices().filter(|(at, c)| {
            c.is_ascii_alphanumeric() && !text[..*at].ends_with(|c: char| c.is_ascii_alphanumeric() || is_hyphen(c))
        });
        let made = starts.map(|(at, _)| at).find_map(|at| minted(&text[at..]));
        // Without our shape one word is a code, and several are a sentence.
        made.or_else(|| {
            let word = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            first_word(word).filter(|_| !text.contains('/') && !word.contains(char::is_whitespace))
        })
    })
}

/// Where the page of a room is, for a path that was damaged a little on its way; none where nothing needs mending.
pub fn mended(path: &str) -> Option<String> {
    let text = cleaned(&path.replace('+', "%2B")); // In a path it is no space.
    let rest = text.strip_prefix("/r/")?;
    let whole = rest.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let room = if whole.contains('/') { None } else { minted(whole).or_else(|| first_word(whole)) }?;
    let right = format!("/r/{room}");
    (right != path).then_some(right)
}

/// Lower case, unescaped, without what shows nothing.
fn cleaned(text: &str) -> String {
    let shown = |c: &char| !matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    decode(text.trim()).chars().filter(shown).map(|c| c.to_ascii_lowercase()).collect()
}

/// What people and programs write for a hyphen.
fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '_' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// The code at the beginning of a text that has the shape of those we make, whatever separates its letters.
fn minted(text: &str) -> Option<RoomId> {
    const CONSONANTS: &str = "bcdfghjklmnprstvz";
    const VOWELS: &str = "aeiou";
    let separates = |c: char| is_hyphen(c) || c.is_whitespace() || matches!(c, '=' | '>' | '+');
    let hides = text.strip_prefix(RoomId::HIDING.trim_end_matches('-'));
    let mut rest = hides.unwrap_or(text);
    let mut code = String::from(if hides.is_some() { RoomId::HIDING } else { "" });
    for n in 0..15 {
        rest = if n > 0 || hides.is_some() { rest.trim_start_matches(separates) } else { rest };
        let letter = rest.chars().next().filter(|c| if n % 2 == 0 { CONSONANTS } else { VOWELS }.contains(*c))?;
        if n > 0 && n % 5 == 0 {
            code.push('-');
        }
        code.push(letter);
        rest = &rest[1..];
    }
    // A longer word is another code, which somebody chose.
    let goes_on = rest.trim_start_matches(is_hyphen).starts_with(|c: char| c.is_ascii_alphanumeric());
    code.parse().ok().filter(|_| !goes_on)
}

/// The code that somebody chose, at the beginning of a text.
fn first_word(text: &str) -> Option<RoomId> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !is_hyphen(c)).unwrap_or(text.len());
    // What a dot or plus glues to a word may belong to it: then it is no code, rather than another one.
    let tail = &text[end..];
    let parts = |c: char| c.is_whitespace() || !c.is_ascii() || "?#/&<>\"')]};".contains(c);
    let goes_on = tail.find(|c: char| c.is_ascii_alphanumeric()).is_some_and(|next| !tail[..next].contains(parts));
    if goes_on {
        return None;
    }
    let code: String = text[..end].chars().map(|c| if is_hyphen(c) { '-' } else { c }).collect();
    let code = code.trim_matches('-');
    minted(code).or_else(|| code.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_or_a_link_names_a_room_however_it_was_sent() {
        let code = "kavot-imure-sakem";
        for text in [
            "kavot-imure-sakem",
            " KAVOT-imure-sakem ",
            "https://x.example/r/kavot-imure-sakem?name=Ana&join=1",
            "HTTPS://X.EXAMPLE/R/KAVOT-IMURE-SAKEM",
            "x.example/r/kavot-imure-sakem#top",
            "https://x.example/r/kavot-imure-sakem.",
            "https://x.example/r/kavot-imure-sakem/",
            "<https://x.example/r/kavot-imure-sakem>",
            "(https://x.example/r/kavot-imure-sakem),",
            "https://x.example/r/kavot-imure-sakem%20",
            "https://x.example/r/kavot-imure-sakem%E2%80%8B",
            "https://x.example/r/kavot%2Dimure%2Dsakem",
            "https://x.example/r/kavot-imure-sakem see you at 5",
            "https://x.example/r/kavot-imu=\r\nre-sakem",
            "https://x.example/r/kavot-imure-\n> sakem",
            "https://mail.example/?url=https%3A%2F%2Fx.example%2Fr%2Fkavot-imure-sakem&data=1",
            "Come to https://x.example/r/kavot-imure-sakem。",
            "\"kavot-imure-sakem\"",
            "„kavot-imure-sakem“",
            "kavot-imure-sakem.",
            "kavot imure sakem",
            "kavot_imure_sakem",
            "kavot–imure–sakem",
            "kavo timu resa kem",
            "kavotimuresakem",
            "Kavotimuresakem!",
            "the code is kavot imure sakem, at 5",
            "https://x.example/r/-kavotimuresakem-",
            "–kavotimuresakem–",
        ] {
            assert_eq!(room_in(text).map(String::from).as_deref(), Some(code), "{text}");
        }
        for (text, code) in [
            ("relaykavotimuresakem", "relay-kavot-imure-sakem"),
            ("relay kavot imure sakem", "relay-kavot-imure-sakem"),
            ("abc-def", "abc-def"),
            ("(abc-def)", "abc-def"),
            ("abc_def", "abc-def"),
            ("https://x.example/r/abc-def come at 5", "abc-def"),
            ("kavot-imure-sakem-2", "kavot-imure-sakem-2"),
            ("my-kavot-imure-sakem", "my-kavot-imure-sakem"),
            ("kavotimuresakema", "kavotimuresakema"),
        ] {
            assert_eq!(room_in(text).map(String::from).as_deref(), Some(code), "{text}");
        }
        for text in [
            "",
            "a b c",
            "https://x.example/",
            "../../etc",
            "no such / code",
            "come to our room",
            "ab",
            "https://x.example/r/abc.def",
            "…",
        ] {
            assert_eq!(room_in(text), None, "{text}");
        }
    }

    #[test]
    fn a_damaged_path_is_mended_and_a_wrong_one_is_not() {
        for path in [
            "/r/abc-def/",
            "/r/abc-def.",
            "/r/abc-def,",
            "/r/abc-def)",
            "/r/abc-def;",
            "/r/abc-def%20",
            "/r/abc-def%E2%80%8B",
            "/r/abc%2Ddef",
            "/r/ABC-def",
            "/R/abc-def",
            "/r/abc_def",
            "/r/%3Cabc-def%3E",
            "/r/abc-def%3Fname=Ana",
            "/r/abc-def%20at%205",
        ] {
            assert_eq!(mended(path).as_deref(), Some("/r/abc-def"), "{path}");
        }
        assert_eq!(mended("/r/kavotimuresakem").as_deref(), Some("/r/kavot-imure-sakem"));
        assert_eq!(mended("/r/kavot%20imure%20sakem%20at%205").as_deref(), Some("/r/kavot-imure-sakem"));
        for path in [
            "/r/abc-def",
            "/r/kavot-imure-sakem",
            "/r/",
            "/r/abc/more",
            "/x",
            "/",
            "/r/ab",
            "/r/%00",
            "/r/abc.def",
            "/r/abc+def",
            "/r//",
        ] {
            assert_eq!(mended(path), None, "{path}");
        }
    }
}
