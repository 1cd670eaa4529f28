//! Reading back in a room where many came and went and hardly anybody wrote.

mod support;

use futures::future::{BoxFuture, join_all};
use holdfast::wire::{Body, Entry, MediaState, Name};
use holdfast::{ChatId, Millis, Offset, PeerId, RoomId};
use server::backends::Backends;
use server::log::{LogError, LogPage, LogState, RoomLog};
use server::rooms::past;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{chat_id, room};
use tokio::sync::watch;

/// A log that counts how often it is read.
struct Counted {
    log: Arc<dyn RoomLog>,
    reads: Arc<AtomicUsize>,
}

impl RoomLog for Counted {
    fn append(&self, room: &RoomId, entry: Entry, seen: Offset) -> BoxFuture<'static, Result<Offset, LogError>> {
        self.log.append(room, entry, seen)
    }
    fn read(&self, room: &RoomId, after: Offset, limit: usize) -> BoxFuture<'static, Result<LogPage, LogError>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.log.read(room, after, limit)
    }
    fn state(&self, room: &RoomId) -> BoxFuture<'static, Result<LogState, LogError>> {
        self.log.state(room)
    }
    fn wakes(&self, room: &RoomId) -> watch::Receiver<u64> {
        self.log.wakes(room)
    }
    fn trim(&self, room: &RoomId, until: Offset) -> BoxFuture<'static, Result<(), LogError>> {
        self.log.trim(room, until)
    }
    fn redact(&self, room: &RoomId, id: ChatId) -> BoxFuture<'static, Result<(), LogError>> {
        self.log.redact(room, id)
    }
    fn wipe(&self, room: &RoomId) -> BoxFuture<'static, Result<LogState, LogError>> {
        self.log.wipe(room)
    }
    fn due(&self, before: Millis, limit: usize) -> BoxFuture<'static, Result<Vec<RoomId>, LogError>> {
        self.log.due(before, limit)
    }
    fn look_again(&self, room: &RoomId, at: Millis) -> BoxFuture<'static, Result<(), LogError>> {
        self.log.look_again(room, at)
    }
}

fn joined(n: u64) -> Entry {
    let media = MediaState { audio: false, video: false };
    Entry::Joined {
        peer: PeerId::from_bits(n),
        name: Name::new("Ana").expect("valid"),
        media,
        at: Millis::from_unix(n),
    }
}

fn said(seed: u64) -> Entry {
    let (name, body) = (Name::new("Ana").expect("valid"), Body::new(&format!("message {seed}")).expect("valid"));
    Entry::Chat { id: chat_id(seed), peer: PeerId::from_bits(1), name, body, at: Millis::from_unix(seed) }
}

#[tokio::test]
async fn many_who_came_and_went_are_looked_through_once() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut backends = Backends::embedded(&server::backends::open_store(dir.path()).expect("opens"));
    let reads = Arc::new(AtomicUsize::new(0));
    backends.log = Arc::new(Counted { log: Arc::clone(&backends.log), reads: Arc::clone(&reads) });
    let hall = room("came-and-went");
    let append = |entry| backends.log.append(&hall, entry, Offset::default());
    append(said(1)).await.expect("stored");
    for from in (0..3_000).step_by(100) {
        for stored in join_all((from..from + 100).map(|n| append(joined(n + 1_000)))).await {
            stored.expect("stored");
        }
        if from == 1_500 {
            append(said(2)).await.expect("stored");
        }
    }
    append(said(3)).await.expect("stored");
    let newest = Offset { epoch: backends.log.state(&hall).await.expect("answers").epoch, seq: u64::MAX };
    let read = || reads.swap(0, Ordering::SeqCst);
    let texts = |page: past::Page| -> Vec<Entry> { page.messages.into_iter().map(|(_, entry)| entry).collect() };
    let all = vec![said(1), said(2), said(3)];
    let first = past::before(&backends, &hall, newest, 100).await.expect("answers");
    assert!(!first.more && read() >= 15, "looked through");
    assert_eq!(texts(first), all);
    for _ in 0..3 {
        let again = past::before(&backends, &hall, newest, 100).await.expect("answers");
        assert_eq!(texts(again), all);
        assert!(read() <= 4, "known by now");
        let forth = past::after(&backends, &hall, Offset::default(), 200).await.expect("answers");
        assert_eq!(texts(forth), all);
        assert!(read() <= 4, "in the other direction too");
    }
    append(joined(9_000)).await.expect("stored");
    append(said(4)).await.expect("stored");
    let later = past::before(&backends, &hall, newest, 2).await.expect("answers");
    assert!(later.more);
    assert_eq!(texts(later), [said(3), said(4)]);
    let page = past::after(&backends, &hall, Offset::default(), 2).await.expect("answers");
    assert!(page.more);
    assert_eq!(texts(page), [said(1), said(2)]);
}
