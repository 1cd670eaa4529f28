//! The media paths: connects what both ends agreed on, disconnects and fails what is cut, and counts what arrives.

use crate::client::Client;
use crate::fake_pc::{Connection, FakePc, Session};
use crate::world::Due;
use crate::world::World;
use holdfast::peer::RtcEvent;
use holdfast::recovery::{Flow, Route};
use holdfast::session::{ChannelEvent, Event};
use holdfast::{PcEpoch, PeerId};

/// How often the statistics are read.
const FLOW_EVERY_MS: u64 = 250;

/// What stands between two people, and gives way to exactly one rung of the ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Nothing passes.
    Wall,
    /// Passes once ICE has started anew from these two sessions.
    Stale(Session, Session),
    /// Passes over a connection made later than this one.
    Worn(PcEpoch),
    /// Only relays pass.
    Direct,
    /// Relays give addresses and carry nothing.
    Relayed,
    /// Takes the pictures of this connection and lets its sound through, as a browser that lost track of a stream does.
    Blind(PcEpoch),
    /// Too narrow for pictures.
    Narrow,
}

impl Obstacle {
    /// Whether it stops what these two ends send over the session they have.
    fn stops(&self, epoch: PcEpoch, a: (&FakePc, &Session), b: (&FakePc, &Session)) -> bool {
        let ((a, of_a), (b, of_b)) = (a, b);
        match self {
            Self::Wall => true,
            Self::Stale(one, other) => [of_a, of_b].iter().any(|known| *known == one || *known == other),
            Self::Worn(old) => epoch <= *old,
            // One side is enough: the other sees only the relay.
            Self::Direct => a.route == Route::Any && b.route == Route::Any,
            Self::Relayed => a.route == Route::Relay || b.route == Route::Relay,
            Self::Narrow => a.picture && b.picture,
            Self::Blind(_) => false,
        }
    }
}

impl World {
    /// An obstacle between two people, any of those that make sense now.
    pub fn obstacle(&mut self, one: usize, other: usize) -> Obstacle {
        let seats = [one, other].map(|client| self.clients[client].seat());
        let newest = |client: usize, peer: Option<PeerId>| {
            self.clients[client].pcs.iter().filter(|((of, _), _)| Some(*of) == peer).max_by_key(|(key, _)| *key)
        };
        let ends = newest(one, seats[1]).zip(newest(other, seats[0]));
        let ends = ends.map(|(((_, epoch), a), (_, b))| (*epoch, a.session(), b.session()));
        match (self.rng.below(6), ends) {
            (5, Some((epoch, ..))) => Obstacle::Blind(epoch),
            (0, Some((_, a, b))) => Obstacle::Stale(a, b),
            (1, Some((epoch, ..))) => Obstacle::Worn(epoch),
            (2, _) => Obstacle::Direct,
            (3, _) => Obstacle::Narrow,
            _ => Obstacle::Wall,
        }
    }

    /// What an ICE restart, and nothing less, gets past.
    pub fn stale(&self, one: usize, other: usize) -> Obstacle {
        let session = |client: usize, peer: usize| {
            let of = self.clients[peer].seat();
            let mine = self.clients[client].pcs.iter().filter(|((seat, _), _)| Some(*seat) == of);
            mine.max_by_key(|(key, _)| *key).map(|(_, pc)| pc.session()).unwrap_or_default()
        };
        Obstacle::Stale(session(one, other), session(other, one))
    }

    /// Moves every media path: connects what is agreed, disconnects and fails what is cut.
    pub fn move_paths(&mut self) {
        let seats: Vec<Option<PeerId>> = self.clients.iter().map(Client::seat).collect();
        for a in 0..self.clients.len() {
            let Some(me) = seats[a].filter(|_| !self.clients[a].sleeps(self.now)) else { continue };
            let keys: Vec<(PeerId, PcEpoch)> = self.clients[a].pcs.keys().copied().collect();
            for (peer, epoch) in keys {
                let b = seats.iter().position(|seat| *seat == Some(peer));
                let reachable = b.is_some_and(|b| self.passes(a, me, b, peer, epoch));
                self.move_path(a, me, peer, epoch, reachable);
            }
        }
    }

    /// Whether media passes between these two ends.
    fn passes(&self, a: usize, me: PeerId, b: usize, peer: PeerId, epoch: PcEpoch) -> bool {
        if [a, b].iter().any(|one| self.clients[*one].sleeps(self.now) || self.cut_off.contains(one)) {
            return false;
        }
        let ends = self.clients[a].pcs.get(&(peer, epoch)).zip(self.clients[b].pcs.get(&(me, epoch)));
        ends.is_some_and(|(ours, theirs)| {
            if !self.relays_answer && [ours, theirs].iter().any(|pc| pc.route == Route::Relay) {
                return false; // Whoever may use nothing but a relay has no address at all.
            }
            let between = |cut: &&(usize, usize, Obstacle)| (cut.0, cut.1) == (a.min(b), a.max(b));
            let between: Vec<&Obstacle> = self.cut.iter().filter(between).map(|(.., what)| what).collect();
            let free = |(mine, other): (Session, Session)| {
                !between.iter().any(|what| what.stops(epoch, (ours, &mine), (theirs, &other)))
            };
            ours.agreed(theirs).any(free)
        })
    }

    /// Brings a message over a data channel. It waits while nothing passes and is lost with either connection, but what
    /// was on its way when the sender closed it still arrives.
    pub fn carry(&mut self, client: usize, me: PeerId, peer: PeerId, epoch: PcEpoch, text: String) {
        let Some(other) = self.clients.iter().position(|one| one.seat() == Some(peer)) else { return };
        if !self.clients[other].pcs.get(&(me, epoch)).is_some_and(|pc| pc.channel) {
            return;
        }
        let closed = !self.clients[client].pcs.contains_key(&(peer, epoch));
        if closed || self.passes(client, me, other, peer, epoch) {
            let page = self.clients[other].page;
            self.post(other, page, Event::Channel(me, epoch, ChannelEvent::Text(text)));
        } else {
            self.schedule(200, Due::OnChannel(client, me, peer, epoch, text));
        }
    }

    fn move_path(&mut self, client: usize, me: PeerId, peer: PeerId, epoch: PcEpoch, reachable: bool) {
        let now = self.now;
        let quiet = self.quiet_since.entry((me, peer, epoch)).or_insert(now);
        if reachable {
            *quiet = now;
        }
        let quiet_ms = now.since(*quiet);
        let blind =
            self.cut.iter().any(|(a, b, what)| (*a == client || *b == client) && *what == Obstacle::Blind(epoch));
        let pc = self.clients[client].pcs.get_mut(&(peer, epoch)).expect("listed by the caller");
        let mut events = vec![];
        let mut opens = false;
        if reachable && pc.connection == Connection::Connected {
            pc.bytes += 1;
            pc.frames += u64::from(!blind);
            opens = !std::mem::replace(&mut pc.channel, true);
        }
        if now.as_unix() % FLOW_EVERY_MS < 50 && pc.connection != Connection::New {
            let flow = Flow {
                bytes: pc.bytes,
                frames: pc.frames,
                picture_bytes: pc.frames,
                relayed: Some(pc.route == Route::Relay),
            };
            events.push(RtcEvent::Flowed(flow));
        }
        let moved = match (pc.connection, reachable) {
            (Connection::New | Connection::Disconnected | Connection::Failed, true) => {
                Some((Connection::Connected, RtcEvent::Connected))
            }
            (Connection::Connected, false) if quiet_ms > 5_000 => {
                Some((Connection::Disconnected, RtcEvent::Disconnected))
            }
            (Connection::Disconnected, false) if quiet_ms > 15_000 => Some((Connection::Failed, RtcEvent::Failed)),
            _ => None,
        };
        if let Some((next, event)) = moved {
            pc.connection = next;
            events.push(event);
        }
        let page = self.clients[client].page;
        if opens {
            self.post(client, page, Event::Channel(peer, epoch, ChannelEvent::Opened));
        }
        for event in events {
            self.post(client, page, Event::Rtc(peer, epoch, event));
        }
    }
}
