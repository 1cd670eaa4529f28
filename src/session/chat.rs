//! The chat: what is stored comes from the log, what is not waits in the outbox, and nothing stands twice.

use super::Session;
use super::history::Past;
use super::outgoing::{Waiting, WaitingState};
use super::pace::Pace;
use crate::id::{ChatId, Offset, PeerId};
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::time::Millis;
use crate::view::ChatLine;
use crate::wire::{Body, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who wrote a message.
#[derive(Clone, Debug)]
pub(super) struct Author {
    pub(super) name: Name,
    pub(super) number: usize,
    pub(super) mine: bool,
}

/// The chat as this page knows it.
#[derive(Debug)]
pub(super) struct Chat {
    pub(super) stored: BTreeMap<Offset, ChatLine>,
    pub(super) offsets: BTreeMap<ChatId, Offset>,
    /// Messages to keep; more once the person has read back.
    pub(super) kept: usize,
    pub(super) outbox: Outbox<ChatId, Waiting>,
    /// What other pages told of messages that are not stored yet, oldest first, each with its author's seat.
    heard: Vec<(PeerId, ChatLine)>,
    /// Messages that were read this way: they are no news when they are stored.
    read_before: BTreeSet<(ChatId, PeerId)>,
    /// The shadows of the newest stored messages: whoever still tells of them is late.
    stored_shadows: BTreeSet<ChatId>,
    pub(super) pace: Pace,
    pub(super) past: Past,
    /// From here on nothing is missing; an own message that was stored long ago may stand before it.
    pub(super) floor: Offset,
    /// A message was refused because the log is away.
    pub(super) store_away: bool,
    shown: Arc<Vec<ChatLine>>,
    open: bool,
    unread: usize,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            stored: BTreeMap::new(),
            offsets: BTreeMap::new(),
            kept: Limits::CHAT_KEPT,
            outbox: Outbox::new(Limits::OUTBOX),
            heard: vec![],
            read_before: BTreeSet::new(),
            stored_shadows: BTreeSet::new(),
            pace: Pace::default(),
            past: Past::None,
            floor: Offset::default(),
            store_away: false,
            shown: Arc::default(),
            open: false,
            unread: 0,
        }
    }
}

impl Chat {
    pub(super) fn lines(&self) -> Arc<Vec<ChatLine>> {
        Arc::clone(&self.shown)
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    pub(super) const fn unread(&self) -> usize {
        self.unread
    }

    pub(super) fn waiting(&self) -> usize {
        self.outbox.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Millis> {
        let keeping = self.outbox.pending().find_map(|(_, message)| match message.state {
            WaitingState::Keeping(until) => Some(until),
            WaitingState::Kept | WaitingState::Sent | WaitingState::Failed => None,
        });
        self.pace.next_deadline().filter(|_| !self.outbox.is_empty()).into_iter().chain(keeping).min()
    }

    pub(super) const fn store_away(&self) -> bool {
        self.store_away
    }

    pub(super) const fn store_is_back(&mut self) {
        self.store_away = false;
    }

    pub(super) const fn toggle(&mut self) {
        (self.open, self.unread) = (!self.open, 0);
    }

    /// Whoever comes again begins anew.
    pub(super) const fn forget_unread(&mut self) {
        self.unread = 0;
    }

    /// The newest message that is stored.
    pub(super) fn newest(&self) -> Option<Offset> {
        self.stored.keys().next_back().copied()
    }

    pub(super) const fn count_unread(&mut self) {
        if !self.open {
            self.unread += 1;
        }
    }

    /// An operator deleted it.
    pub(super) fn deleted(&mut self, id: ChatId) {
        self.heard.retain(|(_, line)| line.id != id.shadow());
        if let Some(offset) = self.offsets.remove(&id) {
            self.stored.remove(&offset);
        }
        self.refresh();
    }

    /// A message is in the log; says whether it is new to this page.
    pub(super) fn stored(&mut self, now: Millis, offset: Offset, said: Said) -> bool {
        let Said { id, from, author, body, at } = said;
        let was_mine = self.answered(now, id).is_some();
        if self.offsets.contains_key(&id) {
            return false;
        }
        let Author { name, number, mine } = author;
        let mine = mine || was_mine;
        let shadow = id.shadow();
        self.heard.retain(|(_, line)| line.id != shadow);
        remember(&mut self.stored_shadows, shadow);
        let news = !self.read_before.contains(&(shadow, from));
        let text = Arc::from(body.as_str());
        let line = ChatLine { id, name, number, mine, text, at, offset: Some(offset), failed: false };
        self.stored.insert(offset, line);
        self.offsets.insert(id, offset);
        while self.stored.len() > self.kept {
            self.past = if self.past == Past::None { Past::There } else { self.past };
            if let Some((_, oldest)) = self.stored.pop_first() {
                self.offsets.remove(&oldest.id);
            }
            self.floor = self.stored.keys().next().copied().unwrap_or_default().max(self.floor);
        }
        self.refresh();
        news
    }

    /// Another page tells of a message of its own that is not stored yet; says whether it is new to this page.
    pub(super) fn heard(&mut self, from: PeerId, shadow: ChatId, author: Author, body: &Body, at: Millis) -> bool {
        let known = self.heard.iter().any(|(author, line)| *author == from && line.id == shadow);
        if known || self.stored_shadows.contains(&shadow) {
            return false;
        }
        if self.heard.len() >= Limits::CHAT_HEARD {
            self.heard.remove(0);
        }
        remember(&mut self.read_before, (shadow, from));
        let Author { name, number, .. } = author;
        let id = shadow;
        let text = Arc::from(body.as_str());
        self.heard.push((from, ChatLine { id, name, number, mine: false, text, at, offset: None, failed: false }));
        self.refresh();
        true
    }

    /// Of what was heard from this page only these are still on their way.
    pub(super) fn keep_heard(&mut self, from: PeerId, waiting: &[ChatId]) {
        self.heard.retain(|(author, line)| *author != from || waiting.contains(&line.id));
        self.refresh();
    }

    pub(super) fn line(&self, id: ChatId) -> Option<&ChatLine> {
        let stored = self.offsets.get(&id).and_then(|offset| self.stored.get(offset));
        stored.or_else(|| self.heard.iter().map(|(_, line)| line).find(|line| line.id == id))
    }

    /// The server has a message of ours; its log entry may have come before or comes after.
    pub(super) fn acknowledged(&mut self, now: Millis, id: ChatId, offset: Offset) {
        if let Some(Waiting { body, name, at, .. }) = self.answered(now, id) {
            let text = Arc::from(body.as_str());
            let line = ChatLine { id, name, number: 1, mine: true, text, at, offset: Some(offset), failed: false };
            self.stored.insert(offset, line);
            self.offsets.insert(id, offset);
            self.refresh();
        }
    }

    /// The log starts anew: what was read of it no longer counts, what waits still does.
    pub(super) fn forget_stored(&mut self) {
        self.stored.clear();
        self.offsets.clear();
        (self.past, self.kept) = (Past::None, Limits::CHAT_KEPT);
        self.refresh();
    }

    pub(super) fn refresh(&mut self) {
        let waiting = self.outbox.pending().map(|(id, message)| ChatLine {
            id: *id,
            name: message.name.clone(),
            number: 1,
            mine: true,
            text: Arc::from(message.body.as_str()),
            at: message.at,
            offset: None,
            failed: message.state == WaitingState::Failed,
        });
        let heard = self.heard.iter().map(|(_, line)| line.clone());
        self.shown = Arc::new(self.stored.values().cloned().chain(heard).chain(waiting).collect());
    }
}

/// A message of the log.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) id: ChatId,
    /// The seat it was written from.
    pub(super) from: PeerId,
    pub(super) author: Author,
    pub(super) body: Body,
    pub(super) at: Millis,
}

/// Keeps the newest: ids and their shadows begin with their time.
fn remember<K: Ord>(known: &mut BTreeSet<K>, key: K) {
    known.insert(key);
    if known.len() > 2 * Limits::CHAT_HEARD {
        known.pop_first();
    }
}

impl Session {
    pub(super) fn announce_chat(&mut self, id: ChatId) {
        if let Some(line) = self.chat.line(id) {
            let excerpt: String = line.text.chars().take(200).collect();
            let sentence = format!("{}: {excerpt}", line.author());
            self.announce(&sentence);
        }
    }
}
