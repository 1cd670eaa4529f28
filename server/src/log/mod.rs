//! The room's log as the rooms use it, whoever keeps it.

pub mod embedded;

use futures::future::BoxFuture;
use holdfast::wire::Entry;
use holdfast::{ChatId, LogEpoch, Millis, Offset, RoomId};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Why an append or a read did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The id of a chat message belongs to another message.
    #[error("message id is taken")]
    IdTaken,
    /// Too much waits to be written.
    #[error("log is busy")]
    Busy,
    /// The log began another life than the one the entry was meant for; nothing was appended.
    #[error("log began anew")]
    Moved,
    /// The log does not answer, or failed; whether an append is in it nobody knows.
    #[error("log is away")]
    Away,
}

/// Where a room's log stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogState {
    /// Which life of it this is.
    pub epoch: LogEpoch,
    /// Its newest entry.
    pub head: u64,
    /// Entries up to here are no longer in it; the archive has them.
    pub oldest: u64,
    /// Whether another life of it came before, whose last entries may still be on their way to the archive.
    #[serde(default)]
    pub reborn: bool,
}

impl LogState {
    /// The newest entry.
    #[must_use]
    pub const fn head(&self) -> Offset {
        Offset { epoch: self.epoch, seq: self.head }
    }

    /// The place before the first entry there is.
    #[must_use]
    pub const fn start(&self) -> Offset {
        Offset { epoch: self.epoch, seq: self.oldest }
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPage {
    /// Where the log stands.
    pub state: LogState,
    /// The entries, in order and without a gap; none of another life than was asked for.
    pub entries: Vec<(Offset, Entry)>,
}

/// One append-only log a room. What `append` has answered is never lost, doubled or reordered while the log lives; when
/// it has to begin anew, its epoch says so.
pub trait RoomLog: Send + Sync + 'static {
    /// Appends an entry; one whose key is there already answers its old place. Entries of one room are appended in the
    /// order of the calls, and the answer comes once the entry is as safe as the log can make it. `seen` is the newest
    /// entry the caller knows of: a log that has less has lost its end, and begins a new life. A message meant for
    /// another life than the log has is [`LogError::Moved`]: the log may have forgotten that it had it.
    fn append(&self, room: &RoomId, entry: Entry, seen: Offset) -> BoxFuture<'static, Result<Offset, LogError>>;

    /// At most `limit` entries after this place, in order; none if the place is of another life of the log.
    fn read(&self, room: &RoomId, after: Offset, limit: usize) -> BoxFuture<'static, Result<LogPage, LogError>>;

    /// Where the log stands; that of a room nobody entered is about to begin.
    fn state(&self, room: &RoomId) -> BoxFuture<'static, Result<LogState, LogError>>;

    /// Changes whenever the room's log may have changed. A lost wake-up costs time, never an entry.
    fn wakes(&self, room: &RoomId) -> watch::Receiver<u64>;

    /// Takes archived entries up to this one out of the log; nothing if it is of another life. A log that was never
    /// written to is forgotten, and one without entries is not due before its next one.
    fn trim(&self, room: &RoomId, until: Offset) -> BoxFuture<'static, Result<(), LogError>>;

    /// Removes what a message said; its number stays, as [`Entry::Redacted`].
    fn redact(&self, room: &RoomId, id: ChatId) -> BoxFuture<'static, Result<(), LogError>>;

    /// Removes every entry of the room; the log begins a new life.
    fn wipe(&self, room: &RoomId) -> BoxFuture<'static, Result<LogState, LogError>>;

    /// Up to `limit` rooms whose oldest entry in the log, or next look at it, is from before this time; those that have
    /// waited longest first.
    fn due(&self, before: Millis, limit: usize) -> BoxFuture<'static, Result<Vec<RoomId>, LogError>>;

    /// A room was looked at: it is due again once that is from this time on.
    fn look_again(&self, room: &RoomId, at: Millis) -> BoxFuture<'static, Result<(), LogError>>;
}
