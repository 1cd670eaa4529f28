//! Whoever reads or writes too slowly is ended by a deadline, holds little until then, and nobody else notices.

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use support::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// A stalled connection is ended after 10 s; the rest is for slow machines.
const ENDED_BY: Duration = Duration::from_secs(30);
/// How long somebody else is asked meanwhile.
const WATCHED: Duration = Duration::from_secs(20);
const FILE_BYTES: usize = 1_000_000;

/// A server with one large file, kept by nobody else.
async fn with_file(change: impl FnOnce(&mut server::config::Config)) -> (TestServer, tempfile::TempDir) {
    let site = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(site.path().join("pkg")).expect("made");
    std::fs::write(site.path().join("pkg/large.wasm"), vec![7; FILE_BYTES]).expect("written");
    let server = TestServer::start_with(|config| {
        config.site_dir = site.path().to_owned();
        change(config);
    })
    .await;
    (server, site)
}

/// A connection from this address of loopback that takes little at a time.
async fn narrow(from: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("set");
    socket.bind(SocketAddr::new(Ipv4Addr::new(127, 0, 0, from).into(), 0)).expect("bound");
    socket.connect(to).await.expect("connected")
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// How long `/healthz` took, asked from this address; none if it gave no answer.
async fn health(from: u8, to: SocketAddr) -> Option<Duration> {
    let asked = Instant::now();
    let answer = async {
        let socket = TcpSocket::new_v4().ok()?;
        socket.bind(SocketAddr::new(Ipv4Addr::new(127, 0, 0, from).into(), 0)).ok()?;
        let mut tcp = socket.connect(to).await.ok()?;
        tcp.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.ok()?;
        let mut text = String::new();
        tcp.read_to_string(&mut text).await.ok()?;
        text.starts_with("HTTP/1.1 200").then(|| asked.elapsed())
    };
    timeout(Duration::from_secs(5), answer).await.ok().flatten()
}

/// Reads what is left, as fast as it comes; how much it was until the end.
async fn drained(tcp: &mut TcpStream) -> usize {
    let (mut total, mut buf) = (0, vec![0; 65_536]);
    while let Ok(Ok(n @ 1..)) = timeout(Duration::from_secs(3), tcp.read(&mut buf)).await {
        total += n;
    }
    total
}

/// Open files of this process, and how many of them are the file that is served.
fn files() -> (usize, usize) {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open: Vec<_> = entries.map(|entry| std::fs::read_link(entry.path()).unwrap_or_default()).collect();
    (open.len(), open.iter().filter(|path| path.ends_with("large.wasm")).count())
}

/// Kernel memory of every TCP connection of this machine, in kB.
fn tcp_memory_kb() -> u64 {
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    line.split_once("mem ").and_then(|(_, pages)| pages.trim().parse::<u64>().ok()).unwrap_or(0) * 4
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_slow_readers_are_ended_and_nobody_notices() {
    let (server, _site) = with_file(|_| ()).await;
    let to = server.addr();
    println!("before: {} kB of TCP memory, {} open files", tcp_memory_kb(), files().0);
    let mut readers = vec![];
    for _ in 0..300 {
        let mut tcp = narrow(9, to).await;
        let _ = tcp.write_all(&get("/pkg/large.wasm").repeat(12)).await;
        readers.push(tcp);
    }
    sleep(Duration::from_secs(3)).await;
    let (open, served) = files();
    println!("during: {} kB of TCP memory, {open} open files, {served} of the file", tcp_memory_kb());
    let until = Instant::now() + WATCHED;
    let mut slowest = Duration::ZERO;
    while Instant::now() < until {
        let took = health(10, to).await.expect("somebody else has an answer");
        slowest = slowest.max(took);
        sleep(Duration::from_millis(250)).await;
    }
    println!("after: {} kB of TCP memory, {:?} open files, slowest answer {slowest:?}", tcp_memory_kb(), files());
    for tcp in &mut readers {
        let got = drained(tcp).await;
        assert!(got < 12 * FILE_BYTES, "a connection that nobody ended: all {got} bytes came");
    }
    assert!(served <= 2, "{served} open files wait for slow readers");
    assert!(slowest < Duration::from_secs(4), "{slowest:?} for an answer to somebody else");
}

#[tokio::test]
async fn who_takes_a_little_now_and_then_is_ended_too() {
    let (server, _site) = with_file(|_| ()).await;
    let mut tcp = narrow(11, server.addr()).await;
    tcp.write_all(&get("/pkg/large.wasm")).await.expect("sent");
    let (started, mut buf) = (Instant::now(), [0; 1_000]);
    let mut total = 0;
    while started.elapsed() < Duration::from_secs(60) {
        match tcp.read(&mut buf).await {
            Ok(n @ 1..) => total += n,
            Ok(0) | Err(_) => break,
        }
        sleep(Duration::from_millis(700)).await;
    }
    assert!(total < FILE_BYTES && started.elapsed() < Duration::from_secs(60), "{total} bytes over a minute");
}

#[tokio::test]
async fn who_takes_it_at_a_modest_pace_gets_all_of_it() {
    let (server, _site) = with_file(|_| ()).await;
    let mut tcp = narrow(12, server.addr()).await;
    tcp.write_all(b"GET /pkg/large.wasm HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.expect("sent");
    let (mut total, mut buf) = (0, vec![0; 16_384]);
    while let Ok(n @ 1..) = tcp.read(&mut buf).await {
        total += n;
        sleep(Duration::from_millis(100)).await;
    }
    assert!(total > FILE_BYTES, "{total} bytes came");
}

#[tokio::test]
async fn a_body_that_trickles_in_is_given_up() {
    let (server, _site) = with_file(|_| ()).await;
    let mut tcp = narrow(13, server.addr()).await;
    let head =
        b"POST /api/v1/rooms HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n{";
    tcp.write_all(head).await.expect("sent");
    let (mut rest, mut half) = tcp.into_split();
    let trickle = tokio::spawn(async move {
        while half.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(500)).await;
        }
    });
    let mut answer = vec![];
    let ended = timeout(ENDED_BY, rest.read_to_end(&mut answer)).await;
    trickle.abort();
    assert!(ended.is_ok(), "the connection is open after {ENDED_BY:?}");
}

struct Program(std::process::Child);

impl Program {
    fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([format!("-{name}"), self.0.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name} is sent");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_few_files_two_addresses_do_not_take_them_all() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir_all(dir.path().join("site/pkg")).expect("made");
    std::fs::write(dir.path().join("site/pkg/large.wasm"), vec![7; FILE_BYTES]).expect("written");
    let to = SocketAddr::from(([127, 0, 0, 1], support::stores::free_port()));
    let log = std::fs::File::create(dir.path().join("log")).expect("made");
    // The soft limit is less than the hard one, as it usually is.
    let child = std::process::Command::new("sh")
        .args(["-c", "ulimit -Sn 100; ulimit -Hn 300; exec \"$0\"", env!("CARGO_BIN_EXE_holdfast")])
        .env("HOLDFAST_ADDR", to.to_string())
        .env("HOLDFAST_DATA_DIR", dir.path().join("data"))
        .env("HOLDFAST_SITE_DIR", dir.path().join("site"))
        .env("TURN_EMBEDDED", "false")
        .stdout(std::process::Stdio::null())
        .stderr(log)
        .spawn();
    let program = Program(child.expect("it starts"));
    support::answers(to).await;
    let mut readers = vec![];
    // They wait in the backlog, and are accepted in one go.
    program.signal("STOP");
    for n in 0..400_u16 {
        let mut tcp = narrow(if n < 300 { 21 } else { 22 }, to).await;
        let _ = tcp.write_all(&get("/pkg/large.wasm").repeat(12)).await;
        readers.push(tcp);
    }
    program.signal("CONT");
    for _ in 0..12 {
        let took = health(23, to).await.expect("somebody else has an answer");
        assert!(took < Duration::from_secs(4), "{took:?}");
        sleep(Duration::from_millis(250)).await;
    }
    let log = std::fs::read_to_string(dir.path().join("log")).expect("readable");
    let errors = log.lines().filter(|line| line.contains("ERROR")).count();
    assert!(errors <= 3, "{errors} errors in the log:\n{}", log.lines().take(5).collect::<Vec<_>>().join("\n"));
}
