//! Somebody in the call floods the others through the server: they stay where they are, and whoever floods pays for it.

mod support;

use futures::{SinkExt, StreamExt};
use holdfast::wire::{ClientMsg, Entry, Resume, Sdp, ServerMsg, Signal, Welcome, decode, encode};
use holdfast::{Limits, Offset, PcEpoch, PeerId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::{Client, TestServer, chat, hello, room};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, client_async};

/// How long each flood lasts.
const LASTS: Duration = Duration::from_secs(6);
/// How fast the one who is flooded reads: 10 Mbit/s.
const BYTES_PER_S: f64 = 1_250_000.0;

/// What the one who is flooded goes through.
#[derive(Default)]
struct Suffered {
    closed: AtomicU64,
    pongs: AtomicU64,
    slowest_ms: AtomicU64,
    bytes: AtomicU64,
}

/// Somebody who reads at their own pace, pings as pages do and acknowledges each signal.
fn victim(client: Client, until: Instant) -> (Arc<Suffered>, tokio::task::JoinHandle<()>) {
    let suffered = Arc::new(Suffered::default());
    let noted = Arc::clone(&suffered);
    let task = tokio::spawn(async move {
        let (mut out, mut frames) = client.ws.split();
        let began = Instant::now();
        let mut ping = tokio::time::interval(Duration::from_millis(500));
        while Instant::now() < until {
            let frame = tokio::select! {
                _ = ping.tick() => {
                    let n = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let _ = out.send(Message::text(encode(&ClientMsg::Ping { n }))).await;
                    continue;
                }
                frame = frames.next() => frame,
            };
            let Some(Ok(Message::Text(text))) = frame else {
                noted.closed.fetch_add(1, Ordering::SeqCst);
                return;
            };
            noted.bytes.fetch_add(text.len() as u64, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs_f64(text.len() as f64 / BYTES_PER_S)).await;
            match decode::<ServerMsg>(&text) {
                Ok(ServerMsg::Pong { n, .. }) => {
                    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_sub(n);
                    noted.pongs.fetch_add(1, Ordering::SeqCst);
                    noted.slowest_ms.fetch_max(took, Ordering::SeqCst);
                }
                Ok(ServerMsg::Signal { from, stream, seq, .. }) => {
                    let ack = ClientMsg::SignalAck { to: from, stream, seq };
                    let _ = out.send(Message::text(encode(&ack))).await;
                }
                _ => {}
            }
        }
    });
    (suffered, task)
}

fn large(to: PeerId, seq: u64) -> ClientMsg {
    let sdp = Sdp::new(&"x".repeat(Limits::SDP_BYTES)).expect("at the limit");
    let signal = Signal::Offer { epoch: PcEpoch::from_number(1), round: 1, sdp };
    ClientMsg::Signal { to, stream: 1, seq, signal }
}

fn small(to: PeerId, seq: u64) -> ClientMsg {
    ClientMsg::Signal { to, stream: 1, seq, signal: Signal::Renew { epoch: PcEpoch::from_number(1) } }
}

/// Sends so many at once, again on a new socket for the same seat each time, until the time is over.
async fn flood(
    server: &TestServer,
    name: &str,
    first: (Client, Welcome),
    until: Instant,
    msg: impl Fn(u64) -> ClientMsg,
) {
    let (mut client, welcome) = first;
    let hall = room("flood");
    let mut sent = 0;
    while Instant::now() < until {
        for _ in 0..380 {
            sent += 1;
            if client.ws.feed(Message::text(encode(&msg(sent)))).await.is_err() {
                break;
            }
        }
        let _ = client.ws.flush().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        client = server.connect().await;
        let resume = Resume { token: welcome.token.clone(), after: Offset::default() };
        client.send(&hello(&hall, name, Some(resume))).await;
    }
}

fn judge(what: &str, suffered: &Suffered) {
    let closed = suffered.closed.load(Ordering::SeqCst);
    let pongs = suffered.pongs.load(Ordering::SeqCst);
    let slowest_ms = suffered.slowest_ms.load(Ordering::SeqCst);
    let bytes = suffered.bytes.load(Ordering::SeqCst);
    println!("{what}: closed {closed} times, {pongs} pongs, the slowest after {slowest_ms} ms, {bytes} bytes");
    assert_eq!(closed, 0, "{what}: nobody is closed for what others send");
    assert!(pongs >= 3 && slowest_ms < Limits::LINK_DEAD_AFTER_MS, "{what}: {pongs} pongs, slowest {slowest_ms} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_signals_by_the_hundred_close_nobody_who_receives_them() {
    let server = TestServer::start().await;
    let hall = room("flood");
    let (ana, seat) = server.join(&hall, "Ana").await;
    let (mut bo, _) = server.join(&hall, "Bo").await;
    let mal = server.join(&hall, "Mal").await;
    let until = Instant::now() + LASTS;
    let (suffered, reads) = victim(ana, until);
    let third = async {
        for n in 0..10 {
            bo.send(&chat(n, "still here")).await;
            bo.ack(n).await;
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    };
    tokio::join!(flood(&server, "Mal", mal, until, |seq| large(seat.peer, seq)), third);
    reads.await.expect("no panic");
    judge("signals of 40 kB, 380 at once, a new socket each time", &suffered);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_only_acknowledges_two_who_flood_is_not_closed() {
    let server = TestServer::start().await;
    let hall = room("flood");
    let (ana, seat) = server.join(&hall, "Ana").await;
    let (mal, eve) = (server.join(&hall, "Mal").await, server.join(&hall, "Eve").await);
    let until = Instant::now() + LASTS;
    let (suffered, reads) = victim(ana, until);
    tokio::join!(
        flood(&server, "Mal", mal, until, |seq| small(seat.peer, seq)),
        flood(&server, "Eve", eve, until, |seq| small(seat.peer, seq)),
    );
    reads.await.expect("no panic");
    judge("small signals of two seats, 380 at once, a new socket each time", &suffered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_long_messages_page_by_page_and_in_order() {
    const MESSAGES: u64 = 700;
    let server = TestServer::start_with(|config| config.stored_bytes_per_s = u32::MAX / 100).await;
    let hall = room("flood");
    // A computer that takes little at once; the server's own buffers hold less than what comes.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("a small buffer");
    let stream = MaybeTlsStream::Plain(socket.connect(server.addr()).await.expect("connected"));
    let (ws, _) = client_async(server.handshake(), stream).await.expect("upgraded");
    let mut ana = Client { ws };
    ana.send(&hello(&hall, "Ana", None)).await;
    ana.welcome().await;
    let mut authors = vec![];
    for n in 0..4 {
        authors.push(server.join(&hall, &format!("P{n}")).await.0);
    }
    let long = "\u{1F600}".repeat(Limits::CHAT_CHARS);
    let writes = async {
        for n in 0..MESSAGES {
            let author = &mut authors[(n % 4) as usize];
            author.send(&chat(n, &long)).await;
            author.ack(n).await;
        }
    };
    let reads = async {
        let mut last = 0;
        for n in 0..MESSAGES {
            if n % 40 == 0 {
                ana.send(&ClientMsg::Ping { n: 1 }).await; // As a page does: who is silent is given up.
            }
            let seq = ana
                .until(|msg| match msg {
                    ServerMsg::Event { offset, entry: Entry::Chat { .. } } => Some(offset.seq),
                    _ => None,
                })
                .await;
            assert!(seq > last, "{seq} after {last}");
            last = seq;
            tokio::time::sleep(Duration::from_millis(if last < MESSAGES / 2 { 40 } else { 0 })).await;
        }
    };
    tokio::join!(writes, reads);
    assert!(ana.is_alive().await);
}
