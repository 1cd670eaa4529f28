//! The server nodes of the world: crashes, what they say to each other, and being cut off from the log.

use crate::server::{Out, Server};
use crate::world::Due;
use crate::world::World;
use holdfast::room::{AppendOutcome, RoomEvent, Ticket};
use holdfast::wire::{ClientMsg, Entry, ServerMsg, decode, encode};
use holdfast::{ConnId, LogEpoch, Millis};

/// How long a node that is cut off waits for the log before it gives an append up, in milliseconds.
const LOG_DEADLINE_MS: u64 = 2_000;
/// How long a node hears nobody before it says so.
const HEARS_MS: u64 = 3_000;
/// How often a node looks into the log without having been woken.
const POLL_MS: u64 = 1_000;

/// One place where a server process runs.
#[derive(Default)]
pub struct Node {
    pub server: Option<Server>,
    /// Counts the processes, so that words of a dead one are dropped.
    boot: u64,
    tick_at: Option<Millis>,
    /// It reaches neither the log nor the other nodes.
    pub cut: bool,
    /// How far its clock is behind.
    pub behind_ms: u64,
}

impl World {
    pub fn crash(&mut self, node: usize) {
        if self.nodes[node].server.is_none() {
            return;
        }
        self.note(|| format!("server {node} crashes"));
        let one = &mut self.nodes[node];
        (one.boot, one.tick_at, one.server) = (one.boot + 1, None, None);
        let on_it: Vec<ConnId> = self.sockets.values().filter(|s| s.alive && s.node == node).map(|s| s.conn).collect();
        for conn in on_it {
            self.break_socket(conn);
        }
    }

    pub fn start(&mut self, node: usize) {
        if self.nodes[node].server.is_some() || self.nodes[node].cut {
            return;
        }
        self.note(|| format!("server {node} starts"));
        let minted = (node as u64 * 1_000 + self.nodes[node].boot) * 1_000_000;
        let (server, out) =
            Server::start(self.now, &self.log, minted, self.nodes.len() > 1, self.nodes[node].behind_ms);
        self.nodes[node].server = Some(server);
        let boot = self.nodes[node].boot;
        self.schedule(POLL_MS, Due::Poll(node, boot));
        self.node_does(node, out);
    }

    pub fn start_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.start(node);
        }
    }

    pub fn crash_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.crash(node);
        }
    }

    /// Cuts a node from log and nodes, or joins it again.
    pub fn set_cut(&mut self, node: usize, cut: bool) {
        if std::mem::replace(&mut self.nodes[node].cut, cut) != cut {
            self.note(|| format!("server {node} cut: {cut}"));
            let (ms, boot) = (if cut { HEARS_MS } else { 50 }, self.nodes[node].boot);
            self.schedule(ms, Due::Hears(node, boot));
        }
    }

    pub fn node_happens(&mut self, due: Due) {
        match due {
            Due::Appended(node, boot, ticket, entry, ask, life) => {
                self.append(node, boot, ticket, entry, ask, life);
            }
            Due::AppendAway(node, boot, ticket) => {
                let (now, log) = (self.now, &self.log);
                let one = &mut self.nodes[node];
                if let (Some(server), true) = (&mut one.server, one.boot == boot) {
                    let out = server.handle(now, log, RoomEvent::Appended { ticket, outcome: AppendOutcome::Away });
                    self.node_does(node, out);
                }
            }
            Due::NodeTick(node, boot) => {
                if self.nodes[node].boot == boot {
                    self.nodes[node].tick_at = None;
                    self.node_event(node, RoomEvent::Tick);
                }
            }
            Due::Wake(node) => self.wake(node),
            Due::Poll(node, boot) => {
                if self.nodes[node].boot == boot {
                    self.wake(node);
                    self.schedule(POLL_MS, Due::Poll(node, boot));
                }
            }
            Due::Told(from, to, msg) => {
                let (now, log) = (self.now, &self.log);
                let one = &mut self.nodes[to];
                if let (Some(server), false) = (&mut one.server, one.cut) {
                    let out = server.told(now, log, from, *msg);
                    self.node_does(to, out);
                }
            }
            Due::Hears(node, boot) => {
                if self.nodes[node].boot == boot {
                    let hears = !self.nodes[node].cut;
                    self.node_event(node, RoomEvent::Hears(hears));
                }
            }
            _ => unreachable!("not something of a node"),
        }
    }

    fn wake(&mut self, node: usize) {
        let (now, log) = (self.now, &self.log);
        let one = &mut self.nodes[node];
        if let (Some(server), false) = (&mut one.server, one.cut) {
            let out = server.catch_up(now, log);
            self.node_does(node, out);
        }
    }

    pub fn node_hears(&mut self, conn: ConnId, text: &str) {
        let socket = self.sockets[&conn];
        let (Some(server), true) = (&mut self.nodes[socket.node].server, socket.alive) else { return };
        let msg: ClientMsg = decode(text).expect("pages send only what the protocol has");
        let out = server.message(self.now, &self.log, conn, msg);
        self.node_does(socket.node, out);
    }

    pub fn node_event(&mut self, node: usize, event: RoomEvent) {
        let Some(server) = &mut self.nodes[node].server else { return };
        let out = server.handle(self.now, &self.log, event);
        self.node_does(node, out);
    }

    /// An append reaches the log, or fails on the way there or back.
    fn append(&mut self, node: usize, boot: u64, ticket: Ticket, entry: Entry, ask: bool, life: LogEpoch) {
        let fails = self.rng.one_in(self.append_fails_one_in);
        let lost_answer = self.rng.one_in(self.append_fails_one_in);
        if self.nodes[node].boot != boot || self.nodes[node].server.is_none() {
            return;
        }
        let outcome = if fails { AppendOutcome::Away } else { self.log.append(entry, ask, life) };
        let outcome = if lost_answer { AppendOutcome::Away } else { outcome };
        let server = self.nodes[node].server.as_mut().expect("checked above");
        let out = server.appended(self.now, &self.log, ticket, outcome);
        self.node_does(node, out);
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if !self.rng.one_in(self.bus_loss_one_in) {
                let ms = 1 + self.rng.below(20);
                self.schedule(ms, Due::Wake(other));
            }
        }
    }

    pub fn node_does(&mut self, node: usize, out: Vec<Out>) {
        let boot = self.nodes[node].boot;
        for one in out {
            match one {
                Out::Send(conn, msg) => self.send_to_client(conn, &msg),
                Out::Close(conn, code) => {
                    if let Some(socket) = self.sockets.get_mut(&conn).filter(|socket| socket.alive) {
                        socket.alive = false;
                        let at = socket.to_client.max(self.now.plus(10));
                        self.schedule_at(at, Due::ClientLost(conn, code, code.text().into()));
                    }
                }
                Out::AppendLater(ticket, ..) if self.nodes[node].cut => {
                    self.schedule(LOG_DEADLINE_MS, Due::AppendAway(node, boot, ticket));
                }
                Out::AppendLater(ticket, entry, ask, life) => {
                    self.schedule(3, Due::Appended(node, boot, ticket, entry, ask, life));
                }
                Out::Tell(_) if self.nodes[node].cut => {}
                Out::Tell(msg) => {
                    for other in (0..self.nodes.len()).filter(|other| *other != node) {
                        if !self.rng.one_in(self.bus_loss_one_in) {
                            // One connection to the bus, which keeps the order of what it does not lose.
                            let at = self.now.plus(1 + self.rng.below(20));
                            let last = self.told.entry((node, other)).or_insert(at);
                            *last = at.max(*last);
                            let at = *last;
                            self.schedule_at(at, Due::Told(node, other, Box::new(msg.clone())));
                        }
                    }
                }
            }
        }
        let deadline = self.nodes[node].server.as_ref().and_then(crate::server::Server::next_deadline);
        if let Some(at) = deadline.map(|at| at.max(self.now.plus(1)))
            && self.nodes[node].tick_at.is_none_or(|known| at < known || known <= self.now)
        {
            self.nodes[node].tick_at = Some(at);
            self.schedule_at(at, Due::NodeTick(node, boot));
        }
    }

    fn send_to_client(&mut self, conn: ConnId, msg: &ServerMsg) {
        let Some(socket) = self.live(conn) else { return };
        self.note(|| format!("server {} to client {}: {msg:?}", socket.node, socket.client));
        let text = encode(msg);
        for at in self.weather.arrivals(&mut self.rng, self.now, socket.to_client) {
            self.sockets.get_mut(&conn).expect("just read").to_client = at.max(socket.to_client);
            self.schedule_at(at, Due::ToClient(conn, text.clone()));
        }
    }

    /// A node's tokens open their seats for so long; who is on it gets a new one.
    pub fn renew_seats(&mut self, node: usize, seat_ms: u64) {
        let now = self.now;
        let Some(server) = &mut self.nodes[node].server else { return };
        server.seat_ms = seat_ms;
        let out = server.renew(now);
        self.node_does(node, out);
    }

    /// Empties the log once the archive has everything: what Redis would be after FLUSHALL.
    pub fn wipe_log(&mut self) {
        let now = self.now;
        self.log.archive_away = false;
        for step in 0..100 {
            self.log.archive_some(now.plus(step * 10_000), false);
        }
        assert!(self.log.all_archived());
        self.note(|| "the log is wiped".into());
        self.log.wipe(now);
        for node in 0..self.nodes.len() {
            self.wake(node);
        }
    }
}
