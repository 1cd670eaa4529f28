//! Server nodes for tests: the real program over real stores, with a fault proxy between each node and each store.
#![allow(dead_code)]

use super::page::Page;
use super::stores::{self, free_port};
use holdfast::wire::Entry;
use holdfast::{LogEpoch, Offset, RoomId};
use netlab::history::{self, Seen, Written};
use netlab::proxy::Proxy;
use server::archive::Archive;
use server::archive::mongo::MongoArchive;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::{Child, Command};

pub(crate) const ADMIN: &str = "an-admin-token-for-tests";

/// One server process, and the proxies it reaches the stores through.
pub(crate) struct Node {
    pub(crate) addr: SocketAddr,
    pub(crate) to_redis: Proxy,
    pub(crate) to_mongo: Option<Proxy>,
    dir: TempDir,
    env: Vec<(String, String)>,
    child: Option<Child>,
}

/// Nodes on one Redis and one MongoDB.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) redis: stores::Redis,
    pub(crate) mongo: Option<stores::Mongo>,
}

impl Node {
    pub(crate) async fn start(&mut self) {
        assert!(self.child.is_none());
        let log = if std::env::var_os("FAULT_LOG").is_some() { Stdio::inherit() } else { Stdio::null() };
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.env.clone())
            .env("HOLDFAST_ADDR", self.addr.to_string())
            .env("HOLDFAST_DATA_DIR", self.dir.path())
            .env("HOLDFAST_SITE_DIR", super::site(self.dir.path()))
            .env("LEPTOS_HASH_FILES", "false")
            .env("TURN_EMBEDDED", "false")
            .env("HOLDFAST_LOG", std::env::var("FAULT_LOG").unwrap_or_else(|_| "warn".into()))
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        self.child = Some(command.spawn().expect("the program starts"));
        super::answers(self.addr).await;
    }

    pub(crate) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("SIGKILL");
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().and_then(Child::id).expect("running").to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().expect("kill runs").success());
    }

    pub(crate) fn hang(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Asks it to end, and says how long that took.
    pub(crate) async fn terminate(&mut self) -> Duration {
        let began = Instant::now();
        self.signal("-TERM");
        let mut child = self.child.take().expect("running");
        child.wait().await.expect("ends");
        began.elapsed()
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        let client = reqwest::Client::new();
        client.get(format!("http://{}{path}", self.addr)).bearer_auth(ADMIN).send().await.expect("an answer")
    }

    pub(crate) async fn ready(&self) -> bool {
        self.get("/readyz").await.status().is_success()
    }

    pub(crate) async fn overview(&self) -> serde_json::Value {
        self.get("/api/v1/admin/overview").await.json().await.expect("JSON")
    }
}

impl Cluster {
    /// None, after a line that says so, where there is nothing that speaks MongoDB's protocol.
    pub(crate) async fn start(n: usize) -> Option<Self> {
        Self::start_on(n, stores::Redis::start(), &[]).await
    }

    pub(crate) async fn start_on(n: usize, redis: stores::Redis, env: &[(&str, &str)]) -> Option<Self> {
        let mongo = stores::Mongo::start()?;
        mongo.ready().await;
        // FerretDB does not bear two clients that make the same index at once, so it is made before the nodes start.
        let archive = MongoArchive::new(mongo.uri()).await.expect("a URL");
        archive.rooms(None, 1).await.expect("the archive answers");
        Some(Self::assemble(n, redis, Some(mongo), env).await)
    }

    /// One node whose archive is embedded.
    pub(crate) async fn start_without_mongo(redis: stores::Redis) -> Self {
        Self::assemble(1, redis, None, &[]).await
    }

    async fn assemble(n: usize, redis: stores::Redis, mongo: Option<stores::Mongo>, env: &[(&str, &str)]) -> Self {
        let mut nodes = vec![];
        for _ in 0..n {
            let to_redis = proxy_to(redis.process.port).await;
            let mut settings = vec![
                ("REDIS_URL".to_owned(), format!("redis://{}", to_redis.addr)),
                ("HOLDFAST_SECRET".to_owned(), "a-secret-of-at-least-thirty-two-characters".to_owned()),
                ("HOLDFAST_ADMIN_TOKEN".to_owned(), ADMIN.to_owned()),
                ("HOLDFAST_SWEEP_S".to_owned(), "1".to_owned()),
            ];
            let mut to_mongo = None;
            if let Some(mongo) = &mongo {
                let port = mongo.process.as_ref().map(|process| process.port);
                let uri = match port {
                    Some(port) => {
                        let proxy = proxy_to(port).await;
                        let uri = mongo.uri().replace(&format!("127.0.0.1:{port}"), &proxy.addr.to_string());
                        to_mongo = Some(proxy);
                        uri
                    }
                    None => mongo.uri().to_owned(),
                };
                settings.push(("MONGODB_URI".to_owned(), uri));
            }
            settings.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
            let dir = tempfile::tempdir().expect("a temporary folder");
            let mut node = Node { addr, to_redis, to_mongo, dir, env: settings, child: None };
            node.start().await;
            nodes.push(node);
        }
        Self { nodes, redis, mongo }
    }

    pub(crate) fn addrs(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.addr).collect()
    }

    /// What the archive holds of a room, read past every proxy.
    pub(crate) async fn archived(&self, room: &RoomId) -> Seen {
        let uri = self.mongo.as_ref().expect("with MongoDB").uri();
        let archive = MongoArchive::new(uri).await.expect("a URL");
        let end = Offset { epoch: LogEpoch::from_number(u64::from(u32::MAX) << 20), seq: 0 };
        let found = archive.before(room, end, 100_000).await.expect("the archive answers");
        let chats = found.into_iter().filter_map(|(at, entry)| match entry {
            Entry::Chat { id, .. } => Some((at, id)),
            _ => None,
        });
        Seen { who: "the archive".into(), messages: chats.collect() }
    }

    /// Waits until the queue is empty.
    pub(crate) async fn drained(&self, within: Duration) -> Duration {
        let began = Instant::now();
        loop {
            let overview = self.nodes[0].overview().await;
            if overview["queue"]["answers"] == true && overview["queue"]["depth"] == 0 {
                return began.elapsed();
            }
            assert!(began.elapsed() < within, "the queue is not empty in time: {overview}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The proof: what pages and archive saw against what was acknowledged.
    pub(crate) async fn prove(&self, room: &RoomId, pages: &[&Page]) -> Written {
        let mut written = Written::default();
        for page in pages {
            let shared = page.shared.lock().expect("no panic");
            assert!(shared.violations.is_empty(), "{:?}", shared.violations);
            written.sent.entry(page.name.clone()).or_default().extend(&shared.sent);
            written.acked.extend(shared.acked.iter().map(|(id, at)| (*id, *at)));
        }
        let mut seen: Vec<Seen> = pages.iter().map(|page| page.seen()).collect();
        if self.mongo.is_some() {
            seen.push(self.archived(room).await);
        }
        let broken = history::check(&written, &seen);
        if std::env::var_os("FAULT_LOG").is_some() && !broken.is_empty() {
            for (author, sent) in &written.sent {
                let line: Vec<String> = sent
                    .iter()
                    .map(|id| {
                        format!(
                            "{}@{}",
                            id.minted_at().as_unix() % 1_000_000,
                            written.acked.get(id).map_or(0, |at| at.seq)
                        )
                    })
                    .collect();
                println!("{author}: {}", line.join(" "));
            }
        }
        assert!(
            broken.is_empty(),
            "{} of {} acknowledged: {:?}",
            broken.len(),
            written.acked.len(),
            &broken[..broken.len().min(5)]
        );
        written
    }
}

async fn proxy_to(port: u16) -> Proxy {
    Proxy::start(SocketAddr::from(([127, 0, 0, 1], port))).await.expect("a free port")
}

/// Repetitions of the short form, or of the long one when `HOLDFAST_LONG` is set.
pub(crate) fn times(short: usize, long: usize) -> usize {
    if std::env::var_os("HOLDFAST_LONG").is_some() { long } else { short }
}

/// A figure that must be kept. The short form runs beside other tests on whatever machine there is and gets twice the
/// time; the long form, alone, is held to the figure itself.
pub(crate) fn figure(ms: u64) -> Duration {
    Duration::from_millis(if std::env::var_os("HOLDFAST_LONG").is_some() { ms } else { ms * 2 })
}

/// A figure of one fault, for docs/RESULTS.md.
pub(crate) fn report(fault: &str, what: &str, mut ms: Vec<u64>) {
    ms.sort_unstable();
    let at = |share: f64| ms.get(((ms.len() as f64 - 1.0) * share).round() as usize).copied().unwrap_or(0);
    println!("{fault}: {what}: n={}, p50 {} ms, p95 {} ms, worst {} ms", ms.len(), at(0.5), at(0.95), at(1.0));
}
