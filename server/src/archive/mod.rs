//! What outlives the calls: which rooms there are, their messages, and what must stay deleted.

pub mod embedded;
pub mod mongo;

use crate::log::LogError;
use crate::queue::Record;
use futures::future::BoxFuture;
use holdfast::wire::{Entry, Name};
use holdfast::{ChatId, LogEpoch, Millis, Offset, RoomId};
use serde::{Deserialize, Serialize};

/// A room as the archive knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRecord {
    /// Its code.
    pub room: RoomId,
    /// What people call it.
    pub name: Option<Name>,
    /// When it was created.
    pub created: Millis,
    /// When something last happened in it.
    pub last_active: Millis,
    /// Days its messages are kept; none for the server's setting.
    pub retention_days: Option<u32>,
    /// Its newest archived entry.
    pub head: Offset,
}

impl RoomRecord {
    /// Whether nothing was ever done with it.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.head == Offset::default() && self.name.is_none() && self.retention_days.is_none()
    }
}

/// Something that was deleted and must not come back with a late batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deleted {
    /// Every entry of the room up to and with this life of its log.
    Room(LogEpoch),
    /// One message.
    Message(ChatId),
}

/// A deletion that is on its way or done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Where.
    pub room: RoomId,
    /// What.
    pub what: Deleted,
    /// When it was asked for.
    pub at: Millis,
}

impl Tombstone {
    /// One name for each deletion.
    #[must_use]
    pub fn key(&self) -> String {
        match self.what {
            Deleted::Room(epoch) => format!("{}/{}", self.room, epoch.number()),
            Deleted::Message(id) => format!("{}/{id}", self.room),
        }
    }

    /// Whether a message that is not stored may have been: its author could bring it back.
    #[must_use]
    pub fn may_cover(&self, id: ChatId) -> bool {
        match self.what {
            Deleted::Room(_) => id.minted_at() <= self.at,
            Deleted::Message(deleted) => deleted == id,
        }
    }

    /// Whether this entry is what was deleted.
    #[must_use]
    pub fn covers(&self, record: &Record) -> bool {
        record.room == self.room
            && match self.what {
                Deleted::Room(epoch) => record.offset.epoch <= epoch,
                Deleted::Message(deleted) => matches!(&record.entry, Entry::Chat { id, .. } if *id == deleted),
            }
    }
}

/// What the archive knows of a message's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    No,
    /// The message.
    Stored(Offset, Entry),
    /// It was deleted, or its room was after it was written.
    Deleted,
}

/// Why a batch is not in the archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It did not answer: nobody knows what of it is stored. Storing again is right.
    #[error("archive is away: {0}")]
    Away(String),
    /// It answered that it will not have this.
    #[error("archive refuses: {0}")]
    Refused(String),
}

/// An answer of the archive.
pub type Answer<T> = BoxFuture<'static, Result<T, LogError>>;

/// Rooms, their history, and tombstones.
pub trait Archive: Send + Sync + 'static {
    /// Creates a room; false if it exists.
    fn create(&self, room: &RoomId, now: Millis) -> Answer<bool>;

    /// Forgets rooms that were created before, and that nobody entered, named or set up since. Looks at up to `limit`
    /// and says at how many; what was looked at once is not looked at again.
    fn forget_unused(&self, created_before: Millis, limit: usize) -> Answer<usize>;

    /// Looks a room up.
    fn room(&self, room: &RoomId) -> Answer<Option<RoomRecord>>;

    /// Changes a room's name and retention; false if there is no such room.
    fn set_room(&self, room: &RoomId, name: Option<Name>, retention_days: Option<u32>) -> Answer<bool>;

    /// Rooms in the order of their codes, after this one.
    fn rooms(&self, after: Option<RoomId>, limit: usize) -> Answer<Vec<RoomRecord>>;

    /// Stores entries, then the heads of their rooms. What is there already, or was deleted, is left out. Right however
    /// often it is called, and after any failure.
    fn store(&self, records: Vec<Record>) -> BoxFuture<'static, Result<(), StoreError>>;

    /// The newest `limit` messages before this place, oldest first.
    fn before(&self, room: &RoomId, before: Offset, limit: usize) -> Answer<Vec<(Offset, Entry)>>;

    /// The oldest `limit` messages after `after`, up to and with `until`.
    fn after(&self, room: &RoomId, after: Offset, until: Offset, limit: usize) -> Answer<Vec<(Offset, Entry)>>;

    /// A message by its id.
    fn find(&self, room: &RoomId, id: ChatId) -> Answer<Known>;

    /// Notes a deletion, before anything is deleted.
    fn entomb(&self, tombstone: Tombstone) -> Answer<()>;

    /// Deletions that are not finished, oldest first.
    fn unfinished(&self, limit: usize) -> Answer<Vec<Tombstone>>;

    /// Removes up to `limit` of the entries that a tombstone covers; true once none is left. The deletion is not finished
    /// by it.
    fn remove_covered(&self, tombstone: Tombstone, limit: usize) -> Answer<bool>;

    /// Deletes up to `limit` of what a tombstone covers; true once nothing is left, and the deletion is noted as done.
    fn bury(&self, tombstone: Tombstone, limit: usize) -> Answer<bool>;

    /// Deletes up to `limit` entries of a room that are older than this; answers how many.
    fn expire(&self, room: &RoomId, older_than: Millis, limit: usize) -> Answer<u64>;
}
