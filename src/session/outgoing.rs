//! What is written here on its way to the log: written down, sent at the log's pace, sent again, or given up by its author.

use super::chat::{Author, Chat, Said};
use super::{Effect, Session, Unsent};
use crate::id::{ChatId, Offset, PeerId};
use crate::limits::Limits;
use crate::outbox::Full;
use crate::time::Millis;
use crate::view::Phase;
use crate::wire::{Body, ClientMsg, Name, Refusal, TextError};

/// A message on its way to the log.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) body: Body,
    pub(super) name: Name,
    pub(super) at: Millis,
    pub(super) state: WaitingState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitingState {
    /// Being written down in the browser, until then at the latest.
    Keeping(Millis),
    /// May be sent.
    Kept,
    /// On its way to the log.
    Sent,
    /// Refused for good.
    Failed,
}

impl Chat {
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

    fn write(&mut self, message: &Unsent, keep_until: Millis) -> Result<(), Full> {
        let Unsent { id, body, name, at } = message.clone();
        self.outbox.push(id, Waiting { body, name, at, state: WaitingState::Keeping(keep_until) })?;
        self.refresh();
        Ok(())
    }

    /// Nothing counts as being on its way any more: it is sent again, in order.
    fn take_back(&mut self) {
        for (_, message) in self.outbox.pending_mut() {
            if message.state == WaitingState::Sent {
                message.state = WaitingState::Kept;
            }
        }
    }

    /// A new socket.
    pub(super) fn start_over(&mut self) {
        self.pace.start_over();
        self.take_back();
    }

    /// The server has a message of ours.
    pub(super) fn answered(&mut self, now: Millis, id: ChatId) -> Option<Waiting> {
        let message = self.outbox.ack(id)?;
        let others = self.outbox.pending().any(|(_, message)| message.state == WaitingState::Sent);
        self.pace.answered(now, others);
        Some(message)
    }

    /// The server refused a message for now; what was refused along with another is no news.
    fn refused(&mut self, now: Millis, id: ChatId) {
        if self.outbox.get_mut(id).is_some_and(|message| message.state == WaitingState::Sent) {
            self.pace.refused(now);
            self.take_back();
        }
    }

    /// What goes out now, in order.
    fn take_due(&mut self, now: Millis) -> Vec<(ChatId, Body)> {
        if self.outbox.is_empty() {
            return vec![];
        }
        if self.pace.is_lost(now) {
            self.take_back();
        }
        let (mut due, mut under_way, mut bytes) = (vec![], 0, 0);
        for (id, message) in self.outbox.pending_mut() {
            match message.state {
                WaitingState::Failed => continue,
                WaitingState::Keeping(until) if now < until => break, // In order: what is behind it waits too.
                WaitingState::Sent => {}
                // A browser that cannot write down does not stop the message.
                WaitingState::Keeping(_) | WaitingState::Kept if self.pace.may_send(now, under_way, bytes) => {
                    message.state = WaitingState::Sent;
                    due.push((*id, message.body.clone()));
                }
                WaitingState::Keeping(_) | WaitingState::Kept => break,
            }
            under_way += 1;
            bytes += message.body.as_str().len();
        }
        due
    }

    fn set_state(&mut self, id: ChatId, state: WaitingState) -> bool {
        let found = self.outbox.get_mut(id).map(|message| message.state = state).is_some();
        self.refresh();
        found
    }

    /// Whether a message of ours waits under an id that the log has for other words.
    fn is_taken(&self, id: ChatId, body: &Body) -> bool {
        self.outbox.pending().any(|(waiting, message)| *waiting == id && message.body != *body)
    }

    /// Messages of ours that are not stored.
    pub(super) fn waiting_ids(&self) -> Vec<ChatId> {
        self.outbox.pending().map(|(id, _)| *id).collect()
    }

    /// Those of them that may be sent.
    pub(super) fn sendable(&self) -> Vec<(ChatId, Body, Millis)> {
        let ready = self
            .outbox
            .pending()
            .filter(|(_, message)| matches!(message.state, WaitingState::Kept | WaitingState::Sent));
        ready.map(|(id, message)| (*id, message.body.clone(), message.at)).collect()
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
            Err(TextError::Unseen | TextError::Character) => {
                self.notify(now, "Nobody could see that message: it has nothing but invisible characters.")
            }
        }
    }

    /// First into the browser's memory, then to the server: what was written survives a crash of the page.
    fn write_down(&mut self, now: Millis, body: Body) -> Vec<Effect> {
        let Some(room) = self.room.clone() else { return vec![] };
        let name = Name::new(&self.name).expect("whoever is in the call has a valid name");
        let message = Unsent { id: ChatId::mint(self.server_time(now), &mut self.secrets), body, name, at: now };
        match self.chat.write(&message, now.plus(Limits::KEEP_WITHIN_MS)) {
            Ok(()) => vec![Effect::KeepChat(room, message)],
            Err(Full) => self.notify(now, "Too many messages wait to be sent. Please wait for the connection."),
        }
    }

    /// A message id tells the server's time, however wrong this computer's clock is.
    pub(super) fn server_time(&self, now: Millis) -> Millis {
        Millis::from_unix(now.as_unix().saturating_add_signed(self.server_ahead_ms))
    }

    /// A message is written down: it may go out, after those before it.
    pub(super) fn kept(&mut self, id: ChatId) -> Vec<Effect> {
        let waits = self.chat.outbox.get_mut(id).filter(|message| matches!(message.state, WaitingState::Keeping(_)));
        let Some(message) = waits else { return vec![] };
        message.state = WaitingState::Kept;
        let mut ready = vec![];
        for (other, message) in self.chat.outbox.pending() {
            match message.state {
                WaitingState::Keeping(_) if ready.is_empty() => return vec![], // It goes first, and takes this one along.
                WaitingState::Keeping(_) => break,
                WaitingState::Kept if *other == id || !ready.is_empty() => ready.push(*other),
                WaitingState::Kept | WaitingState::Sent | WaitingState::Failed => {} // Passed on before.
            }
        }
        if self.can_store() { vec![] } else { self.pass_chat_to_all(&ready) }
    }

    /// Sends what waits, as far as the server can take it. The server stores each id once.
    pub(super) fn send_due(&mut self, now: Millis) -> Vec<Effect> {
        if self.phase != Phase::InCall || !self.link.is_online() {
            return vec![];
        }
        let due = self.chat.take_due(now);
        due.into_iter().flat_map(|(id, body)| self.send(&ClientMsg::Chat { id, body })).collect()
    }

    /// The log has this message. Ours, if it waits under the same id with other words, is not stored: it is written down
    /// again under another id and goes on waiting in its place.
    pub(super) fn logged(&mut self, now: Millis, offset: Offset, said: Said) -> (bool, Vec<Effect>) {
        let mut effects = vec![];
        if self.chat.is_taken(said.id, &said.body) {
            let id = ChatId::mint(self.server_time(now), &mut self.secrets);
            self.chat.outbox.rename(said.id, id);
            let (room, renamed) = (self.room.clone(), self.chat.outbox.get_mut(id));
            if let (Some(room), Some(message)) = (room, renamed) {
                message.state = WaitingState::Keeping(now.plus(Limits::KEEP_WITHIN_MS));
                let Waiting { body, name, at, .. } = &*message;
                let unsent = Unsent { id, body: body.clone(), name: name.clone(), at: *at };
                effects.extend([Effect::KeepChat(room, unsent), Effect::DropChat(said.id)]);
            }
        }
        (self.chat.stored(now, offset, said), effects)
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

    pub(super) fn refused(&mut self, now: Millis, code: Refusal, about: Option<ChatId>) -> Vec<Effect> {
        match (code, about) {
            (Refusal::LogAway | Refusal::Busy | Refusal::TooFast, Some(id)) => {
                self.chat.refused(now, id);
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
                // Said to whoever wants a seat, or to look in; the socket is closed then.
                self.chat.store_away |= self.phase != Phase::InCall;
                vec![]
            }
            (Refusal::HistoryAway, _) => self.history_refused(now),
            (Refusal::NoSeat | Refusal::Seated | Refusal::ShowsAddress, _)
            | (Refusal::Busy | Refusal::TooFast | Refusal::IdTaken | Refusal::BadId, None) => vec![],
        }
    }

    pub(super) fn author(&self, peer: PeerId, name: Name) -> Author {
        let mine = self.seat.as_ref().is_some_and(|seat| seat.peer == peer);
        Author { name, number: self.number_of(peer), mine }
    }

    /// What stands in an open chat is read. That, and what else a reload must find, is kept as soon as it changes.
    pub(super) fn note_read(&mut self) -> Option<Effect> {
        self.read =
            self.chat.newest().filter(|_| self.chat.is_open()).map_or(self.read, |newest| self.read.max(newest));
        if self.seat.is_none() || self.kept_else == (self.read, self.audio_only, self.keys_off) {
            return None;
        }
        self.room.clone().and_then(|room| self.save_seat(room))
    }
}
