//! What happened in a call: told when it is over.

use super::Session;
use crate::time::Millis;
use crate::view::{Interruption, LinkView, Phase, Receipt};

/// Interruptions kept; later ones are only counted.
const KEPT: usize = 100;

/// The running account of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    began: Option<Millis>,
    /// What is wrong now: who or what, and since when.
    open: Vec<(String, Millis)>,
    done: Vec<Interruption>,
    interruptions: u32,
    /// Until when everything below was counted.
    counted: Millis,
    silent_ms: u64,
    relayed_ms: u64,
    connected_ms: u64,
    resent: u32,
}

impl Account {
    pub(super) const fn resent(&mut self, messages: u32) {
        self.resent = self.resent.saturating_add(messages);
    }

    fn close(&mut self, what: &str, now: Millis) {
        let Some(at) = self.open.iter().position(|(open, _)| open == what) else { return };
        let (what, since) = self.open.remove(at);
        self.interruptions += 1;
        if self.done.len() < KEPT {
            let began = self.began.unwrap_or(since);
            self.done.push(Interruption { what, after_ms: since.since(began), ms: now.since(since) });
        }
    }
}

impl Session {
    /// Brings the account up to now. Called with every event.
    pub(super) fn count(&mut self, now: Millis) {
        if self.phase != Phase::InCall {
            return;
        }
        let began = *self.account.began.get_or_insert(now);
        let passed = now.since(self.account.counted.max(began));
        self.account.counted = now;
        let mut wrong: Vec<(String, Millis)> = vec![];
        if let LinkView::Offline { .. } = self.link_view() {
            wrong.push(("The server".into(), now));
        }
        let (mut silent, mut connected, mut relayed) = (!self.people.is_empty(), 0, 0);
        for person in self.people.values() {
            let recovery = person.peer.recovery();
            silent &= recovery.wrong_since().is_some();
            connected += u64::from(recovery.is_healthy());
            relayed += u64::from(recovery.is_healthy() && recovery.relayed() == Some(true));
            if let Some(since) = recovery.wrong_since() {
                wrong.push((person.name.as_str().to_owned(), since));
            }
        }
        self.account.silent_ms += passed * u64::from(silent);
        self.account.connected_ms += passed * connected;
        self.account.relayed_ms += passed * relayed;
        let over: Vec<String> = self.account.open.iter().map(|(what, _)| what.clone()).collect();
        for what in over.iter().filter(|what| !wrong.iter().any(|(now_wrong, _)| now_wrong == *what)) {
            self.account.close(what, now);
        }
        for (what, since) in wrong {
            if !self.account.open.iter().any(|(open, _)| *open == what) {
                self.account.open.push((what, since));
            }
        }
    }

    /// The call is over.
    pub(super) fn settle(&mut self, now: Millis) {
        let mut account = std::mem::take(&mut self.account);
        let Some(began) = account.began else { return };
        for (what, _) in account.open.clone() {
            account.close(&what, now);
        }
        self.receipt = Some(Receipt {
            began_ms: began.as_unix(),
            duration_ms: now.since(began),
            interruptions: account.interruptions,
            details: account.done,
            silent_ms: account.silent_ms,
            relay_percent: (account.relayed_ms * 100).checked_div(account.connected_ms).unwrap_or(0),
            resent: account.resent,
        });
    }
}
