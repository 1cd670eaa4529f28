//! The server speaks another version: the page loads itself again, and everything that it kept is still there.

use super::{Effect, Session};
use crate::limits::Limits;
use crate::time::Millis;
use crate::view::Phase;
use crate::wire::CloseCode;

/// Whether the page is about to load itself again.
#[derive(Debug, Default)]
pub(super) struct Reload {
    /// When this tab did so last: a version that does not match then either is not mended by it.
    last: Option<Millis>,
    /// Until when the server is asked for the page.
    until: Option<Millis>,
    /// When it is asked again.
    next: Option<Millis>,
}

impl Reload {
    pub(super) const fn remember(&mut self, last: Option<Millis>) {
        self.last = last;
    }

    pub(super) const fn stop(&mut self) {
        (self.until, self.next) = (None, None);
    }

    pub(super) const fn next_deadline(&self) -> Option<Millis> {
        self.next
    }

    pub(super) fn tick(&mut self, now: Millis) -> Option<Effect> {
        self.next.take_if(|at| now >= *at).map(|_| Effect::Reload)
    }
}

impl Session {
    /// The server ended the link for a reason that trying again does not change.
    pub(super) fn stopped(&mut self, now: Millis, code: CloseCode) -> Vec<Effect> {
        if code != CloseCode::Version {
            return self.end(now, Phase::Ended(code));
        }
        if self.reload.until.is_some() {
            return vec![]; // It is under way. The call goes on meanwhile.
        }
        if self.reload.last.is_some_and(|at| now.since(at) < Limits::RELOAD_EVERY_MS) {
            return self.end(now, Phase::Ended(code));
        }
        self.reload.until = Some(now.plus(Limits::RELOAD_WITHIN_MS));
        vec![Effect::Reload]
    }

    pub(super) fn not_reloaded(&mut self, now: Millis) -> Vec<Effect> {
        match self.reload.until {
            Some(until) if now < until => {
                self.reload.next = Some(now.plus(Limits::RELOAD_AGAIN_MS));
                vec![]
            }
            Some(_) => self.end(now, Phase::Ended(CloseCode::Version)),
            None => vec![],
        }
    }
}
