//! The real program, killed without warning: what it acknowledged is there when it comes back.

mod support;

use holdfast::wire::{Entry, Resume, ServerMsg};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{Client, chat, chat_id, hello, room};
use tokio::process::{Child, Command};

async fn start(addr: SocketAddr, dir: &std::path::Path) -> Child {
    let child = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .env("HOLDFAST_ADDR", addr.to_string())
        .env("HOLDFAST_DATA_DIR", dir)
        .env("TURN_ADDR", "127.0.0.1:0")
        .stdout(Stdio::null())
        .env("HOLDFAST_LOG", "warn")
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    support::answers(addr).await;
    child
}

fn free_addr() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], support::stores::free_port()))
}

#[tokio::test]
async fn after_kill_9_every_acknowledged_message_is_there_once_and_in_order() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (addr, hall) = (free_addr(), room("kill-nine"));
    let mut acked: Vec<u64> = vec![];
    let mut sent = 0_u64;
    let mut resume: Option<Resume> = None;
    for round in 0..5 {
        let mut child = start(addr, dir.path()).await;
        let mut ana = Client::connect(addr).await;
        ana.send(&hello(&hall, "Ana", resume.clone())).await;
        let welcome = ana.welcome().await;
        assert_eq!(welcome.resumed, round > 0, "the seat is kept over the restart");
        resume = Some(Resume { token: welcome.token.clone(), after: welcome.head });
        // What was not acknowledged is sent again, as a page would.
        let unacked: Vec<u64> = (0..sent).filter(|n| !acked.contains(n)).collect();
        for n in unacked.into_iter().chain(sent..sent + 30) {
            ana.send(&chat(n, &format!("message {n}"))).await;
        }
        sent += 30;
        let kill_after = 5 + round * 6;
        for _ in 0..kill_after {
            let n = ana
                .until(|msg| match msg {
                    ServerMsg::Ack { id, .. } => (0..sent).find(|n| chat_id(*n) == id),
                    _ => None,
                })
                .await;
            acked.push(n);
        }
        child.kill().await.expect("SIGKILL");
    }
    let _child = start(addr, dir.path()).await;
    let mut late = Client::connect(addr).await;
    late.send(&hello(&hall, "Late", None)).await;
    let mut stored: Vec<String> = vec![];
    late.until(|msg| match msg {
        ServerMsg::Event { entry: Entry::Chat { id, .. }, .. } => {
            stored.push(id.to_string());
            None
        }
        ServerMsg::CaughtUp { .. } => Some(()),
        _ => None,
    })
    .await;
    for n in &acked {
        assert_eq!(stored.iter().filter(|id| **id == chat_id(*n).to_string()).count(), 1, "message {n}");
    }
    assert!(acked.len() >= 85);
    let numbers: Vec<u64> = stored.iter().filter_map(|id| (0..sent).find(|n| chat_id(*n).to_string() == *id)).collect();
    assert!(numbers.is_sorted(), "in the order they were written: {numbers:?}");
    assert_eq!(numbers.len(), stored.len(), "nothing that nobody wrote");
}

#[tokio::test]
async fn sigterm_ends_the_program_within_ten_seconds() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let addr = free_addr();
    let mut child = start(addr, dir.path()).await;
    let mut ana = Client::connect(addr).await;
    ana.send(&hello(&room("term"), "Ana", None)).await;
    ana.welcome().await;
    let began = Instant::now();
    let pid = child.id().expect("running").to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill runs").success());
    assert_eq!(ana.closed().await.0, 1012);
    assert!(child.wait().await.expect("ends").success());
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_mistake_in_the_settings_is_explained() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (name, value, word) in [
        ("HOLDFAST_ADDR", "nonsense", "HOLDFAST_ADDR"),
        ("HOLDFAST_SECRET", "short", "HOLDFAST_SECRET"),
        ("HOLDFAST_ORIGINS", "meet.example", "not an origin"),
        ("TURN_PORTS", "9-1", "first-last"),
        ("TURN_URLS", "turn:relay.example", "TURN_SECRET"),
        ("HOLDFAST_DATA_DIR", "/proc/none", "HOLDFAST_DATA_DIR"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .env("HOLDFAST_ADDR", "127.0.0.1:0")
            .env("HOLDFAST_DATA_DIR", dir.path())
            .env(name, value)
            .output()
            .await
            .expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{name}");
        let told = text.contains(word) || text.contains("--turn-ports") || text.contains("--addr");
        assert!(told, "{name}: {text}");
    }
}
