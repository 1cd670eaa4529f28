//! The room on several nodes: who is where, which of two sockets has a seat, and a log that began anew.

use super::{Link, Nodes, Role, Room, RoomEffect, Ticket};
use crate::id::{ConnId, Offset, PeerId};
use crate::limits::Limits;
use crate::time::Millis;
use crate::wire::{CloseCode, Entry, LeaveReason, NodeMsg, Presence, ServerMsg};

impl Room {
    pub(super) const fn hears(&self) -> bool {
        match self.nodes {
            Nodes::Alone => true,
            Nodes::Shared { hears, .. } => hears,
        }
    }

    /// When the others must hear again who is here; never while nobody is.
    pub(super) fn next_beat(&self) -> Option<Millis> {
        match &self.nodes {
            Nodes::Alone => None,
            Nodes::Shared { told, beat_at, .. } => (!told.is_empty()).then_some(*beat_at),
        }
    }

    /// The seats whose sockets are, or were last, on this node.
    fn seats_here(&self, now: Millis) -> Vec<Presence> {
        let own = self.members.iter().filter(|(_, member)| !matches!(member.link, Link::Elsewhere { .. }));
        own.map(|(peer, member)| Presence {
            peer: *peer,
            claim: member.claim,
            media: member.media,
            here: member.is_here(),
            quiet_ms: now.since(member.last_sign()),
        })
        .collect()
    }

    /// Tells the other nodes who is here, when it changed or its time has come.
    pub(super) fn tell_seats(&mut self, now: Millis) -> Option<RoomEffect> {
        if !self.loaded || matches!(self.nodes, Nodes::Alone) {
            return None;
        }
        let seats = self.seats_here(now);
        let Nodes::Shared { told, beat_at, .. } = &mut self.nodes else { return None };
        let lasting: Vec<Presence> = seats.iter().map(|seat| Presence { quiet_ms: 0, ..*seat }).collect();
        if *told == lasting && (told.is_empty() || now < *beat_at) {
            return None;
        }
        (*told, *beat_at) = (lasting, now.plus(Limits::BEAT_MS));
        Some(RoomEffect::Tell { msg: NodeMsg::Seats { seats } })
    }

    pub(super) fn told(&mut self, now: Millis, msg: NodeMsg) -> Vec<RoomEffect> {
        match msg {
            NodeMsg::Who => {
                if let Nodes::Shared { beat_at, .. } = &mut self.nodes {
                    *beat_at = now; // The answer goes out at the end of this event.
                }
                vec![]
            }
            NodeMsg::Seats { seats } => {
                seats.into_iter().take(Limits::SEATS).flat_map(|seat| self.told_seat(now, seat)).collect()
            }
            NodeMsg::Forward { to, msg } => {
                let conn = self.members.get(&to).and_then(super::Member::conn);
                conn.map(|conn| RoomEffect::Pass { to: vec![conn], msg: *msg }).into_iter().collect()
            }
        }
    }

    /// The greatest claim has the seat, wherever it is: nodes agree without asking each other.
    fn told_seat(&mut self, now: Millis, seat: Presence) -> Vec<RoomEffect> {
        let Some(member) = self.members.get_mut(&seat.peer) else { return vec![] };
        let old = member.conn();
        if seat.claim < member.claim || (seat.claim == member.claim && old.is_some()) {
            return vec![];
        }
        if old.is_some() && member.asked.take().is_some_and(|asked| asked > seat.claim) {
            // The page came here from that node, whose clock is ahead: its newest socket is this one.
            member.claim = seat.claim.saturating_add(1);
            return vec![];
        }
        let (was_here, old_media) = (member.is_here(), member.media);
        let heard = Millis::from_unix(now.as_unix().saturating_sub(seat.quiet_ms));
        member.claim = seat.claim;
        member.media = seat.media;
        member.link = Link::Elsewhere { heard, here: seat.here };
        if seat.here {
            member.leaving = None;
        }
        let mut effects = vec![];
        if let Some(old) = old {
            effects.extend(self.close(old, CloseCode::Replaced));
        }
        if was_here != seat.here {
            effects.extend(self.announce(seat.peer, seat.here));
        }
        if old_media != seat.media {
            effects.extend(self.to_others(seat.peer, ServerMsg::State { peer: seat.peer, media: seat.media }));
        }
        effects
    }

    /// Silence of another node counts only while this node hears the others; when it hears them again, it starts anew.
    pub(super) fn set_hears(&mut self, now: Millis, hears: bool) -> Vec<RoomEffect> {
        let Nodes::Shared { hears: known, beat_at, .. } = &mut self.nodes else { return vec![] };
        if std::mem::replace(known, hears) || !hears {
            return vec![];
        }
        *beat_at = now;
        for member in self.members.values_mut() {
            match &mut member.link {
                Link::Elsewhere { heard, .. } => *heard = now,
                // Whoever went meanwhile may be on another node, which says so in a moment.
                Link::Away { since } => *since = now,
                Link::Here { .. } | Link::Silent { .. } => {}
            }
            if member.leaving.is_some() {
                member.leaving = Some(now.plus(Limits::BEAT_MS + Limits::APPEND_AGAIN_MS));
            }
        }
        vec![RoomEffect::Tell { msg: NodeMsg::Who }]
    }

    pub(super) fn age_elsewhere(&mut self, now: Millis, peer: PeerId, here: bool, silent_ms: u64) -> Vec<RoomEffect> {
        if !self.hears() {
            return vec![];
        }
        if here && silent_ms >= Limits::AWAY_AFTER_MS + Limits::AWAY_ELSEWHERE_EXTRA_MS {
            if let Some(Link::Elsewhere { here, .. }) = self.members.get_mut(&peer).map(|member| &mut member.link) {
                *here = false;
            }
            return self.announce(peer, false);
        }
        if !here && silent_ms >= Limits::LEFT_AFTER_MS + Limits::LEFT_ELSEWHERE_EXTRA_MS {
            return vec![self.give_up(now, peer, LeaveReason::Lost)];
        }
        vec![]
    }

    /// The log lost its entries or its end. Nobody is thrown out for that: pages are told to forget what they read of
    /// it, and whoever is in the room is signed in to the new log, by their own node first.
    pub(super) fn reborn(&mut self, now: Millis, from: Offset) -> Vec<RoomEffect> {
        (self.epoch, self.head, self.oldest) = (from.epoch, from.seq, from.seq);
        for member in self.members.values_mut() {
            let wait_ms = if matches!(member.link, Link::Elsewhere { .. }) { Limits::REJOIN_ELSEWHERE_MS } else { 0 };
            member.rejoin = Some(now.plus(wait_ms));
        }
        let mut to = vec![];
        for (conn, role) in &mut self.conns {
            if let Role::Seated { sent, reading, .. } = role {
                (*sent, *reading) = (from.seq, None);
                to.push(*conn);
            }
        }
        let mut effects = vec![];
        if !to.is_empty() {
            effects.push(RoomEffect::Send { to, msg: self.resync(from) });
        }
        effects.extend(self.tick(now));
        effects
    }

    pub(super) fn rejoin(&mut self, now: Millis, peer: PeerId) -> RoomEffect {
        let member = self.members.get_mut(&peer).expect("the caller looked the member up");
        member.rejoin = Some(now.plus(Limits::APPEND_AGAIN_MS));
        let entry = Entry::Joined { peer, name: member.name.clone(), media: member.media, at: now };
        RoomEffect::Append { ticket: Ticket::Rejoined { peer }, entry, ask_archive: false }
    }

    /// A socket goes while its seat is on its way into the log.
    pub(super) fn orphan(&mut self, conn: ConnId) {
        if let Some(Role::Joining { peer, fresh: true, .. }) = self.conns.get(&conn) {
            self.orphans.insert(*peer);
            while self.orphans.len() > Limits::APPENDS_WAITING {
                self.orphans.pop_first();
            }
        }
    }
}
