//! One author's messages on their way into the log: one after the other, so that they stay in the order of writing.

use super::{Role, Room, RoomEffect, Ticket, refuse};
use crate::id::{ChatId, ConnId, PeerId};
use crate::limits::Limits;
use crate::room::AppendOutcome;
use crate::time::Millis;
use crate::wire::{Body, Entry, Refusal, ServerMsg};
use std::collections::VecDeque;

/// The messages of one socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    /// Being appended.
    under_way: Option<ChatId>,
    /// Behind it.
    waiting: VecDeque<(ChatId, Body)>,
    /// Those that were refused for now, in order, and whether they came again since: nothing else goes before them. Their
    /// author may not send one again, having seen it stored after all, so the first is waited for only until
    /// `expect_until`.
    expected: VecDeque<(ChatId, bool)>,
    expect_until: Millis,
}

impl Lane {
    fn has(&self, id: ChatId) -> bool {
        self.under_way == Some(id) || self.waiting.iter().any(|(waiting, _)| *waiting == id)
    }

    /// Whether this one must wait for one that was refused before it.
    fn is_early(&mut self, now: Millis, id: ChatId) -> bool {
        if let Some((_, again)) = self.expected.iter_mut().find(|(expected, _)| *expected == id) {
            *again = true;
        }
        if now >= self.expect_until {
            // Nobody sends it any more; nor those behind it that did not come again either.
            self.expected.pop_front();
            while self.expected.front().is_some_and(|(_, again)| !again) {
                self.expected.pop_front();
            }
            self.expect_until = now.plus(Limits::CHAT_AGAIN_WITHIN_MS);
        }
        self.expected.front().is_some_and(|(first, _)| *first != id)
    }

    fn expect(&mut self, now: Millis, id: ChatId, came_again: bool) {
        if self.expected.is_empty() {
            self.expect_until = now.plus(Limits::CHAT_AGAIN_WITHIN_MS);
        }
        if !self.expected.iter().any(|(expected, _)| *expected == id) && self.expected.len() < Limits::OUTBOX {
            self.expected.push_back((id, came_again));
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
        let member = self.members.get_mut(&peer).expect("a seated socket has a member");
        let Some(Role::Seated { lane, .. }) = self.conns.get_mut(&conn) else { return vec![] };
        if lane.has(id) {
            return vec![]; // Sent again while it is under way; it will be answered.
        }
        if lane.is_early(now, id) {
            lane.expect(now, id, true);
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
            lane.expect(now, id, false);
            return vec![refuse(conn, code, about)];
        }
        if lane.expected.pop_front().is_some() {
            lane.expect_until = now.plus(Limits::CHAT_AGAIN_WITHIN_MS); // For the one behind it.
        }
        lane.waiting.push_back((id, body));
        self.next_chat(now, conn).into_iter().collect()
    }

    /// Starts the next append of a socket, if none is under way.
    fn next_chat(&mut self, now: Millis, conn: ConnId) -> Option<RoomEffect> {
        let Some(Role::Seated { peer, lane, .. }) = self.conns.get_mut(&conn) else { return None };
        if lane.under_way.is_some() {
            return None;
        }
        let (id, body) = lane.waiting.pop_front()?;
        lane.under_way = Some(id);
        let name = self.members.get(peer)?.name.clone();
        // A log that began after the message was minted may have forgotten it, and so may one after many days.
        let born = Millis::from_unix(self.epoch.number()).plus(Limits::CLOCK_SLACK_MS);
        let forgotten = Millis::from_unix(now.as_unix().saturating_sub(Limits::ID_WINDOW_MS));
        let ask_archive = id.minted_at() < born.max(forgotten);
        let entry = Entry::Chat { id, peer: *peer, name, body, at: now };
        Some(RoomEffect::Append { ticket: Ticket::Chat { conn, id }, entry, ask_archive })
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
            AppendOutcome::Away => Some(Refusal::LogAway),
        };
        let mut behind = vec![];
        if let Some(Role::Seated { lane, .. }) = self.conns.get_mut(&conn)
            && lane.under_way == Some(id)
        {
            lane.under_way = None;
            if code.is_some() {
                // What is behind it would overtake it: its author sends it all again, in order.
                behind.extend(lane.waiting.drain(..).map(|(waiting, _)| waiting));
                let later: Vec<(ChatId, bool)> = lane.expected.drain(..).collect();
                for refused in [id].into_iter().chain(behind.iter().copied()) {
                    lane.expect(now, refused, false);
                }
                for (refused, again) in later {
                    lane.expect(now, refused, again);
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
