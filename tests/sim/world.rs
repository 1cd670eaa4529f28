//! The world: a virtual clock, pages, one server, the network and the media paths between pages.

use crate::checkers;
use crate::client::{Client, Tracks, secret};
use crate::log::Log;
use crate::network::{Socket, Weather};
use crate::nodes::Node;
use crate::paths::Obstacle;
use holdfast::rng::Rng;
use holdfast::room::{RoomEvent, Ticket};
use holdfast::session::{Event, Intent, MediaEvent, SocketEvent, Unsent};
use holdfast::view::Phase;
use holdfast::wire::{CloseCode, Entry, NodeMsg};
use holdfast::{ConnId, LogEpoch, Millis, PcEpoch, PeerId, RoomId, Session};
use std::collections::{BTreeMap, BTreeSet};

/// What is due at some time.
pub enum Due {
    ToServer(ConnId, String),
    ToClient(ConnId, String),
    Opened(ConnId),
    /// The server learns that a socket is gone.
    ServerLost(ConnId),
    ClientLost(ConnId, CloseCode, String),
    Event(usize, u64, Event),
    /// A message on a data channel: from a client with this seat to this one, over the connection of this epoch.
    OnChannel(usize, PeerId, PeerId, PcEpoch, String),
    /// An append of this node's process reaches the log.
    Appended(usize, u64, Ticket, Entry, bool, LogEpoch),
    /// An append of this node's process did not reach the log in time.
    AppendAway(usize, u64, Ticket),
    /// A page's message is written down in its browser.
    WrittenDown(usize, u64, Unsent),
    Tick(usize, u64),
    NodeTick(usize, u64),
    /// A node is woken because the log may have grown.
    Wake(usize),
    /// A node looks by itself.
    Poll(usize, u64),
    /// A node hears another one.
    Told(usize, usize, Box<NodeMsg>),
    /// A node notices whether it hears the others.
    Hears(usize, u64),
    /// An archive worker's turn.
    Archive,
    Paths,
}

pub struct World {
    pub now: Millis,
    pub rng: Rng,
    pub clients: Vec<Client>,
    pub nodes: Vec<Node>,
    pub log: Log,
    pub bus_loss_one_in: u64,
    worker_dies_one_in: u64,
    pub weather: Weather,
    pub append_fails_one_in: u64,
    /// Pairs of clients between which no media passes, and what would help.
    pub cut: Vec<(usize, usize, Obstacle)>,
    /// Since when each pair of ends has been without contact.
    pub quiet_since: BTreeMap<(PeerId, PeerId, PcEpoch), Millis>,
    pub sockets: BTreeMap<ConnId, Socket>,
    due: BTreeMap<(Millis, u64), Due>,
    scheduled: u64,
    conns: u64,
    trace: bool,
    pub room: RoomId,
    pub online: bool,
    /// Whose packets are swallowed without a word, and what waits meanwhile to be sent again.
    pub cut_off: BTreeSet<usize>,
    held: Vec<(usize, Due)>,
    /// When the newest word of a node to another one arrives.
    pub told: BTreeMap<(usize, usize), Millis>,
    /// Restarts of ICE that were offered.
    pub restarts: usize,
    /// Browsers get addresses of relays.
    pub relays_answer: bool,
    /// Sockets neither lose nor double nor reorder, as real ones: authors' messages must stay in their order.
    pub keeps_order: bool,
    /// New sockets go to this node; none for any.
    pub only_node: Option<usize>,
}

impl World {
    pub fn new(seed: u64, trace: bool, nodes: usize) -> Self {
        let now = Millis::from_unix(1_800_000_000_000);
        let mut world = Self {
            now,
            rng: Rng::new(seed),
            clients: vec![],
            nodes: std::iter::repeat_with(Node::default).take(nodes).collect(),
            log: Log::new(now),
            bus_loss_one_in: 0,
            worker_dies_one_in: 0,
            weather: Weather::FAIR,
            append_fails_one_in: 0,
            cut: vec![],
            quiet_since: BTreeMap::new(),
            sockets: BTreeMap::new(),
            due: BTreeMap::new(),
            scheduled: 0,
            conns: 0,
            trace,
            room: "sim-room".parse().expect("a valid code"),
            online: true,
            cut_off: BTreeSet::new(),
            held: vec![],
            told: BTreeMap::new(),
            restarts: 0,
            relays_answer: true,
            keeps_order: true,
            only_node: None,
        };
        world.start_all();
        world.schedule(50, Due::Paths);
        world.schedule(500, Due::Archive);
        world
    }

    pub fn add_client(&mut self) -> usize {
        let seed = self.rng.next_u64();
        self.clients.push(Client::new(seed));
        self.clients.len() - 1
    }

    pub fn note(&self, text: impl FnOnce() -> String) {
        if self.trace {
            println!("{} {}", self.now.as_unix() - 1_800_000_000_000, text());
        }
    }

    pub fn schedule(&mut self, after_ms: u64, due: Due) {
        self.schedule_at(self.now.plus(after_ms), due);
    }

    pub fn schedule_at(&mut self, at: Millis, due: Due) {
        self.scheduled += 1;
        self.due.insert((at, self.scheduled), due);
    }

    /// Runs everything that is due within `ms`.
    pub fn run(&mut self, ms: u64) {
        let until = self.now.plus(ms);
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > until {
                break;
            }
            let ((at, _), due) = entry.remove_entry();
            self.now = self.now.max(at);
            self.happen(due);
        }
        self.now = until;
    }

    /// Lets the packets of a client pass again: what TCP kept arrives now, in its order.
    pub fn reconnect(&mut self, client: usize) {
        self.cut_off.remove(&client);
        let (now_passes, held) = std::mem::take(&mut self.held).into_iter().partition(|(of, _)| *of == client);
        self.held = held;
        let now_passes: Vec<(usize, Due)> = now_passes;
        for (_, due) in now_passes {
            self.schedule(50, due);
        }
    }

    /// Whose cut-off network keeps this from happening.
    fn kept_by(&self, due: &Due) -> Option<usize> {
        let (Due::ToServer(conn, _)
        | Due::ToClient(conn, _)
        | Due::Opened(conn)
        | Due::ServerLost(conn)
        | Due::ClientLost(conn, ..)) = due
        else {
            return None;
        };
        self.sockets.get(conn).map(|socket| socket.client).filter(|client| self.cut_off.contains(client))
    }

    fn happen(&mut self, due: Due) {
        if let Some(client) = self.kept_by(&due) {
            return self.held.push((client, due));
        }
        match due {
            Due::ToServer(conn, text) => self.node_hears(conn, &text),
            Due::ToClient(conn, text) => {
                if let Some(socket) = self.live(conn) {
                    self.post(socket.client, socket.page, Event::Socket(socket.epoch, SocketEvent::Text(text)));
                }
            }
            Due::Opened(conn) => match self.live(conn) {
                Some(socket) if self.nodes[socket.node].server.is_some() && self.online => {
                    self.post(socket.client, socket.page, Event::Socket(socket.epoch, SocketEvent::Opened));
                }
                Some(_) => self.break_socket(conn),
                None => {}
            },
            Due::ServerLost(conn) => self.node_event(self.sockets[&conn].node, RoomEvent::Closed { conn }),
            Due::ClientLost(conn, code, reason) => {
                if let Some(socket) = self.sockets.get(&conn).copied() {
                    let event = Event::Socket(socket.epoch, SocketEvent::Closed(code, reason));
                    self.post(socket.client, socket.page, event);
                }
            }
            Due::Event(client, page, event) => self.post(client, page, event),
            Due::OnChannel(client, me, peer, epoch, text) => self.carry(client, me, peer, epoch, text),
            Due::WrittenDown(client, page, unsent) => {
                if self.clients[client].page == page {
                    let id = unsent.id;
                    self.clients[client].disk.push(unsent);
                    self.post(client, page, Event::Kept(id));
                }
            }
            Due::Tick(client, page) => {
                let one = &self.clients[client];
                if one.page == page && one.tick_at.is_some_and(|at| at <= self.now) {
                    self.clients[client].tick_at = None;
                    self.post(client, page, Event::Tick);
                }
            }
            Due::Archive => {
                let dies = self.rng.one_in(self.worker_dies_one_in);
                self.log.archive_some(self.now, dies);
                self.schedule(500, Due::Archive);
            }
            Due::Paths => {
                self.move_paths();
                self.schedule(50, Due::Paths);
            }
            other => self.node_happens(other),
        }
    }

    pub fn live(&self, conn: ConnId) -> Option<Socket> {
        self.sockets.get(&conn).copied().filter(|socket| socket.alive)
    }

    /// Feeds a page one event, runs its effects and checks it.
    pub fn post(&mut self, client: usize, page: u64, event: Event) {
        if self.clients[client].page != page {
            return; // From a page that was closed.
        }
        if let Some(until) = self.clients[client].asleep_until.filter(|until| self.now < *until) {
            return self.schedule_at(until, Due::Event(client, page, event));
        }
        self.note(|| format!("client {client}: {event:?}"));
        if let Event::Media(MediaEvent::Started(kind, _)) = &event {
            *self.clients[client].tracks.running(*kind) = true;
        }
        let effects = self.clients[client].session.handle(self.now, event);
        assert!(effects.len() < 5_000, "one event caused {} effects", effects.len());
        self.clients[client].last_seat = self.clients[client].seat().or(self.clients[client].last_seat);
        for effect in effects {
            self.note(|| format!("client {client}:   -> {effect:?}"));
            self.run_effect(client, effect);
        }
        let deadline = self.clients[client].session.next_deadline();
        if let Some(at) = deadline {
            let at = at.max(self.now.plus(1));
            if self.clients[client].tick_at.is_none_or(|known| at < known) {
                self.clients[client].tick_at = Some(at);
                self.schedule_at(at, Due::Tick(client, page));
            }
        }
        checkers::after_every_event(&self.clients[client], &self.log);
    }

    pub fn intend(&mut self, client: usize, intent: Intent) {
        let page = self.clients[client].page;
        self.post(client, page, Event::Intent(intent));
    }

    pub fn later(&mut self, client: usize, ms: u64, event: Event) {
        let page = self.clients[client].page;
        self.schedule(ms, Due::Event(client, page, event));
    }

    pub fn open_socket(&mut self, client: usize, epoch: holdfast::SocketEpoch) {
        self.conns += 1;
        let conn = ConnId::from_number(self.conns);
        let page = self.clients[client].page;
        let any = self.rng.below(self.nodes.len() as u64) as usize;
        let node = self.only_node.unwrap_or(any);
        let socket =
            Socket { client, page, epoch, node, conn, to_server: Millis::ZERO, to_client: Millis::ZERO, alive: true };
        self.sockets.insert(conn, socket);
        let ms = 1 + self.rng.below(self.weather.delay_ms);
        self.schedule(ms, Due::Opened(conn));
    }

    pub fn socket_of(&self, client: usize, epoch: holdfast::SocketEpoch) -> Option<ConnId> {
        let page = self.clients[client].page;
        let mine = |s: &&Socket| s.client == client && s.page == page && s.epoch == epoch && s.alive;
        self.sockets.values().find(mine).map(|socket| socket.conn)
    }

    /// Cuts a socket; each end learns of it after a while.
    pub fn break_socket(&mut self, conn: ConnId) {
        if let Some(socket) = self.sockets.get_mut(&conn).filter(|socket| socket.alive) {
            socket.alive = false;
            let (a, b) = (self.rng.below(300), self.rng.below(300));
            self.schedule(a, Due::ServerLost(conn));
            self.schedule(b, Due::ClientLost(conn, CloseCode::Broken, String::new()));
        }
    }

    pub fn sockets_of(&self, client: usize) -> Vec<ConnId> {
        self.sockets.values().filter(|s| s.alive && s.client == client).map(|s| s.conn).collect()
    }

    pub fn send_to_server(&mut self, conn: ConnId, text: &str) {
        let socket = self.sockets[&conn];
        let at = self.weather.arrivals(&mut self.rng, self.now, socket.to_server);
        for at in at {
            self.sockets.get_mut(&conn).expect("just read").to_server = at.max(socket.to_server);
            self.schedule_at(at, Due::ToServer(conn, text.to_owned()));
        }
    }

    /// Reloads a page: same tab, same keepsake, nothing else.
    pub fn reload(&mut self, client: usize) {
        self.note(|| format!("client {client} reloads"));
        for conn in self.sockets_of(client) {
            self.sockets.get_mut(&conn).expect("listed").alive = false;
            self.schedule(20, Due::ServerLost(conn));
        }
        let seed = self.rng.next_u64();
        let one = &mut self.clients[client];
        for id in one.waiting() {
            if !one.disk.iter().any(|unsent| unsent.id == id) {
                one.said.remove(&id);
                one.given_up.insert(id);
            }
        }
        one.page += 1;
        one.pcs.clear();
        one.blind.clear();
        one.tracks = Tracks::default();
        one.session = Session::new(seed, secret(seed));
        one.tick_at = None;
        if one.wants_in {
            self.enter(client);
        }
    }

    /// Opens the room's link with a name in it.
    pub fn enter(&mut self, client: usize) {
        self.clients[client].wants_in = true;
        self.open_room(client, true);
    }

    /// The same, to the lobby or straight in.
    pub fn open_room(&mut self, client: usize, join: bool) {
        let (room, name) = (self.room.clone(), format!("Person {client}"));
        self.intend(client, Intent::Enter(room, name, join));
    }

    pub fn set_worker_dies(&mut self, one_in: u64) {
        self.worker_dies_one_in = one_in;
    }

    pub fn is_in(&self, client: usize) -> bool {
        self.clients[client].session.view().phase == Phase::InCall
    }
}
