//! One author's messages on their way into the log: one after the other, so that they stay in the order of writing.

use super::{Role, Room, RoomEffect, Ticket, refuse};
use crate::id::{ChatId, ConnId, PeerId};
use crate::limits::Limits;
use crate::room::AppendOutcome;
use crate::time::Millis;
use crate::wire::{Body, Entry, Refusal, ServerMsg};
use std::collections::VecDeque;

/// The messages of one socket. Each arrival has a number, so that it is known what came again since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    arrivals: u64,
    /// Being appended, and when it arrived.
    under_way: Option<(ChatId, u64)>,
    /// Behind it.
    waiting: VecDeque<(ChatId, Body, u64)>,
    /// Those that were refused for now, in order, each with its last arrival: nothing else goes before them.
    expected: VecDeque<(ChatId, u64)>,
}

impl Lane {
    /// Whether a message is on its way already; then this is its last arrival.
    fn has(&mut self, id: ChatId, arrival: u64) -> bool {
        let waiting = self.waiting.iter_mut().map(|(known, _, last)| (*known, last));
        let under_way = self.under_way.iter_mut().map(|(known, last)| (*known, last));
        let Some((_, last)) = under_way.chain(waiting).find(|(known, _)| *known == id) else { return false };
        *last = arrival;
        true
    }

    /// Notes an arrival and says whether it must wait for one that was refused before it. Authors send what waits again
    /// from the first on: when one comes again and those before it did not, they are gone, having been seen stored.
    fn is_early(&mut self, id: ChatId) -> bool {
        let before = self.expected.iter().find(|(expected, _)| *expected == id).map(|(_, last)| *last);
        if let Some(before) = before {
            while self.expected.front().is_some_and(|(first, last)| *first != id && *last < before) {
                self.expected.pop_front();
            }
        }
        for (expected, last) in &mut self.expected {
            if *expected == id {
                *last = self.arrivals;
            }
        }
        self.expected.front().is_some_and(|(first, _)| *first != id)
    }

    fn expect(&mut self, id: ChatId, arrival: u64) {
        if !self.expected.iter().any(|(expected, _)| *expected == id) && self.expected.len() < Limits::OUTBOX {
            self.expected.push_back((id, arrival));
        }
    }
}

impl Room {
    pub(super) fn chat(&mut self, now: Millis, conn: ConnId, peer: PeerId, id: ChatId, body: Body) -> Vec<RoomEffect> {
        let about = Some(id);
        // The log forgets old ids, and the archive is asked about those; an id of the far future would escape both.
        if id.minted_at().since(now) > Limits::ID_AHEAD_MS {
            return vec![refuse(conn, Refusal::BadId, about)];
        }
        if self.deleted.contains(&id) {
            return vec![refuse(conn, Refusal::IdTaken, about)];
        }
        let member = self.members.get_mut(&peer).expect("a seated socket has a member");
        let Some(Role::Seated { lane, .. }) = self.conns.get_mut(&conn) else { return vec![] };
        lane.arrivals += 1;
        let arrival = lane.arrivals;
        if lane.has(id, arrival) {
            return vec![]; // Sent again while it is under way; it will be answered.
        }
        if lane.is_early(id) {
            lane.expect(id, arrival);
            return vec![refuse(conn, Refusal::Busy, about)];
        }
        let code = if !member.chats.take(now) {
            Some(Refusal::TooFast)
        } else if lane.waiting.len() >= Limits::OUTBOX {
            Some(Refusal::Busy)
        } else {
            None
        };
        if let Some(code) = code {
            lane.expect(id, arrival);
            return vec![refuse(conn, code, about)];
        }
        lane.expected.pop_front(); // It is the one, if there is one.
        lane.waiting.push_back((id, body, arrival));
        self.next_chat(now, conn).into_iter().collect()
    }

    /// A message that may not be stored now. It keeps its place: nothing behind it goes before it comes again.
    pub(super) fn chat_over_quota(&mut self, conn: ConnId, id: ChatId) -> Vec<RoomEffect> {
        let Some(Role::Seated { lane, .. }) = self.conns.get_mut(&conn) else {
            return vec![refuse(conn, Refusal::NoSeat, Some(id))];
        };
        lane.arrivals += 1;
        let arrival = lane.arrivals;
        if lane.has(id, arrival) {
            return vec![]; // On its way already; it will be answered.
        }
        let _ = lane.is_early(id);
        lane.expect(id, arrival);
        vec![refuse(conn, Refusal::TooFast, Some(id))]
    }

    /// Starts the next append of a socket, if none is under way.
    fn next_chat(&mut self, now: Millis, conn: ConnId) -> Option<RoomEffect> {
        let Some(Role::Seated { peer, lane, .. }) = self.conns.get_mut(&conn) else { return None };
        if lane.under_way.is_some() {
            return None;
        }
        let (id, body, arrival) = lane.waiting.pop_front()?;
        lane.under_way = Some((id, arrival));
        let name = self.members.get(peer)?.name.clone();
        // A log that began after the message was minted may have forgotten it, and so may one after many days.
        let born = Millis::from_unix(self.epoch.number()).plus(Limits::CLOCK_SLACK_MS);
        let forgotten = Millis::from_unix(now.as_unix().saturating_sub(Limits::ID_WINDOW_MS));
        let ask_archive = id.minted_at() < born.max(forgotten);
        let entry = Entry::Chat { id, peer: *peer, name, body, at: now };
        Some(RoomEffect::Append { ticket: Ticket::Chat { conn, id }, entry, ask_archive })
    }

    /// An operator deleted a message. Whoever waits for it to be sent again waits no more.
    pub(super) fn chat_deleted(&mut self, id: ChatId) {
        self.deleted.insert(id);
        if self.deleted.len() > Limits::DELETED_KEPT {
            self.deleted.pop_first(); // The oldest: ids begin with their time.
        }
        self.chat_folded(id);
    }

    /// A message was folded: whoever waits for it to be sent again waits no more.
    pub(super) fn chat_folded(&mut self, id: ChatId) {
        for role in self.conns.values_mut() {
            if let Role::Seated { lane, .. } = role {
                lane.expected.retain(|(expected, _)| *expected != id);
            }
        }
    }

    pub(super) fn chat_appended(
        &mut self,
        now: Millis,
        conn: ConnId,
        id: ChatId,
        outcome: AppendOutcome,
    ) -> Vec<RoomEffect> {
        let mut effects = vec![];
        let code = match outcome {
            AppendOutcome::Stored(offset) => {
                effects.push(RoomEffect::Send { to: vec![conn], msg: ServerMsg::Ack { id, offset } });
                None
            }
            AppendOutcome::IdTaken => {
                effects.push(refuse(conn, Refusal::IdTaken, Some(id)));
                None
            }
            AppendOutcome::Busy => Some(Refusal::Busy),
            AppendOutcome::Away | AppendOutcome::Moved => Some(Refusal::LogAway),
        };
        let mut behind = vec![];
        if let Some(Role::Seated { lane, .. }) = self.conns.get_mut(&conn)
            && let Some((_, arrival)) = lane.under_way.filter(|(under_way, _)| *under_way == id)
        {
            lane.under_way = None;
            if code.is_some() {
                // What is behind it would overtake it: its author sends it all again, in order.
                let drained: Vec<(ChatId, u64)> =
                    lane.waiting.drain(..).map(|(id, _, arrival)| (id, arrival)).collect();
                let later: Vec<(ChatId, u64)> = lane.expected.drain(..).collect();
                behind.extend(drained.iter().map(|(id, _)| *id));
                for (refused, arrival) in [(id, arrival)].into_iter().chain(drained).chain(later) {
                    lane.expect(refused, arrival);
                }
            }
        }
        match code {
            None => effects.extend(self.next_chat(now, conn)),
            Some(code) => {
                let all = [id].into_iter().chain(behind);
                effects.extend(all.map(|refused| refuse(conn, code, Some(refused))));
            }
        }
        effects
    }
}
