//! The chat: what is stored comes from the log, what is not waits in the outbox, and nothing stands twice.

use super::history::Past;
use super::{Effect, Session, Unsent};
use crate::id::{ChatId, Offset, PeerId};
use crate::limits::Limits;
use crate::outbox::{Full, Outbox};
use crate::time::Millis;
use crate::view::{ChatLine, Phase};
use crate::wire::{Body, ClientMsg, Name, Refusal, TextError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long a refused message waits before it is sent again.
const RESEND_MS: u64 = 1_000;
/// How long a message may go without an answer before it is sent again.
const UNANSWERED_MS: u64 = 4_000;

/// A message on its way to the log.
#[derive(Debug)]
struct Waiting {
    body: Body,
    name: Name,
    at: Millis,
    state: WaitingState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitingState {
    /// Being written down in the browser, until then at the latest.
    Keeping(Millis),
    /// May be sent.
    Kept,
    /// Refused for good.
    Failed,
}

/// The chat as this page knows it.
#[derive(Debug)]
pub(super) struct Chat {
    pub(super) stored: BTreeMap<Offset, ChatLine>,
    pub(super) offsets: BTreeMap<ChatId, Offset>,
    /// Messages to keep; more once the person has read back.
    pub(super) kept: usize,
    outbox: Outbox<ChatId, Waiting>,
    /// What other pages told of messages that are not stored yet, oldest first, each with its author's seat.
    heard: Vec<(PeerId, ChatLine)>,
    /// Messages that were read this way: they are no news when they are stored.
    read_before: BTreeSet<ChatId>,
    resend_at: Option<Millis>,
    pub(super) past: Past,
    /// From here on nothing is missing; an own message that was stored long ago may stand before it.
    pub(super) floor: Offset,
    /// A message was refused because the log is away.
    store_away: bool,
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
            resend_at: None,
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
            WaitingState::Kept | WaitingState::Failed => None,
        });
        self.resend_at.into_iter().chain(keeping).min()
    }

    pub(super) const fn store_away(&self) -> bool {
        self.store_away
    }

    pub(super) const fn store_is_back(&mut self) {
        self.store_away = false;
    }

    /// Takes over what pages that are gone could not send.
    pub(super) fn restore(&mut self, unsent: Vec<Unsent>) {
        for Unsent { id, body, name, at } in unsent {
            // Past the limit the rest stays written down for the next page.
            if self.outbox.push(id, Waiting { body, name, at, state: WaitingState::Kept }).is_err() {
                break;
            }
        }
        self.refresh();
    }

    pub(super) const fn toggle(&mut self) {
        (self.open, self.unread) = (!self.open, 0);
    }

    pub(super) const fn count_unread(&mut self) {
        if !self.open {
            self.unread += 1;
        }
    }

    fn write(&mut self, message: &Unsent, keep_until: Millis) -> Result<(), Full> {
        let Unsent { id, body, name, at } = message.clone();
        self.outbox.push(id, Waiting { body, name, at, state: WaitingState::Keeping(keep_until) })?;
        self.refresh();
        Ok(())
    }

    fn set_state(&mut self, id: ChatId, state: WaitingState) -> bool {
        let found = self.outbox.get_mut(id).map(|message| message.state = state).is_some();
        self.refresh();
        found
    }

    /// An operator deleted it.
    pub(super) fn deleted(&mut self, id: ChatId) {
        self.heard.retain(|(_, line)| line.id != id);
        if let Some(offset) = self.offsets.remove(&id) {
            self.stored.remove(&offset);
        }
        self.refresh();
    }

    /// A message is in the log; says whether it is new to this page.
    pub(super) fn stored(
        &mut self,
        id: ChatId,
        offset: Offset,
        name: Name,
        mine: bool,
        body: &Body,
        at: Millis,
    ) -> bool {
        let was_mine = self.outbox.ack(id).is_some();
        if self.offsets.contains_key(&id) {
            return false;
        }
        let mine = mine || was_mine;
        self.heard.retain(|(_, line)| line.id != id);
        let news = !self.read_before.contains(&id);
        let line = ChatLine { id, name, mine, text: Arc::from(body.as_str()), at, offset: Some(offset), failed: false };
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
    pub(super) fn heard(&mut self, from: PeerId, id: ChatId, name: Name, body: &Body, at: Millis) -> bool {
        let known = self.offsets.contains_key(&id) || self.heard.iter().any(|(_, line)| line.id == id);
        if known || self.outbox.pending().any(|(mine, _)| *mine == id) {
            return false;
        }
        if self.heard.len() >= Limits::CHAT_HEARD {
            self.heard.remove(0);
        }
        self.read_before.insert(id);
        if self.read_before.len() > 2 * Limits::CHAT_HEARD {
            self.read_before.pop_first(); // Ids begin with their time: the oldest.
        }
        let text = Arc::from(body.as_str());
        self.heard.push((from, ChatLine { id, name, mine: false, text, at, offset: None, failed: false }));
        self.refresh();
        true
    }

    /// Of what was heard from this page only these are still on their way.
    pub(super) fn keep_heard(&mut self, from: PeerId, waiting: &[ChatId]) {
        self.heard.retain(|(author, line)| *author != from || waiting.contains(&line.id));
        self.refresh();
    }

    /// Messages of ours that are not stored.
    pub(super) fn waiting_ids(&self) -> Vec<ChatId> {
        self.outbox.pending().map(|(id, _)| *id).collect()
    }

    /// Those of them that may be sent.
    pub(super) fn sendable(&self) -> Vec<(ChatId, Body, Millis)> {
        let ready = self.outbox.pending().filter(|(_, message)| message.state == WaitingState::Kept);
        ready.map(|(id, message)| (*id, message.body.clone(), message.at)).collect()
    }

    pub(super) fn line(&self, id: ChatId) -> Option<&ChatLine> {
        let stored = self.offsets.get(&id).and_then(|offset| self.stored.get(offset));
        stored.or_else(|| self.heard.iter().map(|(_, line)| line).find(|line| line.id == id))
    }

    /// The server has a message of ours; its log entry may have come before or comes after.
    pub(super) fn acknowledged(&mut self, id: ChatId, offset: Offset) {
        if let Some(Waiting { body, name, at, .. }) = self.outbox.ack(id) {
            let text = Arc::from(body.as_str());
            let line = ChatLine { id, name, mine: true, text, at, offset: Some(offset), failed: false };
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

impl Session {
    pub(super) fn say(&mut self, now: Millis, text: &str) -> Vec<Effect> {
        if self.phase != Phase::InCall {
            return vec![];
        }
        match Body::new(text) {
            Ok(body) => self.write_down(now, body),
            Err(TextError::Empty) => vec![],
            Err(TextError::TooLong) => self.notify(now, "That is too long: a message has up to 4,000 characters."),
            Err(TextError::Character) => self.notify(now, "The message has a character that cannot be sent."),
        }
    }

    /// First into the browser's memory, then to the server: what was written survives a crash of the page.
    fn write_down(&mut self, now: Millis, body: Body) -> Vec<Effect> {
        let Some(room) = self.room.clone() else { return vec![] };
        let name = Name::new(&self.name).expect("whoever is in the call has a valid name");
        let message = Unsent { id: ChatId::mint(self.server_time(now), &mut self.rng), body, name, at: now };
        match self.chat.write(&message, now.plus(Limits::KEEP_WITHIN_MS)) {
            Ok(()) => vec![Effect::KeepChat(room, message)],
            Err(Full) => self.notify(now, "Too many messages wait to be sent. Please wait for the connection."),
        }
    }

    /// A message id tells the server's time, however wrong this computer's clock is.
    fn server_time(&self, now: Millis) -> Millis {
        Millis::from_unix(now.as_unix().saturating_add_signed(self.server_ahead_ms))
    }

    pub(super) fn kept(&mut self, now: Millis, id: ChatId) -> Vec<Effect> {
        let waits = self.chat.outbox.get_mut(id).filter(|message| matches!(message.state, WaitingState::Keeping(_)));
        let Some(message) = waits else { return vec![] };
        message.state = WaitingState::Kept;
        let mut ready = vec![];
        for (other, message) in self.chat.outbox.pending() {
            match message.state {
                WaitingState::Keeping(_) if ready.is_empty() => return vec![], // It goes first, and takes this one along.
                WaitingState::Keeping(_) => break,
                WaitingState::Kept if *other == id || !ready.is_empty() => {
                    ready.push((*other, message.body.clone()));
                }
                WaitingState::Kept | WaitingState::Failed => {} // Sent before.
            }
        }
        self.chat.resend_at.get_or_insert(now.plus(UNANSWERED_MS));
        let ids: Vec<ChatId> = ready.iter().map(|(id, _)| *id).collect();
        let messages = ready.into_iter().map(|(id, body)| ClientMsg::Chat { id, body });
        let mut effects: Vec<Effect> = messages.flat_map(|msg| self.send(&msg)).collect();
        if !self.can_store() {
            effects.extend(self.pass_chat_to_all(&ids));
        }
        effects
    }

    pub(super) fn say_again(&mut self, now: Millis, id: ChatId) -> Vec<Effect> {
        let failed = self.chat.outbox.get_mut(id).is_some_and(|message| message.state == WaitingState::Failed);
        let Some(message) = failed.then(|| self.chat.outbox.ack(id)).flatten() else { return vec![] };
        let mut effects = self.write_down(now, message.body);
        effects.push(Effect::DropChat(id));
        effects.extend(self.take_back());
        effects
    }

    pub(super) fn unsay(&mut self, id: ChatId) -> Vec<Effect> {
        let failed = self.chat.outbox.get_mut(id).is_some_and(|message| message.state == WaitingState::Failed);
        if !failed {
            return vec![];
        }
        let _ = self.chat.outbox.ack(id);
        self.chat.refresh();
        let mut effects = vec![Effect::DropChat(id)];
        effects.extend(self.take_back());
        effects
    }

    /// Sends everything that waits, in order. The server stores each id once.
    pub(super) fn resend_chat(&mut self, now: Millis) -> Vec<Effect> {
        let mut waiting = vec![];
        for (id, message) in self.chat.outbox.pending_mut() {
            match message.state {
                WaitingState::Keeping(until) if now < until => break, // In order: what is behind it waits too.
                WaitingState::Keeping(_) | WaitingState::Kept => {
                    message.state = WaitingState::Kept; // A browser that cannot write down does not stop the message.
                    waiting.push(ClientMsg::Chat { id: *id, body: message.body.clone() });
                }
                WaitingState::Failed => {}
            }
        }
        self.chat.resend_at = if waiting.is_empty() { None } else { Some(now.plus(UNANSWERED_MS)) };
        waiting.iter().flat_map(|msg| self.send(msg)).collect()
    }

    pub(super) fn refused(&mut self, now: Millis, code: Refusal, about: Option<ChatId>) -> Vec<Effect> {
        match (code, about) {
            (Refusal::LogAway | Refusal::Busy | Refusal::TooFast, Some(_)) => {
                // Sooner than planned, never later: what is refused meanwhile must not put it off.
                let again = now.plus(RESEND_MS);
                self.chat.resend_at =
                    Some(self.chat.resend_at.map_or(again, |at| if at > now { at.min(again) } else { again }));
                if code == Refusal::LogAway && !std::mem::replace(&mut self.chat.store_away, true) {
                    self.announce("Messages will be saved when the server is back.");
                    return self.pass_chat_to_all(&self.chat.waiting_ids());
                }
                vec![]
            }
            (Refusal::IdTaken | Refusal::BadId, Some(id)) => {
                if self.chat.set_state(id, WaitingState::Failed) {
                    self.announce("A message could not be sent. You can try again.");
                }
                vec![]
            }
            (Refusal::LogAway, None) => {
                self.chat.store_away = true; // Said to whoever wants a seat; the socket is closed then.
                vec![]
            }
            (Refusal::HistoryAway, _) => self.history_refused(now),
            (Refusal::NoSeat | Refusal::Seated | Refusal::ShowsAddress, _)
            | (Refusal::Busy | Refusal::TooFast | Refusal::IdTaken | Refusal::BadId, None) => vec![],
        }
    }

    pub(super) fn announce_chat(&mut self, id: ChatId) {
        if let Some(line) = self.chat.line(id) {
            let excerpt: String = line.text.chars().take(200).collect();
            let sentence = format!("{}: {excerpt}", line.name.as_str());
            self.announce(&sentence);
        }
    }
}
