//! One writer for each partition: appends in the order of the calls, as many a round trip as wait.

use super::scripts::APPEND_SCRIPT;
use super::{Conn, Promise, Redis};
use crate::clock;
use crate::dependency::{DEADLINE, Silence};
use crate::log::LogError;
use crate::queue::short;
use holdfast::wire::Entry;
use holdfast::{LogEpoch, Offset, RoomId};
use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Appends that may wait for one writer; past that the caller is told to come back.
const WAITING: usize = 2_048;
/// Appends of one round trip.
const BATCH: usize = 128;

/// An append and where its answer goes.
pub(super) struct Job {
    pub(super) room: RoomId,
    pub(super) entry: Entry,
    pub(super) seen: Offset,
    pub(super) reply: oneshot::Sender<Result<Offset, LogError>>,
}

/// Starts a writer; it ends when its sender is dropped.
pub(super) fn start(redis: Redis, wait_replicas: u32) -> mpsc::Sender<Job> {
    let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING);
    tokio::spawn(async move {
        let mut open: Option<(Conn, Arc<Promise>)> = None;
        let mut batch = vec![];
        while waiting.recv_many(&mut batch, BATCH).await > 0 {
            // Whoever stopped waiting will ask again; an append nobody waits for is not made.
            batch.retain(|job| !job.reply.is_closed());
            let jobs = std::mem::take(&mut batch);
            let answers = redis.dependency().ask(append_all(&redis, &mut open, &jobs, wait_replicas)).await;
            match answers {
                Ok(answers) => {
                    for (job, answer) in jobs.into_iter().zip(answers) {
                        let _ = job.reply.send(answer);
                    }
                }
                Err(silence) => {
                    open = None; // What this connection still says is not for the next batch.
                    if silence != Silence::Open {
                        tracing::debug!(%silence, "appends failed");
                    }
                }
            }
        }
    });
    jobs
}

async fn append_all(
    redis: &Redis,
    open: &mut Option<(Conn, Arc<Promise>)>,
    jobs: &[Job],
    wait_replicas: u32,
) -> RedisResult<Vec<Result<Offset, LogError>>> {
    if open.is_none() {
        *open = Some(redis.open(DEADLINE).await?);
    }
    let Some((conn, promise)) = open.as_mut() else { return Ok(vec![]) };
    let (script, source) = &*APPEND_SCRIPT;
    let by_hash: Vec<Cmd> = jobs.iter().map(|job| command("EVALSHA", script.get_hash(), redis, job, promise)).collect();
    let mut values = send(conn, &by_hash).await?;
    if values.iter().any(|value| is_error(value, "NOSCRIPT")) {
        // The scripts were flushed, or the server is another one. None of these ran; they run now, in order.
        let again: Vec<usize> = (0..jobs.len()).filter(|n| is_error(&values[*n], "NOSCRIPT")).collect();
        let by_source: Vec<Cmd> = again.iter().map(|n| command("EVAL", source, redis, &jobs[*n], promise)).collect();
        for (n, value) in again.into_iter().zip(send(conn, &by_source).await?) {
            values[n] = value;
        }
    }
    // A server that turned read-only or is loading is not ours any more.
    for value in &values {
        if ["READONLY", "LOADING", "CLUSTERDOWN", "MASTERDOWN"].iter().any(|code| is_error(value, code)) {
            return Err(RedisError::from((redis::ErrorKind::Extension, "the server takes no writes now")));
        }
    }
    if wait_replicas > 0 {
        let within = u64::try_from(DEADLINE.as_millis() / 2).unwrap_or(1_000);
        let got: u32 = redis::cmd("WAIT").arg(wait_replicas).arg(within).query_async(conn).await?;
        if got < wait_replicas {
            return Ok(jobs.iter().map(|_| Err(LogError::Away)).collect());
        }
    }
    Ok(jobs.iter().zip(values).map(|(job, value)| answer(job, value)).collect())
}

fn command(verb: &str, script: &str, redis: &Redis, job: &Job, promise: &Promise) -> Cmd {
    let Job { room, entry, seen, .. } = job;
    let mut cmd = redis::cmd(verb);
    cmd.arg(script).arg(6);
    for key in super::log::room_keys(redis, room) {
        cmd.arg(key);
    }
    cmd.arg(redis.key(super::partition_of(room), "queue"));
    cmd.arg(clock::now().as_unix()).arg(seen.epoch.number()).arg(seen.seq).arg(&promise.run).arg(room.as_str());
    cmd.arg(entry.key().unwrap_or_default()).arg(holdfast::wire::encode(entry));
    cmd.arg(u8::from(entry.is_of_one_life())).arg(entry.at().as_unix());
    cmd
}

/// Sends commands and gives each its own answer. In a cluster one after the other, which keeps their order.
async fn send(conn: &mut Conn, commands: &[Cmd]) -> RedisResult<Vec<Value>> {
    if let Conn::Cluster(_) = conn {
        let mut values = vec![];
        for cmd in commands {
            values.push(match conn.req_packed_command(cmd).await {
                Ok(value) => value,
                Err(error) if error.is_io_error() || error.is_timeout() => return Err(error),
                Err(error) => Value::SimpleString(format!("-{}", error.code().unwrap_or("ERR"))),
            });
        }
        return Ok(values);
    }
    let mut pipe = Pipeline::with_capacity(commands.len());
    for cmd in commands {
        pipe.add_command(cmd.clone());
    }
    conn.req_packed_commands(&pipe, 0, commands.len()).await
}

fn is_error(value: &Value, code: &str) -> bool {
    match value {
        Value::ServerError(error) => error.code() == code,
        Value::SimpleString(text) => text.strip_prefix('-') == Some(code),
        _ => false,
    }
}

fn answer(job: &Job, value: Value) -> Result<Offset, LogError> {
    if let Value::ServerError(error) = &value {
        // Out of memory, a full disk, no rights: nothing was appended, and the one who asked is told.
        tracing::error!(error = short(&error.to_string()), "Redis refused an append");
        return Err(LogError::Away);
    }
    let parts: Result<(String, u64, String, String), _> = FromRedisValue::from_redis_value(value);
    let Ok((epoch, seq, kind, stored)) = parts else { return Err(LogError::Away) };
    let offset = Offset { epoch: LogEpoch::from_number(epoch.parse().map_err(|_| LogError::Away)?), seq };
    if kind == "moved" {
        return Err(LogError::Moved); // Whoever wrote it sends it again, and then the archive is asked.
    }
    if kind == "known" {
        metrics::counter!("holdfast_duplicates_dropped_total").increment(1);
        let stored: Option<Entry> = serde_json::from_str(&stored).ok();
        if stored.is_some_and(|stored| !job.entry.repeats(&stored)) {
            return Err(LogError::IdTaken);
        }
    }
    Ok(offset)
}

/// How long an append may take all in all: one try at opening, one at writing.
pub(super) const PATIENCE: Duration = DEADLINE;
