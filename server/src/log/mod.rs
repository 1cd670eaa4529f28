//! The room's log as the rooms use it, whoever keeps it.

pub mod embedded;

use futures::future::BoxFuture;
use holdfast::wire::Entry;
use holdfast::{Offset, RoomId};
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
    /// The log does not answer, or failed.
    #[error("log is away")]
    Away,
}

/// One append-only log a room. What `append` has answered is never lost, doubled or reordered.
pub trait RoomLog: Send + Sync + 'static {
    /// Appends an entry; a chat message whose id is there already answers its old place. Entries of one room are
    /// appended in the order of the calls, and the answer comes once the entry is on disk.
    fn append(&self, room: &RoomId, entry: Entry) -> BoxFuture<'static, Result<Offset, LogError>>;

    /// At most `limit` entries after sequence number `after`, in order.
    fn read(
        &self,
        room: &RoomId,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<(Offset, Entry)>, LogError>>;

    /// The life of the room's log and its newest entry; a room that was never used begins one.
    fn head(&self, room: &RoomId) -> BoxFuture<'static, Result<Offset, LogError>>;

    /// Changes whenever the room's log may have grown. A lost wake-up costs time, never an entry.
    fn wakes(&self, room: &RoomId) -> watch::Receiver<u64>;
}
