//! A server node of the simulation: one room over the shared log, with slow and failing appends.

use crate::log::Log;
use holdfast::room::{AppendOutcome, Claim, RoomEffect, RoomEvent, Ticket};
use holdfast::wire::{ClientMsg, Entry, Hello, IceServer, NodeMsg, ServerMsg, Token, Welcome};
use holdfast::{ConnId, Limits, LogEpoch, Millis, NodeId, Offset, PeerId, Room};
use std::collections::BTreeMap;

/// What the server wants done outside.
pub enum Out {
    Send(ConnId, ServerMsg),
    Close(ConnId, holdfast::wire::CloseCode),
    /// Report this append after a while.
    AppendLater(Ticket, Entry, bool, LogEpoch),
    /// Tell the other nodes.
    Tell(NodeMsg),
}

/// One server process.
pub struct Server {
    pub room: Room,
    seats_minted: u64,
    /// How far this machine's clock is behind.
    behind_ms: u64,
    /// How long a token opens its seat.
    pub seat_ms: u64,
    seats: BTreeMap<ConnId, PeerId>,
}

impl Server {
    /// Starts the process and reads the log.
    pub fn start(now: Millis, log: &Log, seats_minted: u64, shared: bool, behind_ms: u64) -> (Self, Vec<Out>) {
        let room = if shared { Room::shared(log.start()) } else { Room::new(log.start()) };
        let mut server = Self { room, seats_minted, behind_ms, seat_ms: u64::MAX, seats: BTreeMap::new() };
        let mut out = vec![];
        loop {
            let page = log.page(server.room.head().seq);
            if page.is_empty() {
                break;
            }
            for (offset, entry) in page {
                out.extend(server.handle(now, log, RoomEvent::Folded { offset, entry }));
            }
        }
        out.extend(server.handle(now, log, RoomEvent::Loaded));
        (server, out)
    }

    /// A first or later message of a socket.
    pub fn message(&mut self, now: Millis, log: &Log, conn: ConnId, msg: ClientMsg) -> Vec<Out> {
        let event = match msg {
            ClientMsg::Check { .. } => unreachable!("no page checks here"),
            ClientMsg::Watch { .. } => RoomEvent::Watch { conn },
            ClientMsg::Hello(hello) => {
                let claim = self.claim(now, &hello);
                RoomEvent::Hello { conn, hello: Box::new(hello), claim }
            }
            other => RoomEvent::Message { conn, msg: other },
        };
        self.handle(now, log, event)
    }

    /// In the real server a token is signed; here it spells the seat.
    fn claim(&mut self, now: Millis, hello: &Hello) -> Claim {
        let held = hello.resume.as_ref().and_then(|resume| {
            let (peer, expires) = resume.token.as_str().split_once('.')?;
            (now.as_unix() < expires.parse().ok()?).then_some(peer.parse::<PeerId>().ok()?)
        });
        self.seats_minted += 1;
        // Scatter the ids so that seat order is not join order.
        let else_fresh = PeerId::from_bits(self.seats_minted.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        held.map_or(Claim::Fresh(else_fresh), |peer| Claim::Held { peer, else_fresh })
    }

    fn token(&self, now: Millis, peer: PeerId) -> Token {
        let expires = now.plus(self.seat_ms).as_unix();
        Token::new(&format!("{peer}.{expires}")).expect("hex, a dot and digits are a valid token")
    }

    /// Gives every seat a new token, as the real server does at half life.
    pub fn renew(&self, now: Millis) -> Vec<Out> {
        let renew = |(conn, peer): (&ConnId, &PeerId)| {
            let token = Some(self.token(now, *peer));
            Out::Send(*conn, ServerMsg::Ice { servers: servers(), token })
        };
        self.seats.iter().map(renew).collect()
    }

    /// An append ended: it is reported, then what is new in the log is folded.
    pub fn appended(&mut self, now: Millis, log: &Log, ticket: Ticket, outcome: AppendOutcome) -> Vec<Out> {
        let mut out = self.handle(now, log, RoomEvent::Appended { ticket, outcome });
        out.extend(self.catch_up(now, log));
        out
    }

    /// Folds what the log has and the room has not; a log that is another one is begun anew.
    pub fn catch_up(&mut self, now: Millis, log: &Log) -> Vec<Out> {
        let mut out = vec![];
        let head = self.room.head();
        if log.epoch != head.epoch || head.seq < log.oldest {
            out.extend(self.handle(now, log, RoomEvent::Reborn { from: log.start() }));
        } else if log.oldest > 0 {
            out.extend(self.handle(now, log, RoomEvent::Trimmed { seq: log.oldest }));
        }
        for (offset, entry) in log.page(self.room.head().seq) {
            out.extend(self.handle(now, log, RoomEvent::Folded { offset, entry }));
        }
        out
    }

    /// When the room's clock must ring, by the world's time.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.room.next_deadline().map(|at| at.plus(self.behind_ms))
    }

    pub fn told(&mut self, now: Millis, log: &Log, node: usize, msg: NodeMsg) -> Vec<Out> {
        self.handle(now, log, RoomEvent::Told { node: NodeId::from_number(node as u64), msg })
    }

    pub fn handle(&mut self, now: Millis, log: &Log, event: RoomEvent) -> Vec<Out> {
        let mut out = vec![];
        let (true_now, now) = (now, Millis::from_unix(now.as_unix() - self.behind_ms));
        for effect in self.room.handle(now, event) {
            match effect {
                RoomEffect::Live { to, offset, entry } => {
                    let event = |conn| Out::Send(conn, ServerMsg::Event { offset, entry: entry.clone() });
                    out.extend(to.into_iter().map(event));
                }
                RoomEffect::Send { to, msg } | RoomEffect::Pass { to, msg } => {
                    out.extend(to.into_iter().map(|conn| Out::Send(conn, msg.clone())));
                }
                RoomEffect::Welcome { conn, peer, resumed, roster, head, from } => {
                    let token = self.token(now, peer);
                    self.seats.insert(conn, peer);
                    let heartbeat_ms = Limits::PING_EVERY_MS;
                    let ice = servers();
                    let welcome = Welcome { peer, token, resumed, roster, head, from, now, ice, heartbeat_ms };
                    out.push(Out::Send(conn, ServerMsg::Welcome(Box::new(welcome))));
                }
                RoomEffect::Close { conn, code } => {
                    self.seats.remove(&conn);
                    out.push(Out::Close(conn, code));
                }
                RoomEffect::Append { ticket, entry, ask_archive } => {
                    let life = self.room.head().epoch;
                    out.push(Out::AppendLater(ticket, entry, ask_archive, life));
                }
                RoomEffect::Tell { msg } => out.push(Out::Tell(msg)),
                RoomEffect::History { conn, before } => {
                    out.push(Out::Send(conn, log.history(&ClientMsg::History { before })));
                }
                RoomEffect::Read { conn, after } => out.extend(self.read(true_now, log, conn, after)),
            }
        }
        out
    }

    fn read(&mut self, now: Millis, log: &Log, conn: ConnId, after: Offset) -> Vec<Out> {
        let entries = if after.epoch == log.epoch { log.page(after.seq) } else { vec![] };
        self.handle(now, log, RoomEvent::Page { conn, entries })
    }
}

fn servers() -> Vec<IceServer> {
    vec![IceServer { urls: vec!["turn:relay.example".into()], username: None, credential: None }]
}
