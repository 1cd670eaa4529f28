//! The server of the simulation: one room over one log that survives crashes, with slow and failing appends.

use holdfast::room::{AppendOutcome, Claim, RoomEffect, RoomEvent, Ticket};
use holdfast::wire::{ClientMsg, Entry, Hello, ServerMsg, Token, Welcome};
use holdfast::{ChatId, ConnId, Limits, LogEpoch, Millis, Offset, PeerId, Room};
use std::collections::BTreeMap;

/// What outlives a crash: the log.
#[derive(Debug, Default)]
pub struct Log {
    pub entries: Vec<(Offset, Entry)>,
    ids: BTreeMap<ChatId, Offset>,
}

impl Log {
    pub const EPOCH: LogEpoch = LogEpoch::from_number(1);

    fn append(&mut self, entry: Entry) -> AppendOutcome {
        if let Entry::Chat { id, .. } = &entry
            && let Some(offset) = self.ids.get(id)
        {
            return AppendOutcome::Stored(*offset);
        }
        let offset = Offset { epoch: Self::EPOCH, seq: self.entries.len() as u64 + 1 };
        if let Entry::Chat { id, .. } = &entry {
            self.ids.insert(*id, offset);
        }
        self.entries.push((offset, entry));
        AppendOutcome::Stored(offset)
    }

    fn page(&self, after: u64) -> Vec<(Offset, Entry)> {
        self.entries.iter().skip(after as usize).take(Limits::PAGE_ENTRIES).cloned().collect()
    }
}

/// What the server wants done outside.
pub enum Out {
    Send(ConnId, ServerMsg),
    Close(ConnId, holdfast::wire::CloseCode),
    /// Report this append after a while.
    AppendLater(Ticket, Entry),
}

/// One server process.
pub struct Server {
    pub room: Room,
    seats_minted: u64,
}

impl Server {
    /// Starts the process and reads the log.
    pub fn start(now: Millis, log: &Log, seats_minted: u64) -> Self {
        let mut room = Room::new(Log::EPOCH);
        for (offset, entry) in &log.entries {
            let _ = room.handle(now, RoomEvent::Folded { offset: *offset, entry: entry.clone() });
        }
        let _ = room.handle(now, RoomEvent::Loaded);
        Self { room, seats_minted }
    }

    /// A first or later message of a socket.
    pub fn message(&mut self, now: Millis, log: &Log, conn: ConnId, msg: ClientMsg) -> Vec<Out> {
        let event = match msg {
            ClientMsg::Watch { .. } => RoomEvent::Watch { conn },
            ClientMsg::Hello(hello) => {
                let claim = self.claim(&hello);
                RoomEvent::Hello { conn, hello: Box::new(hello), claim }
            }
            other => RoomEvent::Message { conn, msg: other },
        };
        self.handle(now, log, event)
    }

    /// In the real server a token is signed; here it spells the seat.
    fn claim(&mut self, hello: &Hello) -> Claim {
        let held = hello.resume.as_ref().and_then(|resume| resume.token.as_str().parse::<PeerId>().ok());
        held.map_or_else(
            || {
                self.seats_minted += 1;
                // Scatter the ids so that seat order is not join order.
                Claim::Fresh(PeerId::from_bits(self.seats_minted.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
            },
            Claim::Held,
        )
    }

    /// An append is done: it is in the log, then reported, then folded.
    pub fn appended(&mut self, now: Millis, log: &mut Log, ticket: Ticket, entry: Entry, fails: bool) -> Vec<Out> {
        let outcome = if fails { AppendOutcome::Away } else { log.append(entry) };
        let mut out = self.handle(now, log, RoomEvent::Appended { ticket, outcome });
        out.extend(self.catch_up(now, log));
        out
    }

    fn catch_up(&mut self, now: Millis, log: &Log) -> Vec<Out> {
        let news: Vec<(Offset, Entry)> = log.page(self.room.head().seq);
        let fold = |(offset, entry)| self.handle(now, log, RoomEvent::Folded { offset, entry });
        news.into_iter().flat_map(fold).collect()
    }

    pub fn handle(&mut self, now: Millis, log: &Log, event: RoomEvent) -> Vec<Out> {
        let mut out = vec![];
        for effect in self.room.handle(now, event) {
            match effect {
                RoomEffect::Send { to, msg } => out.extend(to.into_iter().map(|conn| Out::Send(conn, msg.clone()))),
                RoomEffect::Welcome { conn, peer, resumed, roster, head, from } => {
                    let token = Token::new(&peer.to_string()).expect("hex is a valid token");
                    let heartbeat_ms = Limits::PING_EVERY_MS;
                    let welcome = Welcome { peer, token, resumed, roster, head, from, now, ice: vec![], heartbeat_ms };
                    out.push(Out::Send(conn, ServerMsg::Welcome(Box::new(welcome))));
                }
                RoomEffect::Close { conn, code } => out.push(Out::Close(conn, code)),
                RoomEffect::Append { ticket, entry } => out.push(Out::AppendLater(ticket, entry)),
                RoomEffect::Read { conn, after } => {
                    let entries = log.page(after.seq);
                    out.extend(self.handle(now, log, RoomEvent::Page { conn, entries }));
                }
            }
        }
        out
    }
}
