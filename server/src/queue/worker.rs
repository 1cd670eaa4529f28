//! An archive worker: drives the archiver between the queue and the archive. Every node runs one.

use super::{Queue, Record, Taken};
use crate::archive::{Archive, StoreError};
use crate::clock;
use holdfast::archiving::{Archiver, ArchiverEffect, ArchiverEvent, Given};
use holdfast::rng::Rng;
use holdfast::wire::encode;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// After a failure of the queue.
const AFTER_FAILURE: Duration = Duration::from_millis(500);
/// How often the queue is told what is still held; well within what it takes for a sign of death.
const HOLD_EVERY: Duration = Duration::from_secs(3);
/// While refused entries wait for their next try, the queue is asked at least this often.
const BREATH: Duration = Duration::from_millis(50);

/// Works until `stop`, and then finishes the batch it is writing.
pub async fn run(queue: Arc<dyn Queue>, archive: Arc<dyn Archive>, stop: CancellationToken) {
    let archiver = Archiver::new(Rng::new(rand::random()));
    Worker { queue, archive, archiver, records: BTreeMap::new(), held_at: Instant::now(), unacknowledged: vec![] }
        .run(stop)
        .await;
}

fn given(one: &Taken) -> Given<String> {
    let (bytes, room) = match &one.record {
        Ok(record) => (encode(&record.entry).len(), Some(record.room.clone())),
        Err(text) => (text.len(), None),
    };
    Given { key: one.key.clone(), attempts: one.attempts, bytes, room }
}

struct Worker {
    queue: Arc<dyn Queue>,
    archive: Arc<dyn Archive>,
    archiver: Archiver<String>,
    records: BTreeMap<String, Result<Record, String>>,
    held_at: Instant,
    /// Archived, and the queue did not hear so yet.
    unacknowledged: Vec<String>,
}

impl Worker {
    async fn run(mut self, stop: CancellationToken) {
        let mut events = VecDeque::from([ArchiverEvent::Tick]);
        while !stop.is_cancelled() {
            self.hold().await;
            self.acknowledge().await;
            let event = match events.pop_front() {
                Some(event) => event,
                None => {
                    let wait_ms = self.archiver.next_deadline().map_or(50, |at| at.since(clock::now()));
                    let wait = Duration::from_millis(wait_ms.max(1)).min(HOLD_EVERY);
                    if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                        return;
                    }
                    ArchiverEvent::Tick
                }
            };
            for effect in self.archiver.handle(clock::now(), event) {
                events.extend(self.run_effect(effect, &stop).await);
            }
        }
    }

    async fn run_effect(
        &mut self,
        effect: ArchiverEffect<String>,
        stop: &CancellationToken,
    ) -> Option<ArchiverEvent<String>> {
        match effect {
            ArchiverEffect::Take(most) => {
                let waiting = self.archiver.next_deadline().is_some();
                let taken = stop.run_until_cancelled(self.queue.take(most)).await?;
                if waiting {
                    tokio::time::sleep(BREATH).await;
                }
                let Ok(taken) = taken else {
                    let _ = stop.run_until_cancelled(tokio::time::sleep(AFTER_FAILURE)).await;
                    return Some(ArchiverEvent::NothingTaken);
                };
                let given = taken.iter().map(given).collect();
                self.records.extend(taken.into_iter().map(|Taken { key, record, .. }| (key, record)));
                Some(ArchiverEvent::Took(given))
            }
            ArchiverEffect::Write(keys) => Some(self.write(&keys).await),
            ArchiverEffect::Acknowledge(keys) => {
                for key in &keys {
                    self.records.remove(key);
                }
                // If this process dies now, they come again to another and are found in the archive.
                self.unacknowledged.extend(keys);
                self.acknowledge().await;
                None
            }
            ArchiverEffect::Note(key, attempts, error) => {
                tracing::warn!(key, attempts, "the archive refuses an entry");
                metrics::counter!("holdfast_archive_refusals_total").increment(1);
                let _ = self.queue.note(key, attempts, error).await;
                None
            }
            ArchiverEffect::Bury(key, attempts, error) => {
                tracing::error!(key, attempts, "an entry is laid aside as a dead letter");
                metrics::counter!("holdfast_dead_letters_total").increment(1);
                let _ = self.queue.bury(key.clone(), attempts, error).await;
                self.records.remove(&key);
                None
            }
        }
    }

    async fn write(&self, keys: &[String]) -> ArchiverEvent<String> {
        let mut batch = vec![];
        for key in keys {
            match self.records.get(key) {
                Some(Ok(record)) => batch.push(record.clone()),
                Some(Err(_)) => return ArchiverEvent::Refused("this is not an entry".into()),
                None => {}
            }
        }
        let began = Instant::now();
        let stored = self.archive.store(batch).await;
        metrics::histogram!("holdfast_archive_seconds").record(began.elapsed().as_secs_f64());
        match stored {
            Ok(()) => {
                metrics::counter!("holdfast_archived_total").increment(keys.len() as u64);
                ArchiverEvent::Stored
            }
            Err(StoreError::Away(_)) => ArchiverEvent::Away,
            Err(StoreError::Refused(reason)) => ArchiverEvent::Refused(reason),
        }
    }

    async fn acknowledge(&mut self) {
        if !self.unacknowledged.is_empty() && self.queue.acknowledge(self.unacknowledged.clone()).await.is_ok() {
            self.unacknowledged.clear();
        }
    }

    async fn hold(&mut self) {
        if self.held_at.elapsed() >= HOLD_EVERY {
            self.held_at = Instant::now();
            let held: Vec<String> = self.archiver.held().cloned().collect();
            if !held.is_empty() {
                let _ = self.queue.hold(held).await;
            }
        }
    }
}
