//! The one blocking reader of a node: waits for new entries of any room and wakes the rooms this node has.
//!
//! It reads the partitions' queues, which every append enters, so it needs no list of rooms. It owns its place in them,
//! so a lost connection skips nothing. Once a second it looks at every room it has, because a queue may have been
//! shortened meanwhile, and because a log that was emptied makes no noise.

use super::{BLOCK, Redis, partition_of};
use crate::dependency::Silence;
use holdfast::RoomId;
use redis::streams::StreamReadReply;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Entries of one read, of all streams together.
const COUNT: usize = 500;
const LOOK_EVERY: Duration = Duration::from_secs(1);
const AFTER_FAILURE: Duration = Duration::from_millis(250);

/// Who wants to be woken.
#[derive(Clone, Default)]
pub(super) struct Wakes(Arc<Mutex<HashMap<RoomId, watch::Sender<u64>>>>);

impl Wakes {
    pub(super) fn subscribe(&self, room: &RoomId) -> watch::Receiver<u64> {
        crate::log::embedded::subscribe(&self.0, room)
    }

    pub(super) fn wake(&self, room: &RoomId) {
        if let Some(wake) = self.0.lock().expect("no holder of this lock can panic").get(room) {
            wake.send_modify(|n| *n = n.wrapping_add(1));
        }
    }

    fn rooms(&self) -> Vec<RoomId> {
        let wakes = self.0.lock().expect("no holder of this lock can panic");
        wakes.iter().filter(|(_, wake)| wake.receiver_count() > 0).map(|(room, _)| room.clone()).collect()
    }
}

/// Starts the reader: one task, or in a cluster one for each partition, because a read waits on one node only.
pub(super) fn start(redis: &Redis, stop: &CancellationToken) -> Wakes {
    let wakes = Wakes::default();
    for group in redis.groups() {
        let (redis, wakes, stop) = (redis.clone(), wakes.clone(), stop.clone());
        tokio::spawn(async move { stop.run_until_cancelled(follow(redis, group, wakes)).await });
    }
    let (redis, looked, stop) = (redis.clone(), wakes.clone(), stop.clone());
    tokio::spawn(async move { stop.run_until_cancelled(look(redis, looked)).await });
    wakes
}

async fn follow(redis: Redis, group: Vec<u64>, wakes: Wakes) {
    let keys: Vec<String> = group.iter().map(|partition| redis.key(*partition, "queue")).collect();
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    // COUNT is of each stream. An answer that did not come in time may have been too large for it.
    let most = COUNT.div_ceil(keys.len().max(1));
    let mut count = most;
    loop {
        let Ok((mut conn, _)) = redis.open(BLOCK * 2).await else {
            tokio::time::sleep(AFTER_FAILURE).await;
            continue;
        };
        for key in keys.iter().filter(|key| !last.contains_key(*key)).cloned().collect::<Vec<_>>() {
            let mut cmd = redis::cmd("XREVRANGE");
            cmd.arg(&key).arg("+").arg("-").arg("COUNT").arg(1);
            if let Ok(newest) = cmd.query_async::<Vec<(String, redis::Value)>>(&mut conn).await {
                last.insert(key, newest.into_iter().next().map_or_else(|| "0-0".into(), |(id, _)| id));
            }
        }
        if last.len() < keys.len() {
            tokio::time::sleep(AFTER_FAILURE).await;
            continue;
        }
        // What was appended while there was no connection is read from the place we stopped at.
        loop {
            let mut cmd = redis::cmd("XREAD");
            cmd.arg("COUNT").arg(count).arg("BLOCK").arg(u64::try_from(BLOCK.as_millis()).unwrap_or(1_000));
            cmd.arg("STREAMS").arg(&keys);
            for key in &keys {
                cmd.arg(&last[key]);
            }
            let Ok(reply) = cmd.query_async::<Option<StreamReadReply>>(&mut conn).await else {
                count = (count / 2).max(1);
                break;
            };
            count = (count * 2).min(most);
            for stream in reply.into_iter().flat_map(|reply| reply.keys) {
                for entry in stream.ids {
                    if let Some(room) = entry.get::<String>("room").and_then(|room| room.parse::<RoomId>().ok()) {
                        wakes.wake(&room);
                    }
                    last.insert(stream.key.clone(), entry.id);
                }
            }
        }
        tokio::time::sleep(AFTER_FAILURE).await;
    }
}

async fn look(redis: Redis, wakes: Wakes) {
    let mut known: HashMap<RoomId, Vec<Option<String>>> = HashMap::new();
    let mut next = Instant::now();
    loop {
        next = (next + LOOK_EVERY).max(Instant::now());
        tokio::time::sleep_until(next).await;
        let rooms = wakes.rooms();
        known.retain(|room, _| rooms.contains(room));
        for group in redis.groups() {
            let rooms: Vec<&RoomId> = rooms.iter().filter(|room| group.contains(&partition_of(room))).collect();
            for some in rooms.chunks(COUNT) {
                let mut pipe = redis::pipe();
                for room in some {
                    pipe.cmd("HMGET").arg(redis.room_key(room, "meta")).arg("e").arg("h").arg("o");
                }
                let answer: Result<Vec<Vec<Option<String>>>, Silence> = redis.pipe(pipe).await;
                let Ok(states) = answer else { break };
                for (room, state) in some.iter().zip(states) {
                    if known.insert((*room).clone(), state.clone()).is_none_or(|before| before != state) {
                        wakes.wake(room);
                    }
                }
            }
        }
    }
}

/// The value of a field in a flat list of names and values.
pub(super) fn parse_fields<'a>(fields: &'a [String], name: &str) -> Option<&'a str> {
    fields.chunks(2).find(|pair| pair[0] == name)?.get(1).map(String::as_str)
}
