//! Datagrams for the relay: the guard says no to them, or nothing, and lets nobody reach what is not public.

use super::bytes::Bytes;
use holdfast::Millis;
use server::turn::{Credentials, Guard, Verdict};
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_DATA, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY, ATTR_REQUESTED_TRANSPORT,
    ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS, RawAttribute,
};
use stun::integrity::MessageIntegrity;
use stun::message::{
    CLASS_INDICATION, CLASS_REQUEST, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION,
    METHOD_REFRESH, METHOD_SEND, Message, MessageType, Method, Setter,
};
use stun::textattrs::TextAttribute;
use stun::xoraddr::XorMappedAddress;

const NOW_S: u64 = 1_800_000_000;
const METHODS: [Method; 6] =
    [METHOD_ALLOCATE, METHOD_REFRESH, METHOD_CREATE_PERMISSION, METHOD_CHANNEL_BIND, METHOD_SEND, METHOD_BINDING];

static CREDENTIALS: LazyLock<Credentials> = LazyLock::new(|| Credentials::new(vec![1], "holdfast".into()));

static GUARD: LazyLock<Guard> = LazyLock::new(|| {
    let own = IpAddr::from([192, 0, 2, 1]);
    Guard::new(CREDENTIALS.clone(), vec![own], 50_000..=50_100, 10)
});

/// A source is answered only so often: every datagram comes a little later than the one before.
fn now() -> Millis {
    static PASSED_MS: AtomicU64 = AtomicU64::new(0);
    Millis::from_unix(NOW_S * 1_000 + PASSED_MS.fetch_add(50, Ordering::Relaxed))
}

fn judge(datagram: &[u8], now: Millis) -> Verdict {
    GUARD.judge(datagram, SocketAddr::from(([198, 51, 100, 7], 4_000)), now)
}

fn text(attr: stun::attributes::AttrType, text: &str) -> Box<dyn Setter> {
    Box::new(TextAttribute { attr, text: text.into() })
}

fn user() -> String {
    format!("{}:kavot-imure-sakem:0000000000000001", 2 * NOW_S)
}

/// A request with this nonce and what else is chosen, signed as a client with credentials would.
fn request(bytes: &mut Bytes<'_>, nonce: &str) -> (Vec<u8>, Method, Vec<SocketAddr>) {
    let method = bytes.pick(&METHODS);
    let class = if method == METHOD_SEND { CLASS_INDICATION } else { CLASS_REQUEST };
    let mut parts: Vec<Box<dyn Setter>> = vec![Box::new(MessageType::new(method, class))];
    parts.extend([text(ATTR_USERNAME, &user()), text(ATTR_REALM, "holdfast"), text(ATTR_NONCE, nonce)]);
    let mut peers = vec![];
    for _ in 0..bytes.below(4) {
        let raw = bytes.text().into_bytes();
        match bytes.below(4) {
            0 | 1 => {
                let peer = SocketAddr::new(address(bytes), bytes.number() as u16);
                peers.push(peer);
                parts.push(Box::new(Peer(peer)));
            }
            _ => {
                let typ = bytes.pick(&[
                    ATTR_CHANNEL_NUMBER,
                    ATTR_REQUESTED_ADDRESS_FAMILY,
                    ATTR_REQUESTED_TRANSPORT,
                    ATTR_DATA,
                ]);
                parts.push(Box::new(RawAttribute { typ, length: raw.len() as u16, value: raw }));
            }
        }
    }
    if let Some(key) = CREDENTIALS.key_of(&user(), "holdfast", NOW_S).filter(|_| method != METHOD_SEND) {
        parts.push(Box::new(MessageIntegrity(key)));
    }
    let mut message = Message::new();
    let _ = message.build(&parts);
    (message.raw, method, peers)
}

/// XOR-PEER-ADDRESS.
struct Peer(SocketAddr);

impl Setter for Peer {
    fn add_to(&self, message: &mut Message) -> Result<(), stun::Error> {
        XorMappedAddress { ip: self.0.ip(), port: self.0.port() }.add_to_as(message, ATTR_XOR_PEER_ADDRESS)
    }
}

fn address(bytes: &mut Bytes<'_>) -> IpAddr {
    match bytes.below(4) {
        0 => IpAddr::from([10, 0, 0, bytes.below(256) as u8]),
        1 => IpAddr::from([8, 8, 8, bytes.below(256) as u8]),
        2 => IpAddr::from((bytes.number() as u32).to_be_bytes()),
        _ => IpAddr::from((u128::from(bytes.number()) << 64 | u128::from(bytes.number())).to_be_bytes()),
    }
}

/// Any bytes, and requests with a nonce that was not ours or that were changed: none is let in.
pub(super) fn datagrams(bytes: &[u8]) {
    refused(bytes);
    let mut bytes = Bytes::new(bytes);
    let nonce = bytes.text();
    let (mut datagram, ..) = request(&mut bytes, &nonce);
    while !bytes.is_empty() {
        let at = bytes.below(datagram.len().max(1) as u64) as usize;
        match bytes.below(4) {
            0 => datagram.truncate(at),
            1 => datagram.extend(bytes.text().into_bytes()),
            _ if at < datagram.len() => datagram[at] = bytes.below(256) as u8,
            _ => datagram.push(0x40),
        }
    }
    refused(&datagram);
}

fn refused(datagram: &[u8]) {
    match judge(datagram, now()) {
        Verdict::Reply(answer) => assert!(answer.len() < 300, "{} bytes", answer.len()),
        Verdict::Allocate { .. } | Verdict::Pass(Some(_)) => panic!("let in with a forged nonce"),
        Verdict::Pass(None) | Verdict::Drop => {}
    }
}

/// Requests of somebody with credentials and a nonce of ours: no peer of theirs is anywhere but on the public internet.
pub(super) fn requests(bytes: &[u8]) {
    let _ = lets_through(bytes);
}

/// The same, and whether the request went through: if none does, this tries little.
pub(crate) fn lets_through(bytes: &[u8]) -> bool {
    let mut bytes = Bytes::new(bytes);
    let (datagram, method, peers) = request(&mut bytes, &nonce(now()));
    let public = |peer: &SocketAddr| match peer.ip().to_canonical() {
        IpAddr::V4(v4) => {
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_unspecified())
        }
        IpAddr::V6(v6) => v6.segments()[0] & 0xe000 == 0x2000,
    };
    let verdict = judge(&datagram, now());
    let through = matches!(verdict, Verdict::Pass(_) | Verdict::Allocate { .. });
    match verdict {
        Verdict::Pass(_) if [METHOD_SEND, METHOD_CREATE_PERMISSION, METHOD_CHANNEL_BIND].contains(&method) => {
            assert!(!peers.is_empty() && peers.iter().all(public), "{method} to {peers:?}");
        }
        Verdict::Pass(_) => assert!(method == METHOD_REFRESH || method == METHOD_BINDING, "{method}"),
        Verdict::Allocate { owner, refusal, .. } => {
            assert_eq!((method, owner.as_str()), (METHOD_ALLOCATE, "kavot-imure-sakem:0000000000000001"));
            assert!(refusal.len() < 300);
        }
        Verdict::Reply(answer) => assert!(answer.len() < 300, "{} bytes", answer.len()),
        Verdict::Drop => {}
    }
    through
}

/// A nonce as the guard gives it to whoever asks without one.
fn nonce(now: Millis) -> String {
    let mut first = Message::new();
    let _ = first.build(&[Box::new(MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST)) as Box<dyn Setter>]);
    let Verdict::Reply(challenge) = judge(&first.raw, now) else { panic!("a stranger is asked who they are") };
    let mut read = Message::new();
    read.unmarshal_binary(&challenge).expect("an answer of ours");
    TextAttribute::get_from_as(&read, ATTR_NONCE).expect("a nonce").text
}
