//! The log in the embedded store. An append also enters the archive queue, in the same commit.

use super::{LogError, LogPage, LogState, RoomLog};
use crate::clock;
use crate::queue::Record;
use crate::queue::embedded::enqueue;
use crate::store::Store;
use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast::wire::Entry;
use holdfast::{ChatId, LogEpoch, Millis, Offset, RoomId};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

const ROOMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("log_rooms");
const ENTRIES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("log_entries");
/// Rooms by the time from which on they are due, and that time by room.
const DUE: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("log_due");
const DUE_OF: TableDefinition<'_, &str, u64> = TableDefinition::new("log_due_of");
const KEYS: TableDefinition<'_, (&str, &str), u64> = TableDefinition::new("log_keys");

type Wakes = Arc<Mutex<HashMap<RoomId, watch::Sender<u64>>>>;

/// The log. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddedLog {
    store: Store,
    wakes: Wakes,
}

/// Makes the log's tables.
///
/// # Errors
/// Those of the store.
pub fn prepare(tx: &WriteTransaction) -> Result<(), redb::Error> {
    tx.open_table(ROOMS)?;
    tx.open_table(ENTRIES)?;
    tx.open_table(KEYS)?;
    tx.open_table(DUE)?;
    // What an older version wrote has no time: the sweep looks at each of those once.
    let mut unknown = vec![];
    {
        let (rooms, due_of) = (tx.open_table(ROOMS)?, tx.open_table(DUE_OF)?);
        for item in rooms.iter()? {
            let (room, row) = item?;
            let state: Option<LogState> = parse(row.value());
            let is_empty = state.is_some_and(|state| state.head > 0 && state.oldest == state.head);
            if !is_empty && due_of.get(room.value())?.is_none() {
                unknown.push(room.value().to_owned());
            }
        }
    }
    for room in unknown {
        set_due(tx, &room, Some(0))?;
    }
    Ok(())
}

impl EmbeddedLog {
    /// The log in this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, wakes: Wakes::default() }
    }

    fn write_and_wake<T: Send + 'static>(
        &self,
        room: &RoomId,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, LogError>> {
        let (done, wakes, room) = (self.store.write(work), Arc::clone(&self.wakes), room.clone());
        async move {
            let done = done.await?;
            if let Some(wake) = wakes.lock().expect("no holder of this lock can panic").get(&room) {
                wake.send_modify(|n| *n = n.wrapping_add(1));
            }
            Ok(done)
        }
        .boxed()
    }
}

impl RoomLog for EmbeddedLog {
    fn append(&self, room: &RoomId, entry: Entry, seen: Offset) -> BoxFuture<'static, Result<Offset, LogError>> {
        let name = room.clone();
        let done = self.write_and_wake(room, move |tx| append_entry(tx, &name, &entry, seen));
        let began = std::time::Instant::now();
        async move {
            let done = done.await;
            metrics::histogram!("holdfast_append_seconds").record(began.elapsed().as_secs_f64());
            done?
        }
        .boxed()
    }

    fn read(&self, room: &RoomId, after: Offset, limit: usize) -> BoxFuture<'static, Result<LogPage, LogError>> {
        let room = room.clone();
        self.store.read(move |db| read_page(db, &room, after, limit))
    }

    fn state(&self, room: &RoomId) -> BoxFuture<'static, Result<LogState, LogError>> {
        let room = room.clone();
        self.store.read(move |db| {
            let known = state_of(&db.begin_read()?.open_table(ROOMS)?, &room)?;
            Ok(known.unwrap_or_else(|| unwritten(Offset::default())))
        })
    }

    fn wakes(&self, room: &RoomId) -> watch::Receiver<u64> {
        subscribe(&self.wakes, room)
    }

    fn trim(&self, room: &RoomId, until: Offset) -> BoxFuture<'static, Result<(), LogError>> {
        let name = room.clone();
        self.write_and_wake(room, move |tx| {
            let known = state_of(&tx.open_table(ROOMS)?, &name)?;
            let Some(mut state) = known else { return set_due(tx, name.as_str(), None) };
            if state.epoch != until.epoch {
                return Ok(());
            }
            if state.head == 0 {
                tx.open_table(ROOMS)?.remove(name.as_str())?;
                return set_due(tx, name.as_str(), None);
            }
            let (mut entries, mut keys) = (tx.open_table(ENTRIES)?, tx.open_table(KEYS)?);
            for seq in state.oldest + 1..=until.seq.min(state.head) {
                entries.remove((name.as_str(), seq))?;
                state.oldest = seq;
            }
            // Also the keys of what was redacted, which no longer says its own.
            let room = (name.as_str(), "")..=(name.as_str(), "\u{10FFFF}");
            keys.retain_in(room, |_, seq| seq > state.oldest)?;
            if state.oldest == state.head {
                set_due(tx, name.as_str(), None)?;
            }
            put_state(tx, &name, state)
        })
    }

    fn redact(&self, room: &RoomId, id: ChatId) -> BoxFuture<'static, Result<(), LogError>> {
        let name = room.clone();
        self.write_and_wake(room, move |tx| {
            let key = id.to_string();
            let seq = tx.open_table(KEYS)?.get((name.as_str(), key.as_str()))?.map(|seq| seq.value());
            let mut entries = tx.open_table(ENTRIES)?;
            if let Some(seq) = seq
                && entries.get((name.as_str(), seq))?.is_some()
            {
                entries.insert((name.as_str(), seq), to_json(&Entry::Redacted).as_slice())?;
            }
            Ok(())
        })
    }

    fn wipe(&self, room: &RoomId) -> BoxFuture<'static, Result<LogState, LogError>> {
        let name = room.clone();
        self.write_and_wake(room, move |tx| {
            let state = state_of(&tx.open_table(ROOMS)?, &name)?.unwrap_or_default();
            begin_anew(tx, &name, state.epoch, true)
        })
    }

    fn due(&self, before: Millis, limit: usize) -> BoxFuture<'static, Result<Vec<RoomId>, LogError>> {
        self.store.read(move |db| {
            let due = db.begin_read()?.open_table(DUE)?;
            let mut found = vec![];
            for item in due.range(..(before.as_unix(), ""))?.take(limit) {
                found.extend(item?.0.value().1.parse::<RoomId>().ok());
            }
            Ok(found)
        })
    }

    fn look_again(&self, room: &RoomId, at: Millis) -> BoxFuture<'static, Result<(), LogError>> {
        let room = room.clone();
        self.store.write(move |tx| {
            let known = tx.open_table(DUE_OF)?.get(room.as_str())?.is_some(); // Not if it was emptied meanwhile.
            if known { set_due(tx, room.as_str(), Some(at.as_unix())) } else { Ok(()) }
        })
    }
}

/// A receiver of a room's wake-ups; senders nobody listens to are dropped on the way.
pub(crate) fn subscribe(wakes: &Wakes, room: &RoomId) -> watch::Receiver<u64> {
    let mut wakes = wakes.lock().expect("no holder of this lock can panic");
    wakes.retain(|_, wake| wake.receiver_count() > 0);
    wakes.entry(room.clone()).or_insert_with(|| watch::channel(0).0).subscribe()
}

fn state_of(
    rooms: &impl ReadableTable<&'static str, &'static [u8]>,
    room: &RoomId,
) -> Result<Option<LogState>, redb::Error> {
    Ok(rooms.get(room.as_str())?.and_then(|row| parse(row.value())))
}

fn set_due(tx: &WriteTransaction, room: &str, at: Option<u64>) -> Result<(), redb::Error> {
    let (mut due, mut due_of) = (tx.open_table(DUE)?, tx.open_table(DUE_OF)?);
    let known = due_of.get(room)?.map(|at| at.value());
    if let Some(known) = known {
        due.remove((known, room))?;
    }
    if let Some(at) = at {
        due.insert((at, room), ())?;
        due_of.insert(room, at)?;
    } else {
        due_of.remove(room)?;
    }
    Ok(())
}

fn put_state(tx: &WriteTransaction, room: &RoomId, state: LogState) -> Result<(), redb::Error> {
    tx.open_table(ROOMS)?.insert(room.as_str(), to_json(&state).as_slice())?;
    Ok(())
}

fn read_page(db: &Database, room: &RoomId, after: Offset, limit: usize) -> Result<LogPage, redb::Error> {
    let tx = db.begin_read()?;
    let Some(state) = state_of(&tx.open_table(ROOMS)?, room)? else {
        return Ok(LogPage { state: unwritten(after), entries: vec![] });
    };
    let mut entries = vec![];
    if after.epoch == state.epoch && after.seq >= state.oldest {
        let table = tx.open_table(ENTRIES)?;
        let range = table.range((room.as_str(), after.seq.saturating_add(1))..=(room.as_str(), u64::MAX))?;
        for item in range.take(limit) {
            let (key, value) = item?;
            let entry = parse(value.value()).ok_or_else(|| redb::Error::Corrupted("an entry of the log".into()))?;
            entries.push((Offset { epoch: state.epoch, seq: key.value().1 }, entry));
        }
    }
    Ok(LogPage { state, entries })
}

/// The life that a log without a row begins with its first entry: the one its caller knows, unless entries of that were
/// seen. Nothing is kept of a room until then.
fn unwritten(seen: Offset) -> LogState {
    let epoch = if seen.seq == 0 && seen.epoch != LogEpoch::default() { seen.epoch } else { later_than(seen.epoch) };
    LogState { epoch, ..LogState::default() }
}

fn later_than(before: LogEpoch) -> LogEpoch {
    LogEpoch::from_number(clock::now().as_unix().max(before.number() + 1))
}

/// Begins a life of the log later than `before`, which whoever knew the old one must notice.
fn begin_anew(tx: &WriteTransaction, room: &RoomId, before: LogEpoch, reborn: bool) -> Result<LogState, redb::Error> {
    let state = LogState { epoch: later_than(before), head: 0, oldest: 0, reborn };
    let name = room.as_str();
    tx.open_table(ENTRIES)?.retain_in((name, 0)..=(name, u64::MAX), |_, _| false)?;
    let mut keys = tx.open_table(KEYS)?;
    let old: Vec<String> = keys
        .range((name, "")..)?
        .map_while(|item| item.ok().filter(|(key, _)| key.value().0 == name).map(|(key, _)| key.value().1.to_owned()))
        .collect();
    for key in old {
        keys.remove((name, key.as_str()))?;
    }
    set_due(tx, name, Some(state.epoch.number()))?; // Forgotten if nobody comes.
    put_state(tx, room, state)?;
    Ok(state)
}

fn append_entry(
    tx: &WriteTransaction,
    room: &RoomId,
    entry: &Entry,
    seen: Offset,
) -> Result<Result<Offset, LogError>, redb::Error> {
    let known = state_of(&tx.open_table(ROOMS)?, room)?; // Closed again before it is written to.
    let mut state = known.unwrap_or_else(|| unwritten(seen));
    if known.is_some() && seen > state.head() {
        tracing::error!(room = crate::room_tag::tag(room), "the log has lost its end and begins anew");
        state = begin_anew(tx, room, seen.epoch, true)?;
    }
    if entry.is_of_one_life() && seen.epoch != LogEpoch::default() && seen.epoch != state.epoch {
        return Ok(Err(LogError::Moved));
    }
    let name = room.as_str();
    let mut entries = tx.open_table(ENTRIES)?;
    if let Some(key) = entry.key() {
        let mut keys = tx.open_table(KEYS)?;
        let known = keys.get((name, key.as_str()))?.map(|seq| seq.value());
        if let Some(seq) = known {
            let stored: Option<Entry> = entries.get((name, seq))?.and_then(|value| parse(value.value()));
            let same = stored.is_none_or(|stored| stored == Entry::Redacted || entry.repeats(&stored));
            metrics::counter!("holdfast_duplicates_dropped_total").increment(1);
            return Ok(if same { Ok(Offset { epoch: state.epoch, seq }) } else { Err(LogError::IdTaken) });
        }
        keys.insert((name, key.as_str()), state.head + 1)?;
    }
    if state.oldest == state.head {
        set_due(tx, name, Some(entry.at().as_unix()))?; // It is the oldest one.
    }
    state.head += 1;
    entries.insert((name, state.head), to_json(entry).as_slice())?;
    put_state(tx, room, state)?;
    enqueue(tx, &Record { room: room.clone(), offset: state.head(), entry: entry.clone() })?;
    Ok(Ok(state.head()))
}

pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("rows and entries hold only strings, numbers and string-keyed structs")
}
