//! Hostile texts: what the pinned wire says, with numbers, ids and bytes changed.

use super::bytes::Bytes;

const CLIENT: &str = include_str!("../../snapshots/wire__every_client_message_is_pinned.snap");
const SERVER: &str = include_str!("../../snapshots/wire__every_server_message_is_pinned.snap");
const PEER: &str =
    include_str!("../../snapshots/wire__every_message_between_pages_is_pinned_and_survives_the_way.snap");

/// Whose messages.
#[derive(Clone, Copy)]
pub(crate) enum From {
    Client,
    Server,
    Peer,
}

/// Every pinned message of one direction.
pub(crate) fn pinned(from: From) -> Vec<&'static str> {
    let text = match from {
        From::Client => CLIENT,
        From::Server => SERVER,
        From::Peer => PEER,
    };
    text.lines().filter(|line| line.starts_with('{') || line.starts_with('"')).collect()
}

/// A well-formed message with other numbers and ids: what a hostile program that knows the protocol sends.
pub(crate) fn plausible(bytes: &mut Bytes<'_>, from: From) -> String {
    let all = pinned(from);
    let line = bytes.pick(&all);
    let (mut out, mut digits) = (String::new(), String::new());
    let mut quoted = false;
    for c in line.chars().chain([' ']) {
        quoted ^= c == '"';
        if c.is_ascii_digit() && !quoted {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            out.push_str(&number(bytes, &digits));
            digits.clear();
        }
        out.push(c);
    }
    for (seat, other) in [("0000000000000001", bytes.below(5)), ("0000000000000002", bytes.below(5))] {
        out = out.replace(seat, &format!("{other:016x}"));
    }
    out.replace("0123456789ab", &format!("0123456789{:02x}", bytes.below(6)))
}

fn number(bytes: &mut Bytes<'_>, was: &str) -> String {
    match bytes.below(8) {
        0 | 1 => was.into(),
        2 => "0".into(),
        3 => u64::MAX.to_string(),
        4 => (u64::MAX - bytes.below(3)).to_string(),
        5 | 6 => bytes.below(9).to_string(),
        _ => bytes.below(300).to_string(),
    }
}

/// The same with bytes changed, doubled, lost, or joined with another: what noise looks like.
pub(crate) fn noise(bytes: &mut Bytes<'_>, from: From) -> String {
    let mut text = plausible(bytes, from).into_bytes();
    for _ in 0..=bytes.below(4) {
        let at = bytes.below(text.len().max(1) as u64) as usize;
        match bytes.below(6) {
            0 => text.truncate(at),
            1 => text.extend(plausible(bytes, from).into_bytes()),
            2 => text.splice(at..at, [b'[', b'{', b'"', b'\\', b'u', 0xED].into_iter().take(at % 7)).for_each(drop),
            3 => text.splice(at..at, "\u{202E}👨‍👩‍👧\\ud83d\\ude00".bytes()).for_each(drop),
            _ if at < text.len() => text[at] = bytes.below(256) as u8,
            _ => text.push(b'9'),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A text as people, and those who mean harm, would write it.
pub(crate) fn words(bytes: &mut Bytes<'_>) -> String {
    const PARTS: &[&str] = &[
        "Ana",
        " ",
        "\n",
        "https://",
        "http://x.example/a?b=(c)",
        "www.",
        ".",
        ",",
        ")",
        "@",
        "\u{202E}",
        "\u{200B}",
        "👩‍👩‍👧",
        "🇩🇪",
        "e\u{301}\u{301}\u{301}",
        "مرحبا",
        "\u{0}",
        "\u{7f}",
        "-",
        "/r/",
        "abc",
        "<b>",
        "&amp;",
        "javascript:",
        "1",
        "\u{FEFF}",
        "xn--",
        "://",
        "https://[::1]:99999/",
        "%",
        "é",
        "ß",
        "İ",
        "\r\n",
        "relay-",
    ];
    let text: String = (0..bytes.below(12)).map(|_| bytes.pick(PARTS)).collect();
    if bytes.one_in(20) { text.repeat(400) } else { text }
}
