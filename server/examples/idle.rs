//! Measures what idle sockets cost: starts the release server, seats people in rooms of eight, reads its memory.
//!
//! `cargo run --release -p server --example idle -- 4000`

use futures::{SinkExt, StreamExt};
use holdfast::wire::{ClientMsg, Hello, MediaState, Name, PROTOCOL_VERSION, encode};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

fn resident_kb(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let n: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2_000);
    let dir = std::env::temp_dir().join(format!("holdfast-idle-{}", std::process::id()));
    let addr: SocketAddr = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut server = tokio::process::Command::new("target/release/holdfast")
        .env("HOLDFAST_ADDR", addr.to_string())
        .env("HOLDFAST_DATA_DIR", &dir)
        .env("HOLDFAST_CONNECTS_PER_S", "100000")
        .env("HOLDFAST_JOINS_PER_S", "100000")
        .env("TURN_ADDR", "127.0.0.1:0")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let pid = server.id().unwrap_or_default();
    while tokio::net::TcpStream::connect(addr).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let empty = resident_kb(pid)?;
    let mut sockets = Vec::with_capacity(n);
    for i in 0..n {
        let mut request = format!("ws://{addr}/ws").into_client_request()?;
        request.headers_mut().insert("origin", HeaderValue::from_str(&format!("http://{addr}"))?);
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("holdfast.v1"));
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
        let hello = ClientMsg::Hello(Hello {
            version: PROTOCOL_VERSION,
            room: format!("idle-{}", i / 8).parse()?,
            name: Name::new(&format!("P{i}"))?,
            media: MediaState::default(),
            claim: 1,
            resume: None,
        });
        socket.send(Message::text(encode(&hello))).await?;
        socket.next().await;
        sockets.push(socket);
        // Seats that fall silent are given up after 12 s: everyone says something now and then.
        if i % 500 == 499 {
            ping(&mut sockets).await?;
        }
    }
    for _ in 0..3 {
        ping(&mut sockets).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let full = resident_kb(pid)?;
    println!(
        "empty {:.1} MB; {n} seated sockets {:.1} MB; {:.1} KB a socket",
        empty as f64 / 1024.0,
        full as f64 / 1024.0,
        (full - empty) as f64 / n as f64
    );
    server.kill().await?;
    let _ = std::fs::remove_dir_all(dir);
    Ok(())
}

async fn ping<S>(sockets: &mut [S]) -> anyhow::Result<()>
where
    S: futures::Sink<Message, Error = tokio_tungstenite::tungstenite::Error> + Unpin,
{
    for socket in sockets {
        socket.send(Message::text(encode(&ClientMsg::Ping { n: 0 }))).await?;
    }
    Ok(())
}
