//! What happens without anyone in the room: retention, trimming, deletions that meet dead letters, and which stores go
//! together.

mod support;

use holdfast::wire::{Body, Entry, LeaveReason, MediaState, Name};
use holdfast::{ChatId, LogEpoch, Millis, Offset, PeerId, RoomId};
use server::backends::{Backends, open_store};
use server::clock;
use server::deletion::delete_message;
use server::queue::{Record, worker};
use server::sweep::{Keep, round};
use std::sync::Arc;
use std::time::Duration;
use support::stores;
use support::{SOON, room};
use tokio_util::sync::CancellationToken;

const DAY_MS: u64 = 86_400_000;
const END: Offset = Offset { epoch: LogEpoch::from_number(u64::MAX >> 12), seq: 0 };
const KEEP: Keep = Keep { days: 2, log_ms: 7 * DAY_MS, every: Duration::from_secs(1) };

fn days_ago(days: u64) -> Millis {
    Millis::from_unix(clock::now().as_unix() - days * DAY_MS)
}

/// The same number gives the same id.
fn id(n: u64) -> ChatId {
    static BORN: std::sync::LazyLock<Millis> = std::sync::LazyLock::new(clock::now);
    ChatId::mint(*BORN, &mut holdfast::rng::Rng::new(n))
}

fn chat(n: u64, at: Millis) -> Entry {
    let name = Name::new("Ana").expect("valid");
    Entry::Chat { id: id(n), peer: PeerId::from_bits(1), name, body: Body::new(&format!("{n}")).expect("valid"), at }
}

fn joined(peer: u64, at: Millis) -> Entry {
    let name = Name::new("Ana").expect("valid");
    Entry::Joined { peer: PeerId::from_bits(peer), name, media: MediaState { audio: true, video: true }, at }
}

async fn archived(backends: &Backends, hall: &RoomId) -> usize {
    backends.archive.before(hall, END, 100).await.expect("answers").len()
}

async fn drained(backends: &Backends) {
    for _ in 0..200 {
        if backends.queue.stats().await.expect("answers").depth == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the queue is not empty in time");
}

/// A room in which somebody still sits, with messages from before and after they came, old ones and a young one.
async fn retention(backends: &Backends, stop: &CancellationToken) {
    let hall = room("retention");
    let work = worker::run(Arc::clone(&backends.queue), Arc::clone(&backends.archive), stop.clone());
    let work = tokio::spawn(work);
    let mut head = Offset::default();
    let gone = Entry::Left {
        peer: PeerId::from_bits(7),
        joined: Offset::default(),
        reason: LeaveReason::Left,
        at: days_ago(9),
    };
    for entry in [
        chat(1, days_ago(10)),
        gone,
        chat(2, days_ago(9)),
        joined(1, days_ago(8)),
        chat(3, days_ago(3)),
        chat(4, clock::now()),
    ] {
        head = backends.log.append(&hall, entry, head).await.expect("stored");
    }
    drained(backends).await;
    assert_eq!(archived(backends, &hall).await, 4);
    for _ in 0..2 {
        round(backends, KEEP, &mut None).await.expect("swept");
    }
    assert_eq!(archived(backends, &hall).await, 1, "only the young one is left in the archive");
    let state = backends.log.state(&hall).await.expect("answers");
    assert_eq!((state.epoch, state.head, state.oldest), (head.epoch, 6, 3), "cut up to whoever is still here");
    let page = backends.log.read(&hall, state.start(), 10).await.expect("answers");
    let left: Vec<bool> = page.entries.iter().map(|(_, entry)| matches!(entry, Entry::Chat { .. })).collect();
    assert_eq!(left, [false, false, true], "the old message behind them is redacted, the young one stays");
    assert!(matches!(page.entries[0].1, Entry::Joined { .. }), "who is here is still told");
    let again = backends.log.append(&hall, chat(4, clock::now()), head).await;
    assert_eq!(again, Ok(head), "what is still there is still known");
    stop.cancel();
    let _ = work.await;
}

/// The sweep looks at what is due, and at no other room.
async fn upkeep(backends: &Backends) {
    let stop = CancellationToken::new();
    let work = worker::run(Arc::clone(&backends.queue), Arc::clone(&backends.archive), stop.clone());
    let work = tokio::spawn(work);
    let (old, held, young) = (room("due-old"), room("due-held"), room("due-young"));
    for (hall, entries) in [
        (&old, vec![chat(31, days_ago(20)), chat(32, days_ago(19)), chat(33, days_ago(1))]),
        (&held, vec![joined(1, days_ago(18)), chat(34, days_ago(17))]),
        (&young, vec![chat(35, days_ago(2))]),
    ] {
        for entry in entries {
            backends.log.append(hall, entry, Offset::default()).await.expect("stored");
        }
    }
    drained(backends).await;
    let due = async |days| backends.log.due(days_ago(days), 10).await.expect("answers");
    assert_eq!(due(7).await, [old.clone(), held.clone()], "the longest waiting first");
    assert_eq!(backends.log.due(days_ago(7), 1).await, Ok(vec![old.clone()]));
    let keep = Keep { days: 0, ..KEEP };
    round(backends, keep, &mut None).await.expect("swept");
    let left = async |hall| backends.log.state(hall).await.map(|state| state.head - state.oldest).expect("answers");
    assert_eq!((left(&old).await, left(&held).await, left(&young).await), (1, 2, 1));
    assert_eq!(due(7).await, [], "each is looked at once");
    assert_eq!(
        due(0).await,
        [held, young.clone(), old.clone()],
        "and again when its oldest entry is old, or after a while"
    );
    // A log without entries is not due, until something is said in it.
    let state = backends.log.state(&old).await.expect("answers");
    backends.log.trim(&old, state.head()).await.expect("answers");
    assert!(!due(0).await.contains(&old));
    backends.log.look_again(&old, days_ago(9)).await.expect("answers");
    assert!(!due(0).await.contains(&old), "a late look changes nothing");
    backends.log.append(&old, chat(36, days_ago(8)), state.head()).await.expect("stored");
    assert_eq!(due(7).await, [old]);
    stop.cancel();
    let _ = work.await;
}

/// A message that was laid aside is deleted with its room's other messages.
async fn dead_letters_go_too(backends: &Backends) {
    let hall = room("laid-aside");
    for n in [21, 22] {
        backends.log.append(&hall, chat(n, clock::now()), Offset::default()).await.expect("stored");
    }
    let mut keys = vec![];
    for _ in 0..20 {
        let taken = backends.queue.take(10).await.expect("answers");
        keys.extend(taken.into_iter().filter(|one| one.record.as_ref().is_ok_and(|record| record.room == hall)));
        if keys.len() == 2 {
            break;
        }
    }
    for one in keys {
        backends.queue.bury(one.key, 5, "refused".into()).await.expect("answers");
    }
    delete_message(backends, &hall, id(21)).await.expect("deleted");
    let letters = backends.queue.dead(None, 10).await.expect("answers");
    assert_eq!(letters.len(), 1, "only the other one is left: {letters:?}");
    assert!(letters[0].payload.contains(&id(22).to_string()));
}

fn embedded(dir: &std::path::Path) -> Backends {
    Backends::embedded(&open_store(dir).expect("opens"))
}

#[tokio::test]
async fn what_is_too_old_goes_and_who_is_here_stays_embedded() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    retention(&embedded(dir.path()), &CancellationToken::new()).await;
}

#[tokio::test]
async fn what_is_deleted_leaves_the_dead_letters_too_embedded() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    dead_letters_go_too(&embedded(dir.path())).await;
}

/// The log and the queue in Redis, the archive in MongoDB if `mongo` says where, else embedded.
async fn on_redis(
    redis: &str,
    mongo: &str,
    dir: &std::path::Path,
    stop: &CancellationToken,
) -> anyhow::Result<Backends> {
    let mut config = server::config::Config::for_test(dir.to_owned());
    (config.redis_url, config.mongodb_uri) = (redis.to_owned(), mongo.to_owned());
    config.secret = "a-secret-of-at-least-thirty-two-characters".into();
    Backends::open(&config, stop).await
}

#[tokio::test]
async fn what_is_too_old_goes_and_who_is_here_stays_on_redis() {
    let (server, stop) = (stores::Redis::start(), CancellationToken::new());
    let dir = tempfile::tempdir().expect("a temporary folder");
    let backends = on_redis(&server.url(), "", dir.path(), &stop).await.expect("opens");
    retention(&backends, &CancellationToken::new()).await;
    dead_letters_go_too(&backends).await;
    stop.cancel();
}

/// Whoever stands at the door of a room that is deleted begins another life of it.
async fn deleted_under_a_visitor(backends: &Backends) {
    let stop = CancellationToken::new();
    let work = worker::run(Arc::clone(&backends.queue), Arc::clone(&backends.archive), stop.clone());
    let work = tokio::spawn(work);
    let hall = room("at-the-door");
    let seen = backends.log.state(&hall).await.expect("answers").head();
    tokio::time::sleep(Duration::from_millis(5)).await;
    server::deletion::delete_room(backends, &hall).await.expect("deleted");
    let first = backends.log.append(&hall, joined(1, clock::now()), seen).await.expect("stored");
    assert!(first.epoch > seen.epoch, "what is said now is not deleted");
    backends.log.append(&hall, chat(41, clock::now()), first).await.expect("stored");
    drained(backends).await;
    assert_eq!(archived(backends, &hall).await, 1);
    stop.cancel();
    let _ = work.await;
}

/// A page that hears that its room was deleted reads at once what the archive has: that must be nothing by then.
async fn the_archive_is_empty_before_the_log_is(backends: &Backends) {
    let hall = room("deleted-in-steps");
    let seen = backends.log.append(&hall, joined(1, clock::now()), Offset::default()).await.expect("stored");
    let records = (1..=3_000).map(|n| Record {
        room: hall.clone(),
        offset: Offset { seq: seen.seq + n, ..seen },
        entry: chat(100_000 + n, clock::now()),
    });
    backends.archive.store(records.collect()).await.expect("stored");
    let watched = async {
        loop {
            let wiped = backends.log.state(&hall).await.expect("answers").epoch > seen.epoch;
            let left = backends.archive.before(&hall, END, 5_000).await.expect("answers").len();
            if wiped {
                return left;
            }
        }
    };
    let (left, deleted) = tokio::join!(watched, server::deletion::delete_room(backends, &hall));
    assert_eq!((left, deleted), (0, Ok(())), "messages that a page would show again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_room_s_messages_are_read_by_nobody_once_its_log_is_wiped() {
    on_both(the_archive_is_empty_before_the_log_is).await;
}

/// Both kinds of stores, each fresh.
async fn on_both(check: impl AsyncFn(&Backends)) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    check(&embedded(dir.path())).await;
    let (server, stop) = (stores::Redis::start(), CancellationToken::new());
    let dir = tempfile::tempdir().expect("a temporary folder");
    check(&on_redis(&server.url(), "", dir.path(), &stop).await.expect("opens")).await;
    stop.cancel();
}

#[tokio::test]
async fn a_room_deleted_under_a_visitor_keeps_what_is_said_afterwards() {
    on_both(deleted_under_a_visitor).await;
}

#[tokio::test]
async fn a_log_without_entries_is_not_due_after_a_restart_either() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let soon = clock::now().plus(DAY_MS);
    {
        let backends = embedded(dir.path());
        for n in 0..3 {
            let hall = room(&format!("quiet-{n}"));
            let at = backends.log.append(&hall, chat(50 + n, days_ago(9)), Offset::default()).await.expect("stored");
            backends.log.trim(&hall, at).await.expect("answers");
        }
        assert_eq!(backends.log.due(soon, 10).await, Ok(vec![]));
    }
    let backends = embedded(dir.path());
    assert_eq!(backends.log.due(soon, 10).await, Ok(vec![]));
    // A log that was wiped has its turn, and is forgotten.
    let hall = room("quiet-0");
    backends.log.wipe(&hall).await.expect("answers");
    assert_eq!(backends.log.due(soon, 10).await, Ok(vec![hall.clone()]));
    let state = backends.log.state(&hall).await.expect("answers");
    backends.log.trim(&hall, state.start()).await.expect("answers");
    assert_eq!(backends.log.due(soon, 10).await, Ok(vec![]));
}

#[tokio::test]
async fn the_sweep_looks_at_what_is_due() {
    on_both(upkeep).await;
}

#[tokio::test]
async fn a_room_that_was_only_looked_at_leaves_nothing_behind() {
    let (server, stop) = (stores::Redis::start(), CancellationToken::new());
    let dir = tempfile::tempdir().expect("a temporary folder");
    let backends = on_redis(&server.url(), "", dir.path(), &stop).await.expect("opens");
    let hall = room("looked-at");
    let state = backends.log.state(&hall).await.expect("answers");
    assert_eq!(backends.log.state(&hall).await, Ok(state), "looked at twice it is the same");
    assert_eq!(backends.log.due(Millis::from_unix(u64::MAX >> 12), 10).await, Ok(vec![]));
    let key = server.cli(&["--scan", "--pattern", "*meta:looked-at"]);
    let ttl: i64 = server.cli(&["PTTL", &key]).parse().expect("a number");
    assert!(ttl > 0, "it goes by itself: {ttl}");
    backends.log.append(&hall, chat(1, clock::now()), state.head()).await.expect("stored");
    assert_eq!(server.cli(&["PTTL", &key]), "-1", "a room with entries stays");
    assert_eq!(backends.log.due(Millis::from_unix(u64::MAX >> 12), 10).await, Ok(vec![hall]));
    stop.cancel();

    let dir = tempfile::tempdir().expect("a temporary folder");
    let (backends, hall) = (embedded(dir.path()), room("looked-at"));
    let _ = backends.log.state(&hall).await.expect("answers");
    assert_eq!(backends.log.due(Millis::from_unix(u64::MAX >> 12), 10).await, Ok(vec![]));
}

#[tokio::test]
async fn one_redis_has_one_archive_and_any_other_mix_works() {
    let (server, stop) = (stores::Redis::start(), CancellationToken::new());
    let dirs: Vec<_> = (0..2).map(|_| tempfile::tempdir().expect("a temporary folder")).collect();
    let first = on_redis(&server.url(), "", dirs[0].path(), &stop).await.expect("one node may");
    let second = on_redis(&server.url(), "", dirs[1].path(), &stop).await;
    let why = second.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(why.contains("set MONGODB_URI"), "the error says what to do: {why}");
    drop(first);
    stop.cancel();
    let Some(mongo) = stores::Mongo::start() else { return };
    mongo.ready().await;
    // The embedded log and queue with MongoDB behind them.
    let (dir, stop) = (tempfile::tempdir().expect("a temporary folder"), CancellationToken::new());
    let backends = on_redis("", mongo.uri(), dir.path(), &stop).await.expect("opens");
    let hall = room("mixed");
    tokio::spawn(worker::run(Arc::clone(&backends.queue), Arc::clone(&backends.archive), stop.clone()));
    for n in 0..5 {
        backends.log.append(&hall, chat(n, clock::now()), Offset::default()).await.expect("stored");
    }
    drained(&backends).await;
    assert_eq!(archived(&backends, &hall).await, 5);
    stop.cancel();
}

#[tokio::test]
async fn two_nodes_that_meet_on_a_late_redis_do_not_write_to_two_archives() {
    let mut server = stores::Redis::start();
    let (url, stop) = (server.url(), CancellationToken::new());
    server.process.kill();
    let dirs: Vec<_> = (0..2).map(|_| tempfile::tempdir().expect("a temporary folder")).collect();
    let mut nodes = vec![];
    for dir in &dirs {
        nodes.push(on_redis(&url, "", dir.path(), &stop).await.expect("a Redis that is away is waited for"));
    }
    server.process.start();
    let until = tokio::time::Instant::now() + SOON * 4;
    loop {
        let known: Vec<_> = nodes.iter().map(|node| node.registered.borrow().clone()).collect();
        let yes = known.iter().filter(|one| **one == server::backends::Registered::Yes).count();
        let no = known.iter().filter(|one| matches!(one, server::backends::Registered::No(_))).count();
        assert!(yes <= 1, "two archives for one queue: {known:?}");
        if (yes, no) == (1, 1) {
            break;
        }
        assert!(tokio::time::Instant::now() < until, "nobody decided: {known:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.cancel();
}

/// What an earlier life of the log told is not in the archive yet: nobody says that it is not there.
#[tokio::test]
async fn history_waits_for_what_is_on_its_way_to_the_archive() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (backends, hall, stop) = (embedded(dir.path()), room("reborn"), CancellationToken::new());
    let mut head = Offset::default();
    for n in 0..3 {
        head = backends.log.append(&hall, chat(n, clock::now()), head).await.expect("stored");
    }
    backends.log.wipe(&hall).await.expect("a new life");
    let ask = || server::rooms::past::before(&backends, &hall, END, 10);
    assert!(ask().await.is_err(), "nobody can say yet");
    tokio::spawn(worker::run(Arc::clone(&backends.queue), Arc::clone(&backends.archive), stop.clone()));
    drained(&backends).await;
    assert_eq!(ask().await.map(|page| page.messages.len()).ok(), Some(3));
    stop.cancel();
}
