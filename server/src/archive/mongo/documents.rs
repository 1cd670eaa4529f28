//! The documents of the archive in MongoDB, and what its errors mean.

use crate::archive::{Deleted, RoomRecord, Tombstone};
use crate::queue::{Record, short};
use holdfast::wire::{Entry, Name};
use holdfast::{LogEpoch, Millis, Offset, RoomId};
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// MongoDB's code for a duplicate key.
pub(super) const DUPLICATE: i32 = 11_000;

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EntryDoc {
    pub(super) room: String,
    pub(super) epoch: i64,
    pub(super) seq: i64,
    /// The id of a message; for other entries their place, because every document must have one.
    pub(super) id: String,
    pub(super) chat: bool,
    pub(super) at: i64,
    pub(super) entry: Entry,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RoomDoc {
    #[serde(rename = "_id")]
    pub(super) room: String,
    pub(super) created: i64,
    pub(super) last_active: i64,
    #[serde(default)]
    pub(super) name: Option<Name>,
    #[serde(default)]
    pub(super) retention_days: Option<u32>,
    #[serde(default)]
    pub(super) head: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct GoneDoc {
    #[serde(rename = "_id")]
    pub(super) key: String,
    pub(super) room: String,
    pub(super) at: i64,
    pub(super) unfinished: bool,
    pub(super) what: Deleted,
}

pub(super) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// A head as text that sorts like the place it is, so that `$max` can compare it.
pub(super) fn head_text(offset: Offset) -> String {
    format!("{:020}.{:020}", offset.epoch.number(), offset.seq)
}

pub(super) fn head_of(text: &str) -> Offset {
    let parts = text.split_once('.').and_then(|(epoch, seq)| Some((epoch.parse().ok()?, seq.parse().ok()?)));
    let (epoch, seq) = parts.unwrap_or((0, 0));
    Offset { epoch: LogEpoch::from_number(epoch), seq }
}

impl From<&Record> for EntryDoc {
    fn from(record: &Record) -> Self {
        let Record { room, offset, entry } = record;
        let place = || format!("{}.{}", offset.epoch.number(), offset.seq);
        let chat_id = if let Entry::Chat { id, .. } = entry { Some(id.to_string()) } else { None };
        Self {
            room: room.to_string(),
            epoch: number(offset.epoch.number()),
            seq: number(offset.seq),
            chat: chat_id.is_some(),
            id: chat_id.unwrap_or_else(place),
            at: number(entry.at().as_unix()),
            entry: entry.clone(),
        }
    }
}

impl EntryDoc {
    pub(super) fn offset(&self) -> Offset {
        Offset { epoch: LogEpoch::from_number(unsigned(self.epoch)), seq: unsigned(self.seq) }
    }
}

impl RoomDoc {
    pub(super) fn record(self) -> Option<RoomRecord> {
        Some(RoomRecord {
            room: self.room.parse().ok()?,
            name: self.name,
            created: Millis::from_unix(unsigned(self.created)),
            last_active: Millis::from_unix(unsigned(self.last_active)),
            retention_days: self.retention_days,
            head: head_of(&self.head),
        })
    }
}

/// What a command error says, without the documents it may quote.
pub(super) fn reason(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::Command(command) => format!("{} ({})", command.code_name, command.code),
        ErrorKind::InsertMany(failure) => {
            let first = failure.write_errors.iter().flatten().find(|write| write.code != DUPLICATE);
            first.map_or_else(
                || "write concern failed".into(),
                |write| short(&format!("{} ({})", write.message, write.code)),
            )
        }
        ErrorKind::Write(WriteFailure::WriteError(write)) => short(&format!("{} ({})", write.message, write.code)),
        ErrorKind::Bson(error) => short(&error.to_string()),
        other => short(&other.to_string()),
    }
}

/// Whether the server judged the documents, and would judge them the same again.
pub(super) fn is_refusal(error: &Error) -> bool {
    /// Document validation, bad value, too large, immutable, not allowed key names.
    const CODES: [i32; 6] = [2, 9, 52, 121, 10_334, 17_280];
    /// A shard or a primary that is away, said of single documents.
    const PASSING: [i32; 17] =
        [6, 7, 50, 63, 89, 91, 112, 133, 189, 262, 9_001, 10_107, 11_600, 11_602, 13_435, 13_436, DUPLICATE];
    match &*error.kind {
        ErrorKind::InsertMany(failure) => {
            failure.write_errors.iter().flatten().any(|write| !PASSING.contains(&write.code))
        }
        ErrorKind::Command(command) => CODES.contains(&command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => !PASSING.contains(&write.code),
        ErrorKind::Bson(_) => true,
        _ => false,
    }
}

pub(super) fn tombstone(gone: GoneDoc) -> Option<Tombstone> {
    Some(Tombstone { room: gone.room.parse().ok()?, what: gone.what, at: Millis::from_unix(unsigned(gone.at)) })
}

/// The places that are not stored yet.
///
/// # Errors
/// When a place belongs to another entry.
pub(super) fn missing(records: &[Record], stored: &[EntryDoc]) -> Result<BTreeSet<(String, Offset)>, String> {
    let (mut fresh, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for record in records {
        let doc = EntryDoc::from(record);
        let here = stored.iter().find(|known| known.room == doc.room && known.offset() == record.offset);
        let known_id = stored.iter().any(|known| known.room == doc.room && known.id == doc.id);
        match here {
            Some(known) if *known != doc => {
                return Err(format!("another entry has place {} of life {}", doc.seq, doc.epoch));
            }
            // One id may stand twice in a batch: once in each of two lives of the log. The first is the one.
            None if !known_id && ids.insert((doc.room.clone(), doc.id)) => {
                fresh.insert((doc.room, record.offset));
            }
            Some(_) | None => {}
        }
    }
    Ok(fresh)
}

/// The newest entry of each room of a batch, and its time.
pub(super) fn heads(records: &[Record]) -> Vec<(String, Offset, Millis)> {
    let mut heads: BTreeMap<&RoomId, (Offset, Millis)> = BTreeMap::new();
    for Record { room, offset, entry } in records {
        let head = heads.entry(room).or_default();
        *head = (head.0.max(*offset), head.1.max(entry.at()));
    }
    heads.into_iter().map(|(room, (offset, at))| (room.to_string(), offset, at)).collect()
}

pub(super) fn head_update(head: Offset, at: Millis) -> Document {
    let at = number(at.as_unix());
    doc! { "$max": { "head": head_text(head), "last_active": at }, "$setOnInsert": { "created": at } }
}
