//! The figures of docs/RESULTS.md that no fault is needed for. `make figures` runs them, one after the other, alone.

mod support;

use futures::{SinkExt, StreamExt};
use holdfast::wire::{Body, ClientMsg, Entry, ServerMsg, decode, encode};
use holdfast::{ChatId, RoomId};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::cluster::Cluster;
use support::{TestServer, handshake, hello, room, stores};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const READERS: usize = 7;

async fn seat(addr: SocketAddr, hall: &RoomId, name: &str) -> Socket {
    let (mut socket, _) = connect_async(handshake(addr)).await.expect("connects");
    socket.send(Message::text(encode(&hello(hall, name, None)))).await.expect("sent");
    while let Some(Ok(frame)) = socket.next().await {
        if let Message::Text(text) = frame
            && let Ok(ServerMsg::CaughtUp { .. }) = decode::<ServerMsg>(&text)
        {
            break;
        }
    }
    socket
}

fn message(rng: &mut holdfast::rng::Rng) -> (ChatId, String) {
    let id = ChatId::mint(server::clock::now(), rng);
    let body = Body::new("a message of the usual length, no more and no less").expect("valid");
    (id, encode(&ClientMsg::Chat { id, body }))
}

/// From sending a message until the last of seven others has it: one author, a message every 10 ms.
async fn to_everyone(what: &str, author: SocketAddr, readers: SocketAddr) {
    // A room of its own: seats are kept for a while after their sockets are gone.
    let hall = room(&format!("figures-{}", server::clock::now().as_unix()));
    let mut ana = seat(author, &hall, "Ana").await;
    let arrived: Arc<Mutex<BTreeMap<ChatId, (usize, Instant)>>> = Arc::default();
    let mut tasks = vec![];
    for n in 0..READERS {
        let (mut sink, mut socket) = seat(readers, &hall, &format!("reader {n}")).await.split();
        // A seat that says nothing is given up.
        tasks.push(tokio::spawn(async move {
            while sink.send(Message::text(encode(&ClientMsg::Ping { n: 1 }))).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }));
        let arrived = Arc::clone(&arrived);
        tasks.push(tokio::spawn(async move {
            while let Some(Ok(frame)) = socket.next().await {
                if let Message::Text(text) = frame
                    && let Ok(ServerMsg::Event { entry: Entry::Chat { id, .. }, .. }) = decode::<ServerMsg>(&text)
                {
                    let mut arrived = arrived.lock().expect("no panic");
                    let (count, last) = arrived.entry(id).or_insert((0, Instant::now()));
                    (*count, *last) = (*count + 1, Instant::now());
                }
            }
        }));
    }
    tokio::time::sleep(Duration::from_secs(6)).await; // Past the first seconds, in which the archive is asked.
    let mut rng = holdfast::rng::Rng::new(1);
    let mut sent = vec![];
    for _ in 0..200 {
        let (id, text) = message(&mut rng);
        sent.push((id, Instant::now()));
        ana.send(Message::text(text)).await.expect("sent");
        tokio::time::sleep(Duration::from_millis(55)).await; // As fast as one seat may write for long.
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let arrived = arrived.lock().expect("no panic").clone();
    let mut us: Vec<u128> = sent
        .iter()
        .map(|(id, at)| {
            let (count, last) = arrived.get(id).expect("everyone has it");
            assert_eq!(*count, READERS);
            last.duration_since(*at).as_micros()
        })
        .collect();
    us.sort_unstable();
    let ms = |share: usize| us[(us.len() - 1) * share / 100] as f64 / 1_000.0;
    println!("to everyone, {what}: n={}, p50 {:.1} ms, p99 {:.1} ms", us.len(), ms(50), ms(99));
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Acknowledged messages a second: rooms of one author each, all writing as fast as they are acknowledged.
async fn throughput(what: &str, addr: SocketAddr) {
    const ROOMS: usize = 300;
    let count = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let mut tasks = vec![];
    for n in 0..ROOMS {
        let mut ana = seat(addr, &room(&format!("speed-{n}")), "Ana").await;
        let count = Arc::clone(&count);
        tasks.push(tokio::spawn(async move {
            let mut rng = holdfast::rng::Rng::new(n as u64);
            tokio::time::sleep(Duration::from_secs(6)).await;
            loop {
                let (_, text) = message(&mut rng);
                if ana.send(Message::text(text)).await.is_err() {
                    return;
                }
                while let Some(Ok(frame)) = ana.next().await {
                    let Message::Text(text) = frame else { continue };
                    match decode::<ServerMsg>(&text) {
                        Ok(ServerMsg::Ack { .. }) => {
                            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            tokio::time::sleep(Duration::from_millis(40)).await;
                            break;
                        }
                        Ok(ServerMsg::Refused { .. }) => {
                            tokio::time::sleep(Duration::from_millis(200)).await;
                            break;
                        }
                        _ => {}
                    }
                }
            }
        }));
    }
    tokio::time::sleep(Duration::from_secs(8)).await;
    let (before, began) = (count.load(std::sync::atomic::Ordering::Relaxed), Instant::now());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let n = count.load(std::sync::atomic::Ordering::Relaxed) - before;
    println!("throughput, {what}: {:.0} acknowledged a second", n as f64 / began.elapsed().as_secs_f64());
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "figures, not a test: make figures"]
async fn figures() {
    let server = TestServer::start_with(|config| config.joins_per_s = 100_000).await;
    to_everyone("embedded, one node", server.addr(), server.addr()).await;
    throughput("embedded", server.addr()).await;
    for (name, fsync) in [("appendfsync always", "always"), ("appendfsync everysec", "everysec")] {
        let redis = stores::Redis::start_with(&["--appendonly", "yes", "--appendfsync", fsync]);
        let Some(cluster) = Cluster::start_on(2, redis, &[("HOLDFAST_JOINS_PER_S", "100000")]).await else { return };
        let addrs = cluster.addrs();
        to_everyone(&format!("Redis {name}, one node"), addrs[0], addrs[0]).await;
        to_everyone(&format!("Redis {name}, two nodes"), addrs[0], addrs[1]).await;
        // The archive stands still meanwhile, so that there is something to drain.
        let Some(mongo) = cluster.mongo.as_ref().and_then(|mongo| mongo.process.as_ref()) else { return };
        mongo.hang();
        throughput(&format!("Redis {name}, one node"), addrs[0]).await;
        let depth = cluster.nodes[0].overview().await["queue"]["depth"].as_u64().unwrap_or(0);
        mongo.go_on();
        let took = cluster.drained(Duration::from_secs(120)).await;
        println!("archive, {name}: {depth} entries in {:.1} s by two workers", took.as_secs_f64());
    }
}
