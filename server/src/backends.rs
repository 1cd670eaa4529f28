//! Chooses log, queue and archive by the settings: embedded, Redis, MongoDB, or a mix.

use crate::archive::Archive;
use crate::archive::embedded::EmbeddedArchive;
use crate::archive::mongo::MongoArchive;
use crate::config::Config;
use crate::dependency::Dependency;
use crate::log::RoomLog;
use crate::log::embedded::EmbeddedLog;
use crate::queue::Queue;
use crate::queue::embedded::EmbeddedQueue;
use crate::redis::Redis;
use crate::redis::log::RedisLog;
use crate::redis::queue::RedisQueue;
use crate::rooms::quiet::Quiet;
use crate::store::Store;
use crate::{archive, log, private, queue};
use anyhow::Context;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A node that was not heard of for this long is gone.
const NODE_LIVES_MS: u64 = 15_000;
const NODE_SAYS_SO: Duration = Duration::from_secs(5);

/// What keeps the rooms.
#[derive(Clone)]
pub struct Backends {
    /// The log.
    pub log: Arc<dyn RoomLog>,
    /// The queue to the archive.
    pub queue: Arc<dyn Queue>,
    /// The archive.
    pub archive: Arc<dyn Archive>,
    /// Where nobody said anything.
    pub quiet: Arc<Quiet>,
    /// The file, where there is one.
    pub store: Option<Store>,
    /// Redis, where it keeps log and queue.
    pub redis: Option<Redis>,
    /// MongoDB, where it is the archive.
    pub mongo: Option<MongoArchive>,
    /// Whether this node may write to its archive.
    pub registered: watch::Receiver<Registered>,
}

/// Whether a node that shares a Redis with others shares their archive too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Registered {
    /// Redis did not say yet.
    #[default]
    Unknown,
    /// It does, or there are no others.
    Yes,
    /// It does not, with what the operator must do.
    No(String),
}

/// Opens the embedded store.
///
/// # Errors
/// Those of [`Store::open`].
pub fn open_store(dir: &Path) -> Result<Store, ::redb::Error> {
    Store::open(dir, |tx| {
        log::embedded::prepare(tx)?;
        queue::embedded::prepare(tx)?;
        archive::embedded::prepare(tx)
    })
}

impl Backends {
    /// Everything in the embedded store.
    #[must_use]
    pub fn embedded(store: &Store) -> Self {
        Self {
            log: Arc::new(EmbeddedLog::new(store.clone())),
            queue: Arc::new(EmbeddedQueue::new(store.clone())),
            archive: Arc::new(EmbeddedArchive::new(store.clone())),
            quiet: Arc::default(),
            store: Some(store.clone()),
            redis: None,
            mongo: None,
            registered: watch::channel(Registered::Yes).1,
        }
    }

    /// What the configuration asks for; tasks of theirs end with `stop`.
    ///
    /// # Errors
    /// What is wrong, in words for the operator. A server that is only away is no error: it is waited for.
    pub async fn open(config: &Config, stop: &CancellationToken) -> anyhow::Result<Self> {
        let dir = &config.data_dir;
        let mut backends = if config.redis_url.is_empty() || config.mongodb_uri.is_empty() {
            Self::embedded(&open_store(dir).with_context(|| format!("the store in {}", dir.display()))?)
        } else {
            let redis = Redis::new(&config.redis_url, &config.redis_prefix).map_err(anyhow::Error::msg)?;
            let mongo = MongoArchive::new(&config.mongodb_uri).await.map_err(anyhow::Error::msg)?;
            Self::of_servers(config, redis, mongo, stop)
        };
        if backends.redis.is_none() && !config.redis_url.is_empty() {
            let redis = Redis::new(&config.redis_url, &config.redis_prefix).map_err(anyhow::Error::msg)?;
            backends.log = Arc::new(RedisLog::start(&redis, config.redis_wait, stop));
            backends.queue = Arc::new(RedisQueue::new(&redis, consumer()));
            backends.redis = Some(redis);
        }
        if backends.mongo.is_none() && !config.mongodb_uri.is_empty() {
            let mongo = MongoArchive::new(&config.mongodb_uri).await.map_err(anyhow::Error::msg)?;
            backends.archive = Arc::new(mongo.clone());
            backends.mongo = Some(mongo);
        }
        if let Some(redis) = &backends.redis {
            let archive = archive_name(config, backends.mongo.is_some())?;
            let first = register(redis, &archive).await;
            if let Registered::No(why) = first {
                anyhow::bail!(why);
            }
            let (say, registered) = watch::channel(first);
            backends.registered = registered;
            let (redis, stop) = (redis.clone(), stop.clone());
            tokio::spawn(async move { stop.run_until_cancelled(stay_registered(redis, archive, say)).await });
        }
        Ok(backends)
    }

    fn of_servers(config: &Config, redis: Redis, mongo: MongoArchive, stop: &CancellationToken) -> Self {
        Self {
            log: Arc::new(RedisLog::start(&redis, config.redis_wait, stop)),
            queue: Arc::new(RedisQueue::new(&redis, consumer())),
            archive: Arc::new(mongo.clone()),
            quiet: Arc::default(),
            store: None,
            redis: Some(redis),
            mongo: Some(mongo),
            registered: watch::channel(Registered::Unknown).1,
        }
    }

    /// The breakers, by name.
    #[must_use]
    pub fn dependencies(&self) -> Vec<Dependency> {
        let redis = self.redis.as_ref().map(|redis| redis.dependency().clone());
        redis.into_iter().chain(self.mongo.as_ref().map(|mongo| mongo.dependency().clone())).collect()
    }

    /// Whether log and archive answer, and what they are, each in one line.
    pub async fn probe(&self) -> [(bool, String); 2] {
        let log = match &self.redis {
            Some(redis) => {
                let answers = redis.cmd::<String>(::redis::cmd("PING")).await.is_ok();
                let (durability, replicas) = redis.durability();
                (answers, format!("Redis, {}, {replicas} replicas", durability.words()))
            }
            None => {
                let reads = self.queue.stats().await.is_ok();
                self.with_store(reads, "embedded; what is acknowledged is on disk").await
            }
        };
        let archive = match &self.mongo {
            Some(mongo) => (mongo.ping().await, "MongoDB, majority writes".into()),
            None => {
                let reads = self.archive.rooms(None, 1).await.is_ok();
                self.with_store(reads, "embedded").await
            }
        };
        [log, archive]
    }

    /// How the file is: what can be read but not written does not serve.
    async fn with_store(&self, reads: bool, well: &str) -> (bool, String) {
        let writes = match &self.store {
            Some(store) => store.check().await,
            None => Ok(()),
        };
        match (reads, writes) {
            (_, Err(why)) => (false, format!("embedded; it cannot be written: {why}")),
            (false, Ok(())) => (false, "embedded; it cannot be read".into()),
            (true, Ok(())) => (true, well.into()),
        }
    }
}

fn consumer() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// The archive this node writes to: MongoDB, or the file in its own data folder, by a name kept in it.
fn archive_name(config: &Config, is_mongo: bool) -> anyhow::Result<String> {
    if is_mongo {
        return Ok("mongodb".into());
    }
    let path = config.data_dir.join("archive-name");
    if let Ok(name) = std::fs::read_to_string(&path)
        && !name.trim().is_empty()
    {
        return Ok(name.trim().to_owned());
    }
    let name = format!("embedded-{}", consumer());
    let written = private::file(&path).and_then(|mut file| file.write_all(name.as_bytes()));
    written.with_context(|| path.display().to_string())?;
    Ok(name)
}

/// Nodes on one Redis must share one archive: each entry is archived by one of them, whichever comes first. The first
/// to name an archive decides; it is noted in one step, so that two that start together do not both pass.
const REGISTER: &str = r"
local now = tonumber(redis.call('TIME')[1]) * 1000
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if name ~= ARGV[1] and tonumber(redis.call('HGET', KEYS[1], name)) > now then return 0 end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[2]))
return 1
";

async fn register(redis: &Redis, archive: &str) -> Registered {
    let mut cmd = ::redis::cmd("EVAL");
    cmd.arg(REGISTER).arg(1).arg(redis.key(0, "archives")).arg(archive).arg(NODE_LIVES_MS);
    match redis.cmd::<bool>(cmd).await {
        Ok(true) => Registered::Yes,
        Ok(false) => Registered::No(
            "another server on this Redis keeps its history in an archive of its own: with more than one server set \
             MONGODB_URI on all of them"
                .into(),
        ),
        Err(_) => Registered::Unknown,
    }
}

/// Says again and again that this archive is in use; ends when another one is.
async fn stay_registered(redis: Redis, archive: String, say: watch::Sender<Registered>) {
    let mut last_yes = tokio::time::Instant::now();
    loop {
        match register(&redis, &archive).await {
            // Asked again. Another may have come by the time our word is no longer good.
            Registered::Unknown if last_yes.elapsed() >= Duration::from_millis(NODE_LIVES_MS) => {
                say.send_replace(Registered::Unknown);
            }
            Registered::Unknown => {}
            Registered::Yes => {
                last_yes = tokio::time::Instant::now();
                say.send_replace(Registered::Yes);
            }
            Registered::No(why) => {
                tracing::error!("{why}");
                say.send_replace(Registered::No(why));
                return;
            }
        }
        tokio::time::sleep(NODE_SAYS_SO).await;
    }
}
