//! Redis, or what speaks its protocol: one server, a master found by sentinels, or a cluster.

pub mod bus;
mod dead;
pub mod log;
pub mod queue;
mod reader;
mod scripts;
mod writer;

use crate::dependency::{DEADLINE, Dependency, Silence};
use futures::future::{BoxFuture, FutureExt, Shared};
use holdfast::RoomId;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, Pipeline, RedisFuture, RedisResult,
    TlsMode, Value,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Into how many parts the rooms are divided. The keys of a part share a hash tag, and so a node of a cluster.
pub const PARTITIONS: u64 = 8;
/// The longest a connection may take to open.
const CONNECT_WITHIN: Duration = Duration::from_millis(1_500);
/// The longest a blocking read blocks; the answer must come a little later.
pub(crate) const BLOCK: Duration = Duration::from_secs(1);
/// Questions that may wait for one connection: a burst of returning people asks some hundreds at once.
const QUESTIONS_WAITING: usize = 4_096;

/// How `REDIS_URL` says to reach it.
enum Way {
    One(Client),
    Sentinel(Mutex<SentinelClient>),
    Cluster(Box<ClusterClient>, Vec<Client>),
}

/// An open connection.
#[derive(Clone)]
pub(crate) enum Conn {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Conn {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(conn) => conn.req_packed_command(cmd),
            Self::Cluster(conn) => conn.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipe: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(conn) => conn.req_packed_commands(pipe, offset, count),
            Self::Cluster(conn) => conn.req_packed_commands(pipe, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(conn) => conn.get_db(),
            Self::Cluster(conn) => conn.get_db(),
        }
    }
}

/// What a lost Redis may take with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// Every append is on disk before it is acknowledged.
    Always,
    /// The last second may be lost in a power failure.
    EverySecond,
    /// Everything since the last snapshot may be lost.
    Snapshots,
    /// It does not say (managed servers often refuse CONFIG).
    #[default]
    Unknown,
}

impl Durability {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySecond => "every_second",
            Self::Snapshots => "snapshots",
            Self::Unknown => "unknown",
        }
    }

    /// What it means, for the operator.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Always => "appendfsync always: on disk before it is acknowledged",
            Self::EverySecond => "appendfsync everysec: a power failure may lose the last second",
            Self::Snapshots => "no append-only file: a crash may lose everything since the last snapshot",
            Self::Unknown => "durability unknown: Redis does not show its settings",
        }
    }
}

/// What Redis said of itself when the connection was opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promise {
    pub(crate) durability: Durability,
    pub(crate) replicas: u64,
    /// Which process it is, after a '!' where a restart or a successor may have lost entries.
    pub(crate) run: String,
}

/// A connection that is open, or on its way: all who ask meanwhile wait for the same one.
type Opening = Shared<BoxFuture<'static, RedisResult<(Conn, Arc<Promise>)>>>;

/// The way to Redis. Cheap to clone.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    way: Way,
    prefix: String,
    /// Its breaker and deadline.
    dependency: Dependency,
    shared: std::sync::Mutex<Option<Opening>>,
    last: std::sync::Mutex<Arc<Promise>>,
}

impl Redis {
    /// Reads the URL: `redis://`, `rediss://`, `redis+sentinel://[user:password@]host:port,host:port/master[/db]`, or
    /// `redis+cluster://[user:password@]host:port,host:port`; the last two also with `rediss+` for TLS. A login is the
    /// data servers'; that of the sentinels goes into `?sentinel=user:password`. Nothing is connected yet.
    ///
    /// # Errors
    /// What is wrong with it, without the password that may be in it.
    pub fn new(url: &str, prefix: &str) -> Result<Self, String> {
        let bad = |error: redis::RedisError| format!("REDIS_URL: {}", error.detail().unwrap_or("not a Redis URL"));
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let way = if let Some(tls) = scheme.strip_suffix("+cluster") {
            let nodes = node_urls(tls, rest);
            let seeds =
                nodes.iter().map(|node| Client::open(node.as_str())).collect::<RedisResult<Vec<_>>>().map_err(bad)?;
            let cluster = ClusterClient::builder(nodes)
                .connection_timeout(CONNECT_WITHIN)
                .response_timeout(BLOCK * 2)
                .retries(1)
                .build()
                .map_err(bad)?;
            Way::Cluster(Box::new(cluster), seeds)
        } else if let Some(tls) = scheme.strip_suffix("+sentinel") {
            Way::Sentinel(Mutex::new(sentinels(tls, rest)?))
        } else {
            let info = url.into_connection_info().map_err(bad)?;
            Way::One(Client::open(info).map_err(bad)?)
        };
        Ok(Self(Arc::new(Inner {
            way,
            prefix: prefix.to_owned(),
            dependency: Dependency::new("redis"),
            shared: std::sync::Mutex::default(),
            last: std::sync::Mutex::default(),
        })))
    }

    /// Its breaker.
    #[must_use]
    pub fn dependency(&self) -> &Dependency {
        &self.0.dependency
    }

    /// What it last said it promises.
    #[must_use]
    pub fn durability(&self) -> (Durability, u64) {
        let promise = self.promise();
        (promise.durability, promise.replicas)
    }

    pub(crate) fn promise(&self) -> Arc<Promise> {
        Arc::clone(&self.0.last.lock().expect("no holder of this lock can panic"))
    }

    /// The partitions, grouped by what one blocking read can wait for together.
    pub(crate) fn groups(&self) -> Vec<Vec<u64>> {
        match self.0.way {
            Way::Cluster(..) => (0..PARTITIONS).map(|one| vec![one]).collect(),
            Way::One(_) | Way::Sentinel(_) => vec![(0..PARTITIONS).collect()],
        }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.0.way, Way::Cluster(..))
    }

    /// A key of a partition.
    pub(crate) fn key(&self, partition: u64, name: &str) -> String {
        format!("{}:{{{partition}}}:{name}", self.0.prefix)
    }

    /// A key of a room.
    pub(crate) fn room_key(&self, room: &RoomId, name: &str) -> String {
        self.key(partition_of(room), &format!("{name}:{room}"))
    }

    pub(crate) fn channel(&self) -> String {
        format!("{}:bus", self.0.prefix)
    }

    /// Opens a connection of its own, for whoever blocks on it or counts on its order.
    pub(crate) async fn open(&self, answer_within: Duration) -> RedisResult<(Conn, Arc<Promise>)> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(answer_within))
            .set_pipeline_buffer_size(QUESTIONS_WAITING);
        let mut conn = match &self.0.way {
            Way::One(client) => Conn::One(client.get_multiplexed_async_connection_with_config(&config).await?),
            Way::Sentinel(client) => Conn::One(client.lock().await.get_async_connection_with_config(&config).await?),
            Way::Cluster(client, _) => Conn::Cluster(client.get_async_connection().await?),
        };
        let promise = Arc::new(ask_promise(&mut conn, &self.0.way).await?);
        self.0.last.lock().expect("no holder of this lock can panic").clone_from(&promise);
        Ok((conn, promise))
    }

    /// A connection for publish and subscribe. In a cluster any node passes messages to all.
    pub(crate) async fn open_pubsub(&self) -> RedisResult<redis::aio::PubSub> {
        match &self.0.way {
            Way::One(client) => client.get_async_pubsub().await,
            Way::Cluster(_, seeds) => {
                // Any of them will do; one that is gone must not be asked for ever.
                let start = rand::random_range(0..seeds.len());
                seeds[start].get_async_pubsub().await
            }
            Way::Sentinel(client) => {
                let master = client.lock().await.async_get_client().await?;
                master.get_async_pubsub().await
            }
        }
    }

    /// The connection that short questions share. It opens on its own: whoever gives up waiting does not stop it.
    pub(crate) fn shared(&self) -> Opening {
        let mut shared = self.0.shared.lock().expect("no holder of this lock can panic");
        // One that failed when nobody waited for it any more is no answer to who asks now.
        shared.take_if(|open| open.peek().is_some_and(Result::is_err));
        let open = || {
            let redis = self.clone();
            let opening = tokio::spawn(async move { redis.open(DEADLINE).await });
            opening
                .map(|done| done.unwrap_or_else(|_| Err((redis::ErrorKind::Io, "the opening was stopped").into())))
                .boxed()
                .shared()
        };
        shared.get_or_insert_with(open).clone()
    }

    /// After a failure of this connection, or of the server behind it, the next question opens a new one. One that has
    /// taken its place since stays, open or on its way: of hundreds that waited, each gives up in its own time.
    fn forget_shared(&self, failed: &Opening) {
        let mut shared = self.0.shared.lock().expect("no holder of this lock can panic");
        shared.take_if(|open| open.ptr_eq(failed) && open.peek().is_some());
    }

    /// Asks a short question.
    pub(crate) async fn ask<T>(
        &self,
        question: impl FnOnce(Conn, Arc<Promise>) -> BoxFuture<'static, RedisResult<T>>,
    ) -> Result<T, Silence> {
        let mut used = None;
        let mut sent = None;
        let answer = self
            .0
            .dependency
            .ask(async {
                let (conn, promise) = used.insert(self.shared()).clone().await?;
                sent = Some(Instant::now());
                question(conn, promise).await
            })
            .await;
        // Whoever waited for the opening until there was hardly time to ask knows nothing about the connection.
        let is_told = match &answer {
            Ok(_) | Err(Silence::Open) => false,
            Err(Silence::Late) => sent.is_some_and(|at| at.elapsed() >= DEADLINE / 2),
            Err(Silence::Failed(_)) => true,
        };
        if let (true, Some(failed)) = (is_told, &used) {
            self.forget_shared(failed);
        }
        answer
    }

    pub(crate) async fn cmd<T: FromRedisValue + Send + 'static>(&self, cmd: Cmd) -> Result<T, Silence> {
        self.ask(|mut conn, _| async move { cmd.query_async(&mut conn).await }.boxed()).await
    }

    pub(crate) async fn pipe<T: FromRedisValue + Send + 'static>(&self, pipe: Pipeline) -> Result<T, Silence> {
        self.ask(|mut conn, _| async move { pipe.query_async(&mut conn).await }.boxed()).await
    }
}

/// The partition of a room: FNV-1a of its code.
pub(crate) fn partition_of(room: &RoomId) -> u64 {
    let hash = room
        .as_str()
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    hash % PARTITIONS
}

/// Reads `user:password@a:1,b:2/master/db?sentinel=user:password`.
fn sentinels(scheme: &str, rest: &str) -> Result<SentinelClient, String> {
    let bad = |error: redis::RedisError| format!("REDIS_URL: {}", error.detail().unwrap_or("not a Redis URL"));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (login, places) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (nodes, master) = places
        .split_once('/')
        .ok_or("REDIS_URL: name the master after the sentinels, as in redis+sentinel://host:26379/mymaster")?;
    let (master, db) = master.split_once('/').unwrap_or((master, "0"));
    let theirs = query.strip_prefix("sentinel=").map_or(String::new(), |login| format!("{login}@"));
    // One URL for the data servers, read for its login and database only: sentinels say where the master is.
    let data = format!("{scheme}://{login}@master/{db}").into_connection_info().map_err(bad)?;
    let info = SentinelNodeConnectionInfo::default().set_redis_connection_info(data.redis_settings().clone());
    let info = if scheme == "rediss" { info.set_tls_mode(TlsMode::Secure) } else { info };
    let nodes = node_urls(scheme, &format!("{theirs}{nodes}"));
    SentinelClient::build(nodes, master, Some(info), SentinelServerType::Master).map_err(bad)
}

/// `user:pass@a:1,b:2` as one URL a node.
fn node_urls(scheme: &str, rest: &str) -> Vec<String> {
    let (login, hosts) =
        rest.rsplit_once('@').map_or((String::new(), rest), |(login, hosts)| (format!("{login}@"), hosts));
    hosts.split(',').map(|host| format!("{scheme}://{login}{}", host.trim())).collect()
}

async fn ask_promise(conn: &mut Conn, way: &Way) -> RedisResult<Promise> {
    if matches!(way, Way::Cluster(..)) {
        return Ok(Promise::default()); // Its nodes may differ, so none of them can speak for all.
    }
    let info: String = redis::cmd("INFO").query_async(conn).await?;
    let field = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim().to_owned())
    };
    let setting: RedisResult<Vec<String>> = redis::cmd("CONFIG").arg("GET").arg("append*").query_async(conn).await;
    let durability = setting.map_or(Durability::Unknown, |pairs| {
        let value = |name: &str| pairs.chunks(2).find(|pair| pair[0] == name).map_or("", |pair| pair[1].as_str());
        match (value("appendonly"), value("appendfsync")) {
            ("yes", "always") => Durability::Always,
            ("yes", _) => Durability::EverySecond,
            ("no", _) => Durability::Snapshots,
            _ => Durability::Unknown,
        }
    });
    let replicas = field("connected_slaves").and_then(|n| n.parse().ok()).unwrap_or(0);
    // A restart of a server that syncs every append loses nothing; one that took over from another may not have it all.
    let loses = durability != Durability::Always || replicas > 0 || matches!(way, Way::Sentinel(_));
    let run = format!("{}{}", if loses { "!" } else { "" }, field("run_id").unwrap_or_default());
    Ok(Promise { durability, replicas, run })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_understood_and_mistakes_do_not_show_the_password() {
        for good in [
            "redis://127.0.0.1:6379/1",
            "rediss://:secret@redis.example:6380",
            "redis+sentinel://a:26379,b:26379/mymaster",
            "rediss+sentinel://ana:secret@a:26379,b:26379/mymaster/2?sentinel=bo:secret",
            "redis+cluster://user:secret@a:7000,b:7001",
        ] {
            assert!(Redis::new(good, "hf").is_ok(), "{good}");
        }
        for bad in ["http://:secret@x", "redis+sentinel://:secret@a:1", ""] {
            let text = Redis::new(bad, "hf").err().unwrap_or_default();
            assert!(text.starts_with("REDIS_URL") && !text.contains("secret"), "{bad}: {text}");
        }
    }

    #[test]
    fn rooms_spread_over_all_partitions_and_keys_of_a_room_stay_together() {
        let rooms: Vec<RoomId> = (0..200).map(|n| format!("room-{n}").parse().expect("valid")).collect();
        let used: std::collections::BTreeSet<u64> = rooms.iter().map(partition_of).collect();
        assert_eq!(used.len(), PARTITIONS as usize);
        let redis = Redis::new("redis://127.0.0.1", "hf").expect("a URL");
        let tag = format!("{{{}}}", partition_of(&rooms[0]));
        assert!(redis.room_key(&rooms[0], "log").contains(&tag) && redis.room_key(&rooms[0], "log").starts_with("hf:"));
    }
}
