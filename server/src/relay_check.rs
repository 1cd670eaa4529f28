//! `holdfast check-relay`: whether the relays people are told of really relay, each way, in words.

use crate::clock;
use crate::config::Config;
use crate::turn::Credentials;
use holdfast::rng::Rng;
use holdfast::{PeerId, RoomId};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stun::agent::TransactionId;
use stun::attributes::{ATTR_NONCE, ATTR_REALM, ATTR_USERNAME};
use stun::error_code::ErrorCodeAttribute;
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{
    CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_ALLOCATE, METHOD_REFRESH, Message, MessageType, Setter,
};
use stun::textattrs::{Nonce, Realm, TextAttribute, Username};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use turn::auth::generate_auth_key;
use turn::proto::PROTO_UDP;
use turn::proto::lifetime::Lifetime;
use turn::proto::relayaddr::RelayedAddress;
use turn::proto::reqtrans::RequestedTransport;

/// How long each step may take.
const WITHIN: Duration = Duration::from_secs(3);
/// The longest answer that is read.
const ANSWER_BYTES: usize = 4_096;

/// What is wrong with one way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It is not written as a TURN address is.
    #[error("this is not an address of a relay")]
    Address,
    /// The name has no address.
    #[error("the name is not known")]
    Name,
    /// Nothing comes back.
    #[error("no answer within 3 s: is the port open in every firewall on the way?")]
    Silence,
    /// The connection is refused or breaks.
    #[error("the connection fails: {0}")]
    Broken(String),
    /// It wants other credentials.
    #[error("it refuses our credentials: TURN_SECRET is not its static-auth-secret, or its clock is wrong")]
    Refused,
    /// It answers with another error.
    #[error("it answers with error {0}")]
    Code(u16),
}

/// A way to a relay: `turn:host:port?transport=udp`.
struct Way {
    tls: bool,
    tcp: bool,
    host: String,
    port: u16,
}

impl Way {
    fn read(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once(':')?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let tls = match scheme {
            "turn" => false,
            "turns" => true,
            _ => return None,
        };
        let tcp = tls || query == "transport=tcp";
        let usual = if tls { 5_349 } else { 3_478 };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            Some(_) | None => (place, usual),
        };
        Some(Self { tls, tcp, host: host.trim_matches(['[', ']']).to_owned(), port })
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What carries the questions.
enum Carrier {
    Datagrams(UdpSocket),
    Stream(Box<dyn Stream>),
}

impl Carrier {
    async fn open(way: &Way, roots: &RootCertStore) -> Result<Self, Trouble> {
        let broken = |error: io::Error| Trouble::Broken(error.to_string());
        let mut found = tokio::net::lookup_host((way.host.as_str(), way.port)).await.map_err(|_| Trouble::Name)?;
        let addr = found.next().ok_or(Trouble::Name)?;
        if !way.tcp {
            let any: SocketAddr = if addr.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
            let socket = UdpSocket::bind(any).await.map_err(broken)?;
            socket.connect(addr).await.map_err(broken)?;
            return Ok(Self::Datagrams(socket));
        }
        let stream = timeout(WITHIN, TcpStream::connect(addr)).await.map_err(|_| Trouble::Silence)?.map_err(broken)?;
        if !way.tls {
            return Ok(Self::Stream(Box::new(stream)));
        }
        let name = ServerName::try_from(way.host.clone()).map_err(|_| Trouble::Address)?;
        let config = ClientConfig::builder().with_root_certificates(roots.clone()).with_no_client_auth();
        let hello = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = timeout(WITHIN, hello).await.map_err(|_| Trouble::Silence)?.map_err(broken)?;
        Ok(Self::Stream(Box::new(stream)))
    }

    async fn ask(&mut self, question: &Message) -> Result<Message, Trouble> {
        let broken = |error: io::Error| Trouble::Broken(error.to_string());
        let mut bytes = vec![0; ANSWER_BYTES];
        let answer = async {
            loop {
                let n = match self {
                    Self::Datagrams(socket) => {
                        // Sent again as RFC 8489 asks: datagrams get lost.
                        let mut n = None;
                        while n.is_none() {
                            socket.send(&question.raw).await?;
                            n = timeout(Duration::from_millis(500), socket.recv(&mut bytes)).await.ok().transpose()?;
                        }
                        n.unwrap_or(0)
                    }
                    Self::Stream(stream) => {
                        stream.write_all(&question.raw).await?;
                        stream.read_exact(&mut bytes[..20]).await?;
                        let n = 20 + usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
                        if n > ANSWER_BYTES {
                            return Err(io::Error::other("an answer that is too long"));
                        }
                        stream.read_exact(&mut bytes[20..n]).await?;
                        n
                    }
                };
                let mut message = Message::new();
                if message.unmarshal_binary(&bytes[..n]).is_ok() && message.transaction_id == question.transaction_id {
                    return io::Result::Ok(message);
                }
            }
        };
        timeout(WITHIN, answer).await.map_err(|_| Trouble::Silence)?.map_err(broken)
    }
}

fn question(parts: Vec<Box<dyn Setter>>) -> Message {
    let mut all: Vec<Box<dyn Setter>> = vec![Box::new(TransactionId::new())];
    all.extend(parts);
    all.push(Box::new(FINGERPRINT));
    let mut message = Message::new();
    message.build(&all).expect("a handful of short attributes fits");
    message
}

/// Whom browsers trust.
#[must_use]
pub fn public_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

/// Asks one relay for an address, as a browser does, and gives it back. Answers the address and how long it took.
/// `roots` are trusted to vouch for it.
///
/// # Errors
/// What is wrong, in words.
pub async fn check(url: &str, secret: &str, roots: &RootCertStore) -> Result<(SocketAddr, Duration), Trouble> {
    let way = Way::read(url).ok_or(Trouble::Address)?;
    let began = Instant::now();
    let mut carrier = Carrier::open(&way, roots).await?;
    let mut rng = Rng::new(rand::random());
    let until_s = clock::wall_s() + 60;
    let user = format!("{until_s}:{}:{}", RoomId::mint(&mut rng), PeerId::from_bits(rng.next_u64()));
    let password = Credentials::new(secret.as_bytes().to_vec(), String::new()).password(&user);
    let transport = || -> Box<dyn Setter> { Box::new(RequestedTransport { protocol: PROTO_UDP }) };
    let kind = |method| -> Box<dyn Setter> { Box::new(MessageType::new(method, CLASS_REQUEST)) };
    let challenge = carrier.ask(&question(vec![kind(METHOD_ALLOCATE), transport()])).await?;
    let text = |attribute| TextAttribute::get_from_as(&challenge, attribute).map(|found| found.text);
    let (Ok(realm), Ok(nonce)) = (text(ATTR_REALM), text(ATTR_NONCE)) else { return Err(refusal(&challenge)) };
    let signed = |method, more: Box<dyn Setter>| {
        question(vec![
            kind(method),
            more,
            Box::new(Username::new(ATTR_USERNAME, user.clone())),
            Box::new(Realm::new(ATTR_REALM, realm.clone())),
            Box::new(Nonce::new(ATTR_NONCE, nonce.clone())),
            Box::new(MessageIntegrity(generate_auth_key(&user, &realm, &password))),
        ])
    };
    let answer = carrier.ask(&signed(METHOD_ALLOCATE, transport())).await?;
    let mut relayed = RelayedAddress::default();
    if answer.typ.class != CLASS_SUCCESS_RESPONSE || relayed.get_from(&answer).is_err() {
        return Err(refusal(&answer));
    }
    let took = began.elapsed();
    let _ = carrier.ask(&signed(METHOD_REFRESH, Box::new(Lifetime(Duration::ZERO)))).await;
    Ok((SocketAddr::new(relayed.ip, relayed.port), took))
}

fn refusal(answer: &Message) -> Trouble {
    let mut code = ErrorCodeAttribute::default();
    match code.get_from(answer).map(|()| code.code.0) {
        Ok(401 | 403 | 441) => Trouble::Refused,
        Ok(code) => Trouble::Code(code),
        Err(_) => Trouble::Code(0),
    }
}

/// Checks every relay of the settings and says how it is.
///
/// # Errors
/// When none of them relays, with the sentence that says what it means for people.
pub async fn run(config: &Config) -> anyhow::Result<()> {
    let relays: Vec<&String> = config.turn.urls.iter().filter(|url| url.starts_with("turn")).collect();
    anyhow::ensure!(
        !relays.is_empty(),
        "TURN_URLS names no relay: people whose networks block direct connections cannot meet, unless the embedded one is reachable"
    );
    let roots = public_roots();
    let (mut works, mut strict) = (0, false);
    for url in &relays {
        match check(url, &config.turn.secret, &roots).await {
            Ok((relayed, took)) => {
                works += 1;
                strict |= url.starts_with("turns") || url.ends_with("transport=tcp");
                println!("ok   {url}: relays from {} after {} ms", relayed.ip(), took.as_millis());
            }
            Err(trouble) => println!("NOT  {url}: {trouble}"),
        }
    }
    anyhow::ensure!(works > 0, "no relay works: people whose networks block direct connections cannot meet");
    println!(
        "{}",
        if strict {
            "People can meet, also from networks that let only TCP out."
        } else {
            "People can meet, but not from networks that let only TCP out: add an address with ?transport=tcp, or turns:"
        }
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_browsers_read_them() {
        for (url, tls, tcp, host, port) in [
            ("turn:relay.example", false, false, "relay.example", 3_478),
            ("turn:relay.example:80?transport=tcp", false, true, "relay.example", 80),
            ("turns:relay.example", true, true, "relay.example", 5_349),
            ("turn:[2001:db8::1]:99?transport=udp", false, false, "2001:db8::1", 99),
        ] {
            let way = Way::read(url).expect(url);
            assert_eq!((way.tls, way.tcp, way.host.as_str(), way.port), (tls, tcp, host, port), "{url}");
        }
        for bad in ["", "turn", "stun:relay.example", "turn:relay.example:no"] {
            assert!(Way::read(bad).is_none(), "{bad}");
        }
    }
}
