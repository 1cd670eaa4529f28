//! Behind a proxy: who is believed to say for whom a connection is, and what each of these people may hold.

mod support;

use server::proxied::Networks;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use support::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// The proxies of these tests.
const PROXIES: &str = "127.0.0.64/28";
const PROXY: u8 = 65;
const STRANGER: u8 = 99;

async fn behind(change: impl FnOnce(&mut server::config::Config)) -> TestServer {
    TestServer::start_with(|config| {
        config.trusted_proxies = Networks::parse(PROXIES).expect("valid");
        config.requests_per_s = 1; // Five at once: a refusal tells whose account it was.
        change(config);
    })
    .await
}

async fn from(host: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(Ipv4Addr::new(127, 0, 0, host).into(), 0)).expect("bound");
    socket.connect(to).await.expect("connected")
}

/// What begins a connection for this address; none: the proxy asks for itself.
fn header(source: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    match source {
        Some(ip) => {
            bytes.extend([0x21, 0x11, 0, 12]);
            bytes.extend(ip);
            bytes.extend([192, 0, 2, 1, 0x12, 0x34, 0x01, 0xbb]);
        }
        None => bytes.extend([0x20, 0, 0, 0]),
    }
    bytes
}

/// The status of an answer to a request of the API; 0 if the connection ended without one.
async fn status(tcp: &mut TcpStream, before: &[u8], forwarded: &str) -> u16 {
    let head = format!("GET /api/v1/rooms/nowhere HTTP/1.1\r\nhost: localhost\r\n{forwarded}connection: close\r\n\r\n");
    let _ = tcp.write_all(&[before, head.as_bytes()].concat()).await;
    let mut answer = vec![];
    let _ = timeout(Duration::from_secs(10), tcp.read_to_end(&mut answer)).await.expect("an end");
    let text = String::from_utf8_lossy(&answer);
    text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}

/// Of twelve requests, how many were refused as too many.
async fn refused(server: &TestServer, host: u8, before: &[u8], forwarded: impl Fn(u8) -> String) -> usize {
    let mut refused = 0;
    for n in 0..12 {
        let mut tcp = from(host, server.addr()).await;
        refused += usize::from(status(&mut tcp, before, &forwarded(n)).await == 429);
    }
    refused
}

#[tokio::test]
async fn a_network_of_proxies_is_believed_and_nobody_else() {
    let server = behind(|_| ()).await;
    let other = |n: u8| format!("x-forwarded-for: 203.0.113.{n}\r\n");
    let same = |_| "x-forwarded-for: 203.0.113.200\r\n".to_owned();
    assert_eq!(refused(&server, PROXY, b"", other).await, 0, "twelve people");
    assert!(refused(&server, PROXY + 1, b"", same).await >= 4, "one person, another proxy of the network");
    assert!(refused(&server, STRANGER, b"", other).await >= 4, "a stranger's word counts for nothing");
}

#[tokio::test]
async fn the_proxy_protocol_names_the_address_and_only_proxies_may_speak_it() {
    let server = behind(|config| config.proxy_protocol = true).await;
    let none = |_| String::new();
    for n in 0..12 {
        let mut tcp = from(PROXY, server.addr()).await;
        assert_ne!(status(&mut tcp, &header(Some([203, 0, 113, n])), "").await, 429, "twelve people");
    }
    assert!(refused(&server, PROXY, &header(Some([203, 0, 113, 77])), none).await >= 4, "one person");
    let other = |n: u8| format!("x-forwarded-for: 203.0.113.{n}\r\n");
    let lies = refused(&server, PROXY, &header(Some([203, 0, 113, 78])), other).await;
    assert!(lies >= 4, "who comes through the proxy says nothing for others");
    assert_eq!(refused(&server, PROXY, &header(None), |n| format!("x-forwarded-for: 198.51.100.{n}\r\n")).await, 0);
    let mut stranger = from(STRANGER, server.addr()).await;
    assert_eq!(status(&mut stranger, &header(Some([203, 0, 113, 1])), "").await, 400, "a stranger's header is noise");
    let mut plain = from(STRANGER, server.addr()).await;
    assert_ne!(status(&mut plain, b"", "").await, 400, "strangers speak HTTP");
    let mut bare = from(PROXY, server.addr()).await;
    assert_eq!(status(&mut bare, b"", "").await, 0, "a proxy without a header is not served");
    let mut silent = from(PROXY, server.addr()).await;
    assert_eq!(timeout(Duration::from_secs(10), silent.read(&mut [0; 8])).await.expect("ended").unwrap_or(0), 0);
}

/// How many of `n` connections are answered, each held open after its answer.
async fn held(server: &TestServer, host: u8, n: usize, forwarded: &str) -> (usize, Vec<TcpStream>) {
    let (mut answered, mut all) = (0, vec![]);
    for _ in 0..n {
        let mut tcp = from(host, server.addr()).await;
        let head = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{forwarded}\r\n");
        let _ = tcp.write_all(head.as_bytes()).await;
        let mut buf = [0; 12];
        let read = timeout(Duration::from_secs(4), tcp.read_exact(&mut buf)).await;
        answered += usize::from(matches!(read, Ok(Ok(_))) && &buf == b"HTTP/1.1 200");
        all.push(tcp);
    }
    (answered, all)
}

#[tokio::test]
async fn connections_are_capped_for_each_address_also_behind_a_proxy() {
    let server = behind(|config| config.connections_per_address = 4).await;
    let (answered, mine) = held(&server, STRANGER, 5, "").await;
    assert_eq!(answered, 4);
    assert_eq!(held(&server, STRANGER + 1, 2, "").await.0, 2, "another address");
    let (answered, _theirs) = held(&server, PROXY, 5, "x-forwarded-for: 203.0.113.9\r\n").await;
    assert_eq!(answered, 4, "one person behind the proxy");
    let (answered, _others) = held(&server, PROXY, 2, "x-forwarded-for: 203.0.113.10\r\n").await;
    assert_eq!(answered, 2, "another one behind it");
    drop(mine);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(held(&server, STRANGER, 1, "").await.0, 1, "what was given back");
}

#[tokio::test]
async fn a_socket_takes_no_place_of_a_connection() {
    let server = TestServer::start_with(|config| config.connections_per_address = 2).await;
    let mut sockets = vec![];
    for n in 0..6 {
        sockets.push(server.join(&support::room("places"), &format!("P{n}")).await.0);
    }
    for socket in &mut sockets {
        assert!(socket.is_alive().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sockets_of_one_address_at_once_find_a_place() {
    let server = TestServer::start_with(|config| config.connects_per_s = 100_000).await;
    let connect = |_| tokio::spawn(tokio_tungstenite::connect_async(server.handshake()));
    let all: Vec<_> = (0..1_000).map(connect).collect();
    let mut refused = 0;
    for one in all {
        refused += usize::from(one.await.expect("no panic").is_err());
    }
    assert_eq!(refused, 0);
}
