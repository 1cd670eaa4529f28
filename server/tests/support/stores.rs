//! Real Redis and real MongoDB for tests: each test starts its own, on a free port, in its own folder.
#![allow(dead_code)]

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Below the ports that connections start from: whoever tries to connect to a port that nobody listens on yet could
/// otherwise reach itself, and take the port.
pub(crate) fn free_port() -> u16 {
    let ports = std::iter::repeat_with(|| rand::random_range(10_000..32_000));
    ports.take(1_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

fn await_port(port: u16) {
    let until = Instant::now() + Duration::from_secs(20);
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    while std::net::TcpStream::connect(addr).is_err() {
        assert!(Instant::now() < until, "nothing listens on {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process that is killed when the test ends, and can be hung, killed and started again on the way.
pub(crate) struct Process {
    child: Option<Child>,
    command: Box<dyn Fn() -> Command + Send + Sync>,
    pub(crate) port: u16,
}

impl Process {
    fn new(port: u16, command: impl Fn() -> Command + Send + Sync + 'static) -> Self {
        let mut process = Self { child: None, command: Box::new(command), port };
        process.start();
        process
    }

    pub(crate) fn start(&mut self) {
        let mut command = (self.command)();
        self.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts"));
        await_port(self.port);
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("running").id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill runs").success());
    }

    /// It stops answering without closing anything.
    pub(crate) fn hang(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A Redis of one's own, with an append-only file.
pub(crate) struct Redis {
    pub(crate) process: Process,
    pub(crate) dir: TempDir,
    syncs: Option<PathBuf>,
}

impl Redis {
    pub(crate) fn start() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    pub(crate) fn start_with(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (port, path) = (free_port(), dir.path().to_owned());
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let process = Process::new(port, move || {
            let mut command = Command::new("redis-server");
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(&path);
            command.args(&args);
            command
        });
        Self { process, dir, syncs: None }
    }

    /// One whose syncs are recorded, so that a power loss can be played; none where there is no C compiler.
    pub(crate) fn start_recorded(appendfsync: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let library = dir.path().join("fsync_record.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/fsync_record.c");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl").status();
        if !built.is_ok_and(|status| status.success()) {
            println!("no C compiler here: the power loss was not played");
            return None;
        }
        let (port, path, syncs) = (free_port(), dir.path().to_owned(), dir.path().join("syncs"));
        let (record, appendfsync) = (syncs.clone(), appendfsync.to_owned());
        let process = Process::new(port, move || {
            let mut command = Command::new("redis-server");
            command.env("LD_PRELOAD", &library).env("FSYNC_RECORD", &record);
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
            command.args(["--appendfsync", &appendfsync, "--dir"]).arg(&path);
            command
        });
        Some(Self { process, dir, syncs: Some(syncs) })
    }

    /// The power fails: the process is gone, and of its file what was never synced. Answers how many bytes that were.
    pub(crate) fn lose_power(&mut self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        self.process.kill();
        let notes = std::fs::read_to_string(self.syncs.as_ref().expect("started recorded")).unwrap_or_default();
        let mut lost = 0;
        for file in std::fs::read_dir(self.dir.path().join("appendonlydir")).expect("an append-only file").flatten() {
            let meta = file.metadata().expect("readable");
            let prefix = format!("{} ", meta.ino());
            let synced = notes.lines().rev().find_map(|line| line.strip_prefix(&prefix)?.parse::<u64>().ok());
            if let Some(synced) = synced.filter(|synced| *synced < meta.len()) {
                lost += meta.len() - synced;
                std::fs::OpenOptions::new().write(true).open(file.path()).and_then(|f| f.set_len(synced)).expect("cut");
            }
        }
        lost
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.process.port)
    }

    /// Runs a command as an operator would.
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        let port = self.process.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(args).output().expect("redis-cli runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

/// Where a server that speaks MongoDB's protocol comes from.
enum Mongod {
    /// The operator's own.
    Given(String),
    /// The real program.
    Program(PathBuf),
    /// FerretDB, built by `scripts/build-ferretdb`.
    Ferret(PathBuf),
}

fn find_mongod() -> Option<Mongod> {
    if let Ok(uri) = std::env::var("HOLDFAST_TEST_MONGODB_URI") {
        return Some(Mongod::Given(uri));
    }
    let on_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let named = std::env::var_os("MONGOD").map(PathBuf::from);
    if let Some(program) = named.into_iter().chain(on_path.map(|dir| dir.join("mongod"))).find(|path| path.is_file()) {
        return Some(Mongod::Program(program));
    }
    let ferret = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/ferretdb");
    ferret.is_file().then_some(Mongod::Ferret(ferret))
}

/// A MongoDB of one's own, or what speaks its protocol.
pub(crate) struct Mongo {
    pub(crate) process: Option<Process>,
    uri: String,
    _dir: TempDir,
}

impl Mongo {
    /// None, after a line that says so, where there is no such server on this machine.
    pub(crate) fn start() -> Option<Self> {
        let Some(found) = find_mongod() else {
            println!("no MongoDB and no FerretDB here: this test did not run (scripts/build-ferretdb needs Go)");
            return None;
        };
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (port, path) = (free_port(), dir.path().to_owned());
        let db = format!("holdfast-{port}");
        let (process, uri) = match found {
            Mongod::Given(uri) => {
                let (base, query) =
                    uri.split_once('?').map_or((uri.as_str(), String::new()), |(b, q)| (b, format!("?{q}")));
                (None, format!("{}/{db}{query}", base.trim_end_matches('/')))
            }
            Mongod::Program(program) => {
                let process = Process::new(port, move || {
                    let mut command = Command::new(&program);
                    command.args([
                        "--bind_ip",
                        "127.0.0.1",
                        "--replSet",
                        "rs0",
                        "--port",
                        &port.to_string(),
                        "--dbpath",
                    ]);
                    command.arg(&path);
                    command
                });
                (Some(process), format!("mongodb://127.0.0.1:{port}/{db}?directConnection=true"))
            }
            Mongod::Ferret(program) => {
                let process = Process::new(port, move || {
                    let mut command = Command::new(&program);
                    command.args(["--addr", &format!("127.0.0.1:{port}"), "--dir"]).arg(&path);
                    command
                });
                (Some(process), format!("mongodb://127.0.0.1:{port}/{db}"))
            }
        };
        Some(Self { process, uri, _dir: dir })
    }

    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    /// A replica set of one must be told that it is one.
    pub(crate) async fn ready(&self) {
        if self.uri.contains("directConnection=true") {
            let client = mongodb::Client::with_uri_str(&self.uri).await.expect("a valid address");
            let admin = client.database("admin");
            let _ = admin.run_command(mongodb::bson::doc! { "replSetInitiate": {} }).await;
            let until = Instant::now() + Duration::from_secs(30);
            loop {
                let hello = admin.run_command(mongodb::bson::doc! { "hello": 1 }).await.expect("it answers");
                if hello.get_bool("isWritablePrimary").unwrap_or(false) {
                    return;
                }
                assert!(Instant::now() < until, "the replica set has no primary");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
