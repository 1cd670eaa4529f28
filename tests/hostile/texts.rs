//! Hostile texts: what the pinned wire says, with numbers, ids and bytes changed.

use holdfast::rng::Rng;

const CLIENT: &str = include_str!("../snapshots/wire__every_client_message_is_pinned.snap");
const SERVER: &str = include_str!("../snapshots/wire__every_server_message_is_pinned.snap");
const PEER: &str = include_str!("../snapshots/wire__every_message_between_pages_is_pinned_and_survives_the_way.snap");

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
pub(crate) fn plausible(rng: &mut Rng, from: From) -> String {
    let all = pinned(from);
    let line = all[rng.below(all.len() as u64) as usize];
    let (mut out, mut digits) = (String::new(), String::new());
    let mut quoted = false;
    for c in line.chars().chain([' ']) {
        quoted ^= c == '"';
        if c.is_ascii_digit() && !quoted {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            out.push_str(&number(rng, &digits));
            digits.clear();
        }
        out.push(c);
    }
    for (seat, other) in [("0000000000000001", rng.below(5)), ("0000000000000002", rng.below(5))] {
        out = out.replace(seat, &format!("{other:016x}"));
    }
    out.replace("0123456789ab", &format!("0123456789{:02x}", rng.below(6)))
}

fn number(rng: &mut Rng, was: &str) -> String {
    match rng.below(8) {
        0 => "0".into(),
        1 => u64::MAX.to_string(),
        2 => (u64::MAX - rng.below(3)).to_string(),
        3 | 4 => rng.below(9).to_string(),
        5 => rng.below(300).to_string(),
        _ => was.into(),
    }
}

/// The same with bytes changed, doubled, lost, or joined with another: what noise looks like.
pub(crate) fn noise(rng: &mut Rng, from: From) -> String {
    let mut bytes = plausible(rng, from).into_bytes();
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len().max(1) as u64) as usize;
        match rng.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.extend(plausible(rng, from).into_bytes()),
            2 => bytes.splice(at..at, [b'[', b'{', b'"', b'\\', b'u', 0xED].into_iter().take(at % 7)).for_each(drop),
            3 => bytes.splice(at..at, "\u{202E}👨‍👩‍👧\\ud83d\\ude00".bytes()).for_each(drop),
            _ if at < bytes.len() => bytes[at] = rng.next_u64() as u8,
            _ => bytes.push(b'9'),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text as people, and those who mean harm, would write it.
pub(crate) fn words(rng: &mut Rng) -> String {
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
    let parts = (0..rng.below(12)).map(|_| PARTS[rng.below(PARTS.len() as u64) as usize]);
    let text: String = parts.collect();
    if rng.below(20) == 0 { text.repeat(400) } else { text }
}
