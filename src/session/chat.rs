//! The chat: what is stored comes from the log, what is not waits in the outbox, and nothing stands twice.

use super::{Effect, Session};
use crate::id::{ChatId, Offset};
use crate::limits::Limits;
use crate::outbox::{Full, Outbox};
use crate::time::Millis;
use crate::view::{ChatLine, Phase};
use crate::wire::{Body, ClientMsg, Name, Refusal, TextError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long a refused message waits before it is sent again.
const RESEND_MS: u64 = 1_000;
/// How long a message may go without an answer before it is sent again.
const UNANSWERED_MS: u64 = 4_000;

/// The chat as this page knows it.
#[derive(Debug)]
pub(super) struct Chat {
    stored: BTreeMap<Offset, ChatLine>,
    offsets: BTreeMap<ChatId, Offset>,
    outbox: Outbox<ChatId, (Body, Name, Millis)>,
    resend_at: Option<Millis>,
    shown: Arc<Vec<ChatLine>>,
    open: bool,
    unread: usize,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            stored: BTreeMap::new(),
            offsets: BTreeMap::new(),
            outbox: Outbox::new(Limits::OUTBOX),
            resend_at: None,
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

    pub(super) const fn next_deadline(&self) -> Option<Millis> {
        self.resend_at
    }

    pub(super) const fn toggle(&mut self) {
        (self.open, self.unread) = (!self.open, 0);
    }

    pub(super) const fn count_unread(&mut self) {
        if !self.open {
            self.unread += 1;
        }
    }

    fn write(&mut self, id: ChatId, body: Body, name: Name, now: Millis) -> Result<(), Full> {
        self.outbox.push(id, (body, name, now))?;
        self.refresh();
        Ok(())
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
        let line = ChatLine { id, name, mine, text: Arc::from(body.as_str()), at, offset: Some(offset) };
        self.stored.insert(offset, line);
        self.offsets.insert(id, offset);
        while self.stored.len() > Limits::CHAT_KEPT {
            if let Some((_, oldest)) = self.stored.pop_first() {
                self.offsets.remove(&oldest.id);
            }
        }
        self.refresh();
        true
    }

    /// The server has a message of ours; its log entry may have come before or comes after.
    pub(super) fn acknowledged(&mut self, id: ChatId, offset: Offset) {
        if let Some((body, name, at)) = self.outbox.ack(id) {
            let line = ChatLine { id, name, mine: true, text: Arc::from(body.as_str()), at, offset: Some(offset) };
            self.stored.insert(offset, line);
            self.offsets.insert(id, offset);
            self.refresh();
        }
    }

    /// The log starts anew: what was read of it no longer counts, what waits still does.
    pub(super) fn forget_stored(&mut self) {
        self.stored.clear();
        self.offsets.clear();
        self.refresh();
    }

    fn refresh(&mut self) {
        let waiting = self.outbox.pending().map(|(id, (body, name, at))| ChatLine {
            id: *id,
            name: name.clone(),
            mine: true,
            text: Arc::from(body.as_str()),
            at: *at,
            offset: None,
        });
        self.shown = Arc::new(self.stored.values().cloned().chain(waiting).collect());
    }
}

impl Session {
    pub(super) fn say(&mut self, now: Millis, text: &str) -> Vec<Effect> {
        if self.phase != Phase::InCall {
            return vec![];
        }
        let body = match Body::new(text) {
            Ok(body) => body,
            Err(TextError::Empty) => return vec![],
            Err(TextError::TooLong) => {
                return self.notify(now, "That is too long: a message has up to 4,000 characters.");
            }
            Err(TextError::Character) => return self.notify(now, "The message has a character that cannot be sent."),
        };
        let name = Name::new(&self.name).expect("whoever is in the call has a valid name");
        let id = ChatId::mint(now, &mut self.rng);
        match self.chat.write(id, body.clone(), name, now) {
            Ok(()) => {
                self.chat.resend_at.get_or_insert(now.plus(UNANSWERED_MS));
                self.send(&ClientMsg::Chat { id, body })
            }
            Err(Full) => self.notify(now, "Too many messages wait to be sent. Please wait for the connection."),
        }
    }

    /// Sends everything that waits, in order. The server stores each id once.
    pub(super) fn resend_chat(&mut self, now: Millis) -> Vec<Effect> {
        self.chat.resend_at = if self.chat.outbox.is_empty() { None } else { Some(now.plus(UNANSWERED_MS)) };
        let waiting: Vec<ClientMsg> = self
            .chat
            .outbox
            .pending()
            .map(|(id, (body, _, _))| ClientMsg::Chat { id: *id, body: body.clone() })
            .collect();
        waiting.iter().flat_map(|msg| self.send(msg)).collect()
    }

    pub(super) fn refused(&mut self, now: Millis, code: Refusal, about: Option<ChatId>) -> Vec<Effect> {
        match (code, about) {
            (Refusal::LogAway | Refusal::Busy | Refusal::TooFast, Some(_)) => {
                self.chat.resend_at = Some(now.plus(RESEND_MS));
                vec![]
            }
            (Refusal::IdTaken, Some(id)) => {
                let _ = self.chat.outbox.ack(id);
                self.chat.refresh();
                self.notify(now, "A message could not be stored. Please send it again.")
            }
            (Refusal::NoSeat | Refusal::Seated, _)
            | (Refusal::LogAway | Refusal::Busy | Refusal::TooFast | Refusal::IdTaken, None) => vec![],
        }
    }

    pub(super) fn announce_chat(&mut self, id: ChatId) {
        let line = self.chat.offsets.get(&id).and_then(|offset| self.chat.stored.get(offset));
        if let Some(line) = line {
            let excerpt: String = line.text.chars().take(200).collect();
            let sentence = format!("{}: {excerpt}", line.name.as_str());
            self.announce(&sentence);
        }
    }
}
