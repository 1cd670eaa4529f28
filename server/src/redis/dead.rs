//! The dead letters of the queue in Redis: a stream for each partition.

use super::queue::{GROUP, record_of, split};
use super::reader::parse_fields;
use super::scripts::{BURY_SCRIPT, REPLAY_SCRIPT};
use super::{PARTITIONS, Redis};
use crate::clock;
use crate::log::LogError;
use crate::queue::{DeadLetter, Record, short};
use futures::FutureExt;
use holdfast::Millis;

/// The record in a payload, which is the list of the queue entry's fields as JSON.
fn record_in(payload: &str) -> Option<Record> {
    let list: Vec<String> = serde_json::from_str(payload).ok()?;
    let fields: Vec<(&str, String)> =
        list.as_chunks::<2>().0.iter().map(|[name, value]| (name.as_str(), value.clone())).collect();
    record_of(&fields).ok()
}

pub(super) async fn bury(redis: Redis, key: String, attempts: u32, error: String) -> Result<(), LogError> {
    let Some((partition, id)) = split(&key) else { return Ok(()) };
    let id = id.to_owned();
    let keys = ["queue", "dead", "trouble"].map(|name| redis.key(partition, name));
    let done = redis.ask(|mut conn, _| {
        async move {
            let known: Option<String> = redis::cmd("HGET").arg(&keys[2]).arg(&id).query_async(&mut conn).await?;
            let last = short(&error);
            let first = known.and_then(|text| Some(text.split_once('|')?.1.to_owned())).unwrap_or_else(|| last.clone());
            let mut call = BURY_SCRIPT.prepare_invoke();
            for key in &keys {
                call.key(key);
            }
            call.arg(id).arg(clock::now().as_unix()).arg(attempts).arg(first).arg(last).arg(GROUP);
            call.invoke_async::<u8>(&mut conn).await
        }
        .boxed()
    });
    done.await?;
    Ok(())
}

pub(super) async fn list(redis: Redis, after: Option<String>, limit: usize) -> Result<Vec<DeadLetter>, LogError> {
    let (from, after_id) =
        after.as_deref().and_then(split).map_or((0, "0-0".to_owned()), |(partition, id)| (partition, id.to_owned()));
    let mut letters = vec![];
    for partition in from..PARTITIONS {
        let start = if partition == from { format!("({after_id}") } else { "-".into() };
        let mut cmd = redis::cmd("XRANGE");
        cmd.arg(redis.key(partition, "dead")).arg(start).arg("+").arg("COUNT").arg(limit - letters.len());
        let rows: Vec<(String, Vec<String>)> = redis.cmd(cmd).await?;
        for (id, fields) in rows {
            let of = |name: &str| parse_fields(&fields, name).unwrap_or_default().to_owned();
            let payload = of("payload");
            letters.push(DeadLetter {
                key: format!("{partition}/{id}"),
                at: Millis::from_unix(of("at").parse().unwrap_or(0)),
                attempts: of("attempts").parse().unwrap_or(0),
                first_error: of("first"),
                last_error: of("last"),
                record: record_in(&payload),
                payload,
            });
        }
        if letters.len() >= limit {
            break;
        }
    }
    Ok(letters)
}

pub(super) async fn replay(redis: Redis, key: String) -> Result<bool, LogError> {
    let Some((partition, id)) = split(&key) else { return Ok(false) };
    let (id, keys) = (id.to_owned(), ["queue", "dead"].map(|name| redis.key(partition, name)));
    let done = redis.ask(|mut conn, _| {
        async move {
            let mut call = REPLAY_SCRIPT.prepare_invoke();
            for key in &keys {
                call.key(key);
            }
            call.arg(id).invoke_async::<bool>(&mut conn).await
        }
        .boxed()
    });
    Ok(done.await?)
}

pub(super) async fn discard(redis: Redis, key: String) -> Result<bool, LogError> {
    let Some((partition, id)) = split(&key) else { return Ok(false) };
    let mut cmd = redis::cmd("XDEL");
    cmd.arg(redis.key(partition, "dead")).arg(id);
    Ok(redis.cmd::<u64>(cmd).await? > 0)
}
