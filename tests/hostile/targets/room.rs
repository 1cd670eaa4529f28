//! A room under whatever its clients can say, with a log that fails, forgets and begins anew, and other nodes.

use super::bytes::Bytes;
use super::texts::{From, noise, plausible};
use holdfast::room::{AppendOutcome, Claim, RoomEffect, RoomEvent};
use holdfast::wire::{ClientMsg, Entry, MediaState, NodeMsg, Presence, ServerMsg, decode, encode};
use holdfast::{ConnId, Limits, LogEpoch, Millis, NodeId, Offset, PeerId, Room};
use std::collections::BTreeSet;

/// Events of one run.
const STEPS: usize = 300;
const CLIENTS: u64 = 12;
const BEGIN: u64 = 1_800_000_000_000;

fn seat(bytes: &mut Bytes<'_>) -> PeerId {
    PeerId::from_bits(bytes.below(12))
}

fn said(bytes: &mut Bytes<'_>) -> Option<ClientMsg> {
    let text = match bytes.below(8) {
        0 => bytes.text(),
        1 => noise(bytes, From::Client),
        _ => plausible(bytes, From::Client),
    };
    decode(&text).ok()
}

fn entry(bytes: &mut Bytes<'_>) -> Option<Entry> {
    match decode(&plausible(bytes, From::Server)).ok()? {
        ServerMsg::Event { entry, .. } => Some(entry),
        _ => None,
    }
}

fn told(bytes: &mut Bytes<'_>) -> Option<NodeMsg> {
    Some(match bytes.below(4) {
        0 => NodeMsg::Who,
        1 => {
            let msg: ServerMsg = decode(&plausible(bytes, From::Server)).ok()?;
            // The sender's node looks for addresses, and nodes trust each other.
            let shows = matches!(&msg, ServerMsg::Signal { signal, .. } if signal.shows_address());
            if shows {
                return None;
            }
            NodeMsg::Forward { to: seat(bytes), msg: Box::new(msg) }
        }
        _ => {
            let presence = |bytes: &mut Bytes<'_>| Presence {
                peer: seat(bytes),
                claim: bytes.number(),
                media: MediaState { audio: bytes.one_in(2), video: bytes.one_in(2) },
                here: bytes.one_in(2),
                quiet_ms: bytes.number(),
            };
            NodeMsg::Seats { seats: (0..bytes.below(10)).map(|_| presence(bytes)).collect() }
        }
    })
}

/// A room, its log as far as it was written, and the sockets that are open.
struct Stage {
    room: Room,
    hides: bool,
    log: Vec<(Offset, Entry)>,
    open: BTreeSet<ConnId>,
    /// How many sockets each of the clients had and closed.
    closed: [u64; CLIENTS as usize],
}

impl Stage {
    fn event(&mut self, bytes: &mut Bytes<'_>) -> Option<RoomEvent> {
        let client = bytes.below(CLIENTS);
        let conn = ConnId::from_number(client + CLIENTS * self.closed[client as usize]);
        Some(match bytes.below(16) {
            0 => RoomEvent::Closed { conn },
            1 => self.folded(entry(bytes)?),
            2 if bytes.one_in(4) => {
                self.log.clear();
                let life = LogEpoch::from_number(BEGIN + bytes.below(4));
                RoomEvent::Reborn { from: Offset { epoch: life, seq: bytes.below(9) } }
            }
            3 => RoomEvent::Trimmed { seq: bytes.below(40) },
            4 => RoomEvent::Hears(bytes.one_in(2)),
            5 => RoomEvent::Behind { conn, sent: bytes.below(40) },
            6 => RoomEvent::Told { node: NodeId::from_number(bytes.below(3)), msg: told(bytes)? },
            7 => RoomEvent::Folded { offset: Offset { seq: bytes.number(), ..self.room.head() }, entry: entry(bytes)? },
            8 => RoomEvent::Tick,
            _ => self.heard(conn, said(bytes)?, bytes)?,
        })
    }

    /// What the server makes of a client's message. The first one of a socket says what it came for.
    fn heard(&mut self, conn: ConnId, msg: ClientMsg, bytes: &mut Bytes<'_>) -> Option<RoomEvent> {
        Some(match msg {
            ClientMsg::Hello(hello) => {
                self.open.insert(conn);
                let peer = seat(bytes);
                let claim =
                    if bytes.one_in(2) { Claim::Held { peer, else_fresh: seat(bytes) } } else { Claim::Fresh(peer) };
                RoomEvent::Hello { conn, hello: Box::new(hello), claim }
            }
            ClientMsg::Watch { .. } if self.open.contains(&conn) => return None,
            ClientMsg::Watch { .. } => {
                self.open.insert(conn);
                RoomEvent::Watch { conn }
            }
            _ if !self.open.contains(&conn) => return None,
            ClientMsg::Chat { id, .. } if bytes.one_in(16) => RoomEvent::TooMuch { conn, id },
            msg => RoomEvent::Message { conn, msg },
        })
    }

    /// The client comes back on another socket.
    fn close(&mut self, conn: ConnId) {
        if self.open.remove(&conn) {
            self.closed[(conn.number() % CLIENTS) as usize] += 1;
        }
    }

    fn folded(&mut self, entry: Entry) -> RoomEvent {
        let newest = self.log.last().map_or(self.room.head(), |(offset, _)| *offset);
        let offset = newest.max(self.room.head()).next();
        self.log.push((offset, entry.clone()));
        RoomEvent::Folded { offset, entry }
    }

    /// Checks what the room asks for, and says what log and sockets answer.
    fn run(&mut self, bytes: &mut Bytes<'_>, effect: RoomEffect) -> Vec<RoomEvent> {
        match effect {
            RoomEffect::Append { ticket, entry, .. } => {
                let failed = match bytes.below(12) {
                    8 => Some(AppendOutcome::Away),
                    9 => Some(AppendOutcome::Busy),
                    10 => Some(AppendOutcome::IdTaken),
                    11 => Some(AppendOutcome::Moved),
                    _ => None,
                };
                if let Some(outcome) = failed {
                    return vec![RoomEvent::Appended { ticket, outcome }];
                }
                let folded = self.folded(entry);
                let RoomEvent::Folded { offset, .. } = folded else { return vec![folded] };
                let appended = RoomEvent::Appended { ticket, outcome: AppendOutcome::Stored(offset) };
                if bytes.one_in(2) { vec![appended, folded] } else { vec![folded, appended] }
            }
            RoomEffect::Close { conn, .. } => {
                self.close(conn);
                vec![RoomEvent::Closed { conn }]
            }
            RoomEffect::Read { conn, after } => {
                let page = self.log.iter().filter(|(offset, _)| *offset > after).take(3).cloned();
                vec![RoomEvent::Page { conn, entries: if bytes.one_in(8) { vec![] } else { page.collect() } }]
            }
            RoomEffect::Send { to, msg } | RoomEffect::Pass { to, msg } => {
                // How an append ended may be said to a socket that is gone: nobody hears it.
                if !matches!(msg, ServerMsg::Ack { .. } | ServerMsg::Refused { .. }) {
                    self.reaches(&to);
                }
                let written = encode(&msg);
                assert!(written.len() <= Limits::FRAME_BYTES);
                assert_eq!(decode::<ServerMsg>(&written), Ok(msg.clone()), "a page reads what a server writes");
                if let ServerMsg::Signal { signal, .. } = msg {
                    assert!(!self.hides || !signal.shows_address(), "an address that was to be hidden");
                }
                vec![]
            }
            RoomEffect::Live { to, .. } => {
                self.reaches(&to);
                vec![]
            }
            RoomEffect::Welcome { conn, peer, roster, .. } => {
                self.reaches(&[conn]);
                assert!(roster.len() < Limits::SEATS && roster.iter().all(|seat| seat.peer != peer));
                vec![]
            }
            RoomEffect::History { conn, .. } => {
                self.reaches(&[conn]);
                vec![]
            }
            RoomEffect::Tell { .. } => vec![],
        }
    }

    fn reaches(&self, to: &[ConnId]) {
        assert!(to.iter().all(|conn| self.open.contains(conn)), "{to:?} of {:?}", self.open);
    }
}

/// The target.
pub(crate) fn room(bytes: &[u8]) {
    let _ = seats_taken(bytes);
}

/// The same, and how many seats were taken at most: none would mean that it tries little.
pub(crate) fn seats_taken(bytes: &[u8]) -> usize {
    let mut bytes = Bytes::new(bytes);
    let from = Offset { epoch: LogEpoch::from_number(BEGIN), seq: 0 };
    let room = if bytes.one_in(2) { Room::new(from) } else { Room::shared(from) };
    let mut stage =
        Stage { room, hides: bytes.one_in(2), log: vec![], open: BTreeSet::new(), closed: [0; CLIENTS as usize] };
    if stage.hides {
        stage.room.hide_addresses();
    }
    let mut now = Millis::from_unix(BEGIN);
    let (mut next, mut taken) = (vec![RoomEvent::Loaded], 0);
    for _ in 0..STEPS {
        if bytes.is_empty() {
            break;
        }
        next.extend(stage.event(&mut bytes));
        now = now.plus(bytes.pick(&[0, 20, 400, 5_000, 60_000]));
        for event in std::mem::take(&mut next) {
            match &event {
                RoomEvent::Closed { conn } => stage.close(*conn),
                // What a socket said before it heard that it is closed is dropped.
                RoomEvent::Watch { conn }
                | RoomEvent::Hello { conn, .. }
                | RoomEvent::Message { conn, .. }
                | RoomEvent::TooMuch { conn, .. }
                    if !stage.open.contains(conn) =>
                {
                    continue;
                }
                _ => {}
            }
            for effect in stage.room.handle(now, event) {
                next.extend(stage.run(&mut bytes, effect));
            }
        }
        taken = taken.max(stage.room.seats());
        assert!(stage.room.seats() <= Limits::SEATS, "{} seats", stage.room.seats());
        assert!(stage.room.people().len() == stage.room.seats());
        let _ = (stage.room.next_deadline(), stage.room.oldest_joined(), stage.room.is_idle());
    }
    taken
}
