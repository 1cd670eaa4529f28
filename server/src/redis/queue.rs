//! The archive queue in Redis: a stream and a consumer group for each partition, written by the append script.

use super::{BLOCK, Conn, PARTITIONS, Redis, dead};
use crate::clock;
use crate::log::LogError;
use crate::queue::{DeadLetter, Queue, QueueStats, Record, Taken, short};
use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast::wire::Entry;
use holdfast::{LogEpoch, Millis, Offset};
use redis::streams::{StreamId, StreamReadReply};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

pub(super) const GROUP: &str = "archive";
/// An entry whose worker was silent for this long is given to another.
const IDLE_MS: u64 = 10_000;
const CLAIM_EVERY: Duration = Duration::from_secs(3);
const TRIM_EVERY: Duration = Duration::from_secs(5);
/// Acknowledged entries stay this long, so that a reader that lost its connection finds its place.
const KEEP_MS: u64 = 60_000;

/// The queue. Cheap to clone; every clone is the same worker.
#[derive(Clone)]
pub struct RedisQueue {
    redis: Redis,
    consumer: String,
    hands: Arc<Mutex<Hands>>,
    lease: Arc<str>,
}

/// The worker's own connection and when it last looked after things.
#[derive(Default)]
struct Hands {
    conn: Option<Conn>,
    claimed_at: Option<Instant>,
    trimmed_at: Option<Instant>,
    next_group: usize,
    /// What was given over a connection that is gone may never have arrived: it is asked for again.
    look_back: bool,
}

impl RedisQueue {
    /// A worker of this name.
    #[must_use]
    pub fn new(redis: &Redis, consumer: String) -> Self {
        let lease = Arc::from(consumer.as_str());
        Self { redis: redis.clone(), consumer, hands: Arc::default(), lease }
    }

    fn key(&self, partition: u64, name: &str) -> String {
        self.redis.key(partition, name)
    }

    async fn count(self, mut conn: Conn) -> redis::RedisResult<QueueStats> {
        let mut stats = QueueStats::default();
        for partition in 0..PARTITIONS {
            let (depth, delivered, pending) = match self.group_state(&mut conn, partition).await {
                Ok(found) => found,
                // No entry was ever written there. Anything else is an answer that is missing.
                Err(error) if error.kind() == redis::ErrorKind::Server(redis::ServerErrorKind::ResponseError) => {
                    continue;
                }
                Err(error) if error.code() == Some("NOGROUP") => continue,
                Err(error) => return Err(error),
            };
            stats.depth += depth;
            stats.dead += redis::cmd("XLEN").arg(self.key(partition, "dead")).query_async::<u64>(&mut conn).await?;
            let mut oldest = pending;
            if oldest.is_none() && depth > 0 {
                let mut cmd = redis::cmd("XRANGE");
                cmd.arg(self.key(partition, "queue")).arg(format!("({delivered}")).arg("+").arg("COUNT").arg(1);
                let next: Vec<(String, redis::Value)> = cmd.query_async(&mut conn).await?;
                oldest = next.into_iter().next().map(|(id, _)| id);
            }
            let since = oldest.and_then(|id| id.split('-').next()?.parse().ok()).map(Millis::from_unix);
            stats.oldest_ms = stats.oldest_ms.max(since.map_or(0, |at| clock::now().since(at)));
        }
        Ok(stats)
    }

    async fn take_some(self, max: usize) -> Result<Vec<Taken>, LogError> {
        let mut hands = self.hands.lock().await;
        let taken = self.take_with(&mut hands, max).await;
        if let Err(error) = &taken {
            hands.conn = None;
            if error.code() == Some("NOGROUP") {
                self.make_groups().await?;
            }
        }
        taken.map_err(|_| LogError::Away)
    }

    async fn take_with(&self, hands: &mut Hands, max: usize) -> redis::RedisResult<Vec<Taken>> {
        if hands.conn.is_none() {
            let (conn, _) = self.redis.open(BLOCK * 3).await?;
            hands.conn = Some(conn);
            hands.look_back = true;
            let _ = self.make_groups().await;
        }
        let Some(mut conn) = hands.conn.clone() else { return Ok(vec![]) };
        // COUNT is of each stream.
        let each = |streams: usize| max.div_ceil(streams.max(1));
        if hands.trimmed_at.is_none_or(|at| at.elapsed() > TRIM_EVERY) {
            hands.trimmed_at = Some(Instant::now());
            self.trim(&mut conn).await?;
        }
        let mut found = vec![];
        if hands.claimed_at.is_none_or(|at| at.elapsed() > CLAIM_EVERY) {
            hands.claimed_at = Some(Instant::now());
            found = self.claim(&mut conn, each(PARTITIONS as usize)).await?;
        }
        if std::mem::take(&mut hands.look_back) {
            found.extend(self.own(&mut conn, each(PARTITIONS as usize)).await?);
        }
        if found.is_empty() {
            let groups = self.redis.groups();
            let group = &groups[hands.next_group % groups.len()];
            hands.next_group += 1;
            let block = if groups.len() > 1 { BLOCK / 8 } else { BLOCK };
            let keys: Vec<String> = group.iter().map(|partition| self.key(*partition, "queue")).collect();
            let mut cmd = redis::cmd("XREADGROUP");
            cmd.arg("GROUP").arg(GROUP).arg(&self.consumer).arg("COUNT").arg(each(group.len()));
            cmd.arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(1_000)).arg("STREAMS").arg(&keys);
            for _ in &keys {
                cmd.arg(">");
            }
            let reply: Option<StreamReadReply> = cmd.query_async(&mut conn).await?;
            for stream in reply.into_iter().flat_map(|reply| reply.keys) {
                let partition = keys.iter().position(|key| *key == stream.key).map_or(0, |at| group[at]);
                found.extend(stream.ids.into_iter().map(|entry| (partition, entry)));
            }
        }
        // What was claimed back is also among one's own.
        let mut known = std::collections::BTreeSet::new();
        found.retain(|(partition, entry)| known.insert((*partition, entry.id.clone())));
        let mut attempts = HashMap::new();
        for partition in found.iter().map(|(partition, _)| *partition).collect::<std::collections::BTreeSet<_>>() {
            let ids: Vec<&str> =
                found.iter().filter(|(of, _)| *of == partition).map(|(_, entry)| entry.id.as_str()).collect();
            let mut cmd = redis::cmd("HMGET");
            let notes: Vec<Option<String>> =
                cmd.arg(self.key(partition, "trouble")).arg(&ids).query_async(&mut conn).await?;
            let noted = ids.iter().zip(notes).filter_map(|(id, note)| {
                Some((format!("{partition}/{id}"), note?.split_once('|')?.0.parse::<u32>().ok()?))
            });
            attempts.extend(noted);
        }
        let taken = found.into_iter().map(|(partition, entry)| {
            let key = format!("{partition}/{}", entry.id);
            let attempts = attempts.get(&key).copied().unwrap_or(0);
            Taken { key, attempts, record: record_of(&fields_of(&entry)) }
        });
        Ok(taken.collect())
    }

    /// What this worker was given and has not acknowledged. What it still holds it knows.
    async fn own(&self, conn: &mut Conn, max: usize) -> redis::RedisResult<Vec<(u64, StreamId)>> {
        let mut found = vec![];
        for partition in 0..PARTITIONS {
            let mut cmd = redis::cmd("XREADGROUP");
            cmd.arg("GROUP").arg(GROUP).arg(&self.consumer).arg("COUNT").arg(max);
            cmd.arg("STREAMS").arg(self.key(partition, "queue")).arg("0");
            let reply: Option<StreamReadReply> = cmd.query_async(conn).await?;
            let streams = reply.into_iter().flat_map(|reply| reply.keys);
            found.extend(streams.flat_map(|stream| stream.ids).map(|entry| (partition, entry)));
        }
        Ok(found)
    }

    /// What workers that are gone had taken.
    async fn claim(&self, conn: &mut Conn, max: usize) -> redis::RedisResult<Vec<(u64, StreamId)>> {
        let mut found = vec![];
        for partition in 0..PARTITIONS {
            let mut cmd = redis::cmd("XAUTOCLAIM");
            cmd.arg(self.key(partition, "queue")).arg(GROUP).arg(&self.consumer).arg(IDLE_MS).arg("0-0");
            cmd.arg("COUNT").arg(max);
            let reply: redis::streams::StreamAutoClaimReply = cmd.query_async(conn).await?;
            metrics::counter!("holdfast_redeliveries_total").increment(reply.claimed.len() as u64);
            found.extend(reply.claimed.into_iter().map(|entry| (partition, entry)));
        }
        Ok(found)
    }

    /// Takes acknowledged entries that are old enough out of the queues.
    async fn trim(&self, conn: &mut Conn) -> redis::RedisResult<()> {
        let old = clock::now().as_unix().saturating_sub(KEEP_MS);
        for partition in 0..PARTITIONS {
            let key = self.key(partition, "queue");
            let (_, delivered, pending) = self.group_state(conn, partition).await?;
            let open = pending.unwrap_or(delivered);
            let until = open.split('-').next().and_then(|ms| ms.parse::<u64>().ok()).unwrap_or(0).min(old);
            if until > 0 {
                let _: u64 =
                    redis::cmd("XTRIM").arg(key).arg("MINID").arg(format!("{until}-0")).query_async(conn).await?;
            }
        }
        Ok(())
    }

    /// How many wait, what was given out last, and the oldest that was given out and not acknowledged.
    async fn group_state(&self, conn: &mut Conn, partition: u64) -> redis::RedisResult<(u64, String, Option<String>)> {
        let key = self.key(partition, "queue");
        let groups: Vec<HashMap<String, redis::Value>> =
            redis::cmd("XINFO").arg("GROUPS").arg(&key).query_async(conn).await?;
        let group = groups.into_iter().next().unwrap_or_default();
        let number =
            |name: &str| group.get(name).and_then(|value| redis::from_redis_value_ref::<Option<u64>>(value).ok()?);
        let delivered: String = group.get("last-delivered-id").map_or(Ok("0-0".into()), redis::from_redis_value_ref)?;
        let pending: Vec<Vec<redis::Value>> =
            redis::cmd("XPENDING").arg(&key).arg(GROUP).arg("-").arg("+").arg(1).query_async(conn).await?;
        let oldest = pending.first().and_then(|row| redis::from_redis_value_ref::<String>(row.first()?).ok());
        let lag = match number("lag") {
            Some(lag) => lag,
            // Redis does not count over entries that were deleted out of order; we do.
            None => redis::cmd("XRANGE")
                .arg(&key)
                .arg(format!("({delivered}"))
                .arg("+")
                .query_async::<Vec<redis::Value>>(conn)
                .await?
                .len() as u64,
        };
        Ok((lag + number("pending").unwrap_or(0), delivered, oldest))
    }

    async fn make_groups(&self) -> Result<(), LogError> {
        for partition in 0..PARTITIONS {
            let mut cmd = redis::cmd("XGROUP");
            cmd.arg("CREATE").arg(self.key(partition, "queue")).arg(GROUP).arg("0").arg("MKSTREAM");
            let made = self
                .redis
                .ask(|mut conn, _| {
                    async move {
                        match cmd.query_async::<redis::Value>(&mut conn).await {
                            Err(error) if error.code() == Some("BUSYGROUP") => Ok(redis::Value::Nil),
                            other => other,
                        }
                    }
                    .boxed()
                })
                .await;
            made?;
        }
        Ok(())
    }
}

/// The record in a queue entry's fields, or the fields as text. Public for tests/hostile.
///
/// # Errors
/// The fields as text, cut short, where they hold no record.
#[doc(hidden)]
pub fn record_of(fields: &[(&str, String)]) -> Result<Record, String> {
    let text = |name: &str| fields.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    let parsed = (|| {
        let room = text("room")?.parse().ok()?;
        let epoch = LogEpoch::from_number(text("epoch")?.parse().ok()?);
        let offset = Offset { epoch, seq: text("seq")?.parse().ok()? };
        Some(Record { room, offset, entry: serde_json::from_str::<Entry>(text("v")?).ok()? })
    })();
    parsed.ok_or_else(|| {
        let fields = fields.iter().map(|(name, value)| format!("{name}={value}"));
        short(&fields.collect::<Vec<_>>().join(" "))
    })
}

fn fields_of(entry: &StreamId) -> Vec<(&str, String)> {
    entry.map.keys().filter_map(|name| Some((name.as_str(), entry.get::<String>(name)?))).collect()
}

/// The queue's name for an entry: partition and stream id.
pub(super) fn split(key: &str) -> Option<(u64, &str)> {
    let (partition, id) = key.split_once('/')?;
    let numbers = id.split_once('-').is_some_and(|(a, b)| a.parse::<u64>().is_ok() && b.parse::<u64>().is_ok());
    numbers.then_some((partition.parse().ok().filter(|n| *n < PARTITIONS)?, id))
}

/// The stream ids among these names that are of this partition.
fn ids_of(keys: &[String], partition: u64) -> Vec<&str> {
    keys.iter().filter_map(|key| split(key)).filter(|(of, _)| *of == partition).map(|(_, id)| id).collect()
}

impl Queue for RedisQueue {
    fn take(&self, max: usize) -> BoxFuture<'static, Result<Vec<Taken>, LogError>> {
        self.clone().take_some(max).boxed()
    }

    fn hold(&self, keys: Vec<String>) -> BoxFuture<'static, Result<(), LogError>> {
        let this = self.clone();
        async move {
            for partition in 0..PARTITIONS {
                let ids = ids_of(&keys, partition);
                if !ids.is_empty() {
                    let mut cmd = redis::cmd("XCLAIM");
                    cmd.arg(this.key(partition, "queue")).arg(GROUP).arg(&this.consumer).arg(0).arg(&ids).arg("JUSTID");
                    this.redis.cmd::<redis::Value>(cmd).await?;
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn acknowledge(&self, keys: Vec<String>) -> BoxFuture<'static, Result<(), LogError>> {
        let this = self.clone();
        async move {
            for partition in 0..PARTITIONS {
                let ids = ids_of(&keys, partition);
                if !ids.is_empty() {
                    let mut pipe = redis::pipe();
                    pipe.cmd("XACK").arg(this.key(partition, "queue")).arg(GROUP).arg(&ids).ignore();
                    pipe.cmd("HDEL").arg(this.key(partition, "trouble")).arg(&ids).ignore();
                    this.redis.pipe::<redis::Value>(pipe).await?;
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn note(&self, key: String, attempts: u32, error: String) -> BoxFuture<'static, Result<(), LogError>> {
        let this = self.clone();
        async move {
            let Some((partition, id)) = split(&key) else { return Ok(()) };
            let trouble = this.key(partition, "trouble");
            let mut cmd = redis::cmd("HGET");
            cmd.arg(&trouble).arg(id);
            let known: Option<String> = this.redis.cmd(cmd).await?;
            let first =
                known.and_then(|text| Some(text.split_once('|')?.1.to_owned())).unwrap_or_else(|| short(&error));
            let mut cmd = redis::cmd("HSET");
            cmd.arg(&trouble).arg(id).arg(format!("{attempts}|{first}"));
            this.redis.cmd::<redis::Value>(cmd).await?;
            Ok(())
        }
        .boxed()
    }

    fn bury(&self, key: String, attempts: u32, error: String) -> BoxFuture<'static, Result<(), LogError>> {
        dead::bury(self.redis.clone(), key, attempts, error).boxed()
    }

    fn stats(&self) -> BoxFuture<'static, Result<QueueStats, LogError>> {
        let (this, redis) = (self.clone(), self.redis.clone());
        // Many questions one after the other: that they take long says nothing about the connection.
        let counted = async move { this.count(redis.shared().await?.0).await };
        let dependency = self.redis.dependency().clone();
        async move { Ok(dependency.ask(counted).await?) }.boxed()
    }

    fn dead(&self, after: Option<String>, limit: usize) -> BoxFuture<'static, Result<Vec<DeadLetter>, LogError>> {
        dead::list(self.redis.clone(), after, limit).boxed()
    }

    fn replay(&self, key: String) -> BoxFuture<'static, Result<bool, LogError>> {
        dead::replay(self.redis.clone(), key).boxed()
    }

    fn discard(&self, key: String) -> BoxFuture<'static, Result<bool, LogError>> {
        dead::discard(self.redis.clone(), key).boxed()
    }

    fn lease(&self, what: &'static str, ms: u64) -> BoxFuture<'static, Result<bool, LogError>> {
        let this = self.clone();
        async move {
            let key = this.key(0, &format!("lease:{what}"));
            let mut cmd = redis::cmd("SET");
            cmd.arg(&key).arg(&*this.lease).arg("NX").arg("PX").arg(ms);
            if this.redis.cmd::<Option<String>>(cmd).await?.is_some() {
                return Ok(true);
            }
            let mut cmd = redis::cmd("GET");
            cmd.arg(&key);
            let mine = this.redis.cmd::<Option<String>>(cmd).await?.as_deref() == Some(&*this.lease);
            if mine {
                let mut cmd = redis::cmd("PEXPIRE");
                cmd.arg(&key).arg(ms);
                this.redis.cmd::<redis::Value>(cmd).await?;
            }
            Ok(mine)
        }
        .boxed()
    }
}
