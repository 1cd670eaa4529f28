//! Hostile input: no text and no sequence of messages makes the core panic, or grow past its limits.
//!
//! A run prints nothing unless it fails; then the message names the seed. `HOSTILE_RUNS=100000` is the long form.

mod machines;
mod texts;

use holdfast::rng::Rng;
use holdfast::wire::{
    Body, Candidate, ClientMsg, Entry, Name, NodeMsg, PeerMsg, Sdp, ServerMsg, Signal, Token, decode, encode,
    without_addresses,
};
use holdfast::{ChatId, Millis, PeerId, RoomId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{Debug, Display};
use std::str::FromStr;
use texts::{From, noise, pinned, plausible, words};

/// Runs a target with as many seeds as were asked for.
fn each_seed(usual: u64, target: impl Fn(&mut Rng)) {
    let runs = std::env::var("HOSTILE_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let only = std::env::var("HOSTILE_SEED").ok().and_then(|text| text.parse().ok());
    for seed in only.map_or(0..runs, |seed| seed..seed + 1) {
        let run = std::panic::AssertUnwindSafe(|| target(&mut Rng::new(seed)));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("HOSTILE_SEED={seed} replays this");
            std::panic::resume_unwind(panic);
        }
    }
}

/// What can be read can be written, and is then the same.
fn there_and_back<M: DeserializeOwned + Serialize + PartialEq + Debug>(text: &str) {
    if let Ok(message) = decode::<M>(text) {
        let written = encode(&message);
        assert_eq!(decode::<M>(&written).as_ref(), Ok(&message), "{text}");
    }
}

fn stable<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(id) = text.parse::<T>() {
        assert_eq!(id.to_string().parse::<T>().ok(), Some(id), "{text:?}");
    }
}

#[test]
fn client_messages() {
    each_seed(3_000, |rng| there_and_back::<ClientMsg>(&noise(rng, From::Client)));
}

#[test]
fn server_messages() {
    each_seed(3_000, |rng| there_and_back::<ServerMsg>(&noise(rng, From::Server)));
}

#[test]
fn messages_between_pages() {
    each_seed(3_000, |rng| there_and_back::<PeerMsg>(&noise(rng, From::Peer)));
}

#[test]
fn what_is_plausible_is_mostly_understood() {
    let mut understood = 0;
    let mut rng = Rng::new(1);
    for _ in 0..1_000 {
        understood += u32::from(decode::<ServerMsg>(&plausible(&mut rng, From::Server)).is_ok());
    }
    assert!(understood > 500, "the other targets would try little: {understood} of 1,000");
    assert!(pinned(From::Client).len() > 10 && pinned(From::Peer).len() > 10);
}

#[test]
fn records_of_a_log_and_what_nodes_say() {
    each_seed(3_000, |rng| {
        let text = noise(rng, From::Server);
        for part in text.match_indices('{').map(|(at, _)| &text[at..]) {
            let mut values = serde_json::Deserializer::from_str(part);
            if let Ok(entry) = <Entry as serde::Deserialize>::deserialize(&mut values) {
                let again = serde_json::from_str::<Entry>(&serde_json::to_string(&entry).expect("an entry"));
                assert_eq!(again.ok(), Some(entry));
            }
        }
        let told = format!(r#"{{"forward":{{"to":"0000000000000001","msg":{text}}}}}"#);
        let _ = serde_json::from_str::<NodeMsg>(&told);
    });
}

#[test]
fn descriptions_and_candidates() {
    each_seed(3_000, |rng| {
        const LINES: &[&str] = &[
            "v=0\r\n",
            "a=candidate:",
            "a=candidate:1 1 udp 1 192.0.2.7 5 typ host\r\n",
            " typ relay",
            " raddr ",
            " ",
            "\r\n",
            "\n",
            "candidate:",
            "0.0.0.0",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
            "\u{0}",
            "é",
        ];
        let text: String = (0..rng.below(20)).map(|_| LINES[rng.below(LINES.len() as u64) as usize]).collect();
        if let Ok(sdp) = Sdp::new(&text) {
            let clean = without_addresses(&sdp);
            assert_eq!(without_addresses(&clean), clean, "{text:?}");
        }
        if let Ok(candidate) = Candidate::new(text.clone(), text, rng.next_u64() as u16) {
            let _ = (candidate.shows_address(), candidate.is_relay());
            there_and_back::<Signal>(&format!(r#"{{"candidate":{{"epoch":1,"candidate":{}}}}}"#, encode(&candidate)));
        }
    });
}

#[test]
fn codes_names_and_ids() {
    each_seed(3_000, |rng| {
        let text = words(rng);
        stable::<RoomId>(&text);
        stable::<ChatId>(&text);
        stable::<PeerId>(&text);
        if let Ok(name) = Name::new(&text) {
            assert_eq!(Name::new(name.as_str()).as_ref(), Ok(&name), "a name is cleaned once: {text:?}");
        }
        if let Ok(body) = Body::new(&text) {
            assert_eq!(Body::new(body.as_str()).as_ref(), Ok(&body), "a message is cleaned once: {text:?}");
        }
        let _ = Token::new(&text);
    });
}

#[test]
fn what_the_chat_shows() {
    each_seed(3_000, |rng| {
        let text = words(rng);
        let _ = (holdfast::view::pieces(&text), holdfast::view::initials(&text));
        let at = Millis::from_unix(if rng.below(2) == 0 { rng.next_u64() } else { rng.below(4_000_000_000_000) });
        let _ = holdfast::view::clock_text(at, rng.next_u64() as i32);
    });
}
