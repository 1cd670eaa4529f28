//! The embedded relay against a raw client: who may allocate, and whom the relay may never reach.

mod support;

use holdfast::wire::{IceServer, Welcome};
use std::net::SocketAddr;
use std::time::Duration;
use stun::agent::TransactionId;
use stun::attributes::{ATTR_NONCE, ATTR_REALM, ATTR_USERNAME};
use stun::error_code::ErrorCodeAttribute;
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{
    BINDING_REQUEST, CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_ALLOCATE,
    METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_REFRESH, METHOD_SEND, Message, MessageClass, MessageType,
    Method, Setter,
};
use stun::textattrs::{Nonce, Realm, TextAttribute, Username};
use support::{TestServer, room};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use turn::auth::generate_auth_key;
use turn::proto::channum::ChannelNumber;
use turn::proto::data::Data;
use turn::proto::lifetime::Lifetime;
use turn::proto::peeraddr::PeerAddress;
use turn::proto::reqtrans::RequestedTransport;
use turn::proto::{PROTO_TCP, PROTO_UDP, Protocol};

/// A TURN client that says exactly what it is told to.
struct Raw {
    socket: UdpSocket,
    user: String,
    password: String,
    realm: String,
    nonce: String,
}

fn code(message: &Message) -> u16 {
    let mut found = ErrorCodeAttribute::default();
    if message.typ.class == CLASS_SUCCESS_RESPONSE {
        return 200;
    }
    found.get_from(message).map_or(0, |()| found.code.0)
}

fn relay_of(welcome: &Welcome) -> &IceServer {
    welcome.ice.iter().find(|server| server.urls[0].starts_with("turn:")).expect("a relay")
}

impl Raw {
    async fn new(server: &TestServer, user: &str, password: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let relay = server.running.app.relay.embedded().expect("the relay runs");
        socket.connect(relay).await.expect("loopback");
        Self { socket, user: user.into(), password: password.into(), realm: String::new(), nonce: String::new() }
    }

    async fn of_seat(server: &TestServer, welcome: &Welcome) -> Self {
        let relay = relay_of(welcome);
        let part = |text: &Option<String>| text.clone().expect("a credential");
        Self::new(server, &part(&relay.username), &part(&relay.credential)).await
    }

    fn message(&self, method: Method, class: MessageClass, attributes: Vec<Box<dyn Setter>>, signed: bool) -> Message {
        let mut parts: Vec<Box<dyn Setter>> =
            vec![Box::new(TransactionId::new()), Box::new(MessageType::new(method, class))];
        parts.extend(attributes);
        if signed {
            parts.push(Box::new(Username::new(ATTR_USERNAME, self.user.clone())));
            parts.push(Box::new(Realm::new(ATTR_REALM, self.realm.clone())));
            parts.push(Box::new(Nonce::new(ATTR_NONCE, self.nonce.clone())));
            parts.push(Box::new(MessageIntegrity(generate_auth_key(&self.user, &self.realm, &self.password))));
        }
        parts.push(Box::new(FINGERPRINT));
        let mut message = Message::new();
        message.build(&parts).expect("attributes fit");
        message
    }

    /// The answer's code: 200 for success, 0 for silence.
    async fn ask(&self, request: &[u8], id: stun::agent::TransactionId) -> Option<Message> {
        self.socket.send(request).await.expect("sent");
        let mut buf = vec![0_u8; 2_048];
        timeout(Duration::from_secs(1), async {
            loop {
                let n = self.socket.recv(&mut buf).await.expect("received");
                let mut answer = Message::new();
                if answer.unmarshal_binary(&buf[..n]).is_ok() && answer.transaction_id == id {
                    return answer;
                }
            }
        })
        .await
        .ok()
    }

    async fn request(&self, method: Method, attributes: Vec<Box<dyn Setter>>, signed: bool) -> Option<Message> {
        let (raw, id) = {
            let message = self.message(method, CLASS_REQUEST, attributes, signed);
            (message.raw.clone(), message.transaction_id)
        };
        self.ask(&raw, id).await
    }

    async fn allocate(&mut self, protocol: Protocol) -> u16 {
        let transport = || -> Vec<Box<dyn Setter>> { vec![Box::new(RequestedTransport { protocol })] };
        let challenge = self.request(METHOD_ALLOCATE, transport(), false).await.expect("a challenge");
        assert_eq!(code(&challenge), 401);
        let text = |attribute| TextAttribute::get_from_as(&challenge, attribute).expect("in the challenge").text;
        (self.realm, self.nonce) = (text(ATTR_REALM), text(ATTR_NONCE));
        self.request(METHOD_ALLOCATE, transport(), true).await.map_or(0, |answer| code(&answer))
    }

    async fn permit(&self, peers: &[SocketAddr]) -> u16 {
        let peers =
            peers.iter().map(|peer| -> Box<dyn Setter> { Box::new(PeerAddress { ip: peer.ip(), port: peer.port() }) });
        self.request(METHOD_CREATE_PERMISSION, peers.collect(), true).await.map_or(0, |answer| code(&answer))
    }

    async fn bind(&self, channel: u16, peer: SocketAddr) -> u16 {
        let attributes: Vec<Box<dyn Setter>> =
            vec![Box::new(ChannelNumber(channel)), Box::new(PeerAddress { ip: peer.ip(), port: peer.port() })];
        self.request(METHOD_CHANNEL_BIND, attributes, true).await.map_or(0, |answer| code(&answer))
    }

    async fn refresh(&self, seconds: u64) -> u16 {
        let lifetime: Vec<Box<dyn Setter>> = vec![Box::new(Lifetime(Duration::from_secs(seconds)))];
        self.request(METHOD_REFRESH, lifetime, true).await.map_or(0, |answer| code(&answer))
    }

    async fn send_to(&self, peer: SocketAddr) {
        let raw = {
            let parts: Vec<Box<dyn Setter>> =
                vec![Box::new(PeerAddress { ip: peer.ip(), port: peer.port() }), Box::new(Data(b"hello".to_vec()))];
            self.message(METHOD_SEND, CLASS_INDICATION, parts, false).raw
        };
        self.socket.send(&raw).await.expect("sent");
    }
}

#[tokio::test]
async fn the_relay_permits_no_special_purpose_address() {
    let server = TestServer::start().await;
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let mut raw = Raw::of_seat(&server, &welcome).await;
    assert_eq!(raw.allocate(PROTO_UDP).await, 200);
    let at = |ip: &str| SocketAddr::new(ip.parse().expect(ip), 9_000);
    for ip in [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "0.0.0.1",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.0.1",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2001:db8::1",
        "fc00::1",
        "fd00::1",
        "fe80::1",
        "ff02::1",
    ] {
        assert_eq!(raw.permit(&[at(ip)]).await, 403, "permission for {ip}");
        assert_eq!(raw.bind(0x4000, at(ip)).await, 403, "channel to {ip}");
        assert_eq!(raw.permit(&[at("8.8.8.8"), at(ip)]).await, 403, "{ip} behind a public one");
    }
    assert_eq!(raw.permit(&[at("8.8.8.8")]).await, 200, "the canary: a public peer is permitted");
    assert_eq!(raw.bind(0x4000, at("1.1.1.1")).await, 200);
    assert_eq!(raw.bind(0x3fff, at("1.1.1.1")).await, 400, "no channel number");
}

#[tokio::test]
async fn nothing_reaches_a_service_on_this_machine() {
    let server = TestServer::start().await;
    let victim = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let target = victim.local_addr().expect("bound");
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let mut raw = Raw::of_seat(&server, &welcome).await;
    assert_eq!(raw.allocate(PROTO_UDP).await, 200);
    let _ = raw.permit(&[target]).await;
    raw.send_to(target).await;
    let mut buf = [0_u8; 64];
    assert!(timeout(Duration::from_millis(500), victim.recv(&mut buf)).await.is_err(), "a datagram got through");
}

#[tokio::test]
async fn only_a_current_credential_of_a_seat_is_accepted() {
    let server = TestServer::start().await;
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let relay = relay_of(&welcome);
    let (user, password) = (relay.username.clone().expect("a name"), relay.credential.clone().expect("a password"));
    let seat = user.split_once(':').expect("expiry first").1;
    for (user, password, what) in [
        (user.clone(), "guessed".to_owned(), "a guessed password"),
        (format!("9999999999:{seat}"), password.clone(), "a longer life"),
        (format!("1:{seat}"), password.clone(), "an expired name"),
        ("admin".to_owned(), password.clone(), "another name"),
        (user.replace(":relay:", ":other:"), password.clone(), "another room"),
    ] {
        let mut raw = Raw::new(&server, &user, &password).await;
        assert_eq!(raw.allocate(PROTO_UDP).await, 401, "{what}");
    }
    let mut raw = Raw::new(&server, &user, &password).await;
    assert_eq!(raw.allocate(PROTO_TCP).await, 442, "only UDP is relayed");
    assert_eq!(raw.allocate(PROTO_UDP).await, 200);
    assert_eq!(raw.refresh(300).await, 200);
    assert_eq!(raw.refresh(0).await, 200);
}

#[tokio::test]
async fn a_credential_that_expired_is_refused_on_refresh_too() {
    let server = TestServer::start_with(|config| config.turn.ttl_s = 2).await;
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let mut raw = Raw::of_seat(&server, &welcome).await;
    assert_eq!(raw.allocate(PROTO_UDP).await, 200);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(raw.refresh(300).await, 401);
    let peer = SocketAddr::new("8.8.8.8".parse().expect("valid"), 9);
    assert_eq!(raw.permit(&[peer]).await, 401);
}

#[tokio::test]
async fn a_seat_has_its_quota_and_no_more() {
    let server = TestServer::start_with(|config| config.turn.quota = 3).await;
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let (_bo, other) = server.join(&room("relay"), "Bo").await;
    let mut held = vec![];
    for n in 0..4 {
        let mut raw = Raw::of_seat(&server, &welcome).await;
        assert_eq!(raw.allocate(PROTO_UDP).await, if n < 3 { 200 } else { 486 });
        held.push(raw);
    }
    let mut raw = Raw::of_seat(&server, &other).await;
    assert_eq!(raw.allocate(PROTO_UDP).await, 200, "another seat is not concerned");
    assert_eq!(held[0].refresh(0).await, 200);
    let mut again = Raw::of_seat(&server, &welcome).await;
    assert_eq!(again.allocate(PROTO_UDP).await, 200, "what was given back can be had again");
}

#[tokio::test]
async fn stun_answers_and_noise_is_survived() {
    let server = TestServer::start().await;
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let raw = Raw::of_seat(&server, &welcome).await;
    for noise in [vec![], vec![0], vec![0xff; 1_400], vec![0x40, 0, 0xff, 0xff, 1], b"GET / HTTP/1.1\r\n\r\n".to_vec()]
    {
        raw.socket.send(&noise).await.expect("sent");
    }
    let (request, id) = {
        let mut binding = Message::new();
        binding.build(&[Box::new(TransactionId::new()), Box::new(BINDING_REQUEST)]).expect("fits");
        (binding.raw.clone(), binding.transaction_id)
    };
    assert!(raw.ask(&request, id).await.is_some_and(|answer| code(&answer) == 200));
}
