//! The queue between log and archive: every appended entry, until the archive has it or it is laid aside.

pub mod embedded;
pub mod worker;

use crate::log::LogError;
use futures::future::BoxFuture;
use holdfast::wire::Entry;
use holdfast::{Millis, Offset, RoomId};
use serde::{Deserialize, Serialize};

/// An entry at its place in its room, as the queue carries it and the archive stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The room.
    pub room: RoomId,
    /// The place.
    pub offset: Offset,
    /// The entry.
    pub entry: Entry,
}

/// What the queue gave to this worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The queue's name for it.
    pub key: String,
    /// How often the archive refused it before.
    pub attempts: u32,
    /// The record, or the text that should have been one.
    pub record: Result<Record, String>,
}

/// An entry that was laid aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The name it is replayed and discarded by.
    pub key: String,
    /// When it was laid aside.
    pub at: Millis,
    /// How often the archive refused it.
    pub attempts: u32,
    /// Why the first time.
    pub first_error: String,
    /// Why the last time.
    pub last_error: String,
    /// What it is, as it stood in the queue.
    pub payload: String,
    /// The record in it; none if it holds none.
    pub record: Option<Record>,
}

/// What an operator wants to know of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueStats {
    /// Entries that are not in the archive yet.
    pub depth: u64,
    /// How long the oldest of them has waited, in milliseconds.
    pub oldest_ms: u64,
    /// Entries laid aside.
    pub dead: u64,
}

/// A queue with dead letters. Everything may be called by several workers on several nodes.
pub trait Queue: Send + Sync + 'static {
    /// Gives up to `max` entries to this worker, first those of workers that are gone; waits a moment if there are none.
    fn take(&self, max: usize) -> BoxFuture<'static, Result<Vec<Taken>, LogError>>;

    /// Says that this worker still holds these.
    fn hold(&self, keys: Vec<String>) -> BoxFuture<'static, Result<(), LogError>>;

    /// These are in the archive.
    fn acknowledge(&self, keys: Vec<String>) -> BoxFuture<'static, Result<(), LogError>>;

    /// Notes a refusal, so that another worker goes on counting.
    fn note(&self, key: String, attempts: u32, error: String) -> BoxFuture<'static, Result<(), LogError>>;

    /// Moves an entry to the dead letters.
    fn bury(&self, key: String, attempts: u32, error: String) -> BoxFuture<'static, Result<(), LogError>>;

    /// Depth, age, dead letters.
    fn stats(&self) -> BoxFuture<'static, Result<QueueStats, LogError>>;

    /// Dead letters, oldest first, after this key.
    fn dead(&self, after: Option<String>, limit: usize) -> BoxFuture<'static, Result<Vec<DeadLetter>, LogError>>;

    /// Puts a dead letter back at the end of the queue; false if there is none of that name.
    fn replay(&self, key: String) -> BoxFuture<'static, Result<bool, LogError>>;

    /// Forgets a dead letter; false if there is none of that name.
    fn discard(&self, key: String) -> BoxFuture<'static, Result<bool, LogError>>;

    /// Takes or keeps the right to do `what` alone, for this long.
    fn lease(&self, what: &'static str, ms: u64) -> BoxFuture<'static, Result<bool, LogError>>;
}

/// Texts of errors are kept short: they may hold anything.
#[must_use]
pub fn short(error: &str) -> String {
    error.chars().take(500).collect()
}
