//! The log in Redis: a stream for each room, written by one script, read by range.

use super::reader::{self, Wakes};
use super::scripts::{REDACT_SCRIPT, STATE_SCRIPT, TRIM_SCRIPT, WIPE_SCRIPT};
use super::{PARTITIONS, Redis, partition_of, writer};
use crate::clock;
use crate::dependency::Silence;
use crate::log::{LogError, LogPage, LogState, RoomLog};
use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast::wire::Entry;
use holdfast::{ChatId, LogEpoch, Millis, Offset, RoomId};
use redis::Script;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

type State = (u64, u64, u64, bool);
type Known = (Option<u64>, Option<u64>, Option<u64>, Option<bool>);
type StreamEntry = (String, Vec<String>);

/// The log. Cheap to clone.
#[derive(Clone)]
pub struct RedisLog {
    redis: Redis,
    writers: Arc<Vec<mpsc::Sender<writer::Job>>>,
    wakes: Wakes,
}

impl From<Silence> for LogError {
    fn from(_: Silence) -> Self {
        Self::Away
    }
}

/// The keys of a room, as every script wants them: meta, log, keys, gone, index.
pub(super) fn room_keys(redis: &Redis, room: &RoomId) -> [String; 5] {
    let of = |name| redis.room_key(room, name);
    [of("meta"), of("log"), of("keys"), of("gone"), redis.key(partition_of(room), "index")]
}

fn state((epoch, head, oldest, reborn): State) -> LogState {
    LogState { epoch: LogEpoch::from_number(epoch), head, oldest, reborn }
}

impl RedisLog {
    /// Starts writers and readers; they end with `stop`. With `wait_replicas` an append counts once that many replicas
    /// have it.
    #[must_use]
    pub fn start(redis: &Redis, wait_replicas: u32, stop: &CancellationToken) -> Self {
        let writers = (0..PARTITIONS).map(|_| writer::start(redis.clone(), wait_replicas)).collect();
        let wakes = reader::start(redis, stop);
        Self { redis: redis.clone(), writers: Arc::new(writers), wakes }
    }

    async fn run<T: redis::FromRedisValue + Send + 'static>(
        &self,
        script: &'static Script,
        room: &RoomId,
        seen: Offset,
        args: Vec<String>,
    ) -> Result<T, LogError> {
        let keys = room_keys(&self.redis, room);
        let room = room.to_string();
        let answer = self
            .redis
            .ask(|mut conn, promise| {
                async move {
                    let mut call = script.prepare_invoke();
                    for key in &keys {
                        call.key(key);
                    }
                    call.arg(clock::now().as_unix()).arg(seen.epoch.number()).arg(seen.seq).arg(&promise.run).arg(room);
                    for arg in &args {
                        call.arg(arg);
                    }
                    call.invoke_async(&mut conn).await
                }
                .boxed()
            })
            .await;
        Ok(answer?)
    }

    async fn read_page(self, room: RoomId, after: Offset, limit: usize) -> Result<LogPage, LogError> {
        let [meta, log, _, gone, _] = room_keys(&self.redis, &room);
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("HMGET").arg(&meta).arg("e").arg("h").arg("o").arg("p");
        pipe.cmd("XRANGE").arg(&log).arg(format!("{}-0", after.seq.saturating_add(1))).arg("+").arg("COUNT").arg(limit);
        let (known, rows): (Known, Vec<StreamEntry>) = self.redis.pipe(pipe).await?;
        let (Some(epoch), Some(head), Some(oldest), reborn) = known else {
            // Emptied, or never used: its new life must come after the one we know.
            let fresh = self.run(&STATE_SCRIPT, &room, after, vec![]).await.map(state)?;
            return Ok(LogPage { state: fresh, entries: vec![] });
        };
        let state = state((epoch, head, oldest, reborn.unwrap_or(false)));
        if after > state.head() {
            // The log has less than we know: it lost its end, and the script begins a new life.
            let fresh = self.run(&STATE_SCRIPT, &room, after, vec![]).await.map(self::state)?;
            return Ok(LogPage { state: fresh, entries: vec![] });
        }
        if after.epoch != state.epoch || after.seq < oldest || after.seq >= head {
            return Ok(LogPage { state, entries: vec![] });
        }
        let found: BTreeMap<u64, Entry> = rows.iter().filter_map(parse_row).collect();
        let last = found.keys().next_back().copied().unwrap_or(head).min(head);
        let missing: Vec<u64> = (after.seq + 1..=last).filter(|seq| !found.contains_key(seq)).take(limit).collect();
        let mut redacted = std::collections::BTreeSet::new();
        if !missing.is_empty() {
            let mut cmd = redis::cmd("HMGET");
            cmd.arg(&gone).arg(&missing);
            let marks: Vec<Option<String>> = self.redis.cmd(cmd).await?;
            redacted.extend(missing.iter().zip(marks).filter(|(_, mark)| mark.is_some()).map(|(seq, _)| *seq));
            if redacted.len() < missing.len() {
                // Entries are gone that nobody took out: this life of the log is over, and everyone is told so.
                tracing::error!(
                    room = crate::room_tag::tag(&room),
                    epoch,
                    missing = missing.len() - redacted.len(),
                    "the log has lost entries and begins anew"
                );
                let first = missing.iter().find(|seq| !redacted.contains(seq)).copied().unwrap_or(0);
                let args = vec![epoch.to_string(), "0".into(), first.to_string()];
                let fresh = self.run(&WIPE_SCRIPT, &room, Offset::default(), args).await.map(self::state)?;
                return Ok(LogPage { state: fresh, entries: vec![] });
            }
        }
        let entries = (after.seq + 1..=last).take(limit).map(|seq| {
            let entry = found.get(&seq).cloned().unwrap_or(Entry::Redacted);
            (Offset { epoch: state.epoch, seq }, entry)
        });
        Ok(LogPage { state, entries: entries.collect() })
    }
}

/// A row as an entry at its place; [`Entry::Redacted`] where it cannot be read. Public for tests/hostile.
#[doc(hidden)]
#[must_use]
pub fn parse_row((id, fields): &StreamEntry) -> Option<(u64, Entry)> {
    let seq = id.split('-').next()?.parse().ok()?;
    let entry = reader::parse_fields(fields, "v").and_then(|text| serde_json::from_str(text).ok());
    if entry.is_none() {
        // Written by a newer version, perhaps. It is there, so the log is whole; it just says nothing to us.
        tracing::error!(seq, "an entry of the log cannot be read");
    }
    Some((seq, entry.unwrap_or(Entry::Redacted)))
}

impl RoomLog for RedisLog {
    fn append(&self, room: &RoomId, entry: Entry, seen: Offset) -> BoxFuture<'static, Result<Offset, LogError>> {
        let (reply, answer) = oneshot::channel();
        let job = writer::Job { room: room.clone(), entry, seen, reply };
        let partition = usize::try_from(partition_of(room)).unwrap_or(0);
        // Queued here and not when first polled, so that the order of the calls is the order of the log.
        let queued = self.writers[partition].try_send(job);
        let began = std::time::Instant::now();
        async move {
            match queued {
                Ok(()) => {
                    let answer = tokio::time::timeout(writer::PATIENCE, answer).await.map_err(|_| LogError::Away)?;
                    metrics::histogram!("holdfast_append_seconds").record(began.elapsed().as_secs_f64());
                    answer.map_err(|_| LogError::Away)?
                }
                Err(mpsc::error::TrySendError::Full(_)) => Err(LogError::Busy),
                Err(mpsc::error::TrySendError::Closed(_)) => Err(LogError::Away),
            }
        }
        .boxed()
    }

    fn read(&self, room: &RoomId, after: Offset, limit: usize) -> BoxFuture<'static, Result<LogPage, LogError>> {
        self.clone().read_page(room.clone(), after, limit).boxed()
    }

    fn state(&self, room: &RoomId) -> BoxFuture<'static, Result<LogState, LogError>> {
        let (this, room) = (self.clone(), room.clone());
        async move { this.run(&STATE_SCRIPT, &room, Offset::default(), vec![]).await.map(state) }.boxed()
    }

    fn wakes(&self, room: &RoomId) -> watch::Receiver<u64> {
        self.wakes.subscribe(room)
    }

    fn trim(&self, room: &RoomId, until: Offset) -> BoxFuture<'static, Result<(), LogError>> {
        let (this, room) = (self.clone(), room.clone());
        async move {
            let mut at = this.state(&room).await?.start();
            let mut args = vec![until.seq.to_string(), until.epoch.number().to_string()];
            while at < until {
                let page = this.read(&room, at, 500).await?;
                let Some((last, _)) = page.entries.last() else { break };
                at = *last;
                let going = page.entries.iter().filter(|(offset, _)| *offset <= until);
                args.extend(going.filter_map(|(_, entry)| entry.key()));
            }
            this.run::<u8>(&TRIM_SCRIPT, &room, Offset::default(), args).await.map(drop)
        }
        .boxed()
    }

    fn redact(&self, room: &RoomId, id: ChatId) -> BoxFuture<'static, Result<(), LogError>> {
        let (this, room) = (self.clone(), room.clone());
        async move { this.run::<u8>(&REDACT_SCRIPT, &room, Offset::default(), vec![id.to_string()]).await.map(drop) }
            .boxed()
    }

    fn wipe(&self, room: &RoomId) -> BoxFuture<'static, Result<LogState, LogError>> {
        let (this, room) = (self.clone(), room.clone());
        async move {
            let args = vec!["0".into(), "1".into(), "0".into()];
            let fresh = this.run(&WIPE_SCRIPT, &room, Offset::default(), args).await.map(state);
            this.wakes.wake(&room);
            fresh
        }
        .boxed()
    }

    fn due(&self, before: Millis, limit: usize) -> BoxFuture<'static, Result<Vec<RoomId>, LogError>> {
        let this = self.clone();
        async move {
            let mut rooms = vec![];
            for partition in 0..PARTITIONS {
                let mut cmd = redis::cmd("ZRANGEBYSCORE");
                cmd.arg(this.redis.key(partition, "index")).arg("-inf").arg(format!("({}", before.as_unix()));
                cmd.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
                let found: Vec<(String, f64)> = this.redis.cmd(cmd).await?;
                rooms.extend(found);
            }
            rooms.sort_by(|(_, one), (_, other)| one.total_cmp(other));
            Ok(rooms.iter().filter_map(|(name, _)| name.parse().ok()).take(limit).collect())
        }
        .boxed()
    }

    fn look_again(&self, room: &RoomId, at: Millis) -> BoxFuture<'static, Result<(), LogError>> {
        let this = self.clone();
        let mut cmd = redis::cmd("ZADD");
        // Not if it was emptied meanwhile.
        cmd.arg(this.redis.key(partition_of(room), "index")).arg("XX").arg(at.as_unix()).arg(room.as_str());
        async move { Ok(this.redis.cmd::<u64>(cmd).await.map(drop)?) }.boxed()
    }
}
