//! Seat tokens: one that nobody sealed opens nothing.

use super::bytes::Bytes;
use holdfast::{Millis, PeerId, RoomId};
use server::tokens::Secret;
use std::path::Path;
use std::sync::LazyLock;

static SECRET: LazyLock<Secret> = LazyLock::new(|| {
    let secret = Secret::load(&"n".repeat(32), Path::new("/none")).expect("no file is needed");
    secret.after(&"o".repeat(32))
});

/// Any text, and a true token with some of its characters changed, for its room or another, in time or late.
pub(super) fn seat_tokens(bytes: &[u8]) {
    let room = |code: &str| -> RoomId { code.parse().expect("a code") };
    let seat = PeerId::from_bits(5);
    let mut bytes = Bytes::new(bytes);
    let asked = room(bytes.pick(&["abc-def", "abc-deg"]));
    let now = Millis::from_unix(bytes.pick(&[0, 999, 1_000, u64::MAX]));
    let forged = bytes.text();
    assert_eq!(SECRET.open_seat(&asked, &forged, now), None, "{forged:?}");

    let token = SECRET.seat_token(&room("abc-def"), seat, Millis::from_unix(1_000));
    let mut changed: Vec<char> = token.as_str().chars().collect();
    while !bytes.is_empty() {
        let at = bytes.below(changed.len() as u64 + 1) as usize;
        match bytes.below(4) {
            0 => changed.truncate(at),
            1 => changed.insert(at, bytes.pick(&['.', '0', '+', '=', '-', 'A', 'é'])),
            _ if at < changed.len() => changed[at] = char::from(bytes.below(128) as u8),
            _ => changed.extend(forged.chars()),
        }
    }
    let changed: String = changed.into_iter().collect();
    // A number may be written in several ways: what counts is what was sealed.
    let sealed = |text: &str| {
        let parts: Vec<&str> = text.split('.').collect();
        let [seat, expires, mac] = parts[..] else { return None };
        Some((seat.parse::<PeerId>().ok()?, expires.parse::<u64>().ok()?, mac.to_owned()))
    };
    let is_ours = sealed(&changed).is_some_and(|parts| Some(parts) == sealed(token.as_str()));
    let opens = is_ours && asked == room("abc-def") && now < Millis::from_unix(1_000);
    assert_eq!(SECRET.open_seat(&asked, &changed, now), opens.then_some(seat), "{changed:?}");
}
