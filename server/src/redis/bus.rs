//! What nodes tell each other: one publish-and-subscribe channel. It may lose messages; nothing that must arrive is on it.

use super::Redis;
use crate::rooms::Rooms;
use futures::StreamExt;
use holdfast::room::RoomEvent;
use holdfast::wire::NodeMsg;
use holdfast::{Limits, NodeId, RoomId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Messages that may wait to be published; past that they are dropped, as the channel might have done.
const WAITING: usize = 4_096;
/// Messages of one round trip.
const BATCH: usize = 128;
/// A node says this often that it is there.
const BEAT: Duration = Duration::from_secs(1);
/// A node that has not heard itself for this long does not hear the others.
const DEAF_AFTER: Duration = Duration::from_secs(3);
/// A node that nobody has heard of for this long is gone.
const GONE_AFTER: Duration = Duration::from_secs(10);
/// Nodes heard of within this time before a silence are taken to be there still.
const OTHERS_REMEMBERED: Duration = Duration::from_secs(60);
const AFTER_FAILURE: Duration = Duration::from_millis(250);
// Where Redis goes away for all, a node knows that it hears nothing before the silence of the others counts.
const _: () = assert!(
    Limits::BEAT_MS as u128 + Limits::PING_EVERY_MS as u128 + DEAF_AFTER.as_millis() + AFTER_FAILURE.as_millis()
        < Limits::AWAY_AFTER_MS as u128 + Limits::AWAY_ELSEWHERE_EXTRA_MS as u128
);
/// A node that heard itself within this time hears. Where Redis is away for all, each has been silent for longer by the
/// time the first of them asks.
const FRESH: Duration = Duration::from_millis(1_500);
/// A node hears well that heard itself for this long: where Redis comes back for all, one of them is the first.
const SETTLED: Duration = Duration::from_secs(10);
/// How long another node has to answer.
const ASK_WITHIN: Duration = Duration::from_secs(1);
/// Nodes that are asked, at most.
const PLACES: usize = 16;
/// Where nodes ask each other whether they hear.
pub const HEARS_PATH: &str = "/hearsz";

#[derive(Serialize, Deserialize)]
struct Message {
    node: NodeId,
    /// None for a sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<(RoomId, NodeMsg)>,
    /// What the node carries, in a sign of life.
    #[serde(default)]
    load: Load,
    /// Where other nodes can ask it, in a sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<SocketAddr>,
}

/// What a node carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// Open sockets.
    pub sockets: u64,
    /// Rooms in memory.
    pub rooms: u64,
    /// Seats of those rooms.
    pub seats: u64,
}

/// The way to the other nodes. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    node: NodeId,
    out: mpsc::Sender<(RoomId, NodeMsg)>,
    heard: Arc<Mutex<BTreeMap<NodeId, (Instant, Load)>>>,
    /// When another node was last heard of.
    others: Arc<Mutex<Option<Instant>>>,
    /// Where the nodes heard of can be asked past Redis.
    places: Arc<Mutex<BTreeMap<NodeId, (Instant, SocketAddr)>>>,
    /// Since when this node hears itself without a break.
    since: Arc<Mutex<Option<Instant>>>,
    cut_off: Arc<watch::Sender<Option<Instant>>>,
    hearing: Arc<watch::Sender<bool>>,
}

impl Bus {
    /// A bus whose messages `start` will carry.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<(RoomId, NodeMsg)>) {
        let (out, waiting) = mpsc::channel(WAITING);
        (
            Self {
                node: NodeId::from_number(rand::random::<u64>() >> 12),
                out,
                heard: Arc::default(),
                others: Arc::default(),
                places: Arc::default(),
                since: Arc::default(),
                cut_off: Arc::new(watch::channel(None).0),
                hearing: Arc::new(watch::channel(true).0),
            },
            waiting,
        )
    }

    /// Tells the other nodes something about a room, or drops it.
    pub fn tell(&self, room: &RoomId, msg: NodeMsg) {
        if self.out.try_send((room.clone(), msg)).is_err() {
            metrics::counter!("holdfast_bus_dropped_total").increment(1);
        }
    }

    /// This node.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// The nodes heard of lately, each with what it carries.
    #[must_use]
    pub fn nodes(&self) -> Vec<(NodeId, Load)> {
        let heard = self.heard.lock().expect("no holder of this lock can panic");
        heard.iter().filter(|(_, (at, _))| at.elapsed() < GONE_AFTER).map(|(node, (_, n))| (*node, *n)).collect()
    }

    fn hears(&self) -> bool {
        let heard = self.heard.lock().expect("no holder of this lock can panic");
        heard.get(&self.node).is_some_and(|(at, _)| at.elapsed() < DEAF_AFTER)
    }

    /// Whether this node heard itself just now, and did so for a while: what another node asks that hears nothing.
    #[must_use]
    pub fn hears_well(&self) -> bool {
        let since = *self.since.lock().expect("no holder of this lock can panic"); // Given back before the next one.
        let heard = self.heard.lock().expect("no holder of this lock can panic");
        let now = heard.get(&self.node).is_some_and(|(at, _)| at.elapsed() < FRESH);
        now && since.is_some_and(|since| since.elapsed() >= SETTLED)
    }

    /// Since when this node hears nobody though another one, asked past Redis, does: people are better off there. While
    /// Redis is away for all nobody is.
    #[must_use]
    pub fn cut_off(&self) -> watch::Receiver<Option<Instant>> {
        self.cut_off.subscribe()
    }

    /// Whether this node hears the others.
    #[must_use]
    pub fn hearing(&self) -> watch::Receiver<bool> {
        self.hearing.subscribe()
    }

    fn note(&self, node: NodeId, load: Load, at: Option<SocketAddr>) {
        if let Some(at) = at.filter(|_| node != self.node) {
            let mut places = self.places.lock().expect("no holder of this lock can panic");
            places.retain(|_, (heard, _)| heard.elapsed() < OTHERS_REMEMBERED);
            if places.len() < PLACES || places.contains_key(&node) {
                places.insert(node, (Instant::now(), at));
            }
        }
        if node != self.node {
            *self.others.lock().expect("no holder of this lock can panic") = Some(Instant::now());
        }
        let mut heard = self.heard.lock().expect("no holder of this lock can panic");
        if node == self.node && heard.get(&node).is_none_or(|(at, _)| at.elapsed() >= DEAF_AFTER) {
            *self.since.lock().expect("no holder of this lock can panic") = Some(Instant::now());
        }
        heard.retain(|_, (at, _)| at.elapsed() < GONE_AFTER);
        heard.insert(node, (Instant::now(), load));
    }

    /// Starts to carry messages, until `stop`.
    pub fn start(
        &self,
        redis: &Redis,
        waiting: mpsc::Receiver<(RoomId, NodeMsg)>,
        rooms: &Rooms,
        addr: SocketAddr,
        load: impl Fn() -> Load + Send + 'static,
        stop: &CancellationToken,
    ) {
        let run = |task: futures::future::BoxFuture<'static, ()>| {
            let stop = stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(task).await });
        };
        run(Box::pin(publish(self.clone(), redis.clone(), waiting, place_of(addr), load)));
        run(Box::pin(listen(self.clone(), redis.clone(), rooms.clone())));
        run(Box::pin(watch_own_ears(self.clone())));
    }
}

async fn publish(
    bus: Bus,
    redis: Redis,
    mut waiting: mpsc::Receiver<(RoomId, NodeMsg)>,
    at: Option<SocketAddr>,
    load: impl Fn() -> Load,
) {
    let mut beat = tokio::time::interval(BEAT);
    let channel = redis.channel();
    let mut batch = vec![];
    loop {
        let mut texts = vec![];
        tokio::select! {
            _ = beat.tick() => {
                texts.push(Message { node: bus.node, about: None, load: load(), at });
            }
            n = waiting.recv_many(&mut batch, BATCH) => {
                if n == 0 {
                    return;
                }
                texts.extend(batch.drain(..).map(|about| Message { node: bus.node, about: Some(about), load: Load::default(), at: None }));
            }
        }
        let mut pipe = redis::pipe();
        for text in texts {
            pipe.cmd("PUBLISH").arg(&channel).arg(holdfast::wire::encode(&text)).ignore();
        }
        if redis.is_cluster() {
            // A pipeline of a cluster needs a key to find its node; these have none.
            for cmd in pipe.cmd_iter() {
                let _ = redis.cmd::<redis::Value>(cmd.clone()).await;
            }
        } else {
            let _ = redis.pipe::<redis::Value>(pipe).await;
        }
    }
}

async fn listen(bus: Bus, redis: Redis, rooms: Rooms) {
    loop {
        if let Ok(Ok(mut channel)) = tokio::time::timeout(crate::dependency::DEADLINE, redis.open_pubsub()).await
            && channel.subscribe(redis.channel()).await.is_ok()
        {
            let mut messages = channel.on_message();
            // Our own beat comes back every second: a connection that is silent for longer is dead.
            while let Ok(Some(message)) = tokio::time::timeout(DEAF_AFTER, messages.next()).await {
                let text: String = message.get_payload().unwrap_or_default();
                if let Ok(Message { node, about, load, at }) = serde_json::from_str::<Message>(&text) {
                    match about {
                        None => bus.note(node, load, at),
                        Some((room, msg)) if node != bus.node => rooms.tell(&room, RoomEvent::Told { node, msg }),
                        Some(_) => {}
                    }
                }
            }
        }
        tokio::time::sleep(AFTER_FAILURE).await;
    }
}

async fn watch_own_ears(bus: Bus) {
    let mut heard = true;
    tokio::time::sleep(DEAF_AFTER).await;
    loop {
        tokio::time::sleep(AFTER_FAILURE).await;
        let hears = bus.hears();
        if hears != heard {
            heard = hears;
            tracing::info!(hears, "the other nodes");
            bus.hearing.send_replace(hears);
            if hears {
                bus.cut_off.send_replace(None);
            }
        }
        if !hears && bus.cut_off.borrow().is_none() && another_hears(&bus).await {
            tracing::warn!("cut off from Redis, which another node reaches: people are sent there");
            bus.cut_off.send_replace(Some(Instant::now()));
        }
    }
}

/// Where others find a server that listens there: on the address this machine has towards the world, if it listens on all.
fn place_of(addr: SocketAddr) -> Option<SocketAddr> {
    if !addr.ip().is_unspecified() {
        return Some(addr);
    }
    let (any, out): (IpAddr, IpAddr) = if addr.is_ipv4() {
        ([0, 0, 0, 0].into(), [192, 0, 2, 1].into())
    } else {
        ([0_u16; 8].into(), [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1_u16].into())
    };
    // Connecting a UDP socket sends nothing; it only chooses the address.
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((out, 9)).ok()?;
    Some(SocketAddr::new(socket.local_addr().ok()?.ip(), addr.port()))
}

/// Asks the nodes heard of lately, all at once.
async fn another_hears(bus: &Bus) -> bool {
    let places: Vec<SocketAddr> = {
        let known = bus.places.lock().expect("no holder of this lock can panic");
        known.values().filter(|(heard, _)| heard.elapsed() < OTHERS_REMEMBERED).map(|(_, at)| *at).collect()
    };
    let answers = futures::future::join_all(places.into_iter().map(|at| async move {
        tokio::time::timeout(ASK_WITHIN, ask(at)).await.is_ok_and(|answer| answer.unwrap_or(false))
    }));
    answers.await.contains(&true)
}

async fn ask(at: SocketAddr) -> std::io::Result<bool> {
    let mut stream = tokio::net::TcpStream::connect(at).await?;
    let question = format!("GET {HEARS_PATH} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes()).await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    Ok(status.ends_with(b" 200"))
}
