//! One room's trouble is its own: a panic in its task, or a log that fails, takes no other room down.

mod support;

use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast::wire::{ClientMsg, Entry, Refusal, ServerMsg};
use holdfast::{ChatId, Millis, Offset, RoomId};
use server::backends::{Backends, open_store};
use server::config::Config;
use server::log::{LogError, LogPage, LogState, RoomLog};
use server::running::Running;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::{Client, chat, hello, room};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

type Answer<T> = BoxFuture<'static, Result<T, LogError>>;

/// The real log, which panics or fails for one room while `bad` is set.
struct Sabotaged {
    inner: Arc<dyn RoomLog>,
    bad: Arc<AtomicBool>,
    panics: bool,
}

impl RoomLog for Sabotaged {
    fn append(&self, room: &RoomId, entry: Entry, seen: Offset) -> Answer<Offset> {
        if room.as_str() == "bad-room" && self.bad.load(Ordering::SeqCst) {
            assert!(!self.panics, "sabotaged on purpose");
            return async { Err(LogError::Away) }.boxed();
        }
        self.inner.append(room, entry, seen)
    }
    fn read(&self, room: &RoomId, after: Offset, limit: usize) -> Answer<LogPage> {
        self.inner.read(room, after, limit)
    }
    fn state(&self, room: &RoomId) -> Answer<LogState> {
        self.inner.state(room)
    }
    fn wakes(&self, room: &RoomId) -> watch::Receiver<u64> {
        self.inner.wakes(room)
    }
    fn trim(&self, room: &RoomId, until: Offset) -> Answer<()> {
        self.inner.trim(room, until)
    }
    fn redact(&self, room: &RoomId, id: ChatId) -> Answer<()> {
        self.inner.redact(room, id)
    }
    fn wipe(&self, room: &RoomId) -> Answer<LogState> {
        self.inner.wipe(room)
    }
    fn due(&self, before: Millis, limit: usize) -> Answer<Vec<RoomId>> {
        self.inner.due(before, limit)
    }
    fn look_again(&self, room: &RoomId, at: Millis) -> Answer<()> {
        self.inner.look_again(room, at)
    }
}

async fn start(panics: bool) -> (Running, Arc<AtomicBool>, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut backends = Backends::embedded(&open_store(dir.path()).expect("opens"));
    let bad = Arc::new(AtomicBool::new(false));
    backends.log = Arc::new(Sabotaged { inner: Arc::clone(&backends.log), bad: Arc::clone(&bad), panics });
    let config = Config::for_test(dir.path().to_owned());
    (Running::start_with(config, backends, CancellationToken::new()).await.expect("starts"), bad, dir)
}

async fn join(server: &Running, id: &str, name: &str) -> Client {
    let mut client = Client::connect(server.addr).await;
    client.send(&hello(&room(id), name, None)).await;
    client.welcome().await;
    client
}

#[tokio::test]
async fn a_panic_in_one_room_is_felt_in_no_other_and_the_room_comes_back() {
    let (server, bad, _dir) = start(true).await;
    let mut good = join(&server, "good-room", "Ana").await;
    let mut hurt = join(&server, "bad-room", "Bo").await;
    bad.store(true, Ordering::SeqCst);
    hurt.send(&chat(1, "boom")).await;
    assert_eq!(hurt.closed().await.0, 1011);
    assert!(good.is_alive().await);
    good.send(&chat(2, "still here")).await;
    good.ack(2).await;
    bad.store(false, Ordering::SeqCst);
    let mut back = join(&server, "bad-room", "Bo").await;
    back.send(&chat(1, "boom")).await;
    back.ack(1).await;
}

#[tokio::test]
async fn with_the_log_away_nothing_is_acknowledged_and_nothing_is_lost() {
    let (server, bad, _dir) = start(false).await;
    let mut ana = join(&server, "bad-room", "Ana").await;
    bad.store(true, Ordering::SeqCst);
    ana.send(&chat(1, "kept")).await;
    let refused = ana.until(|msg| if let ServerMsg::Refused { code, .. } = msg { Some(code) } else { None }).await;
    assert_eq!(refused, Refusal::LogAway);
    ana.send(&ClientMsg::Ping { n: 3 }).await;
    assert!(ana.is_alive().await, "the room goes on");
    bad.store(false, Ordering::SeqCst);
    ana.send(&chat(1, "kept")).await;
    ana.ack(1).await;
}

#[tokio::test]
async fn a_long_history_of_long_messages_reaches_whoever_comes_late() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let backends = Backends::embedded(&open_store(dir.path()).expect("opens"));
    let hall = room("long-history");
    let text = "x".repeat(3_000);
    let body = holdfast::wire::Body::new(&text).expect("valid");
    let appends: Vec<_> = (0..900)
        .map(|n| {
            let (peer, name) = (holdfast::PeerId::from_bits(n), holdfast::wire::Name::new("Ana").expect("valid"));
            let id = support::chat_id(n);
            let entry = Entry::Chat { id, peer, name, body: body.clone(), at: holdfast::Millis::ZERO };
            backends.log.append(&hall, entry, Offset::default())
        })
        .collect();
    for append in appends {
        append.await.expect("stored");
    }
    let config = Config::for_test(dir.path().to_owned());
    let server = Running::start_with(config, backends, CancellationToken::new()).await.expect("starts");
    let mut late = join(&server, "long-history", "Late").await;
    let mut next = 1;
    late.until(|msg| match msg {
        ServerMsg::Event { offset, .. } => {
            assert_eq!(offset.seq, next, "in order and without a gap");
            next += 1;
            None
        }
        ServerMsg::CaughtUp { .. } => Some(()),
        _ => None,
    })
    .await;
    assert_eq!(next - 1, 901, "the history and the own coming");
}
