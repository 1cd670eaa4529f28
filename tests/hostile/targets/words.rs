//! Texts: descriptions and candidates, names, codes, ids, and what the chat makes of what people write.

use super::bytes::Bytes;
use super::messages::there_and_back;
use super::texts;
use holdfast::view::{Piece, clock_text, day_of, day_text, initials, machine_time, pieces};
use holdfast::wire::{Body, Candidate, Name, Sdp, Signal, Token, encode, without_addresses};
use holdfast::{ChatId, Limits, Millis, PcEpoch, PeerId, RoomId};
use std::fmt::{Debug, Display};
use std::str::FromStr;

const LINES: &[&str] = &[
    "v=0\r\n",
    "a=candidate:",
    "a=candidate:1 1 udp 1 192.0.2.7 5 typ host\r\n",
    " typ relay",
    " raddr ",
    " ",
    "\r\n",
    "\n",
    "\r",
    "candidate:",
    "0.0.0.0",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
    "\u{0}",
    "é",
];

/// Descriptions and candidates, and what is left of them in a room that hides addresses.
pub(super) fn descriptions(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let mut text = String::new();
    while !bytes.is_empty() {
        text += &if bytes.one_in(8) { bytes.text() } else { bytes.pick(LINES).to_owned() };
    }
    if let Ok(sdp) = Sdp::new(&text) {
        let clean = without_addresses(&sdp);
        let offer = Signal::Offer { epoch: PcEpoch::from_number(1), round: 1, sdp: clean.clone() };
        assert!(!offer.shows_address(), "{text:?} became {:?}", clean.as_str());
        assert_eq!(without_addresses(&clean), clean, "{text:?}");
    }
    if let Ok(candidate) = Candidate::new(text.clone(), text, bytes.below(65_536) as u16) {
        let _ = (candidate.shows_address(), candidate.is_relay());
        there_and_back::<Signal>(&format!(r#"{{"candidate":{{"epoch":1,"candidate":{}}}}}"#, encode(&candidate)));
    }
}

/// Any text at all.
pub(super) fn names_and_links(bytes: &[u8]) {
    check(&String::from_utf8_lossy(bytes));
}

/// A text made of what people, and those who mean harm, write; and a time.
pub(super) fn words(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let at = Millis::from_unix(if bytes.one_in(2) { bytes.number() } else { bytes.below(4_000_000_000_000) });
    let offset_min = bytes.number() as i32;
    assert_eq!(clock_text(at, offset_min).len(), 5);
    let _ = (day_text(day_of(at, offset_min)), machine_time(at));
    check(&texts::words(&mut bytes));
}

fn check(text: &str) {
    stable::<RoomId>(text);
    stable::<ChatId>(text);
    stable::<PeerId>(text);
    if let Ok(name) = Name::new(text) {
        assert_eq!(Name::new(name.as_str()).as_ref(), Ok(&name), "a name is cleaned once: {text:?}");
        assert!(name.as_str().chars().count() <= Limits::NAME_CHARS);
        assert!(!name.as_str().contains(char::is_control), "{text:?}");
        shown(name.as_str());
    }
    if let Ok(body) = Body::new(text) {
        assert_eq!(Body::new(body.as_str()).as_ref(), Ok(&body), "a message is cleaned once: {text:?}");
        assert!(body.as_str().chars().count() <= Limits::CHAT_CHARS);
        assert!(!body.as_str().contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')), "{text:?}");
        shown(body.as_str());
    }
    if let Ok(token) = Token::new(text) {
        assert!(token.as_str() == text && token.as_str().len() <= Limits::TOKEN_BYTES);
    }
    if text.chars().count() <= Limits::CHAT_CHARS {
        shown(text); // Nothing longer comes to a page.
    }
}

fn stable<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(id) = text.parse::<T>() {
        assert_eq!(id.to_string().parse::<T>().ok(), Some(id), "{text:?}");
    }
}

/// What the page makes of a text: no character is lost, and links lead to the web.
fn shown(text: &str) {
    let pieces = pieces(text);
    let whole: String = pieces.iter().map(|(Piece::Text(part) | Piece::Link(part))| part.as_str()).collect();
    assert_eq!(whole, text);
    let links = pieces.iter().filter_map(|piece| if let Piece::Link(link) = piece { Some(link) } else { None });
    for link in links.clone() {
        let lower = link.to_ascii_lowercase();
        assert!(lower.starts_with("http://") || lower.starts_with("https://"), "{link:?}");
        let host = lower.split("://").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        assert!(!host.is_empty() && host.is_ascii() && !host.contains(['@', '\\', '%']), "{link:?}");
        assert!(!link.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>')), "{link:?}");
    }
    assert!(links.count() <= Limits::LINKS_A_MESSAGE);
    let _ = initials(text);
}
