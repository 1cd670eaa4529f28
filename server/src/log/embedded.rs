//! The embedded store: log and archive in one redb file, written by one thread with group commit.

use super::{LogError, RoomLog};
use crate::archive::{Archive, HistoryPage, RoomRecord};
use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast::wire::Entry;
use holdfast::{ChatId, LogEpoch, Millis, Offset, RoomId};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};

const ROOMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("rooms");
const ENTRIES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("entries");
const CHAT_IDS: TableDefinition<'_, (&str, &str), u64> = TableDefinition::new("chat_ids");

/// Appends that may wait for the writer; past that the caller is told to come back.
const JOBS_WAITING: usize = 4_096;
/// Appends that share one fsync.
const JOBS_A_COMMIT: usize = 512;
/// How long a file that another server holds is waited for.
const HANDOVER: Duration = Duration::from_secs(3);
const HANDOVER_STEP: Duration = Duration::from_millis(20);
/// Memory for cached pages, in bytes.
const CACHE_BYTES: usize = 8 << 20;

/// What the file keeps of a room.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct RoomRow {
    created: Millis,
    epoch: LogEpoch,
    head: u64,
}

enum Job {
    Append { room: RoomId, entry: Box<Entry>, reply: oneshot::Sender<Result<Offset, LogError>> },
    Create { room: RoomId, now: Millis, reply: oneshot::Sender<Result<bool, LogError>> },
}

/// How a job ended, kept until the commit that makes it true.
enum Done {
    Append(oneshot::Sender<Result<Offset, LogError>>, Result<Offset, LogError>, RoomId),
    Create(oneshot::Sender<Result<bool, LogError>>, bool),
}

/// The open file; none while it could not be opened again after a failure.
type Shared = Arc<RwLock<Option<Database>>>;
type Wakes = Arc<Mutex<HashMap<RoomId, watch::Sender<u64>>>>;

/// The store. Cheap to clone; the writer ends when the last clone is dropped.
#[derive(Clone)]
pub struct EmbeddedStore {
    db: Shared,
    jobs: mpsc::Sender<Job>,
    wakes: Wakes,
}

impl EmbeddedStore {
    /// Opens or creates the file `holdfast.redb` in `dir`. A server that is just going away may still hold it,
    /// so a file in use is tried again for [`HANDOVER`], blocking.
    ///
    /// # Errors
    /// When the file cannot be opened: no rights, disk full, another server has it, or it is not ours.
    pub fn open(dir: &Path) -> Result<Self, redb::Error> {
        let path = dir.join("holdfast.redb");
        let db = open_when_free(&path)?;
        let tx = db.begin_write()?;
        tx.open_table(ROOMS)?;
        tx.open_table(ENTRIES)?;
        tx.open_table(CHAT_IDS)?;
        tx.commit()?;
        let (jobs, waiting) = mpsc::channel(JOBS_WAITING);
        let store = Self { db: Arc::new(RwLock::new(Some(db))), jobs, wakes: Wakes::default() };
        let (db, wakes) = (Arc::clone(&store.db), Arc::clone(&store.wakes));
        std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || write_jobs(&path, &db, waiting, &wakes))
            .map_err(|error| redb::Error::Io(std::io::Error::other(error)))?;
        Ok(store)
    }

    fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, LogError>> {
        let db = Arc::clone(&self.db);
        async move {
            let done = tokio::task::spawn_blocking(move || {
                let open = db.read().unwrap_or_else(PoisonError::into_inner);
                open.as_ref().map_or(Err(redb::Error::DatabaseClosed), read)
            })
            .await;
            done.map_err(|_| LogError::Away)?.map_err(|error| {
                tracing::error!(%error, "the store could not be read");
                LogError::Away
            })
        }
        .boxed()
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Job,
    ) -> BoxFuture<'static, Result<T, LogError>> {
        let (reply, answer) = oneshot::channel();
        // Queued here and not when first polled, so that the order of the calls is the order of the log.
        let queued = self.jobs.try_send(job(reply));
        async move {
            match queued {
                Ok(()) => answer.await.map_err(|_| LogError::Away)?,
                Err(mpsc::error::TrySendError::Full(_)) => Err(LogError::Busy),
                Err(mpsc::error::TrySendError::Closed(_)) => Err(LogError::Away),
            }
        }
        .boxed()
    }
}

impl RoomLog for EmbeddedStore {
    fn append(&self, room: &RoomId, entry: Entry) -> BoxFuture<'static, Result<Offset, LogError>> {
        let room = room.clone();
        self.submit(|reply| Job::Append { room, entry: Box::new(entry), reply })
    }

    fn read(
        &self,
        room: &RoomId,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<(Offset, Entry)>, LogError>> {
        let room = room.clone();
        self.blocking(move |db| read_entries(db, &room, after, limit))
    }

    fn head(&self, room: &RoomId) -> BoxFuture<'static, Result<Offset, LogError>> {
        let (store, room) = (self.clone(), room.clone());
        async move {
            if let Some(record) = store.room(&room).await? {
                return Ok(record.head);
            }
            store.create(&room, now()).await?;
            store.room(&room).await?.map(|record| record.head).ok_or(LogError::Away)
        }
        .boxed()
    }

    fn wakes(&self, room: &RoomId) -> watch::Receiver<u64> {
        let mut wakes = self.wakes.lock().expect("no holder of this lock can panic");
        wakes.retain(|_, wake| wake.receiver_count() > 0);
        wakes.entry(room.clone()).or_insert_with(|| watch::channel(0).0).subscribe()
    }
}

impl Archive for EmbeddedStore {
    fn create(&self, room: &RoomId, now: Millis) -> BoxFuture<'static, Result<bool, LogError>> {
        let room = room.clone();
        self.submit(|reply| Job::Create { room, now, reply })
    }

    fn room(&self, room: &RoomId) -> BoxFuture<'static, Result<Option<RoomRecord>, LogError>> {
        let room = room.clone();
        self.blocking(move |db| {
            let rows = db.begin_read()?.open_table(ROOMS)?;
            let row: Option<RoomRow> =
                rows.get(room.as_str())?.and_then(|row| serde_json::from_slice(row.value()).ok());
            Ok(row.map(|row| RoomRecord { created: row.created, head: Offset { epoch: row.epoch, seq: row.head } }))
        })
    }

    fn history(&self, room: &RoomId, after: u64, limit: usize) -> BoxFuture<'static, Result<HistoryPage, LogError>> {
        let room = room.clone();
        self.blocking(move |db| {
            let (mut messages, mut after) = (vec![], after);
            loop {
                let entries = read_entries(db, &room, after, limit.max(64))?;
                let Some((last, _)) = entries.last() else { return Ok(HistoryPage { messages, next: None }) };
                let page_end = last.seq;
                for (offset, entry) in entries {
                    if matches!(entry, Entry::Chat { .. }) {
                        if messages.len() == limit {
                            return Ok(HistoryPage { messages, next: Some(after) });
                        }
                        after = offset.seq;
                        messages.push((offset, entry));
                    }
                }
                after = page_end;
            }
        })
    }
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::from_unix(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn read_entries(db: &Database, room: &RoomId, after: u64, limit: usize) -> Result<Vec<(Offset, Entry)>, redb::Error> {
    let tx = db.begin_read()?;
    let rows = tx.open_table(ROOMS)?;
    let Some(row) = rows.get(room.as_str())?.and_then(|row| serde_json::from_slice::<RoomRow>(row.value()).ok()) else {
        return Ok(vec![]);
    };
    let entries = tx.open_table(ENTRIES)?;
    let range = entries.range((room.as_str(), after.saturating_add(1))..=(room.as_str(), u64::MAX))?;
    let mut page = vec![];
    for item in range.take(limit) {
        let (key, value) = item?;
        let entry = serde_json::from_slice(value.value()).map_err(|error| redb::Error::Corrupted(error.to_string()))?;
        page.push((Offset { epoch: row.epoch, seq: key.value().1 }, entry));
    }
    Ok(page)
}

/// The writer: takes what waits, writes it in one transaction, and answers once it is on disk.
fn write_jobs(path: &Path, db: &Shared, mut waiting: mpsc::Receiver<Job>, wakes: &Wakes) {
    let mut jobs = Vec::new();
    while let Some(first) = waiting.blocking_recv() {
        jobs.push(first);
        while jobs.len() < JOBS_A_COMMIT
            && let Ok(next) = waiting.try_recv()
        {
            jobs.push(next);
        }
        let mut done = Vec::with_capacity(jobs.len());
        let committed = match db.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(db) => commit_jobs(db, &mut jobs, &mut done),
            None => Err(redb::Error::DatabaseClosed),
        };
        match committed {
            Ok(()) => done.into_iter().for_each(|one| announce(one, wakes)),
            Err(error) => {
                // Dropping the replies tells every caller that the log is away; nothing was acknowledged.
                tracing::error!(%error, "the log could not be written");
                jobs.clear();
                drop(done);
                reopen(path, db);
            }
        }
    }
}

fn open_file(path: &Path) -> Result<Database, redb::Error> {
    Ok(Database::builder().set_cache_size(CACHE_BYTES).create(path)?)
}

fn open_when_free(path: &Path) -> Result<Database, redb::Error> {
    let until = Instant::now() + HANDOVER;
    loop {
        match open_file(path) {
            Err(redb::Error::DatabaseAlreadyOpen) if Instant::now() < until => std::thread::sleep(HANDOVER_STEP),
            opened => return opened,
        }
    }
}

/// After a failed write the store trusts nothing it has open: the file is opened again, now or at the next write.
fn reopen(path: &Path, db: &Shared) {
    let mut open = db.write().unwrap_or_else(PoisonError::into_inner);
    *open = None; // First, because it holds the file's lock.
    *open = open_file(path).ok();
}

fn commit_jobs(db: &Database, jobs: &mut Vec<Job>, done: &mut Vec<Done>) -> Result<(), redb::Error> {
    let mut tx = db.begin_write()?;
    tx.set_durability(Durability::Immediate)?;
    for job in jobs.drain(..) {
        match job {
            Job::Append { room, entry, reply } => {
                let outcome = append_entry(&tx, &room, &entry)?;
                done.push(Done::Append(reply, outcome, room));
            }
            Job::Create { room, now, reply } => {
                let created = ensure_room(&tx, &room, now)?.1;
                done.push(Done::Create(reply, created));
            }
        }
    }
    tx.commit()?;
    Ok(())
}

fn announce(done: Done, wakes: &Wakes) {
    match done {
        Done::Append(reply, outcome, room) => {
            let _ = reply.send(outcome);
            if let (Ok(offset), Some(wake)) =
                (outcome, wakes.lock().expect("no holder of this lock can panic").get(&room))
            {
                wake.send_replace(offset.seq);
            }
        }
        Done::Create(reply, created) => {
            let _ = reply.send(Ok(created));
        }
    }
}

/// The room's row, made now if there is none, and whether it was made.
fn ensure_room(tx: &WriteTransaction, room: &RoomId, now: Millis) -> Result<(RoomRow, bool), redb::Error> {
    let mut rooms = tx.open_table(ROOMS)?;
    let known: Option<RoomRow> = rooms.get(room.as_str())?.and_then(|row| serde_json::from_slice(row.value()).ok());
    if let Some(row) = known {
        return Ok((row, false));
    }
    // A store that was wiped begins another life of the log, which a client that knew the old one must notice.
    let row = RoomRow { created: now, epoch: LogEpoch::from_number(now.as_unix()), head: 0 };
    rooms.insert(room.as_str(), to_json(&row).as_slice())?;
    Ok((row, true))
}

fn append_entry(tx: &WriteTransaction, room: &RoomId, entry: &Entry) -> Result<Result<Offset, LogError>, redb::Error> {
    let (mut row, _) = ensure_room(tx, room, now())?;
    let mut entries = tx.open_table(ENTRIES)?;
    if let Entry::Chat { id, .. } = entry {
        let mut ids = tx.open_table(CHAT_IDS)?;
        let key = id.to_string();
        let known = ids.get((room.as_str(), key.as_str()))?.map(|seq| seq.value());
        if let Some(seq) = known {
            let stored = entries.get((room.as_str(), seq))?;
            let stored: Option<Entry> = stored.and_then(|value| serde_json::from_slice(value.value()).ok());
            let same = stored.is_some_and(|stored| is_same_message(&stored, entry, *id));
            return Ok(if same { Ok(Offset { epoch: row.epoch, seq }) } else { Err(LogError::IdTaken) });
        }
        ids.insert((room.as_str(), key.as_str()), row.head + 1)?;
    }
    row.head += 1;
    entries.insert((room.as_str(), row.head), to_json(entry).as_slice())?;
    tx.open_table(ROOMS)?.insert(room.as_str(), to_json(&row).as_slice())?;
    Ok(Ok(Offset { epoch: row.epoch, seq: row.head }))
}

/// A repetition has the author and the text of the first; only the time differs.
fn is_same_message(stored: &Entry, again: &Entry, id: ChatId) -> bool {
    match (stored, again) {
        (Entry::Chat { id: known, peer: a, body: x, .. }, Entry::Chat { peer: b, body: y, .. }) => {
            *known == id && a == b && x == y
        }
        _ => false,
    }
}

fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("rows and entries hold only strings, numbers and string-keyed structs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast::PeerId;
    use holdfast::rng::Rng;
    use holdfast::wire::{Body, Name};

    fn chat(id: ChatId, text: &str) -> Entry {
        let name = Name::new("Ana").expect("valid");
        Entry::Chat { id, peer: PeerId::from_bits(1), name, body: Body::new(text).expect("valid"), at: Millis::ZERO }
    }

    #[tokio::test]
    async fn entries_are_numbered_without_gaps_and_ids_count_once() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = EmbeddedStore::open(dir.path()).expect("opens");
        let room: RoomId = "abc".parse().expect("valid");
        let mut rng = Rng::new(1);
        let ids: Vec<ChatId> = (0..50).map(|_| ChatId::mint(Millis::ZERO, &mut rng)).collect();
        let appends: Vec<_> = ids.iter().map(|id| store.append(&room, chat(*id, "hi"))).collect();
        let offsets: Vec<u64> =
            futures::future::join_all(appends).await.into_iter().map(|o| o.expect("stored").seq).collect();
        assert_eq!(offsets, (1..=50).collect::<Vec<u64>>(), "in the order of the calls");
        assert_eq!(store.append(&room, chat(ids[6], "hi")).await.map(|o| o.seq), Ok(7), "a repetition keeps its place");
        assert_eq!(store.append(&room, chat(ids[6], "other")).await, Err(LogError::IdTaken));
        let page = store.history(&room, 0, 20).await.expect("readable");
        assert_eq!((page.messages.len(), page.next), (20, Some(20)));
        let rest = store.history(&room, 20, 100).await.expect("readable");
        assert_eq!((rest.messages.len(), rest.next), (30, None));
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_reopening() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let room: RoomId = "abc".parse().expect("valid");
        let id = ChatId::mint(Millis::ZERO, &mut Rng::new(2));
        let store = EmbeddedStore::open(dir.path()).expect("opens");
        let offset = store.append(&room, chat(id, "kept")).await.expect("stored");
        drop(store);
        let store = EmbeddedStore::open(dir.path()).expect("opens again");
        assert_eq!(store.head(&room).await, Ok(offset));
        assert_eq!(store.read(&room, 0, 10).await.map(|page| page.len()), Ok(1));
    }
}
