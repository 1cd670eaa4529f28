//! A TURN client that says exactly what it is told to.

use std::net::SocketAddr;
use std::time::Duration;
use stun::agent::TransactionId;
use stun::attributes::{ATTR_NONCE, ATTR_REALM, ATTR_USERNAME};
use stun::error_code::ErrorCodeAttribute;
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{
    CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_ALLOCATE, METHOD_CHANNEL_BIND,
    METHOD_CREATE_PERMISSION, METHOD_REFRESH, METHOD_SEND, Message, MessageClass, MessageType, Method, Setter,
};
use stun::textattrs::{Nonce, Realm, TextAttribute, Username};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use turn::auth::generate_auth_key;
use turn::proto::Protocol;
use turn::proto::channum::ChannelNumber;
use turn::proto::data::Data;
use turn::proto::lifetime::Lifetime;
use turn::proto::peeraddr::PeerAddress;
use turn::proto::relayaddr::RelayedAddress;
use turn::proto::reqfamily::RequestedAddressFamily;
use turn::proto::reqtrans::RequestedTransport;

/// Addresses that are not of the public internet: no relay may talk to them.
pub(crate) const SPECIAL: &[&str] = &[
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
];

/// A TURN client that says exactly what it is told to.
pub(crate) struct Raw {
    pub(crate) socket: UdpSocket,
    user: String,
    password: String,
    realm: String,
    nonce: String,
}

/// 200 for success, else the code of the error.
pub(crate) fn code(message: &Message) -> u16 {
    let mut found = ErrorCodeAttribute::default();
    if message.typ.class == CLASS_SUCCESS_RESPONSE {
        return 200;
    }
    found.get_from(message).map_or(0, |()| found.code.0)
}

impl Raw {
    pub(crate) async fn at(relay: SocketAddr, user: &str, password: &str) -> Self {
        let own = if relay.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        Self::from(own.parse().expect("valid"), relay, user, password).await
    }

    /// From this address of loopback.
    pub(crate) async fn from(own: SocketAddr, relay: SocketAddr, user: &str, password: &str) -> Self {
        let socket = UdpSocket::bind(own).await.expect("a free port");
        socket.connect(relay).await.expect("loopback");
        Self { socket, user: user.into(), password: password.into(), realm: String::new(), nonce: String::new() }
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
    pub(crate) async fn ask(&self, request: &[u8], id: stun::agent::TransactionId) -> Option<Message> {
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

    pub(crate) async fn request(
        &self,
        method: Method,
        attributes: Vec<Box<dyn Setter>>,
        signed: bool,
    ) -> Option<Message> {
        let (raw, id) = {
            let message = self.message(method, CLASS_REQUEST, attributes, signed);
            (message.raw.clone(), message.transaction_id)
        };
        self.ask(&raw, id).await
    }

    pub(crate) async fn allocate(&mut self, protocol: Protocol) -> u16 {
        self.allocate_in(protocol, None).await.0
    }

    /// In this address family, if one is named. Answers the code and the relayed address.
    pub(crate) async fn allocate_in(
        &mut self,
        protocol: Protocol,
        family: Option<&RequestedAddressFamily>,
    ) -> (u16, Option<SocketAddr>) {
        let wishes = || -> Vec<Box<dyn Setter>> {
            let family = family.map(|family| -> Box<dyn Setter> { Box::new(RequestedAddressFamily(family.0)) });
            let transport: Box<dyn Setter> = Box::new(RequestedTransport { protocol });
            [transport].into_iter().chain(family).collect()
        };
        let challenge = self.request(METHOD_ALLOCATE, wishes(), false).await.expect("a challenge");
        assert_eq!(code(&challenge), 401);
        let text = |attribute| TextAttribute::get_from_as(&challenge, attribute).expect("in the challenge").text;
        (self.realm, self.nonce) = (text(ATTR_REALM), text(ATTR_NONCE));
        let Some(answer) = self.request(METHOD_ALLOCATE, wishes(), true).await else { return (0, None) };
        let mut relayed = RelayedAddress::default();
        let at = relayed.get_from(&answer).ok().map(|()| SocketAddr::new(relayed.ip, relayed.port));
        (code(&answer), at)
    }

    pub(crate) async fn permit(&self, peers: &[SocketAddr]) -> u16 {
        let peers =
            peers.iter().map(|peer| -> Box<dyn Setter> { Box::new(PeerAddress { ip: peer.ip(), port: peer.port() }) });
        self.request(METHOD_CREATE_PERMISSION, peers.collect(), true).await.map_or(0, |answer| code(&answer))
    }

    pub(crate) async fn bind(&self, channel: u16, peer: SocketAddr) -> u16 {
        let attributes: Vec<Box<dyn Setter>> =
            vec![Box::new(ChannelNumber(channel)), Box::new(PeerAddress { ip: peer.ip(), port: peer.port() })];
        self.request(METHOD_CHANNEL_BIND, attributes, true).await.map_or(0, |answer| code(&answer))
    }

    pub(crate) async fn refresh(&self, seconds: u64) -> u16 {
        let lifetime: Vec<Box<dyn Setter>> = vec![Box::new(Lifetime(Duration::from_secs(seconds)))];
        self.request(METHOD_REFRESH, lifetime, true).await.map_or(0, |answer| code(&answer))
    }

    pub(crate) async fn send_to(&self, peer: SocketAddr) {
        self.send_bytes(peer, b"hello").await;
    }

    pub(crate) async fn send_bytes(&self, peer: SocketAddr, bytes: &[u8]) {
        let raw = {
            let parts: Vec<Box<dyn Setter>> =
                vec![Box::new(PeerAddress { ip: peer.ip(), port: peer.port() }), Box::new(Data(bytes.to_vec()))];
            self.message(METHOD_SEND, CLASS_INDICATION, parts, false).raw
        };
        self.socket.send(&raw).await.expect("sent");
    }
}
