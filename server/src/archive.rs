//! What outlives the calls: which rooms there are, and the pages of their history.

use crate::log::LogError;
use futures::future::BoxFuture;
use holdfast::wire::Entry;
use holdfast::{Millis, Offset, RoomId};

/// A room as the archive knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomRecord {
    /// When it was created.
    pub created: Millis,
    /// Its newest entry.
    pub head: Offset,
}

/// A page of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// Chat entries in order.
    pub messages: Vec<(Offset, Entry)>,
    /// Where the next page starts, if there is one.
    pub next: Option<u64>,
}

/// Rooms and their history.
pub trait Archive: Send + Sync + 'static {
    /// Creates a room; false if it exists.
    fn create(&self, room: &RoomId, now: Millis) -> BoxFuture<'static, Result<bool, LogError>>;

    /// Looks a room up.
    fn room(&self, room: &RoomId) -> BoxFuture<'static, Result<Option<RoomRecord>, LogError>>;

    /// At most `limit` messages after sequence number `after`.
    fn history(&self, room: &RoomId, after: u64, limit: usize) -> BoxFuture<'static, Result<HistoryPage, LogError>>;
}
