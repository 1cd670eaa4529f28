//! The server's side of a room: folds the room's log, seats people, passes signals on, keeps presence true.

mod event;
mod lane;
mod member;
mod nodes;
mod passing;
mod presence;
mod seating;

pub use event::{AppendOutcome, Claim, RoomEffect, RoomEvent, Ticket};

use crate::id::{ChatId, ConnId, LogEpoch, Offset, PeerId};
use crate::limits::Limits;
use crate::time::Millis;
use crate::wire::{ClientMsg, CloseCode, Entry, Hello, LeaveReason, Name, NodeMsg, Presence, Refusal, Seat, ServerMsg};
use lane::Lane;
use member::{Link, Member};
use passing::Departed;
use std::collections::{BTreeMap, BTreeSet};

/// What a socket is in this room.
#[derive(Clone, Debug)]
enum Role {
    /// Looks in from the lobby.
    Watcher,
    /// Waits for its `Joined` entry to be folded.
    Joining { peer: PeerId, fresh: bool, hello: Box<Hello> },
    /// Has this seat; entries up to `sent` were sent. Not live while a page is being read for it: `reading` is the
    /// head of the log when that page was asked for.
    /// `lane` holds what they write, on its way into the log.
    Seated { peer: PeerId, sent: u64, reading: Option<u64>, lane: Lane },
}

/// The state machine of one room on one server node.
#[derive(Debug)]
pub struct Room {
    epoch: LogEpoch,
    head: u64,
    /// Entries up to here are no longer in the log.
    oldest: u64,
    loaded: bool,
    members: BTreeMap<PeerId, Member>,
    conns: BTreeMap<ConnId, Role>,
    /// Seats whose socket closed before their `joined` was folded: nobody holds a token for them.
    orphans: BTreeSet<PeerId>,
    departed: Departed,
    /// Messages that an operator deleted, of those the log still knows: no author brings them back.
    deleted: BTreeSet<ChatId>,
    nodes: Nodes,
    hides_addresses: bool,
}

/// What this node told the others and whether it hears them.
#[derive(Debug)]
enum Nodes {
    /// This is the only node there can be.
    Alone,
    /// There may be others.
    Shared {
        /// The seats as last told, without how long they were quiet.
        told: Vec<Presence>,
        /// When to tell them again.
        beat_at: Millis,
        /// Whether what the others say arrives.
        hears: bool,
    },
}

impl Room {
    /// A room on the only node there is, whose log begins after this place and was not read yet.
    #[must_use]
    pub fn new(from: Offset) -> Self {
        Self {
            epoch: from.epoch,
            head: from.seq,
            oldest: from.seq,
            loaded: false,
            members: BTreeMap::new(),
            conns: BTreeMap::new(),
            orphans: BTreeSet::new(),
            departed: Departed::default(),
            deleted: BTreeSet::new(),
            nodes: Nodes::Alone,
            hides_addresses: false,
        }
    }

    /// The same on one of several nodes.
    #[must_use]
    pub fn shared(from: Offset) -> Self {
        Self { nodes: Nodes::Shared { told: vec![], beat_at: Millis::ZERO, hears: true }, ..Self::new(from) }
    }

    /// From now on only relays' addresses are passed on.
    pub const fn hide_addresses(&mut self) {
        self.hides_addresses = true;
    }

    /// The newest entry folded.
    #[must_use]
    pub const fn head(&self) -> Offset {
        Offset { epoch: self.epoch, seq: self.head }
    }

    /// Whether nobody is here: no socket, and no seat this node answers for. Such a room may be dropped from memory.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.conns.is_empty() && self.members.values().all(|member| matches!(member.link, Link::Elsewhere { .. }))
    }

    /// Whether this message is so surely of this life of the log that the archive need not be waited for.
    #[must_use]
    pub fn surely_new(&self, id: ChatId) -> bool {
        id.minted_at().as_unix() >= self.epoch.number()
    }

    /// How many of the seats have, or had last, their socket on this node: each seat counts on one node.
    #[must_use]
    pub fn seats_of_node(&self) -> usize {
        self.members.values().filter(|member| !matches!(member.link, Link::Elsewhere { .. })).count()
    }

    /// How many seats are taken.
    #[must_use]
    pub fn seats(&self) -> usize {
        self.members.len()
    }

    /// The number of the oldest entry that a seat in use began with: entries from there on are needed to load the room.
    #[must_use]
    pub fn oldest_joined(&self) -> Option<u64> {
        self.members.values().filter(|member| member.joined.epoch == self.epoch).map(|member| member.joined.seq).min()
    }

    /// The names in the room, oldest first.
    #[must_use]
    pub fn people(&self) -> Vec<Name> {
        self.by_age().into_iter().map(|(_, member)| member.name.clone()).collect()
    }

    /// When to call [`Room::handle`] with [`RoomEvent::Tick`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        if !self.loaded {
            return None;
        }
        let deadline = |member: &Member| match (member.rejoin.or(member.leaving), member.link) {
            (Some(_), _) if member.rejoin.is_none() && !self.hears() => None,
            (Some(again), _) => Some(again),
            (None, Link::Here { heard, .. }) => Some(heard.plus(Limits::AWAY_AFTER_MS)),
            (None, Link::Silent { .. } | Link::Away { .. }) if !self.hears() => None,
            (None, Link::Silent { heard, .. }) => Some(heard.plus(Limits::LEFT_AFTER_MS)),
            (None, Link::Away { since }) => Some(since.plus(Limits::LEFT_AFTER_MS)),
            (None, Link::Elsewhere { .. }) if !self.hears() => None,
            (None, Link::Elsewhere { heard, here: true }) => {
                Some(heard.plus(Limits::AWAY_AFTER_MS + Limits::AWAY_ELSEWHERE_EXTRA_MS))
            }
            (None, Link::Elsewhere { heard, here: false }) => {
                Some(heard.plus(Limits::LEFT_AFTER_MS + Limits::LEFT_ELSEWHERE_EXTRA_MS))
            }
        };
        let switches = self.members.values().filter_map(|member| member.switches.next_deadline());
        self.members.values().filter_map(deadline).chain(switches).chain(self.next_beat()).min()
    }

    /// Applies one event and says what must happen next.
    #[must_use]
    pub fn handle(&mut self, now: Millis, event: RoomEvent) -> Vec<RoomEffect> {
        self.forgive_sleep(now);
        let mut effects = self.happen(now, event);
        effects.extend(self.tell_seats(now));
        effects
    }

    /// A tick this late was slept through: the machine stood still, or its clock was put right. Silence that nobody
    /// could have heard ends no seat.
    fn forgive_sleep(&mut self, now: Millis) {
        let Some(late_ms) = self.next_deadline().map(|due| now.since(due)).filter(|ms| *ms >= Limits::SLEPT_MS) else {
            return;
        };
        for member in self.members.values_mut() {
            match &mut member.link {
                Link::Here { heard, .. } | Link::Silent { heard, .. } | Link::Elsewhere { heard, .. } => *heard = now,
                Link::Away { since } => *since = since.plus(late_ms),
            }
        }
    }

    fn happen(&mut self, now: Millis, event: RoomEvent) -> Vec<RoomEffect> {
        match event {
            RoomEvent::Loaded => self.finish_loading(now),
            RoomEvent::Reborn { from } => self.reborn(now, from),
            RoomEvent::Trimmed { seq } => {
                self.oldest = self.oldest.max(seq.min(self.head));
                vec![]
            }
            RoomEvent::Told { msg, .. } => self.told(now, msg),
            RoomEvent::Hears(hears) => self.set_hears(now, hears),
            RoomEvent::Watch { conn } => self.watch(conn),
            RoomEvent::Hello { conn, hello, claim } => self.hello(now, conn, hello, claim),
            RoomEvent::Message { conn, msg } => self.message(now, conn, msg),
            RoomEvent::TooMuch { conn, id } => self.chat_over_quota(conn, id),
            RoomEvent::Closed { conn } => self.closed(now, conn),
            RoomEvent::Folded { offset, entry } => self.fold(now, offset, &entry),
            RoomEvent::Appended { ticket, outcome } => self.appended(now, ticket, outcome),
            RoomEvent::Page { conn, entries } => self.page(now, conn, entries),
            RoomEvent::Behind { conn, sent } => self.behind(conn, sent),
            RoomEvent::Tick => self.tick(now),
        }
    }

    /// Seats that were taken when the server stopped wait for their people from now on.
    fn finish_loading(&mut self, now: Millis) -> Vec<RoomEffect> {
        self.loaded = true;
        for member in self.members.values_mut() {
            if member.conn().is_none() {
                member.link = Link::Away { since: now };
            }
        }
        match self.nodes {
            Nodes::Alone => vec![],
            Nodes::Shared { .. } => vec![RoomEffect::Tell { msg: NodeMsg::Who }],
        }
    }

    fn message(&mut self, now: Millis, conn: ConnId, msg: ClientMsg) -> Vec<RoomEffect> {
        if let ClientMsg::Ping { n } = msg {
            let mut effects = self.heard(now, conn);
            effects.push(RoomEffect::Send { to: vec![conn], msg: self.pong(n) });
            return effects;
        }
        let Some(Role::Seated { peer, .. }) = self.conns.get(&conn) else {
            return vec![refuse(conn, Refusal::NoSeat, None)];
        };
        let peer = *peer;
        let mut effects = self.heard(now, conn);
        match msg {
            ClientMsg::Watch { .. } | ClientMsg::Check { .. } | ClientMsg::Hello(_) => {
                effects.push(refuse(conn, Refusal::Seated, None));
            }
            ClientMsg::Chat { id, body } => effects.extend(self.chat(now, conn, peer, id, body)),
            ClientMsg::Signal { signal, .. } if self.hides_addresses && signal.shows_address() => {
                effects.push(refuse(conn, Refusal::ShowsAddress, None));
            }
            ClientMsg::Signal { to, stream, seq, signal } => {
                let msg = ServerMsg::Signal { from: peer, stream, seq, signal };
                effects.extend(self.pass_on(now, conn, peer, to, msg));
            }
            ClientMsg::SignalAck { to, stream, seq } => {
                let msg = ServerMsg::SignalAck { from: peer, stream, seq };
                effects.extend(self.pass_on(now, conn, peer, to, msg));
            }
            ClientMsg::State { media } => effects.extend(self.set_media(now, peer, media)),
            ClientMsg::Range { after } => effects.extend(self.range(conn, after)),
            ClientMsg::History { before } => effects.push(RoomEffect::History { conn, before }),
            ClientMsg::Leave if self.members.get(&peer).is_some_and(|member| member.leaving.is_some()) => {}
            ClientMsg::Leave => effects.push(self.give_up(now, peer, LeaveReason::Left)),
            ClientMsg::Ping { .. } => {} // Answered above.
        }
        effects
    }

    fn pong(&self, n: u64) -> ServerMsg {
        let away = self.members.iter().filter(|(_, member)| !member.is_here()).map(|(id, _)| *id).collect();
        ServerMsg::Pong { n, head: self.head(), away }
    }

    fn heard(&mut self, now: Millis, conn: ConnId) -> Vec<RoomEffect> {
        let Some(Role::Seated { peer, .. }) = self.conns.get(&conn) else { return vec![] };
        let peer = *peer;
        let Some(member) = self.members.get_mut(&peer).filter(|member| member.conn() == Some(conn)) else {
            return vec![]; // A newer socket has the seat.
        };
        let was_silent = matches!(member.link, Link::Silent { .. });
        member.link = Link::Here { conn, heard: now };
        if was_silent { self.announce(peer, true) } else { vec![] }
    }

    fn give_up(&mut self, now: Millis, peer: PeerId, reason: LeaveReason) -> RoomEffect {
        let member = self.members.get_mut(&peer).expect("the caller looked the member up");
        member.leaving = Some(now.plus(Limits::APPEND_AGAIN_MS));
        let entry = Entry::Left { peer, joined: member.joined, reason, at: now };
        RoomEffect::Append { ticket: Ticket::Left { peer }, entry, ask_archive: false }
    }

    fn appended(&mut self, now: Millis, ticket: Ticket, outcome: AppendOutcome) -> Vec<RoomEffect> {
        match ticket {
            Ticket::Chat { conn, id } => self.chat_appended(now, conn, id, outcome),
            Ticket::Joined { conn } => match outcome {
                AppendOutcome::Stored(_) => vec![], // The fold seats them.
                // Whether it is in the log after all nobody knows; if it is, the fold finds an orphan.
                AppendOutcome::IdTaken | AppendOutcome::Busy | AppendOutcome::Away | AppendOutcome::Moved => {
                    self.orphan(conn);
                    let away = matches!(outcome, AppendOutcome::Away);
                    // Whoever waits at the door hears why.
                    let mut effects = Vec::from_iter(away.then(|| refuse(conn, Refusal::LogAway, None)));
                    effects.extend(self.close(conn, CloseCode::Later));
                    effects
                }
            },
            Ticket::Rejoined { .. } => vec![], // The fold ends it; without one it is tried again.
            Ticket::Left { peer } => {
                if let (AppendOutcome::Busy | AppendOutcome::Away | AppendOutcome::Moved, Some(member)) =
                    (outcome, self.members.get_mut(&peer))
                {
                    // Whoever came back meanwhile stays.
                    member.leaving = if member.is_here() { None } else { Some(now.plus(Limits::APPEND_AGAIN_MS)) };
                }
                vec![]
            }
        }
    }

    fn fold(&mut self, now: Millis, offset: Offset, entry: &Entry) -> Vec<RoomEffect> {
        if offset.epoch != self.epoch || offset.seq != self.head + 1 {
            return vec![]; // Read twice, or out of a life of the log that is over.
        }
        let live = self.live_conns();
        self.head = offset.seq;
        let mut effects = vec![];
        match entry {
            Entry::Joined { peer, name, media, at } => {
                effects.extend(self.fold_joined(now, offset, *peer, name, *media, *at));
            }
            Entry::Left { peer, joined, reason, .. } => {
                if *reason == LeaveReason::Left {
                    self.departed.note(*peer); // Whoever holds a token of the seat is not its person any more.
                }
                effects.extend(self.fold_left(*peer, *joined));
            }
            Entry::Chat { id, .. } => self.chat_folded(*id),
            Entry::Deleted { id, .. } => self.chat_deleted(*id),
            Entry::Redacted => {}
        }
        let to: Vec<ConnId> = live.into_iter().filter(|conn| self.conns.contains_key(conn)).collect();
        for conn in &to {
            if let Some(Role::Seated { sent, .. }) = self.conns.get_mut(conn) {
                *sent = offset.seq;
            }
        }
        if !to.is_empty() {
            // The entry goes before what it causes, so that nobody hears of a seat they were not told of.
            effects.insert(0, RoomEffect::Live { to, offset, entry: entry.clone() });
        }
        if matches!(entry, Entry::Joined { .. } | Entry::Left { .. }) {
            effects.extend(self.lobby_news());
        }
        effects
    }

    /// Tells everyone else that somebody's link went down or came back.
    fn announce(&self, peer: PeerId, here: bool) -> Vec<RoomEffect> {
        // Whoever misses it reads in the next `pong` who is away.
        let to = self.others(peer);
        if to.is_empty() { vec![] } else { vec![RoomEffect::Pass { to, msg: ServerMsg::Presence { peer, here } }] }
    }

    fn to_others(&self, peer: PeerId, msg: ServerMsg) -> Option<RoomEffect> {
        let to = self.others(peer);
        if to.is_empty() { None } else { Some(RoomEffect::Send { to, msg }) }
    }

    /// The sockets of everybody else.
    fn others(&self, peer: PeerId) -> Vec<ConnId> {
        let others = self.members.iter().filter(|(id, _)| **id != peer);
        others.filter_map(|(_, member)| member.conn()).collect()
    }

    fn live_conns(&self) -> Vec<ConnId> {
        let live = |role: &Role| matches!(role, Role::Seated { reading: None, .. });
        self.conns.iter().filter(|(_, role)| live(role)).map(|(conn, _)| *conn).collect()
    }

    fn lobby_news(&self) -> Option<RoomEffect> {
        let watchers = self.conns.iter().filter(|(_, role)| matches!(role, Role::Watcher));
        let to: Vec<ConnId> = watchers.map(|(conn, _)| *conn).collect();
        if to.is_empty() { None } else { Some(RoomEffect::Send { to, msg: self.lobby() }) }
    }

    fn lobby(&self) -> ServerMsg {
        ServerMsg::Lobby { people: self.people(), full: self.members.len() >= Limits::SEATS }
    }

    fn by_age(&self) -> Vec<(PeerId, &Member)> {
        let mut members: Vec<(PeerId, &Member)> = self.members.iter().map(|(id, member)| (*id, member)).collect();
        members.sort_by_key(|(_, member)| member.joined);
        members
    }

    fn roster_without(&self, peer: PeerId) -> Vec<Seat> {
        let others = self.by_age().into_iter().filter(|(id, _)| *id != peer);
        others
            .map(|(id, member)| Seat {
                peer: id,
                name: member.name.clone(),
                media: member.media,
                here: member.is_here(),
                joined: member.joined,
            })
            .collect()
    }

    /// Seats taken or being taken.
    fn taken(&self) -> usize {
        let joining = self.conns.values().filter_map(|role| match role {
            Role::Joining { peer, .. } => Some(*peer),
            Role::Watcher | Role::Seated { .. } => None,
        });
        self.members.keys().copied().chain(joining).collect::<BTreeSet<_>>().len()
    }
}

fn refuse(conn: ConnId, code: Refusal, about: Option<ChatId>) -> RoomEffect {
    RoomEffect::Send { to: vec![conn], msg: ServerMsg::Refused { code, about } }
}
