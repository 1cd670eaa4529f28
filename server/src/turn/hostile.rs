//! Hostile datagrams: the guard says no to them, or nothing, and never panics.

use super::credentials::Credentials;
use super::guard::{Guard, Verdict};
use holdfast::Millis;
use holdfast::rng::Rng;
use std::net::SocketAddr;
use stun::attributes::{ATTR_NONCE, ATTR_REALM, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS};
use stun::integrity::MessageIntegrity;
use stun::message::{
    CLASS_INDICATION, CLASS_REQUEST, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION,
    METHOD_REFRESH, METHOD_SEND, Message, MessageType, Setter,
};
use stun::textattrs::TextAttribute;

const NOW_S: u64 = 1_800_000_000;

/// A request as a client would write it, signed, with a nonce of its own.
fn request(rng: &mut Rng, credentials: &Credentials) -> Vec<u8> {
    let methods =
        [METHOD_ALLOCATE, METHOD_REFRESH, METHOD_CREATE_PERMISSION, METHOD_CHANNEL_BIND, METHOD_SEND, METHOD_BINDING];
    let method = methods[rng.below(6) as usize];
    let class = if method == METHOD_SEND { CLASS_INDICATION } else { CLASS_REQUEST };
    let user = format!("{}:kavot-imure-sakem:0000000000000001", NOW_S + 60);
    let mut parts: Vec<Box<dyn Setter>> = vec![Box::new(MessageType::new(method, class))];
    let text = |attr, text: &str| Box::new(TextAttribute { attr, text: text.into() });
    parts.push(text(ATTR_USERNAME, &user));
    parts.push(text(ATTR_REALM, credentials.realm()));
    parts.push(text(ATTR_NONCE, &format!("{:x}.{}", NOW_S, rng.next_u64())));
    if rng.below(2) == 0 {
        let bytes = rng.next_u64().to_be_bytes()[..rng.below(9) as usize].to_vec();
        parts.push(Box::new(stun::attributes::RawAttribute {
            typ: ATTR_XOR_PEER_ADDRESS,
            length: bytes.len() as u16,
            value: bytes,
        }));
    }
    if let Some(key) = credentials.key_of(&user, credentials.realm(), NOW_S) {
        parts.push(Box::new(MessageIntegrity(key)));
    }
    let mut message = Message::new();
    let _ = message.build(&parts);
    message.raw
}

#[test]
fn no_datagram_makes_the_guard_panic_and_none_without_a_nonce_of_ours_is_let_in() {
    let relay = SocketAddr::from(([192, 0, 2, 1], 50_000));
    let credentials = Credentials::new(vec![1], "holdfast".into());
    let guard = Guard::new(credentials.clone(), vec![relay.ip()], 50_000..=50_100, 10);
    let runs = std::env::var("HOSTILE_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(5_000);
    let mut answered = 0;
    for seed in 0..runs {
        let mut rng = Rng::new(seed);
        // Each from another network: one source is answered only so often.
        let [a, b, ..] = seed.to_le_bytes();
        let from = SocketAddr::from(([a, b, 100, 7], 4_000));
        let mut datagram = request(&mut rng, &credentials);
        for _ in 0..rng.below(4) {
            let at = rng.below(datagram.len().max(1) as u64) as usize;
            match rng.below(4) {
                0 => datagram.truncate(at),
                1 => datagram.extend((0..at).map(|n| n as u8)),
                _ if at < datagram.len() => datagram[at] = rng.next_u64() as u8,
                _ => datagram.push(0x40),
            }
        }
        match guard.judge(&datagram, from, Millis::from_unix(NOW_S * 1_000 + seed * 100)) {
            Verdict::Reply(answer) => {
                answered += 1;
                assert!(answer.len() < 300, "seed {seed}: {} bytes", answer.len());
            }
            Verdict::Allocate { .. } | Verdict::Pass(Some(_)) => panic!("seed {seed}: let in with a forged nonce"),
            Verdict::Pass(None) | Verdict::Drop => {}
        }
    }
    assert!(answered > runs / 10, "{answered} of {runs}: this tries little");
}
