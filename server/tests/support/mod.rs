//! A real server on a free port, and a raw client that can behave as badly as it likes.
#![allow(dead_code, missing_docs)]

use futures::{SinkExt, StreamExt};
use holdfast::rng::Rng;
use holdfast::wire::{
    ClientMsg, Hello, MediaState, Name, PROTOCOL_VERSION, Resume, ServerMsg, Welcome, decode, encode,
};
use holdfast::{ChatId, Millis, PeerId, RoomId};
use server::config::Config;
use server::running::Running;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) mod cluster;
pub(crate) mod page;
pub(crate) mod raw;
pub(crate) mod stores;

/// When this process began: ids are minted around now, and the same seed gives the same id.
static BORN: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| server::clock::now().as_unix());
static CLAIMS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

pub(crate) const SOON: Duration = Duration::from_secs(5);

pub(crate) struct TestServer {
    pub(crate) running: Running,
    pub(crate) dir: TempDir,
}

/// A client, as far as the server looks at it.
pub(crate) fn site(dir: &std::path::Path) -> std::path::PathBuf {
    let pkg = dir.join("site/pkg");
    std::fs::create_dir_all(&pkg).expect("a folder");
    for name in ["holdfast.js", "holdfast.css", "holdfast.wasm"] {
        std::fs::write(pkg.join(name), "").expect("written");
    }
    dir.join("site")
}

/// Waits until a program answers at this address. That it can be connected to is not enough: the socket of one that was
/// just killed may still take connections.
pub(crate) async fn answers(addr: SocketAddr) {
    let until = Instant::now() + Duration::from_secs(20);
    while !reqwest::get(format!("http://{addr}/healthz")).await.is_ok_and(|answer| answer.status().is_success()) {
        assert!(Instant::now() < until, "nothing answers at {addr}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl TestServer {
    /// A counter or gauge by its name and labels. Whoever runs in the same process counts too.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let text = self.running.app.metrics.render();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or(0)
    }

    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config::for_test(dir.path().to_owned());
        config.site_dir = site(dir.path());
        change(&mut config);
        let running = Running::start(config).await.expect("the server starts");
        Self { running, dir }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.running.addr
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr())
    }

    pub(crate) fn handshake(&self) -> Request<()> {
        handshake(self.addr())
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.addr()).await
    }

    pub(crate) async fn join(&self, room: &RoomId, name: &str) -> (Client, Welcome) {
        let mut client = self.connect().await;
        client.send(&hello(room, name, None)).await;
        let welcome = client.welcome().await;
        (client, welcome)
    }
}

pub(crate) fn handshake(addr: SocketAddr) -> Request<()> {
    let mut request = format!("ws://{addr}/ws").into_client_request().expect("a valid address");
    let headers = request.headers_mut();
    headers.insert("origin", HeaderValue::from_str(&format!("http://{addr}")).expect("ascii"));
    headers.insert("sec-websocket-protocol", HeaderValue::from_static("holdfast.v1"));
    request
}

pub(crate) fn room(name: &str) -> RoomId {
    name.parse().expect("a valid code")
}

pub(crate) fn hello(room: &RoomId, name: &str, resume: Option<Resume>) -> ClientMsg {
    ClientMsg::Hello(Hello {
        version: PROTOCOL_VERSION,
        room: room.clone(),
        name: Name::new(name).expect("a valid name"),
        media: MediaState { audio: true, video: true },
        claim: CLAIMS.fetch_add(1, std::sync::atomic::Ordering::SeqCst),
        resume,
    })
}

pub(crate) fn chat_id(seed: u64) -> ChatId {
    ChatId::mint(Millis::from_unix(*BORN + seed), &mut Rng::new(seed))
}

pub(crate) fn chat(seed: u64, text: &str) -> ClientMsg {
    ClientMsg::Chat { id: chat_id(seed), body: holdfast::wire::Body::new(text).expect("a valid text") }
}

pub(crate) struct Client {
    pub(crate) ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let (ws, _) = connect_async(handshake(addr)).await.expect("the upgrade succeeds");
        Self { ws }
    }

    pub(crate) async fn send(&mut self, msg: &ClientMsg) {
        self.text(&encode(msg)).await;
    }

    pub(crate) async fn text(&mut self, text: &str) {
        let _ = self.ws.send(Message::text(text)).await;
    }

    /// The next message of the protocol; none when the socket ends first.
    pub(crate) async fn next(&mut self) -> Option<ServerMsg> {
        loop {
            match timeout(SOON, self.ws.next()).await.expect("an answer in time")? {
                Ok(Message::Text(text)) => return Some(decode(&text).expect("the server keeps to the protocol")),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Reads until a message that `pick` takes.
    pub(crate) async fn until<T>(&mut self, mut pick: impl FnMut(ServerMsg) -> Option<T>) -> T {
        for _ in 0..10_000 {
            let msg = self.next().await.expect("the socket stays open");
            if let Some(found) = pick(msg) {
                return found;
            }
        }
        panic!("the message did not come");
    }

    pub(crate) async fn welcome(&mut self) -> Welcome {
        self.until(|msg| if let ServerMsg::Welcome(welcome) = msg { Some(*welcome) } else { None }).await
    }

    pub(crate) async fn ack(&mut self, seed: u64) -> u64 {
        self.until(|msg| match msg {
            ServerMsg::Ack { id, offset } if id == chat_id(seed) => Some(offset.seq),
            _ => None,
        })
        .await
    }

    /// Waits for the close frame; its code and reason. 1006 stands for a broken connection.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match timeout(Duration::from_secs(15), self.ws.next()).await.expect("closed in time") {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
                Some(Ok(Message::Close(None))) | None | Some(Err(_)) => return (1006, String::new()),
                Some(Ok(_)) => {}
            }
        }
    }

    /// Whether the socket still answers.
    pub(crate) async fn is_alive(&mut self) -> bool {
        self.send(&ClientMsg::Ping { n: 77 }).await;
        loop {
            match self.next().await {
                Some(ServerMsg::Pong { n: 77, .. }) => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }
}

/// The status of a refused upgrade, or 101.
pub(crate) async fn upgrade_status(request: Request<()>) -> u16 {
    match connect_async(request).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("no answer to the upgrade: {error}"),
    }
}

pub(crate) fn peer_of(welcome: &Welcome) -> PeerId {
    welcome.peer
}
