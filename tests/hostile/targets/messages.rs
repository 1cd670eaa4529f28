//! Messages and entries: what can be read can be written, and is then the same.

use super::bytes::Bytes;
use super::texts::{From, noise, plausible};
use holdfast::Limits;
use holdfast::wire::{ClientMsg, Entry, NodeMsg, PeerMsg, ServerMsg, decode, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// What can be read can be written, and is then the same.
pub(super) fn there_and_back<M: DeserializeOwned + Serialize + PartialEq + Debug>(text: &str) {
    if let Ok(message) = decode::<M>(text) {
        let written = encode(&message);
        assert_eq!(decode::<M>(&written).as_ref(), Ok(&message), "{text}");
        assert_eq!(encode(&decode::<M>(&written).expect("read just now")), written, "{text}");
        assert!(text.len() <= Limits::FRAME_BYTES);
    }
}

pub(super) fn client(bytes: &[u8]) {
    there_and_back::<ClientMsg>(&String::from_utf8_lossy(bytes));
}

pub(super) fn server(bytes: &[u8]) {
    there_and_back::<ServerMsg>(&String::from_utf8_lossy(bytes));
}

pub(super) fn page(bytes: &[u8]) {
    there_and_back::<PeerMsg>(&String::from_utf8_lossy(bytes));
}

/// Pinned messages with other numbers, ids and bytes, read as what they are and as what they are not.
pub(super) fn mutated(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let from = bytes.pick(&[From::Client, From::Server, From::Peer]);
    let text = if bytes.one_in(4) { noise(&mut bytes, from) } else { plausible(&mut bytes, from) };
    there_and_back::<ClientMsg>(&text);
    there_and_back::<ServerMsg>(&text);
    there_and_back::<PeerMsg>(&text);
    let told = format!(r#"{{"forward":{{"to":"0000000000000001","msg":{text}}}}}"#);
    node(&told);
    for part in text.match_indices('{').map(|(at, _)| &text[at..]) {
        entry(part);
    }
}

/// An entry of a log and what nodes say to each other, as they stand in a store or come out of it.
pub(super) fn stored(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    entry(&text);
    node(&text);
}

fn entry(text: &str) {
    // The first value of the text, whatever follows it.
    let mut values = serde_json::Deserializer::from_str(text);
    if let Ok(entry) = Entry::deserialize(&mut values) {
        let again = serde_json::from_str::<Entry>(&serde_json::to_string(&entry).expect("an entry"));
        assert_eq!(again.as_ref().ok(), Some(&entry), "{text}");
        assert!(matches!(entry, Entry::Joined { .. } | Entry::Redacted) == entry.key().is_none(), "{text}");
        assert!(entry.key().is_none() || entry.repeats(&entry), "{text}");
    }
}

fn node(text: &str) {
    if let Ok(told) = serde_json::from_str::<NodeMsg>(text) {
        let again = serde_json::from_str::<NodeMsg>(&serde_json::to_string(&told).expect("a message"));
        assert_eq!(again.ok(), Some(told), "{text}");
    }
}
