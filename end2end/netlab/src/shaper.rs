//! The switch of the lab: a TUN device in each network namespace, packets between them shaped by destination and source.

use crate::link::{Counts, Link, Shape};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tun_rs::{DeviceBuilder, SyncDevice};

/// The name of the device in every namespace.
pub const DEVICE: &str = "lab0";
const MTU: u16 = 1_400;
/// Packets that may be on their way; past that the switch drops, as any would.
const ON_THE_WAY: usize = 50_000;

/// One namespace and the addresses that are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The namespace's name.
    pub name: String,
    /// The first of its 256 addresses.
    pub net: Ipv4Addr,
}

/// What is asked of the switch, one JSON object a line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Which end; none asks for the counts only.
    pub end: Option<String>,
    /// What happens to packets from there.
    pub up: Option<Shape>,
    /// What happens to packets to there.
    pub down: Option<Shape>,
}

/// The answer: what happened so far, by end.
#[derive(Debug, Serialize)]
pub struct Tally {
    /// From there.
    pub up: Counts,
    /// To there.
    pub down: Counts,
}

type Links = Arc<Mutex<BTreeMap<String, (Link, Link)>>>;

/// A packet and when it goes out; the number keeps the order of equal times.
type Due = Reverse<(u64, u64, Stage, usize, Vec<u8>)>;

/// Where a packet is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Between its sender and the switch.
    Up,
    /// Between the switch and its receiver.
    Down,
}

/// Switches until the process ends.
///
/// # Errors
/// When a namespace or a device cannot be had; both need root.
pub fn run(ends: &[End], control: &Path, seed: u64) -> anyhow::Result<()> {
    let began = Instant::now();
    let now = move || u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let mut links = BTreeMap::new();
    let mut devices = vec![];
    for (n, end) in ends.iter().enumerate() {
        devices.push(Arc::new(device_in(&end.name)?));
        let seed = seed.wrapping_add(n as u64 * 2);
        links.insert(end.name.clone(), (Link::new(seed), Link::new(seed + 1)));
    }
    let links: Links = Arc::new(Mutex::new(links));
    let (arrived, waiting) = channel();
    for (n, device) in devices.iter().enumerate() {
        let (device, arrived) = (Arc::clone(device), arrived.clone());
        std::thread::spawn(move || read(&device, n, &arrived));
    }
    let listener = UnixListener::bind(control).with_context(|| control.display().to_string())?;
    let orders = Arc::clone(&links);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let orders = Arc::clone(&orders);
            std::thread::spawn(move || obey(&stream, &orders));
        }
    });
    println!("switching");
    switch(ends, &devices, &links, &waiting, now)
}

/// A TUN device in a namespace. The thread that makes it enters the namespace and ends; the device stays there.
fn device_in(name: &str) -> anyhow::Result<SyncDevice> {
    let place = format!("/run/netns/{name}");
    let made = std::thread::spawn(move || -> anyhow::Result<SyncDevice> {
        let namespace = File::open(&place).with_context(|| place.clone())?;
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).with_context(|| place.clone())?;
        Ok(DeviceBuilder::new().name(DEVICE).mtu(MTU).build_sync()?)
    });
    made.join().map_err(|_| anyhow::anyhow!("the thread in {name} panicked"))?
}

fn read(device: &SyncDevice, from: usize, arrived: &Sender<(usize, Vec<u8>)>) {
    let mut packet = vec![0; 65_536];
    while let Ok(n) = device.recv(&mut packet) {
        if arrived.send((from, packet[..n].to_vec())).is_err() {
            return;
        }
    }
}

fn switch(
    ends: &[End],
    devices: &[Arc<SyncDevice>],
    links: &Links,
    waiting: &Receiver<(usize, Vec<u8>)>,
    now: impl Fn() -> u64,
) -> anyhow::Result<()> {
    let mut due: BinaryHeap<Due> = BinaryHeap::new();
    let mut count = 0;
    loop {
        let wait_us = due.peek().map_or(100_000, |Reverse((at, ..))| at.saturating_sub(now()));
        match waiting.recv_timeout(Duration::from_micros(wait_us)) {
            Ok((from, packet)) => {
                if let Some(to) = destination(ends, &packet)
                    && due.len() < ON_THE_WAY
                {
                    let mut links = links.lock().expect("no holder of this lock can panic");
                    let at = links.get_mut(&ends[from].name).and_then(|(up, _)| up.push(now(), packet.len()));
                    if let Some(at) = at {
                        count += 1;
                        due.push(Reverse((at, count, Stage::Up, to, packet)));
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("every device is gone"),
        }
        while due.peek().is_some_and(|Reverse((at, ..))| *at <= now()) {
            match due.pop() {
                // It enters the way down when it has come up, so that no sender's packets wait for another's.
                Some(Reverse((at, n, Stage::Up, to, packet))) => {
                    let mut links = links.lock().expect("no holder of this lock can panic");
                    let down = links.get_mut(&ends[to].name).and_then(|(_, down)| down.push(at, packet.len()));
                    due.extend(down.map(|at| Reverse((at, n, Stage::Down, to, packet))));
                }
                Some(Reverse((_, _, Stage::Down, to, packet))) => {
                    let _ = devices[to].send(&packet); // A device that is down takes nothing, as a pulled plug.
                }
                None => {}
            }
        }
    }
}

/// Whose the destination of an IPv4 packet is.
fn destination(ends: &[End], packet: &[u8]) -> Option<usize> {
    let to = packet.get(16..20).filter(|_| packet.first().is_some_and(|byte| byte >> 4 == 4))?;
    ends.iter().position(|end| end.net.octets()[..3] == to[..3])
}

fn obey(stream: &UnixStream, links: &Links) {
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(line)) = lines.next() {
        let answer = match serde_json::from_str::<Order>(&line) {
            Ok(order) => {
                let mut links = links.lock().expect("no holder of this lock can panic");
                if let Some((up, down)) = order.end.as_ref().and_then(|end| links.get_mut(end)) {
                    if let Some(shape) = order.up {
                        up.set(shape);
                    }
                    if let Some(shape) = order.down {
                        down.set(shape);
                    }
                }
                let tally = |(up, down): &(Link, Link)| Tally { up: up.counts, down: down.counts };
                let all: BTreeMap<&String, Tally> = links.iter().map(|(name, both)| (name, tally(both))).collect();
                serde_json::to_string(&all).unwrap_or_default()
            }
            Err(error) => format!("{{\"error\":{:?}}}", error.to_string()),
        };
        let mut stream = stream;
        if writeln!(stream, "{answer}").is_err() {
            return;
        }
    }
}
