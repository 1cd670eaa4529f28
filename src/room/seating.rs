//! How somebody gets a seat, loses it, and is told what they missed.

use super::lane::Lane;
use super::passing::Switches;
use super::{Claim, Link, Member, Nodes, Role, Room, RoomEffect, Ticket, refuse};
use crate::bucket::Bucket;
use crate::id::{ConnId, Offset, PeerId};
use crate::limits::Limits;
use crate::time::Millis;
use crate::wire::{CloseCode, Entry, Hello, LeaveReason, MediaState, Name, Refusal, ServerMsg};
use std::collections::BTreeMap;

impl Room {
    pub(super) fn watch(&mut self, conn: ConnId) -> Vec<RoomEffect> {
        let watchers = self.conns.values().filter(|role| matches!(role, Role::Watcher)).count();
        if watchers >= Limits::WATCHERS {
            return self.close(conn, CloseCode::Later);
        }
        self.conns.entry(conn).or_insert(Role::Watcher);
        vec![RoomEffect::Send { to: vec![conn], msg: self.lobby() }]
    }

    pub(super) fn hello(&mut self, now: Millis, conn: ConnId, hello: Box<Hello>, claim: Claim) -> Vec<RoomEffect> {
        match self.conns.get(&conn) {
            Some(Role::Seated { .. } | Role::Joining { .. }) => return vec![refuse(conn, Refusal::Seated, None)],
            Some(Role::Watcher) | None => {}
        }
        let (peer, fresh) = match claim {
            Claim::Fresh(peer) => (peer, true),
            // Its person left for good: whoever comes with its token is somebody new.
            Claim::Held { peer, else_fresh } if self.departed.has(peer) => (else_fresh, true),
            Claim::Held { peer, .. } => (peer, false),
        };
        let known = self.members.get(&peer).filter(|_| !fresh);
        if let Some(member) = known {
            if hello.claim < member.claim {
                return self.close(conn, CloseCode::Replaced); // A newer socket of the same page has the seat.
            }
            return self.reseat(now, conn, peer, &hello);
        }
        if self.taken() >= Limits::SEATS {
            return self.close(conn, CloseCode::RoomFull);
        }
        let entry = Entry::Joined { peer, name: hello.name.clone(), media: hello.media, at: now };
        self.conns.insert(conn, Role::Joining { peer, fresh, hello });
        vec![RoomEffect::Append { ticket: Ticket::Joined { conn }, entry, ask_archive: false }]
    }

    /// The seat was kept: the newer socket takes over and the older one is closed.
    fn reseat(&mut self, now: Millis, conn: ConnId, peer: PeerId, hello: &Hello) -> Vec<RoomEffect> {
        let member = self.members.get_mut(&peer).expect("the caller looked the member up");
        let (old, was_here, old_media) = (member.conn(), member.is_here(), member.media);
        member.link = Link::Here { conn, heard: now };
        (member.media, member.leaving) = (hello.media, None);
        member.claim(now, hello.claim);
        let mut effects = vec![];
        if let Some(old) = old {
            effects.extend(self.close(old, CloseCode::Replaced));
        }
        effects.extend(self.seat(conn, peer, hello, true));
        if !was_here {
            effects.extend(self.announce(peer, true));
        }
        if old_media != hello.media {
            effects.extend(self.to_others(peer, ServerMsg::State { peer, media: hello.media }));
        }
        effects
    }

    pub(super) fn fold_joined(
        &mut self,
        now: Millis,
        offset: Offset,
        peer: PeerId,
        name: &Name,
        media: MediaState,
        at: Millis,
    ) -> Vec<RoomEffect> {
        let waiting = self.conns.iter().find_map(|(conn, role)| match role {
            Role::Joining { peer: theirs, hello, .. } if *theirs == peer => Some((*conn, hello.clone())),
            Role::Joining { .. } | Role::Watcher | Role::Seated { .. } => None,
        });
        if let Some(member) = self.members.get_mut(&peer) {
            // Signed in again to a log that began anew; or stored twice, because the first socket died while it waited.
            (member.joined, member.rejoin) = (offset, None);
            let Some((conn, hello)) = waiting else { return vec![] };
            let old = member.conn().filter(|old| *old != conn);
            member.link = Link::Here { conn, heard: now };
            member.claim(now, hello.claim);
            let mut effects = old.map(|old| self.close(old, CloseCode::Replaced)).unwrap_or_default();
            effects.extend(self.seat(conn, peer, &hello, true));
            return effects;
        }
        let orphan = self.orphans.remove(&peer);
        if self.members.len() >= Limits::SEATS {
            // Two nodes gave the last seat away at once: the log decides, for all of them alike.
            return waiting.map(|(conn, _)| self.close(conn, CloseCode::RoomFull)).unwrap_or_default();
        }
        let link = match (&waiting, &self.nodes) {
            (Some((conn, _)), _) => Link::Here { conn: *conn, heard: now },
            (None, _) if !self.loaded => Link::Away { since: at },
            // Whoever comes on another node is there until that node is silent.
            (None, Nodes::Shared { .. }) if !orphan => Link::Elsewhere { heard: now, here: true },
            (None, Nodes::Shared { .. } | Nodes::Alone) => Link::Away { since: now },
        };
        let chats = Bucket::new(now, Limits::CHAT_BURST, Limits::CHAT_PER_S);
        let mut member = Member {
            name: name.clone(),
            media,
            joined: offset,
            claim: 0,
            asked: None,
            link,
            chats,
            passed: BTreeMap::new(),
            switches: Switches::new(now),
            rejoin: None,
            leaving: None,
        };
        if let Some((_, hello)) = &waiting {
            member.claim(now, hello.claim);
        }
        self.members.insert(peer, member);
        match waiting {
            Some((conn, hello)) => self.seat(conn, peer, &hello, false),
            None if !self.loaded => vec![],
            // Their socket closed before the entry was stored, and they were told no token: nobody can come back to it.
            None if orphan => vec![self.give_up(now, peer, LeaveReason::Lost)],
            // With a token they have the grace period to come back.
            None if matches!(link, Link::Away { .. }) => self.announce(peer, false),
            None => vec![],
        }
    }

    pub(super) fn fold_left(&mut self, peer: PeerId, joined: Offset) -> Vec<RoomEffect> {
        if self.members.get(&peer).is_none_or(|member| member.joined != joined) {
            return vec![]; // Of an earlier stay.
        }
        for member in self.members.values_mut() {
            member.passed.remove(&peer);
        }
        match self.members.remove(&peer).and_then(|member| member.conn()) {
            Some(conn) => self.close(conn, CloseCode::Silent),
            None => vec![],
        }
    }

    /// Welcomes a socket to a seat and starts sending it what it has not seen.
    fn seat(&mut self, conn: ConnId, peer: PeerId, hello: &Hello, resumed: bool) -> Vec<RoomEffect> {
        let head = self.head();
        let known = hello.resume.as_ref().map(|resume| resume.after).filter(|after| after.seq > 0);
        let oldest_kept = self.oldest_kept();
        let (from, resync) = match known {
            Some(after) if self.has_after(after) => (after, false),
            Some(_) => (oldest_kept, true),
            None => (oldest_kept, false),
        };
        let roster = self.roster_without(peer);
        let mut effects = vec![RoomEffect::Welcome { conn, peer, resumed, roster, head, from }];
        if resync {
            effects.push(RoomEffect::Send { to: vec![conn], msg: self.resync(from) });
        }
        let (reading, next) = self.first_step(conn, from);
        self.conns.insert(conn, Role::Seated { peer, sent: from.seq, reading, lane: Lane::default() });
        effects.push(next);
        effects
    }

    /// How a socket is told what follows this place: read the log, or, where nothing follows, not even ask it. So a
    /// page that missed nothing comes back while the log is away.
    fn first_step(&self, conn: ConnId, from: Offset) -> (Option<u64>, RoomEffect) {
        if from.seq >= self.head {
            return (None, RoomEffect::Send { to: vec![conn], msg: ServerMsg::CaughtUp { at: from } });
        }
        (Some(self.head), RoomEffect::Read { conn, after: from })
    }

    /// What a page is told that knows another log.
    pub(super) fn resync(&self, from: Offset) -> ServerMsg {
        ServerMsg::Resync { from, seats: self.members.keys().copied().collect() }
    }

    /// Whether everything after this place is in the log.
    fn has_after(&self, after: Offset) -> bool {
        after.epoch == self.epoch && (self.oldest..=self.head).contains(&after.seq)
    }

    /// The place from which on a page that knows nothing is told the log; what lies before is history.
    fn oldest_kept(&self) -> Offset {
        let seq = self.head.saturating_sub(Limits::CHAT_KEPT as u64).max(self.oldest);
        Offset { epoch: self.epoch, seq }
    }

    /// Somebody noticed a gap, or knows another life of the log.
    pub(super) fn range(&mut self, conn: ConnId, after: Offset) -> Vec<RoomEffect> {
        let (in_log, oldest_kept) = (self.has_after(after), self.oldest_kept());
        let resync = self.resync(oldest_kept);
        let from = if in_log { after } else { oldest_kept };
        let (next_reading, next) = self.first_step(conn, from);
        let Some(Role::Seated { sent, reading, .. }) = self.conns.get_mut(&conn) else { return vec![] };
        if reading.is_some() {
            return vec![]; // A page is on its way already.
        }
        let mut effects = vec![];
        if !in_log {
            effects.push(RoomEffect::Send { to: vec![conn], msg: resync });
        }
        (*sent, *reading) = (from.seq, next_reading);
        effects.push(next);
        effects
    }

    /// What was queued for a slow socket ends with `sent`; what follows is read from the log, page by page.
    pub(super) fn behind(&mut self, conn: ConnId, last: u64) -> Vec<RoomEffect> {
        let head = self.head();
        let Some(Role::Seated { sent, reading: reading @ None, .. }) = self.conns.get_mut(&conn) else { return vec![] };
        (*sent, *reading) = (last, Some(head.seq));
        vec![RoomEffect::Read { conn, after: Offset { epoch: head.epoch, seq: last } }]
    }

    pub(super) fn page(&mut self, now: Millis, conn: ConnId, entries: Vec<(Offset, Entry)>) -> Vec<RoomEffect> {
        let head = self.head();
        let Some(Role::Seated { sent, reading, .. }) = self.conns.get_mut(&conn) else { return vec![] };
        let mut effects = vec![];
        for (offset, entry) in entries {
            // The log may be ahead of our fold; what is past it comes live.
            if offset.epoch == head.epoch && offset.seq == *sent + 1 && offset.seq <= head.seq {
                *sent = offset.seq;
                effects.push(RoomEffect::Send { to: vec![conn], msg: ServerMsg::Event { offset, entry } });
            }
        }
        let at = Offset { epoch: head.epoch, seq: *sent };
        if *sent < head.seq {
            if effects.is_empty() && reading.is_some_and(|asked| *sent < asked) {
                // The log does not give what it has: closing makes them resume, silence would lose entries.
                let mut effects = self.closed(now, conn);
                effects.extend(self.close(conn, CloseCode::Internal));
                return effects;
            }
            *reading = Some(head.seq);
            effects.push(RoomEffect::Read { conn, after: at });
            return effects;
        }
        *reading = None;
        effects.push(RoomEffect::Send { to: vec![conn], msg: ServerMsg::CaughtUp { at } });
        effects
    }

    pub(super) fn closed(&mut self, now: Millis, conn: ConnId) -> Vec<RoomEffect> {
        self.orphan(conn);
        let Some(Role::Seated { peer, .. }) = self.conns.remove(&conn) else { return vec![] };
        match self.members.get_mut(&peer) {
            Some(member) if member.conn() == Some(conn) => {
                let was_here = member.is_here();
                member.link = Link::Away { since: if was_here { now } else { member.last_sign() } };
                if was_here { self.announce(peer, false) } else { vec![] }
            }
            Some(_) | None => vec![], // A newer socket has the seat, or nobody.
        }
    }

    pub(super) fn close(&mut self, conn: ConnId, code: CloseCode) -> Vec<RoomEffect> {
        self.conns.remove(&conn);
        vec![RoomEffect::Close { conn, code }]
    }
}
