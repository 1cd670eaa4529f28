//! Reading back: pages of messages from before what the log sent, asked for one at a time.

use super::chat::{Chat, Said};
use super::{Effect, Session};
use crate::backoff::Backoff;
use crate::id::Offset;
use crate::limits::Limits;
use crate::time::Millis;
use crate::view::Earlier;
use crate::wire::{self, ClientMsg, Entry};

/// What is known of the messages before the first one here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Past {
    /// There are none.
    None,
    /// There are some.
    There,
    /// The ones before this place were asked for; given up at `until`.
    Asked {
        /// The place.
        before: Offset,
        /// When the question counts as lost.
        until: Millis,
        /// How often it was refused before.
        refused: u32,
    },
    /// The server could not say; asked again at `at`.
    Later {
        /// The place.
        before: Offset,
        /// When.
        at: Millis,
        /// How often it was refused.
        refused: u32,
    },
}

impl Chat {
    pub(super) const fn earlier(&self) -> Earlier {
        match self.past {
            Past::None => Earlier::None,
            Past::There => Earlier::There,
            Past::Asked { .. } | Past::Later { .. } => Earlier::Loading,
        }
    }

    pub(super) const fn history_deadline(&self) -> Option<Millis> {
        match self.past {
            Past::Asked { until, .. } => Some(until),
            Past::Later { at, .. } => Some(at),
            Past::None | Past::There => None,
        }
    }

    /// Whether the messages before this place are on their way.
    pub(super) fn is_asked_before(&self, place: Offset) -> bool {
        matches!(self.past, Past::Asked { before, .. } | Past::Later { before, .. } if before == place)
    }

    /// It can be asked for again.
    pub(super) const fn history_failed(&mut self) {
        if matches!(self.past, Past::Asked { .. } | Past::Later { .. }) {
            self.past = Past::There;
        }
    }
}

impl Session {
    /// On the first `welcome`: the log sends what comes after `from`. What lies before is offered; where the log
    /// begins, an earlier life of it may have left messages in the archive, which are shown without asking.
    pub(super) fn first_history(&mut self, now: Millis, from: Offset) -> Vec<Effect> {
        self.chat.floor = from.next();
        if from.seq == 0 {
            return self.ask_history(now, from.next());
        }
        self.chat.past = Past::There;
        vec![]
    }

    pub(super) fn ask_history(&mut self, now: Millis, before: Offset) -> Vec<Effect> {
        self.ask_history_again(now, before, 0)
    }

    fn ask_history_again(&mut self, now: Millis, before: Offset, refused: u32) -> Vec<Effect> {
        self.chat.floor = before;
        self.chat.past = Past::Asked { before, until: now.plus(Limits::HISTORY_WITHIN_MS), refused };
        self.send(&ClientMsg::History { before })
    }

    /// The server cannot say what came before: a moment later it may.
    pub(super) fn history_refused(&mut self, now: Millis) -> Vec<Effect> {
        let Past::Asked { before, refused, .. } = self.chat.past else { return vec![] };
        if refused >= Limits::HISTORY_TRIES {
            self.chat.past = Past::There;
            return self.notify(now, "Earlier messages cannot be loaded right now.");
        }
        let at = now.plus(Backoff::HISTORY.delay_ms(refused, &mut self.rng));
        self.chat.past = Past::Later { before, at, refused: refused + 1 };
        vec![]
    }

    pub(super) fn history_tick(&mut self, now: Millis) -> Vec<Effect> {
        match self.chat.past {
            Past::Asked { until, .. } if now >= until => {
                self.chat.past = Past::There;
                vec![]
            }
            Past::Later { before, at, refused } if now >= at => self.ask_history_again(now, before, refused),
            Past::None | Past::There | Past::Asked { .. } | Past::Later { .. } => vec![],
        }
    }

    pub(super) fn show_earlier(&mut self, now: Millis) -> Vec<Effect> {
        if self.chat.past != Past::There || !self.link.is_online() {
            return vec![];
        }
        if self.chat.stored.len() >= Limits::CHAT_KEPT_BACK {
            self.chat.past = Past::None;
            return self.notify(now, "That is as far back as this page can show.");
        }
        // Whoever reads back keeps what they load, also when something new is said.
        self.chat.kept = Limits::CHAT_KEPT_BACK;
        self.ask_history(now, self.chat.floor)
    }

    pub(super) fn history_came(
        &mut self,
        now: Millis,
        before: Offset,
        messages: Vec<wire::Past>,
        more: bool,
    ) -> Vec<Effect> {
        if !matches!(self.chat.past, Past::Asked { before: asked, .. } if asked == before) {
            return vec![]; // Of a question that was given up, or of a log that is over.
        }
        self.chat.past = if more { Past::There } else { Past::None };
        let room_for = Limits::CHAT_KEPT_BACK.saturating_sub(self.chat.stored.len());
        self.chat.kept = (self.chat.stored.len() + messages.len()).clamp(self.chat.kept, Limits::CHAT_KEPT_BACK);
        if let Some(first) = messages.first() {
            self.chat.floor = first.offset.min(before);
        }
        let mut effects = vec![];
        for wire::Past { offset, entry } in
            messages.into_iter().rev().take(room_for).filter(|past| past.offset < before)
        {
            if let Entry::Chat { id, peer, name, body, at } = entry {
                let author = self.author(peer, name);
                let (_, again) = self.logged(now, offset, Said { id, from: peer, author, body, at });
                effects.extend(again);
            }
        }
        effects
    }
}
