//! The queue in the embedded store. There is one process, so nothing has to be claimed back from dead workers: what was
//! taken and not acknowledged is given again after a restart.

use super::{DeadLetter, Queue, QueueStats, Record, Taken, short};
use crate::clock;
use crate::log::LogError;
use crate::log::embedded::{parse, to_json};
use crate::store::Store;
use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast::Millis;
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const QUEUE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("queue");
const DEAD: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("dead");
/// The number given last.
const COUNTER: TableDefinition<'_, (), u64> = TableDefinition::new("queue_counter");

/// How long an empty queue is waited on.
const WAIT: Duration = Duration::from_millis(200);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    at: Millis,
    attempts: u32,
    first_error: String,
    last_error: String,
    payload: String,
}

/// The queue. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddedQueue {
    store: Store,
    taken: Arc<Mutex<BTreeSet<u64>>>,
}

/// Makes the queue's tables.
///
/// # Errors
/// Those of the store.
pub fn prepare(tx: &WriteTransaction) -> Result<(), redb::Error> {
    tx.open_table(QUEUE)?;
    tx.open_table(DEAD)?;
    tx.open_table(COUNTER)?;
    Ok(())
}

/// Puts a record at the end, as a part of the transaction that appends it.
///
/// # Errors
/// Those of the store.
pub fn enqueue(tx: &WriteTransaction, record: &Record) -> Result<(), redb::Error> {
    let payload = String::from_utf8(to_json(record)).expect("JSON is UTF-8");
    let row = Row { at: clock::now(), attempts: 0, first_error: String::new(), last_error: String::new(), payload };
    push(tx, &row)
}

fn push(tx: &WriteTransaction, row: &Row) -> Result<(), redb::Error> {
    let (mut queue, dead) = (tx.open_table(QUEUE)?, tx.open_table(DEAD)?);
    // Numbers go on over both tables and after both are empty: a late acknowledgement must not meet another entry.
    let mut counter = tx.open_table(COUNTER)?;
    let given = counter.get(())?.map_or(0, |last| last.value());
    let last = queue.last()?.map_or(0, |(key, _)| key.value()).max(dead.last()?.map_or(0, |(key, _)| key.value()));
    let number = given.max(last) + 1;
    counter.insert((), number)?;
    queue.insert(number, to_json(row).as_slice())?;
    Ok(())
}

impl EmbeddedQueue {
    /// The queue in this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, taken: Arc::default() }
    }

    fn forget(&self, keys: &[u64]) {
        let mut taken = self.taken.lock().expect("no holder of this lock can panic");
        for key in keys {
            taken.remove(key);
        }
    }

    fn change(
        &self,
        key: &str,
        work: impl FnOnce(&WriteTransaction, u64) -> Result<bool, redb::Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<bool, LogError>> {
        match key.parse() {
            Ok(key) => self.store.write(move |tx| work(tx, key)),
            Err(_) => async { Ok(false) }.boxed(),
        }
    }
}

impl Queue for EmbeddedQueue {
    fn take(&self, max: usize) -> BoxFuture<'static, Result<Vec<Taken>, LogError>> {
        let this = self.clone();
        async move {
            let skip = this.taken.lock().expect("no holder of this lock can panic").clone();
            let rows = this
                .store
                .read(move |db| {
                    let queue = db.begin_read()?.open_table(QUEUE)?;
                    let mut rows = vec![];
                    for item in queue.iter()? {
                        let (key, value) = item?;
                        if rows.len() >= max {
                            break;
                        }
                        if !skip.contains(&key.value()) {
                            rows.extend(parse::<Row>(value.value()).map(|row| (key.value(), row)));
                        }
                    }
                    Ok(rows)
                })
                .await?;
            if rows.is_empty() {
                tokio::time::sleep(WAIT).await;
            }
            this.taken.lock().expect("no holder of this lock can panic").extend(rows.iter().map(|(key, _)| *key));
            let taken = |(key, row): (u64, Row)| Taken {
                key: key.to_string(),
                attempts: row.attempts,
                record: parse(row.payload.as_bytes()).ok_or(row.payload),
            };
            Ok(rows.into_iter().map(taken).collect())
        }
        .boxed()
    }

    fn hold(&self, _keys: Vec<String>) -> BoxFuture<'static, Result<(), LogError>> {
        async { Ok(()) }.boxed()
    }

    fn acknowledge(&self, keys: Vec<String>) -> BoxFuture<'static, Result<(), LogError>> {
        let (this, keys) = (self.clone(), keys.iter().filter_map(|key| key.parse().ok()).collect::<Vec<u64>>());
        let gone = keys.clone();
        let done = self.store.write(move |tx| {
            let mut queue = tx.open_table(QUEUE)?;
            for key in gone {
                queue.remove(key)?;
            }
            Ok(())
        });
        async move {
            done.await?;
            this.forget(&keys);
            Ok(())
        }
        .boxed()
    }

    fn note(&self, key: String, attempts: u32, error: String) -> BoxFuture<'static, Result<(), LogError>> {
        let done = self.change(&key, move |tx, key| {
            let mut queue = tx.open_table(QUEUE)?;
            let Some(row) = queue.get(key)?.and_then(|row| parse::<Row>(row.value())) else { return Ok(false) };
            queue.insert(key, to_json(&with_error(row, attempts, &error)).as_slice())?;
            Ok(true)
        });
        async move { done.await.map(drop) }.boxed()
    }

    fn bury(&self, key: String, attempts: u32, error: String) -> BoxFuture<'static, Result<(), LogError>> {
        let this = self.clone();
        let number = key.parse().unwrap_or_default();
        let done = self.change(&key, move |tx, key| {
            let row = tx.open_table(QUEUE)?.remove(key)?.and_then(|row| parse::<Row>(row.value()));
            let Some(row) = row else { return Ok(false) };
            let row = Row { at: clock::now(), ..with_error(row, attempts, &error) };
            tx.open_table(DEAD)?.insert(key, to_json(&row).as_slice())?;
            Ok(true)
        });
        async move {
            let done = done.await;
            // Also where it failed, as on a full disk: then it is given again.
            this.forget(&[number]);
            done.map(drop)
        }
        .boxed()
    }

    fn stats(&self) -> BoxFuture<'static, Result<QueueStats, LogError>> {
        self.store.read(|db| {
            let tx = db.begin_read()?;
            let (queue, dead) = (tx.open_table(QUEUE)?, tx.open_table(DEAD)?);
            let oldest = queue.first()?.and_then(|(_, row)| parse::<Row>(row.value()));
            let oldest_ms = oldest.map_or(0, |row| clock::now().since(row.at));
            Ok(QueueStats { depth: queue.len()?, oldest_ms, dead: dead.len()? })
        })
    }

    fn dead(&self, after: Option<String>, limit: usize) -> BoxFuture<'static, Result<Vec<DeadLetter>, LogError>> {
        let after: u64 = after.and_then(|key| key.parse().ok()).unwrap_or(0);
        self.store.read(move |db| {
            let dead = db.begin_read()?.open_table(DEAD)?;
            let mut letters = vec![];
            for item in dead.range(after.saturating_add(1)..)?.take(limit) {
                let (key, row) = item?;
                letters.extend(parse::<Row>(row.value()).map(|row| DeadLetter {
                    key: key.value().to_string(),
                    at: row.at,
                    attempts: row.attempts,
                    first_error: row.first_error,
                    last_error: row.last_error,
                    record: parse(row.payload.as_bytes()),
                    payload: row.payload,
                }));
            }
            Ok(letters)
        })
    }

    fn replay(&self, key: String) -> BoxFuture<'static, Result<bool, LogError>> {
        self.change(&key, |tx, key| {
            let row = tx.open_table(DEAD)?.remove(key)?.and_then(|row| parse::<Row>(row.value()));
            let Some(row) = row else { return Ok(false) };
            push(tx, &Row { at: clock::now(), attempts: 0, ..row })?;
            Ok(true)
        })
    }

    fn discard(&self, key: String) -> BoxFuture<'static, Result<bool, LogError>> {
        self.change(&key, |tx, key| Ok(tx.open_table(DEAD)?.remove(key)?.is_some()))
    }

    fn lease(&self, _what: &'static str, _ms: u64) -> BoxFuture<'static, Result<bool, LogError>> {
        async { Ok(true) }.boxed() // There is no other process.
    }
}

fn with_error(mut row: Row, attempts: u32, error: &str) -> Row {
    row.attempts = attempts;
    row.last_error = short(error);
    if row.first_error.is_empty() {
        row.first_error.clone_from(&row.last_error);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::open_store;

    fn row(payload: &str) -> Row {
        let (first_error, last_error) = (String::new(), String::new());
        Row { at: Millis::ZERO, attempts: 0, first_error, last_error, payload: payload.into() }
    }

    async fn queue() -> (EmbeddedQueue, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        (EmbeddedQueue::new(open_store(dir.path()).expect("opens")), dir)
    }

    async fn put(queue: &EmbeddedQueue, payload: &'static str) {
        queue.store.write(move |tx| push(tx, &row(payload))).await.expect("written");
    }

    async fn keys(queue: &EmbeddedQueue) -> Vec<String> {
        queue.take(10).await.expect("answers").into_iter().map(|one| one.key).collect()
    }

    #[tokio::test]
    async fn a_late_acknowledgement_meets_no_other_entry() {
        let (queue, _dir) = queue().await;
        put(&queue, "first").await;
        let first = keys(&queue).await;
        queue.acknowledge(first.clone()).await.expect("answers");
        put(&queue, "second").await;
        queue.acknowledge(first.clone()).await.expect("answers"); // Nobody knew whether the first try was heard.
        let second = keys(&queue).await;
        assert!(second.len() == 1 && second != first, "{second:?} after {first:?}");
    }

    #[tokio::test]
    async fn an_entry_that_could_not_be_laid_aside_is_given_again() {
        let (queue, _dir) = queue().await;
        put(&queue, "poison").await;
        let taken = keys(&queue).await;
        assert_eq!(keys(&queue).await, [""; 0], "this worker has it");
        // The writer is busy, so that both go into its next commit, which fails as on a full disk.
        let busy = queue.store.write(|_| {
            std::thread::sleep(Duration::from_millis(200));
            Ok(())
        });
        let buried = queue.bury(taken[0].clone(), 5, "no".into());
        let fails = queue.store.write::<()>(|_| Err(redb::Error::Corrupted("as if the disk failed".into())));
        let (_, buried, _) = tokio::join!(busy, buried, fails);
        assert_eq!(buried, Err(LogError::Away));
        assert_eq!(keys(&queue).await, taken);
    }
}
