//! The archive in the embedded store.

use super::{Answer, Archive, Deleted, Known, RoomRecord, StoreError, Tombstone};
use crate::log::LogError;
use crate::log::embedded::{parse, to_json};
use crate::queue::Record;
use crate::store::Store;
use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast::wire::{Entry, Name};
use holdfast::{ChatId, LogEpoch, Millis, Offset, RoomId};
use redb::{ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};

const ROOMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("rooms");
const ENTRIES: TableDefinition<'_, (&str, u64, u64), &[u8]> = TableDefinition::new("entries");
const IDS: TableDefinition<'_, (&str, &str), (u64, u64)> = TableDefinition::new("ids");
/// Tombstones: true while unfinished.
const GONE: TableDefinition<'_, &str, (bool, &[u8])> = TableDefinition::new("gone");
/// Rooms that were created, by when: each is looked at once to see whether it was ever used.
const UNUSED: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("unused");

/// The archive. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddedArchive(Store);

/// Makes the archive's tables.
///
/// # Errors
/// Those of the store.
pub fn prepare(tx: &WriteTransaction) -> Result<(), redb::Error> {
    tx.open_table(ROOMS)?;
    tx.open_table(ENTRIES)?;
    tx.open_table(IDS)?;
    tx.open_table(GONE)?;
    tx.open_table(UNUSED)?;
    Ok(())
}

impl EmbeddedArchive {
    /// The archive in this store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self(store)
    }

    fn chats(
        &self,
        room: &RoomId,
        above: Offset,
        below: Offset,
        limit: usize,
        newest: bool,
    ) -> Answer<Vec<(Offset, Entry)>> {
        let room = room.clone();
        self.0.read(move |db| {
            let table = db.begin_read()?.open_table(ENTRIES)?;
            let (from, to) = (key(&room, above), key(&room, below));
            let mut range = table.range(from..to)?;
            let mut found = vec![];
            while let Some(item) = if newest { range.next_back() } else { range.next() } {
                let (key, value) = item?;
                let (_, epoch, seq) = key.value();
                if let Some(entry @ Entry::Chat { .. }) = parse::<Entry>(value.value()) {
                    found.push((Offset { epoch: LogEpoch::from_number(epoch), seq }, entry));
                }
                if found.len() >= limit {
                    break;
                }
            }
            if newest {
                found.reverse();
            }
            Ok(found)
        })
    }
}

fn key(room: &RoomId, offset: Offset) -> (&str, u64, u64) {
    (room.as_str(), offset.epoch.number(), offset.seq)
}

impl Archive for EmbeddedArchive {
    fn create(&self, room: &RoomId, now: Millis) -> Answer<bool> {
        let room = room.clone();
        self.0.write(move |tx| {
            let mut rooms = tx.open_table(ROOMS)?;
            if rooms.get(room.as_str())?.is_some() {
                return Ok(false);
            }
            tx.open_table(UNUSED)?.insert((now.as_unix(), room.as_str()), ())?;
            put_room(&mut rooms, &new_room(room, now))?;
            Ok(true)
        })
    }

    fn forget_unused(&self, created_before: Millis, limit: usize) -> Answer<usize> {
        self.0.write(move |tx| {
            let (mut unused, mut rooms) = (tx.open_table(UNUSED)?, tx.open_table(ROOMS)?);
            let mut due = vec![];
            for item in unused.range(..(created_before.as_unix(), ""))?.take(limit) {
                let (key, _) = item?;
                let (at, room) = key.value();
                due.push((at, room.to_owned()));
            }
            for (at, room) in &due {
                unused.remove((*at, room.as_str()))?;
                let known = rooms.get(room.as_str())?.and_then(|row| parse::<RoomRecord>(row.value()));
                if known.is_some_and(|known| known.is_unused()) {
                    rooms.remove(room.as_str())?;
                }
            }
            Ok(due.len())
        })
    }

    fn room(&self, room: &RoomId) -> Answer<Option<RoomRecord>> {
        let room = room.clone();
        self.0.read(move |db| {
            let rooms = db.begin_read()?.open_table(ROOMS)?;
            Ok(rooms.get(room.as_str())?.and_then(|row| parse(row.value())))
        })
    }

    fn set_room(&self, room: &RoomId, name: Option<Name>, retention_days: Option<u32>) -> Answer<bool> {
        let room = room.clone();
        self.0.write(move |tx| {
            let mut rooms = tx.open_table(ROOMS)?;
            let known = rooms.get(room.as_str())?.and_then(|row| parse::<RoomRecord>(row.value()));
            let Some(known) = known else { return Ok(false) };
            put_room(&mut rooms, &RoomRecord { name, retention_days, ..known })?;
            Ok(true)
        })
    }

    fn rooms(&self, after: Option<RoomId>, limit: usize) -> Answer<Vec<RoomRecord>> {
        self.0.read(move |db| {
            let rooms = db.begin_read()?.open_table(ROOMS)?;
            let after = after.as_ref().map_or("", RoomId::as_str);
            let mut found = vec![];
            for item in rooms.range(after..)? {
                let (name, row) = item?;
                if name.value() != after {
                    found.extend(parse::<RoomRecord>(row.value()));
                }
                if found.len() >= limit {
                    break;
                }
            }
            Ok(found)
        })
    }

    fn store(&self, records: Vec<Record>) -> BoxFuture<'static, Result<(), StoreError>> {
        let stored = self.0.write(move |tx| {
            // Looked at first, because a transaction that is dropped half way would take others' work with it.
            for record in &records {
                if let Err(reason) = check(tx, record)? {
                    return Ok(Err(reason));
                }
            }
            for record in records {
                put_entry(tx, &record)?;
            }
            Ok(Ok(()))
        });
        async move {
            match stored.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(reason)) => Err(StoreError::Refused(reason)),
                Err(error) => Err(StoreError::Away(error.to_string())),
            }
        }
        .boxed()
    }

    fn before(&self, room: &RoomId, before: Offset, limit: usize) -> Answer<Vec<(Offset, Entry)>> {
        self.chats(room, Offset::default(), before, limit, true)
    }

    fn after(&self, room: &RoomId, after: Offset, until: Offset, limit: usize) -> Answer<Vec<(Offset, Entry)>> {
        let above = |offset: Offset| Offset { seq: offset.seq.saturating_add(1), ..offset };
        self.chats(room, above(after), above(until), limit, false)
    }

    fn find(&self, room: &RoomId, id: ChatId) -> Answer<Known> {
        let room = room.clone();
        self.0.read(move |db| {
            let tx = db.begin_read()?;
            let place = tx.open_table(IDS)?.get((room.as_str(), id.to_string().as_str()))?.map(|place| place.value());
            if let Some((epoch, seq)) = place {
                let offset = Offset { epoch: LogEpoch::from_number(epoch), seq };
                let entry = tx.open_table(ENTRIES)?.get(key(&room, offset))?.and_then(|entry| parse(entry.value()));
                return Ok(entry.map_or(Known::No, |entry| Known::Stored(offset, entry)));
            }
            let deleted = covers(&tx.open_table(GONE)?, &room, |tombstone| tombstone.may_cover(id))?;
            Ok(if deleted { Known::Deleted } else { Known::No })
        })
    }

    fn entomb(&self, tombstone: Tombstone) -> Answer<()> {
        self.0.write(move |tx| {
            let mut gone = tx.open_table(GONE)?;
            gone.insert(tombstone.key().as_str(), (true, to_json(&tombstone).as_slice()))?;
            Ok(())
        })
    }

    fn unfinished(&self, limit: usize) -> Answer<Vec<Tombstone>> {
        self.0.read(move |db| {
            let gone = db.begin_read()?.open_table(GONE)?;
            let mut found = vec![];
            for item in gone.iter()? {
                if let (true, tombstone) = item?.1.value() {
                    found.extend(parse::<Tombstone>(tombstone));
                }
                if found.len() >= limit {
                    break;
                }
            }
            found.sort_by_key(|tombstone: &Tombstone| tombstone.at);
            Ok(found)
        })
    }

    fn remove_covered(&self, tombstone: Tombstone, limit: usize) -> Answer<bool> {
        self.0.write(move |tx| remove_covered(tx, &tombstone, limit))
    }

    fn bury(&self, tombstone: Tombstone, limit: usize) -> Answer<bool> {
        self.0.write(move |tx| {
            let left = !remove_covered(tx, &tombstone, limit)?;
            if let Deleted::Room(epoch) = tombstone.what {
                let (room, until) = (tombstone.room.as_str(), Offset { epoch, seq: u64::MAX });
                let mut rooms = tx.open_table(ROOMS)?;
                let known = rooms.get(room)?.and_then(|row| parse::<RoomRecord>(row.value()));
                if known.is_some_and(|known| known.head <= until) {
                    rooms.remove(room)?;
                }
            }
            tx.open_table(GONE)?.insert(tombstone.key().as_str(), (left, to_json(&tombstone).as_slice()))?;
            Ok(!left)
        })
    }

    fn expire(&self, room: &RoomId, older_than: Millis, limit: usize) -> Answer<u64> {
        let room = room.clone();
        let end = Offset { epoch: LogEpoch::from_number(u64::MAX), seq: u64::MAX };
        self.0.write(move |tx| remove_entries(tx, &room, end, limit, |entry| entry.at() < older_than))
    }
}

/// Removes what a tombstone covers; true once none is left.
fn remove_covered(tx: &WriteTransaction, tombstone: &Tombstone, limit: usize) -> Result<bool, redb::Error> {
    let room = &tombstone.room;
    match tombstone.what {
        Deleted::Room(epoch) => {
            let until = Offset { epoch, seq: u64::MAX };
            Ok(remove_entries(tx, room, until, limit, |_| true)? < limit as u64)
        }
        Deleted::Message(id) => {
            let id = id.to_string();
            let place = tx.open_table(IDS)?.remove((room.as_str(), id.as_str()))?.map(|place| place.value());
            if let Some((epoch, seq)) = place {
                tx.open_table(ENTRIES)?.remove((room.as_str(), epoch, seq))?;
            }
            Ok(true)
        }
    }
}

fn new_room(room: RoomId, now: Millis) -> RoomRecord {
    RoomRecord { room, name: None, created: now, last_active: now, retention_days: None, head: Offset::default() }
}

fn put_room(rooms: &mut Table<'_, &'static str, &'static [u8]>, record: &RoomRecord) -> Result<(), redb::Error> {
    rooms.insert(record.room.as_str(), to_json(record).as_slice())?;
    Ok(())
}

/// Refuses an entry whose place belongs to another one.
fn check(tx: &WriteTransaction, record: &Record) -> Result<Result<(), String>, redb::Error> {
    let known = tx.open_table(ENTRIES)?.get(key(&record.room, record.offset))?.map(|value| value.value().to_vec());
    if known.is_some_and(|known| parse::<Entry>(&known).as_ref() != Some(&record.entry)) {
        return Ok(Err(format!(
            "another entry has place {} of life {}",
            record.offset.seq,
            record.offset.epoch.number()
        )));
    }
    Ok(Ok(()))
}

/// Whether a tombstone of the room is one of these.
fn covers(
    gone: &impl ReadableTable<&'static str, (bool, &'static [u8])>,
    room: &RoomId,
    which: impl Fn(&Tombstone) -> bool,
) -> Result<bool, redb::Error> {
    for item in gone.range(format!("{room}/").as_str()..format!("{room}0").as_str())? {
        if parse::<Tombstone>(item?.1.value().1).is_some_and(|tombstone| which(&tombstone)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn put_entry(tx: &WriteTransaction, record: &Record) -> Result<(), redb::Error> {
    let Record { room, offset, entry } = record;
    if covers(&tx.open_table(GONE)?, room, |tombstone| tombstone.covers(record))? {
        return Ok(());
    }
    if let Entry::Chat { id, .. } = entry {
        let (mut ids, id) = (tx.open_table(IDS)?, id.to_string());
        if ids.get((room.as_str(), id.as_str()))?.is_some() {
            return Ok(()); // There already.
        }
        ids.insert((room.as_str(), id.as_str()), (offset.epoch.number(), offset.seq))?;
    }
    tx.open_table(ENTRIES)?.insert(key(room, *offset), to_json(entry).as_slice())?;
    let mut rooms = tx.open_table(ROOMS)?;
    let known = rooms.get(room.as_str())?.and_then(|row| parse::<RoomRecord>(row.value()));
    let mut known = known.unwrap_or_else(|| new_room(room.clone(), entry.at()));
    known.head = known.head.max(*offset);
    known.last_active = known.last_active.max(entry.at());
    put_room(&mut rooms, &known)
}

/// Removes the oldest entries of a room up to a place, as long as `pick` takes them.
fn remove_entries(
    tx: &WriteTransaction,
    room: &RoomId,
    until: Offset,
    limit: usize,
    pick: impl Fn(&Entry) -> bool,
) -> Result<u64, redb::Error> {
    let (mut entries, mut ids) = (tx.open_table(ENTRIES)?, tx.open_table(IDS)?);
    let mut doomed = vec![];
    for item in entries.range(key(room, Offset::default())..=key(room, until))? {
        let (key, value) = item?;
        let entry = parse::<Entry>(value.value()).unwrap_or(Entry::Redacted);
        if doomed.len() >= limit || !pick(&entry) {
            break;
        }
        doomed.push((key.value().1, key.value().2, entry));
    }
    for (epoch, seq, entry) in &doomed {
        entries.remove((room.as_str(), *epoch, *seq))?;
        if let Entry::Chat { id, .. } = entry {
            ids.remove((room.as_str(), id.to_string().as_str()))?;
        }
    }
    Ok(doomed.len() as u64)
}

/// What the store's errors are to the archive.
impl From<LogError> for StoreError {
    fn from(error: LogError) -> Self {
        Self::Away(error.to_string())
    }
}
