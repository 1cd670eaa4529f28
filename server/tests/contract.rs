//! What a log, a queue and an archive must do, whoever keeps them: one suite, run against each.

mod support;

use holdfast::rng::Rng;
use holdfast::wire::{Body, Entry, LeaveReason, MediaState, Name};
use holdfast::{ChatId, LogEpoch, Millis, Offset, PeerId, RoomId};
use server::archive::embedded::EmbeddedArchive;
use server::archive::mongo::MongoArchive;
use server::archive::{Archive, Deleted, Known, StoreError, Tombstone};
use server::backends::open_store;
use server::log::embedded::EmbeddedLog;
use server::log::{LogError, RoomLog};
use server::queue::embedded::EmbeddedQueue;
use server::queue::{Queue, Record};
use server::redis::Redis;
use server::redis::log::RedisLog;
use server::redis::queue::RedisQueue;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use support::room;
use support::stores;
use tokio_util::sync::CancellationToken;

const NEVER: Offset = Offset { epoch: LogEpoch::from_number(0), seq: 0 };

fn name() -> Name {
    Name::new("Ana").expect("valid")
}

fn chat(id: ChatId, text: &str) -> Entry {
    Entry::Chat {
        id,
        peer: PeerId::from_bits(1),
        name: name(),
        body: Body::new(text).expect("valid"),
        at: Millis::from_unix(5_000),
    }
}

fn joined(peer: u64) -> Entry {
    let media = MediaState { audio: true, video: true };
    Entry::Joined { peer: PeerId::from_bits(peer), name: name(), media, at: Millis::from_unix(4_000) }
}

fn ids(n: usize, seed: u64) -> Vec<ChatId> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| ChatId::mint(Millis::from_unix(5_000), &mut rng)).collect()
}

async fn log_contract(log: Arc<dyn RoomLog>) {
    let hall = room("contract");
    // Numbers have no gap, in the order of the calls; a repetition keeps its place.
    let ids = ids(50, 1);
    let appends: Vec<_> = ids.iter().map(|id| log.append(&hall, chat(*id, "hi"), NEVER)).collect();
    let places: Vec<Offset> =
        futures::future::join_all(appends).await.into_iter().map(|at| at.expect("stored")).collect();
    assert_eq!(places.iter().map(|at| at.seq).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    let epoch = places[0].epoch;
    assert!(places.iter().all(|at| at.epoch == epoch));
    assert_eq!(log.append(&hall, chat(ids[6], "hi"), NEVER).await, Ok(places[6]));
    assert_eq!(log.append(&hall, chat(ids[6], "other"), NEVER).await, Err(LogError::IdTaken));
    let left = Entry::Left { peer: PeerId::from_bits(3), joined: NEVER, reason: LeaveReason::Lost, at: Millis::ZERO };
    let first = log.append(&hall, left.clone(), NEVER).await.expect("stored");
    assert_eq!(log.append(&hall, left, NEVER).await, Ok(first), "two nodes give up the same seat");
    // The same message by its author under a new seat is the same message.
    let again = Entry::Chat {
        id: ids[0],
        peer: PeerId::from_bits(9),
        name: name(),
        body: Body::new("hi").expect("valid"),
        at: Millis::ZERO,
    };
    assert_eq!(log.append(&hall, again, NEVER).await, Ok(places[0]));

    // Pages are in order and end.
    let state = log.state(&hall).await.expect("answers");
    assert_eq!((state.head, state.oldest), (51, 0));
    let page = log.read(&hall, places[9], 20).await.expect("answers");
    assert_eq!(page.entries.iter().map(|(at, _)| at.seq).collect::<Vec<_>>(), (11..=30).collect::<Vec<_>>());
    assert!(log.read(&hall, state.head(), 20).await.expect("answers").entries.is_empty());
    let other = log.state(&room("other")).await.expect("answers");
    assert_eq!(other.head, 0, "rooms do not mix");
    // Nothing is kept of a room that somebody only looked at, and its first entry goes where its reader thinks it is.
    assert!(!log.due(Millis::from_unix(u64::MAX >> 12), 100).await.expect("answers").contains(&room("other")));
    let page = log.read(&room("other"), other.head(), 20).await.expect("answers");
    assert_eq!((page.state.epoch, page.state.head), (other.epoch, 0));
    let first = log.append(&room("other"), chat(ids[0], "hi"), other.head()).await;
    assert_eq!(first, Ok(Offset { epoch: other.epoch, seq: 1 }));

    // What is redacted says nothing more and keeps its number.
    log.redact(&hall, ids[1]).await.expect("answers");
    let page = log.read(&hall, Offset { epoch, seq: 0 }, 3).await.expect("answers");
    assert_eq!(page.entries[1], (places[1], Entry::Redacted));
    assert_eq!(log.append(&hall, chat(ids[1], "hi"), NEVER).await, Ok(places[1]), "and does not come back");

    // Trimmed entries are gone, and the log says up to where.
    log.trim(&hall, Offset { epoch: LogEpoch::from_number(7), seq: 30 }).await.expect("answers");
    assert_eq!(log.state(&hall).await.map(|state| state.oldest), Ok(0), "of another life");
    log.trim(&hall, Offset { epoch, seq: 20 }).await.expect("answers");
    let page = log.read(&hall, Offset { epoch, seq: 20 }, 5).await.expect("answers");
    assert_eq!((page.state.oldest, page.entries[0].0.seq), (20, 21));
    assert!(log.read(&hall, Offset { epoch, seq: 5 }, 5).await.expect("answers").entries.is_empty());
    assert_eq!(log.append(&hall, chat(ids[30], "hi"), NEVER).await, Ok(places[30]), "younger ones are still known");

    // A log that has less than somebody has seen has lost its end: it says so by a new life.
    let seen = Offset { epoch, seq: 1_000 };
    // What was meant for the life before is not appended to this one, which may have forgotten that it was stored.
    assert_eq!(log.append(&hall, chat(ids[40], "hi"), seen).await, Err(LogError::Moved));
    let state = log.state(&hall).await.expect("answers");
    assert!(state.epoch > epoch && state.head == 0, "{state:?}");
    assert_eq!(log.append(&hall, chat(ids[40], "hi"), places[3]).await, Err(LogError::Moved));
    let fresh = log.append(&hall, chat(ids[40], "hi"), state.head()).await.expect("stored");
    assert_eq!(fresh, Offset { epoch: state.epoch, seq: 1 });
    assert_eq!(log.read(&hall, places[40], 5).await.expect("answers").state.epoch, fresh.epoch);
    let wiped = log.wipe(&hall).await.expect("answers");
    assert!(wiped.epoch > fresh.epoch && wiped.head == 0);

    // Whoever waits is woken.
    let mut wake = log.wakes(&hall);
    tokio::time::sleep(Duration::from_millis(300)).await;
    wake.mark_unchanged();
    log.append(&hall, joined(1), NEVER).await.expect("stored");
    tokio::time::timeout(Duration::from_secs(3), wake.changed()).await.expect("woken in time").expect("alive");
    assert!(log.due(Millis::from_unix(u64::MAX >> 12), 10).await.expect("answers").contains(&hall));
}

async fn queue_contract(log: Arc<dyn RoomLog>, queue: Arc<dyn Queue>) {
    let (hall, ids) = (room("queue"), ids(6, 2));
    for id in &ids {
        log.append(&hall, chat(*id, "hi"), NEVER).await.expect("stored");
    }
    let mut taken = vec![];
    for _ in 0..10 {
        taken.extend(queue.take(4).await.expect("answers"));
        if taken.len() == 6 {
            break;
        }
    }
    let records: Vec<Record> = taken.iter().filter_map(|one| one.record.clone().ok()).collect();
    assert_eq!(
        records.iter().map(|record| record.offset.seq).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6],
        "in order, each once"
    );
    assert_eq!(queue.stats().await.expect("answers").depth, 6, "taken is not archived");
    queue.acknowledge(taken[..4].iter().map(|one| one.key.clone()).collect()).await.expect("answers");
    assert_eq!(queue.stats().await.expect("answers").depth, 2);
    queue.note(taken[4].key.clone(), 4, "first".into()).await.expect("answers");
    queue.bury(taken[4].key.clone(), 5, "last".into()).await.expect("answers");
    queue.bury(taken[5].key.clone(), 5, "only".into()).await.expect("answers");
    let stats = queue.stats().await.expect("answers");
    assert_eq!((stats.depth, stats.dead), (0, 2));
    let letters = queue.dead(None, 10).await.expect("answers");
    assert_eq!(
        (letters[0].attempts, letters[0].first_error.as_str(), letters[0].last_error.as_str()),
        (5, "first", "last")
    );
    assert!(letters[0].payload.contains("hi"), "the payload is there to look at: {}", letters[0].payload);
    assert_eq!(queue.dead(Some(letters[0].key.clone()), 10).await.map(|page| page.len()), Ok(1), "pages go on");
    assert_eq!(queue.replay(letters[0].key.clone()).await, Ok(true));
    assert_eq!(queue.replay(letters[0].key.clone()).await, Ok(false), "once");
    assert_eq!(queue.discard(letters[1].key.clone()).await, Ok(true));
    assert_eq!(queue.discard("nonsense".into()).await, Ok(false));
    let mut again = vec![];
    for _ in 0..10 {
        again.extend(queue.take(4).await.expect("answers"));
        if !again.is_empty() {
            break;
        }
    }
    assert_eq!(again[0].record, taken[4].record, "it comes back whole");
    assert_eq!(again[0].attempts, 0);
    assert_eq!(queue.lease("test", 1_000).await, Ok(true));
    assert_eq!(queue.lease("test", 1_000).await, Ok(true), "whoever has it keeps it");
}

fn record(hall: &RoomId, epoch: u64, seq: u64, entry: Entry) -> Record {
    Record { room: hall.clone(), offset: Offset { epoch: LogEpoch::from_number(epoch), seq }, entry }
}

async fn archive_contract(archive: Arc<dyn Archive>) {
    let hall = room("archive");
    let ids = ids(30, 3);
    let at = |epoch: u64, seq: u64| Offset { epoch: LogEpoch::from_number(epoch), seq };
    assert_eq!(archive.create(&hall, Millis::from_unix(1_000)).await, Ok(true));
    assert_eq!(archive.create(&hall, Millis::from_unix(2_000)).await, Ok(false));
    let mut records = vec![record(&hall, 10, 1, joined(1))];
    records.extend((0..20).map(|n| record(&hall, 10, n + 2, chat(ids[n as usize], &format!("text {n}")))));
    assert_eq!(archive.store(records.clone()).await, Ok(()));
    // Again, whole and in part: nothing is doubled.
    assert_eq!(archive.store(records.clone()).await, Ok(()));
    let mut mixed = records[5..9].to_vec();
    mixed.push(record(&hall, 11, 1, chat(ids[20], "later life")));
    assert_eq!(archive.store(mixed).await, Ok(()));
    let known = archive.room(&hall).await.expect("answers").expect("there");
    assert_eq!(
        (known.created, known.head, known.last_active),
        (Millis::from_unix(1_000), at(11, 1), Millis::from_unix(5_000))
    );
    assert_eq!(archive.store(records[..3].to_vec()).await, Ok(()));
    assert_eq!(archive.room(&hall).await.expect("answers").expect("there").head, at(11, 1), "a head only grows");

    // Another entry at the same place is refused; the same id elsewhere is there already.
    let conflict = archive.store(vec![record(&hall, 10, 5, chat(ids[25], "impostor"))]).await;
    assert!(matches!(conflict, Err(StoreError::Refused(_))), "{conflict:?}");
    assert_eq!(archive.store(vec![record(&hall, 11, 2, chat(ids[0], "text 0"))]).await, Ok(()));
    assert!(matches!(archive.find(&hall, ids[0]).await, Ok(Known::Stored(place, _)) if place == at(10, 2)));
    assert_eq!(archive.find(&hall, ids[29]).await, Ok(Known::No));
    assert_eq!(archive.find(&room("other"), ids[0]).await, Ok(Known::No));

    // Pages both ways, over two lives of the log, without a gap or a double.
    let newest = archive.before(&hall, at(12, 0), 5).await.expect("answers");
    let seqs = |page: &[(Offset, Entry)]| page.iter().map(|(at, _)| (at.epoch.number(), at.seq)).collect::<Vec<_>>();
    assert_eq!(seqs(&newest), [(10, 18), (10, 19), (10, 20), (10, 21), (11, 1)]);
    assert_eq!(seqs(&archive.before(&hall, at(10, 18), 3).await.expect("answers")), [(10, 15), (10, 16), (10, 17)]);
    let first = archive.after(&hall, NEVER, at(11, 1), 3).await.expect("answers");
    assert_eq!(seqs(&first), [(10, 2), (10, 3), (10, 4)]);
    assert_eq!(seqs(&archive.after(&hall, at(10, 20), at(11, 1), 9).await.expect("answers")), [(10, 21), (11, 1)]);
    assert_eq!(seqs(&archive.after(&hall, at(10, 20), at(10, 21), 9).await.expect("answers")), [(10, 21)]);

    // Settings.
    assert_eq!(archive.set_room(&hall, Some(Name::new("Hall").expect("valid")), Some(30)).await, Ok(true));
    assert_eq!(archive.set_room(&room("nowhere"), None, None).await, Ok(false));
    let known = archive.room(&hall).await.expect("answers").expect("there");
    assert_eq!((known.name.map(String::from), known.retention_days), (Some("Hall".into()), Some(30)));
    assert_eq!(archive.rooms(None, 10).await.expect("answers").len(), 1);

    // Rooms that nobody used are forgotten; each is looked at once.
    let (idle, named) = (room("idle"), room("named"));
    for (created, at) in [(&idle, 100), (&named, 101), (&room("young"), 5_000)] {
        assert_eq!(archive.create(created, Millis::from_unix(at)).await, Ok(true));
    }
    assert_eq!(archive.set_room(&named, Some(name()), None).await, Ok(true));
    assert_eq!(archive.forget_unused(Millis::from_unix(4_000), 2).await, Ok(2));
    assert_eq!(archive.forget_unused(Millis::from_unix(4_000), 2).await, Ok(1), "the hall, which is in use");
    assert_eq!(archive.forget_unused(Millis::from_unix(4_000), 2).await, Ok(0));
    assert_eq!(archive.room(&idle).await, Ok(None));
    let left = archive.rooms(None, 10).await.expect("answers");
    let codes: Vec<&str> = left.iter().map(|record| record.room.as_str()).collect();
    assert_eq!(codes, [hall.as_str(), "named", "young"]);

    // What is deleted stays deleted, whatever batch comes late.
    let grave = Tombstone { room: hall.clone(), what: Deleted::Message(ids[3]), at: Millis::from_unix(9) };
    archive.entomb(grave.clone()).await.expect("answers");
    assert_eq!(archive.unfinished(10).await, Ok(vec![grave.clone()]), "a crash here is finished by the sweep");
    assert_eq!(archive.bury(grave.clone(), 100).await, Ok(true));
    assert_eq!(archive.unfinished(10).await, Ok(vec![]));
    assert_eq!(archive.store(records.clone()).await, Ok(()));
    assert_eq!(archive.find(&hall, ids[3]).await, Ok(Known::Deleted), "its author may say it again under this id");
    assert_eq!(archive.find(&hall, ids[29]).await, Ok(Known::No));
    assert_eq!(archive.expire(&hall, Millis::from_unix(4_500), 100).await, Ok(1), "only what is older: the joining");
    let grave =
        Tombstone { room: hall.clone(), what: Deleted::Room(LogEpoch::from_number(11)), at: Millis::from_unix(6_000) };
    archive.entomb(grave.clone()).await.expect("answers");
    let mut steps = 0;
    while archive.remove_covered(grave.clone(), 4).await == Ok(false) {
        steps += 1;
    }
    assert!((2..100).contains(&steps), "a few at a time: {steps}");
    assert_eq!(archive.before(&hall, at(99, 0), 50).await, Ok(vec![]));
    assert_eq!(archive.unfinished(10).await, Ok(vec![grave.clone()]), "the log has not heard of it yet");
    assert_eq!(archive.bury(grave.clone(), 4).await, Ok(true));
    assert_eq!(archive.store(records).await, Ok(()));
    assert_eq!(archive.before(&hall, at(99, 0), 50).await, Ok(vec![]));
    assert_eq!(archive.room(&hall).await, Ok(None));
    assert_eq!(archive.find(&hall, ids[10]).await, Ok(Known::Deleted), "written before its room was deleted");
    let young = ChatId::mint(Millis::from_unix(6_001), &mut Rng::new(5));
    assert_eq!(archive.find(&hall, young).await, Ok(Known::No));
    assert_eq!(archive.store(vec![record(&hall, 12, 1, chat(ids[28], "a new life"))]).await, Ok(()));
    assert_eq!(archive.before(&hall, at(99, 0), 50).await.map(|page| page.len()), Ok(1), "the code may be used again");

    // One entry twice in a batch, and one id in two lives of the log.
    let twice = |epoch, seq| record(&hall, epoch, seq, chat(ids[26], "twice"));
    assert_eq!(archive.store(vec![twice(20, 1), twice(20, 1), twice(21, 1)]).await, Ok(()));
    assert_eq!(archive.before(&hall, at(99, 0), 50).await.map(|page| page.len()), Ok(2));
}

#[tokio::test]
async fn the_embedded_stores_keep_the_contracts() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = open_store(dir.path()).expect("opens");
    let log = Arc::new(EmbeddedLog::new(store.clone()));
    queue_contract(log.clone(), Arc::new(EmbeddedQueue::new(store.clone()))).await;
    log_contract(log).await;
    archive_contract(Arc::new(EmbeddedArchive::new(store))).await;
}

#[tokio::test]
async fn what_was_answered_is_there_after_reopening() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let hall = room("reopen");
    let store = open_store(dir.path()).expect("opens");
    let offset = EmbeddedLog::new(store.clone()).append(&hall, joined(1), NEVER).await.expect("stored");
    drop(store);
    let store = open_store(dir.path()).expect("opens again");
    let log = EmbeddedLog::new(store.clone());
    assert_eq!(log.state(&hall).await.map(|state| state.head()), Ok(offset));
    let waiting = EmbeddedQueue::new(store).take(10).await.expect("answers");
    assert_eq!(waiting.len(), 1, "what was not archived yet still waits");
}

fn redis_parts(url: &str, stop: &CancellationToken) -> (Arc<RedisLog>, Arc<RedisQueue>, Redis) {
    let redis = Redis::new(url, "contract").expect("a URL");
    (Arc::new(RedisLog::start(&redis, 0, stop)), Arc::new(RedisQueue::new(&redis, "worker".into())), redis)
}

#[tokio::test]
async fn redis_keeps_the_contracts() {
    let server = stores::Redis::start();
    let stop = CancellationToken::new();
    let (log, queue, redis) = redis_parts(&server.url(), &stop);
    queue_contract(log.clone(), queue).await;
    log_contract(log.clone()).await;
    // Scripts survive a flush, and so does what they knew.
    assert_eq!(server.cli(&["SCRIPT", "FLUSH"]), "OK");
    let appends: Vec<_> = (0..20).map(|n| log.append(&room("flushed"), joined(n), NEVER)).collect();
    let seqs: BTreeSet<u64> =
        futures::future::join_all(appends).await.into_iter().map(|at| at.expect("stored").seq).collect();
    assert_eq!(seqs, (1..=20).collect());
    assert_eq!(redis.durability().0.as_str(), "always");
    stop.cancel();
}

#[tokio::test]
async fn a_redis_cluster_keeps_the_contracts() {
    let server = stores::Redis::start_with(&["--cluster-enabled", "yes", "--appendonly", "yes"]);
    assert_eq!(server.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "OK");
    for _ in 0..100 {
        if server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let stop = CancellationToken::new();
    let (log, queue, _) = redis_parts(&server.url().replace("redis://", "redis+cluster://"), &stop);
    queue_contract(log.clone(), queue).await;
    log_contract(log).await;
    stop.cancel();
}

/// A sentinel that watches the Redis on this port, and its own port.
async fn sentinel_of(master: &str, more: &str) -> (tokio::process::Child, u16, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let port = stores::free_port();
    let conf = dir.path().join("sentinel.conf");
    let text = format!("port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {master} 1\n{more}");
    std::fs::write(&conf, text).expect("written");
    let child = tokio::process::Command::new("redis-server")
        .arg(&conf)
        .arg("--sentinel")
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the sentinel starts");
    tokio::time::sleep(Duration::from_millis(500)).await;
    (child, port, dir)
}

#[tokio::test]
async fn a_master_found_by_a_sentinel_keeps_the_contracts() {
    let master = stores::Redis::start();
    let (mut sentinel, port, _dir) = sentinel_of(&master.process.port.to_string(), "").await;
    let stop = CancellationToken::new();
    let (log, queue, _) = redis_parts(&format!("redis+sentinel://127.0.0.1:{port}/mymaster"), &stop);
    queue_contract(log.clone(), queue).await;
    log_contract(log).await;
    stop.cancel();
    let _ = sentinel.kill().await;
}

#[tokio::test]
async fn mongodb_keeps_the_contract() {
    let Some(server) = stores::Mongo::start() else { return };
    server.ready().await;
    let archive = MongoArchive::new(server.uri()).await.expect("a URL");
    archive_contract(Arc::new(archive)).await;
}

/// A master with two replicas, all with a password, watched by a sentinel. What was acknowledged is on a replica
/// (`WAIT`), so that the failover loses nothing; and the log begins a new life, because it could have.
#[tokio::test]
async fn a_failover_loses_nothing_that_was_waited_for() {
    let login = ["--requirepass", "hush", "--masterauth", "hush", "--appendonly", "yes"];
    let mut master = stores::Redis::start_with(&login);
    let port = master.process.port.to_string();
    let follow = [&login[..], &["--replicaof", "127.0.0.1", &port]].concat();
    let replicas = [stores::Redis::start_with(&follow), stores::Redis::start_with(&follow)];
    let ask =
        |server: &stores::Redis, args: &[&str]| server.cli(&[&["-a", "hush", "--no-auth-warning"], args].concat());
    for replica in &replicas {
        for _ in 0..200 {
            if ask(replica, &["INFO", "replication"]).contains("master_link_status:up") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let (mut sentinel, at, _dir) = sentinel_of(
        &port,
        "sentinel auth-pass mymaster hush\nsentinel down-after-milliseconds mymaster 800\n\
         sentinel failover-timeout mymaster 3000\n",
    )
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await; // Until the sentinel has heard of the replicas.
    let stop = CancellationToken::new();
    let redis = Redis::new(&format!("redis+sentinel://:hush@127.0.0.1:{at}/mymaster"), "contract").expect("a URL");
    let log = RedisLog::start(&redis, 1, &stop);
    let (hall, ids) = (room("failover"), ids(60, 9));
    let mut seen = NEVER;
    for id in &ids[..30] {
        seen = log.append(&hall, chat(*id, "before"), seen).await.expect("stored");
    }
    let before = seen;
    master.process.kill();
    let began = std::time::Instant::now();
    for id in &ids[30..] {
        seen = loop {
            assert!(began.elapsed() < Duration::from_secs(40), "no master is found");
            match log.append(&hall, chat(*id, "after"), seen).await {
                Ok(at) => break seen.max(at),
                // As a room does, which reads the log anew.
                Err(LogError::Moved) => seen = log.state(&hall).await.map_or(seen, |state| state.head()),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
    }
    stop.cancel();
    let _ = sentinel.kill().await;
    assert!(seen.epoch > before.epoch, "a successor may lack the end: a new life, and everyone is told");
    let heir = replicas.iter().find(|one| ask(one, &["ROLE"]).starts_with("master")).expect("one was promoted");
    let queue = ask(heir, &["--scan", "--pattern", "contract:*:queue"]);
    let queued = ask(heir, &["XRANGE", &queue, "-", "+"]);
    let missing = ids.iter().filter(|id| !queued.contains(&id.to_string())).count();
    assert_eq!(missing, 0, "everything acknowledged is on its way to the archive");
}
