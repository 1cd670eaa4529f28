//! The world: a virtual clock, pages, one server, the network and the media paths between pages.

use crate::checkers;
use crate::fake_pc::FakePc;
use crate::network::{Socket, Weather};
use crate::server::{Log, Out, Server};
use holdfast::rng::Rng;
use holdfast::room::{RoomEvent, Ticket};
use holdfast::session::{Event, Intent, Keepsake, SocketEvent};
use holdfast::view::Phase;
use holdfast::wire::{ClientMsg, CloseCode, Entry, ServerMsg, decode, encode};
use holdfast::{ChatId, ConnId, Millis, PcEpoch, PeerId, RoomId, Session};
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
    Appended(u64, Ticket, Entry),
    Tick(usize, u64),
    ServerTick(u64),
    Paths,
}

/// One person at one computer.
pub struct Client {
    pub session: Session,
    pub page: u64,
    pub pcs: BTreeMap<(PeerId, PcEpoch), FakePc>,
    pub keepsake: Option<Keepsake>,
    tick_at: Option<Millis>,
    /// Messages written and not given up.
    pub said: BTreeSet<ChatId>,
    /// Messages that waited in a page that was reloaded: they may be in the log or not.
    pub given_up: BTreeSet<ChatId>,
    pub wants_in: bool,
}

impl Client {
    /// Messages of this page that are not known to be stored.
    pub fn waiting(&self) -> BTreeSet<ChatId> {
        let view = self.session.view();
        view.chat.iter().filter(|line| line.offset.is_none()).map(|line| line.id).collect()
    }

    pub fn seat(&self) -> Option<PeerId> {
        self.session.view().me.peer
    }
}

/// Which faults a run has, derived from its seed.
#[derive(Clone, Copy, Debug)]
pub struct Chaos {
    pub clients: usize,
    pub events: u32,
    pub weather: Weather,
    pub crashes: bool,
    pub append_fails_one_in: u64,
    pub cut_media: bool,
}

impl Chaos {
    pub fn for_seed(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0xC4A0);
        let weather = Weather {
            delay_ms: 1 + rng.below(400),
            loss_one_in: [0, 0, 40, 15][rng.below(4) as usize],
            double_one_in: [0, 0, 20][rng.below(3) as usize],
            reorder_one_in: [0, 0, 20][rng.below(3) as usize],
        };
        Self {
            clients: 2 + rng.below(4) as usize,
            events: 25 + rng.below(25) as u32,
            weather,
            crashes: rng.one_in(2),
            append_fails_one_in: [0, 0, 10][rng.below(3) as usize],
            cut_media: rng.one_in(2),
        }
    }
}

pub struct World {
    pub now: Millis,
    pub rng: Rng,
    pub clients: Vec<Client>,
    pub server: Option<Server>,
    pub log: Log,
    pub weather: Weather,
    pub append_fails_one_in: u64,
    /// Pairs of clients between which no media passes.
    pub cut: Vec<(usize, usize)>,
    /// Since when each pair of ends has been without contact.
    pub quiet_since: BTreeMap<(PeerId, PeerId, PcEpoch), Millis>,
    pub sockets: BTreeMap<ConnId, Socket>,
    due: BTreeMap<(Millis, u64), Due>,
    scheduled: u64,
    conns: u64,
    boot: u64,
    server_tick_at: Option<Millis>,
    trace: bool,
    room: RoomId,
    pub online: bool,
}

impl World {
    pub fn new(seed: u64, trace: bool) -> Self {
        let now = Millis::from_unix(1_800_000_000_000);
        let log = Log::default();
        let server = Some(Server::start(now, &log, 0));
        let mut world = Self {
            now,
            rng: Rng::new(seed),
            clients: vec![],
            server,
            log,
            weather: Weather::FAIR,
            append_fails_one_in: 0,
            cut: vec![],
            quiet_since: BTreeMap::new(),
            sockets: BTreeMap::new(),
            due: BTreeMap::new(),
            scheduled: 0,
            conns: 0,
            boot: 0,
            server_tick_at: None,
            trace,
            room: "sim-room".parse().expect("a valid code"),
            online: true,
        };
        world.schedule(50, Due::Paths);
        world
    }

    pub fn add_client(&mut self) -> usize {
        let seed = self.rng.next_u64();
        self.clients.push(Client {
            session: Session::new(seed),
            page: 0,
            pcs: BTreeMap::new(),
            keepsake: None,
            tick_at: None,
            said: BTreeSet::new(),
            given_up: BTreeSet::new(),
            wants_in: false,
        });
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

    fn schedule_at(&mut self, at: Millis, due: Due) {
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

    fn happen(&mut self, due: Due) {
        match due {
            Due::ToServer(conn, text) => self.server_hears(conn, &text),
            Due::ToClient(conn, text) => {
                if let Some(socket) = self.live(conn) {
                    self.post(socket.client, socket.page, Event::Socket(socket.epoch, SocketEvent::Text(text)));
                }
            }
            Due::Opened(conn) => match self.live(conn) {
                Some(socket) if self.server.is_some() && self.online => {
                    self.post(socket.client, socket.page, Event::Socket(socket.epoch, SocketEvent::Opened));
                }
                Some(_) => self.break_socket(conn),
                None => {}
            },
            Due::ServerLost(conn) => self.server_event(RoomEvent::Closed { conn }),
            Due::ClientLost(conn, code, reason) => {
                if let Some(socket) = self.sockets.get(&conn).copied() {
                    let event = Event::Socket(socket.epoch, SocketEvent::Closed(code, reason));
                    self.post(socket.client, socket.page, event);
                }
            }
            Due::Event(client, page, event) => self.post(client, page, event),
            Due::Appended(boot, ticket, entry) => self.append(boot, ticket, entry),
            Due::Tick(client, page) => {
                let one = &self.clients[client];
                if one.page == page && one.tick_at.is_some_and(|at| at <= self.now) {
                    self.clients[client].tick_at = None;
                    self.post(client, page, Event::Tick);
                }
            }
            Due::ServerTick(boot) => {
                if boot == self.boot {
                    self.server_tick_at = None;
                    self.server_event(RoomEvent::Tick);
                }
            }
            Due::Paths => {
                self.move_paths();
                self.schedule(50, Due::Paths);
            }
        }
    }

    fn live(&self, conn: ConnId) -> Option<Socket> {
        self.sockets.get(&conn).copied().filter(|socket| socket.alive)
    }

    /// Feeds a page one event, runs its effects and checks it.
    pub fn post(&mut self, client: usize, page: u64, event: Event) {
        if self.clients[client].page != page {
            return; // From a page that was closed.
        }
        self.note(|| format!("client {client}: {event:?}"));
        let effects = self.clients[client].session.handle(self.now, event);
        assert!(effects.len() < 5_000, "one event caused {} effects", effects.len());
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
        let socket =
            Socket { client, page, epoch, conn, to_server: Millis::ZERO, to_client: Millis::ZERO, alive: true };
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

    pub fn live_sockets(&self) -> Vec<ConnId> {
        self.sockets.values().filter(|socket| socket.alive).map(|socket| socket.conn).collect()
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

    fn server_hears(&mut self, conn: ConnId, text: &str) {
        let (Some(server), true) = (&mut self.server, self.sockets[&conn].alive) else { return };
        let msg: ClientMsg = decode(text).expect("pages send only what the protocol has");
        let out = server.message(self.now, &self.log, conn, msg);
        self.server_does(out);
    }

    fn server_event(&mut self, event: RoomEvent) {
        let Some(server) = &mut self.server else { return };
        let out = server.handle(self.now, &self.log, event);
        self.server_does(out);
    }

    fn append(&mut self, boot: u64, ticket: Ticket, entry: Entry) {
        let fails = self.rng.one_in(self.append_fails_one_in);
        let Some(server) = self.server.as_mut().filter(|_| boot == self.boot) else { return };
        let out = server.appended(self.now, &mut self.log, ticket, entry, fails);
        self.server_does(out);
    }

    fn server_does(&mut self, out: Vec<Out>) {
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
                Out::AppendLater(ticket, entry) => {
                    let boot = self.boot;
                    self.schedule(3, Due::Appended(boot, ticket, entry));
                }
            }
        }
        let deadline = self.server.as_ref().and_then(|server| server.room.next_deadline());
        if let Some(at) = deadline.map(|at| at.max(self.now.plus(1)))
            && self.server_tick_at.is_none_or(|known| at < known || known <= self.now)
        {
            self.server_tick_at = Some(at);
            let boot = self.boot;
            self.schedule_at(at, Due::ServerTick(boot));
        }
    }

    fn send_to_client(&mut self, conn: ConnId, msg: &ServerMsg) {
        let Some(socket) = self.live(conn) else { return };
        self.note(|| format!("server to client {}: {msg:?}", socket.client));
        let text = encode(msg);
        for at in self.weather.arrivals(&mut self.rng, self.now, socket.to_client) {
            self.sockets.get_mut(&conn).expect("just read").to_client = at.max(socket.to_client);
            self.schedule_at(at, Due::ToClient(conn, text.clone()));
        }
    }

    /// Kills the server process; what was not appended is gone.
    pub fn crash_server(&mut self) {
        self.note(|| "server crashes".into());
        self.boot += 1;
        self.server_tick_at = None;
        self.server = None;
        for conn in self.live_sockets() {
            self.break_socket(conn);
        }
    }

    pub fn start_server(&mut self) {
        if self.server.is_none() {
            self.note(|| "server starts".into());
            let minted = self.boot * 1_000_000;
            self.server = Some(Server::start(self.now, &self.log, minted));
            self.server_does(vec![]);
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
            one.said.remove(&id);
            one.given_up.insert(id);
        }
        one.page += 1;
        one.pcs.clear();
        one.session = Session::new(seed);
        one.tick_at = None;
        if one.wants_in {
            self.enter(client);
        }
    }

    /// Opens the room's link with a name in it.
    pub fn enter(&mut self, client: usize) {
        self.clients[client].wants_in = true;
        let (room, name) = (self.room.clone(), format!("Person {client}"));
        self.intend(client, Intent::Enter(room, name, true));
    }

    pub fn is_in(&self, client: usize) -> bool {
        self.clients[client].session.view().phase == Phase::InCall
    }
}
