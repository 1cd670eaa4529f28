//! The ladder that a lost media path climbs: wait, ICE restart, rebuild, relay only, audio only; and how it comes down.
//!
//! One machine a connection. It notices a loss by its own count of what arrives, not by waiting for the browser's
//! 'failed', and it knows every state that can get stuck: never connected, disconnected, connected without media.

mod event;

pub use event::{Flow, RecoveryEffect, RecoveryEvent, Route, Rung};

use crate::limits::Limits;
use crate::time::Millis;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no connection.
    Idle,
    /// It was never up; given up at `until`.
    Setup { until: Millis },
    /// Media flows, or would if there were any.
    Healthy { since: Millis },
    /// Nothing flows; the next rung is taken at `until`.
    Trouble { until: Millis, restarting: bool },
}

/// The state machine of one media path.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Whether this side starts restarts. The other one gives it time and steps in only if nothing happens.
    leads: bool,
    /// Only the browser's 'failed' counts.
    plain: bool,
    state: State,
    rung: Rung,
    /// Whether the next connection is this side's own try.
    rebuilding: bool,
    /// When the first connection was made since media last flowed.
    first_opened: Option<Millis>,
    /// Since when something is wrong.
    wrong_since: Option<Millis>,
    restarts: u8,
    /// Whether the browser says that media can flow.
    up: bool,
    relays: bool,
    /// Whether they gave an address when they were last asked.
    relays_answer: bool,
    /// Addresses are hidden: there is never another route than a relay's.
    hides: bool,
    route: Route,
    picture: bool,
    expects_media: bool,
    expects_picture: bool,
    flow: Flow,
    /// When bytes last came, and the first of the samples since then that brought none.
    moved: Millis,
    still: Option<Millis>,
    /// When a picture last came, and when one was last asked for.
    seen: Millis,
    asked: Millis,
    /// When bytes of pictures last came, and when a connection was last given up for want of them.
    pictured: Millis,
    given_up_blind: Option<Millis>,
    /// Until then a loss is not waited out.
    hurry_until: Millis,
    /// How long the path must be healthy before the next step down.
    hold_ms: u64,
    /// The last step down, which trouble right after it takes back.
    stepped: Option<(Rung, Millis)>,
}

impl Recovery {
    /// The ladder of a connection that is not made yet.
    #[must_use]
    pub const fn new(leads: bool) -> Self {
        Self {
            leads,
            plain: false,
            state: State::Idle,
            rung: Rung::Clear,
            rebuilding: false,
            first_opened: None,
            wrong_since: None,
            restarts: 0,
            up: false,
            relays: false,
            relays_answer: true,
            hides: false,
            route: Route::Any,
            picture: true,
            expects_media: true,
            expects_picture: true,
            flow: Flow { bytes: 0, frames: 0, picture_bytes: 0, relayed: None },
            moved: Millis::ZERO,
            still: None,
            seen: Millis::ZERO,
            asked: Millis::ZERO,
            pictured: Millis::ZERO,
            given_up_blind: None,
            hurry_until: Millis::ZERO,
            hold_ms: Limits::STEP_DOWN_AFTER_MS,
            stepped: None,
        }
    }

    /// From now on everything goes through relays, on every rung.
    pub const fn hide_addresses(&mut self) {
        (self.hides, self.route) = (true, Route::Relay);
    }

    /// From now on only what the browser says counts, as in clients without a ladder.
    pub const fn be_plain(&mut self) {
        self.plain = true;
    }

    /// How far up it is.
    #[must_use]
    pub const fn rung(&self) -> Rung {
        self.rung
    }

    /// Which routes a new connection may take.
    #[must_use]
    pub const fn route(&self) -> Route {
        self.route
    }

    /// Whether we send pictures.
    #[must_use]
    pub const fn sends_picture(&self) -> bool {
        self.picture
    }

    /// Since when media does not flow, on a connection that was up or should be.
    #[must_use]
    pub const fn wrong_since(&self) -> Option<Millis> {
        self.wrong_since
    }

    /// Since when no picture came though sound does and a picture should.
    #[must_use]
    pub fn blind_since(&self, now: Millis) -> Option<Millis> {
        let flows = matches!(self.state, State::Healthy { .. }) && self.expects_picture;
        (flows && now.since(self.seen) >= Limits::BLIND_AFTER_MS).then_some(self.seen)
    }

    /// Whether repairs were tried and did not help.
    #[must_use]
    pub fn has_tried(&self, now: Millis) -> bool {
        let long = self.wrong_since.is_some_and(|at| now.since(at) >= Limits::TRIED_MS);
        !self.is_healthy() && (long || self.rung >= Rung::Rebuild)
    }

    /// Whether there is a relay to go through.
    #[must_use]
    pub const fn has_relays(&self) -> bool {
        self.relays
    }

    /// Whether media flows, or would if there were any.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        matches!(self.state, State::Healthy { .. })
    }

    /// Whether the pair in use has a relay in it; none while nobody knows.
    #[must_use]
    pub const fn relayed(&self) -> Option<bool> {
        self.flow.relayed
    }

    /// When to call [`Recovery::handle`] with [`RecoveryEvent::Tick`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        match self.state {
            State::Idle => None,
            State::Setup { until } | State::Trouble { until, .. } => Some(until),
            State::Healthy { since } if self.rung > Rung::Rebuild => Some(since.plus(self.hold_ms)),
            State::Healthy { since } if self.rung > Rung::Clear => Some(since.plus(Limits::SETTLED_AFTER_MS)),
            State::Healthy { .. } => None,
        }
    }

    /// Applies one event.
    #[must_use]
    pub fn handle(&mut self, now: Millis, event: RecoveryEvent) -> Vec<RecoveryEffect> {
        match event {
            RecoveryEvent::Flowed(_) | RecoveryEvent::NetworkChanged | RecoveryEvent::Disconnected if self.plain => {
                vec![]
            }
            RecoveryEvent::Opened => {
                (self.up, self.flow, self.still) = (false, Flow::default(), None);
                (self.moved, self.seen, self.pictured) = (now, now, now);
                let first = *self.first_opened.get_or_insert(now);
                let mine = std::mem::take(&mut self.rebuilding);
                if now.since(first) >= Limits::RESTART_WITHIN_MS {
                    // The other side tries once more: on this side too nothing came of what was before.
                    self.wrong_since.get_or_insert(first);
                    self.rung = self.rung.max(Rung::Rebuild);
                    if !mine && !self.hides {
                        // It may be our relay that is broken, and theirs are the tries that count: every route again.
                        self.route = Route::Any;
                    }
                }
                self.state = State::Setup { until: now.plus(Limits::PC_CONNECT_WITHIN_MS + self.patience_ms()) };
                vec![]
            }
            RecoveryEvent::Connected => {
                self.up = true;
                self.heal(now)
            }
            RecoveryEvent::Agreed => {
                // Where nothing flows nothing else could show it.
                if self.up && !self.expects_media { self.heal(now) } else { vec![] }
            }
            RecoveryEvent::Disconnected => {
                self.up = false;
                if now.since(self.moved) >= Limits::STALL_MS {
                    self.fall_ill(now, now.plus(Limits::PC_DISCONNECTED_MS + self.patience_ms()));
                }
                vec![]
            }
            RecoveryEvent::Failed => {
                self.up = false;
                self.fall_ill(now, now);
                self.climb(now)
            }
            RecoveryEvent::Broken => {
                // Rebuilding at once could spin if the browser keeps failing; this pace cannot.
                self.state = State::Setup { until: now.plus(1_000 + self.patience_ms()) };
                vec![]
            }
            RecoveryEvent::Flowed(flow) => self.flowed(now, flow),
            RecoveryEvent::Expect(media, picture) => {
                (self.moved, self.still) = (now, None);
                if picture && !self.expects_picture {
                    (self.seen, self.pictured) = (now, now);
                }
                (self.expects_media, self.expects_picture) = (media, picture);
                vec![]
            }
            RecoveryEvent::NetworkChanged => {
                self.hurry_until = now.plus(Limits::HURRY_MS);
                if let State::Trouble { until, restarting: false } = &mut self.state {
                    *until = (*until).min(now);
                }
                vec![]
            }
            RecoveryEvent::Asked => match self.state {
                // Theirs is the wish, not the trouble: a step down, or new credentials.
                State::Healthy { .. } if now.since(self.moved) < Limits::STALL_MS => vec![RecoveryEffect::Restart],
                State::Healthy { .. } | State::Trouble { restarting: false, .. } => {
                    self.fall_ill(now, now);
                    self.climb(now)
                }
                State::Idle | State::Setup { .. } | State::Trouble { restarting: true, .. } => vec![],
            },
            RecoveryEvent::Relays(relays) => {
                self.relays = relays;
                vec![]
            }
            RecoveryEvent::RelaysAnswer(answer) => {
                let changed = std::mem::replace(&mut self.relays_answer, answer) != answer;
                let waits = matches!(self.state, State::Setup { .. }) && self.route == Route::Relay && !self.hides;
                // What may use nothing but a relay has no address at all.
                if changed && !answer && waits { self.climb(now) } else { vec![] }
            }
            // One side is enough: a restart renews both, and ours come twice in the life of theirs.
            RecoveryEvent::Renewed if self.leads && self.is_healthy() && self.flow.relayed == Some(true) => {
                vec![RecoveryEffect::Restart] // Nothing is wrong: the old route carries on until the new one does.
            }
            RecoveryEvent::Renewed => vec![],
            RecoveryEvent::ForceRelay => {
                self.relays_answer = true; // Whether they do or not.
                self.rebuild_at(now, Rung::RelayOnly)
            }
            RecoveryEvent::Tick => self.tick(now),
        }
    }

    const fn can_relay(&self) -> bool {
        self.relays && self.relays_answer
    }

    /// One side repairs, the other gives it time.
    const fn patience_ms(&self) -> u64 {
        if self.leads { 0 } else { Limits::PC_FOLLOWER_EXTRA_MS }
    }

    fn heal(&mut self, now: Millis) -> Vec<RecoveryEffect> {
        (self.moved, self.still, self.wrong_since, self.first_opened) = (now, None, None, None);
        let was = self.state;
        if !matches!(was, State::Healthy { .. }) {
            self.state = State::Healthy { since: now };
            self.seen = now;
        }
        // A new connection begins with a whole picture by itself.
        if matches!(was, State::Trouble { .. }) { vec![RecoveryEffect::Refresh] } else { vec![] }
    }

    /// Media does not flow; unless it does by `until`, the next rung is taken.
    fn fall_ill(&mut self, now: Millis, until: Millis) {
        match &mut self.state {
            State::Healthy { .. } => {
                self.wrong_since = Some(self.moved.min(now));
                self.rung = self.rung.max(Rung::Wait);
                self.state = State::Trouble { until, restarting: false };
            }
            State::Trouble { until: known, .. } => *known = (*known).min(until),
            State::Idle | State::Setup { .. } => {}
        }
    }

    fn flowed(&mut self, now: Millis, flow: Flow) -> Vec<RecoveryEffect> {
        let came = flow.bytes > self.flow.bytes;
        if flow.frames > self.flow.frames || !self.expects_picture {
            self.seen = now;
        }
        if flow.picture_bytes > self.flow.picture_bytes || !self.expects_picture {
            self.pictured = now;
        }
        self.flow = flow;
        if came {
            (self.moved, self.still) = (now, None);
            if matches!(self.state, State::Trouble { .. }) {
                return self.heal(now);
            }
            if self.is_blind_for_good(now) {
                self.given_up_blind = Some(now);
                self.wrong_since.get_or_insert(self.pictured);
                return self.rebuild_at(now, self.rung.max(Rung::Rebuild));
            }
            // A decoder that waits for a whole picture asks for one every three seconds only.
            let blind = now.since(self.seen) >= Limits::ASK_PICTURE_MS && self.is_healthy();
            if blind && now.since(self.asked) >= Limits::ASK_PICTURE_EVERY_MS {
                self.asked = now;
                return vec![RecoveryEffect::AskPicture];
            }
            return vec![];
        }
        // Two samples without anything: a single late one may be the page's own sleep.
        let first = *self.still.get_or_insert(now);
        if first < now && self.expects_media && now.since(self.moved) >= Limits::STALL_MS {
            // Only this side knows that its network is another one, so it does not wait for the other to act.
            let hurry = now <= self.hurry_until;
            let patience = now.plus(Limits::STALL_PATIENCE_MS + self.patience_ms());
            let until = if hurry { now } else { patience };
            if self.is_healthy() {
                self.fall_ill(now, until);
            }
        }
        vec![]
    }

    /// Sound comes, and of the pictures that are said to be sent not a byte: this connection has lost them. It may be
    /// their camera as well, so a new connection is tried once in a while only.
    fn is_blind_for_good(&self, now: Millis) -> bool {
        self.is_healthy()
            && self.rung < Rung::AudioOnly
            && !self.plain
            && now.since(self.pictured) >= Limits::PICTURE_LOST_MS
            && self.given_up_blind.is_none_or(|at| now.since(at) >= Limits::PICTURE_AGAIN_MS)
    }

    fn tick(&mut self, now: Millis) -> Vec<RecoveryEffect> {
        match self.state {
            State::Setup { until } | State::Trouble { until, .. } if now >= until => self.climb(now),
            State::Healthy { since } if self.rung > Rung::Rebuild && now.since(since) >= self.hold_ms => {
                self.step_down(now)
            }
            State::Healthy { since } if self.rung <= Rung::Rebuild && now.since(since) >= Limits::SETTLED_AFTER_MS => {
                (self.rung, self.restarts, self.stepped) = (Rung::Clear, 0, None);
                self.hold_ms = Limits::STEP_DOWN_AFTER_MS;
                vec![]
            }
            State::Idle | State::Setup { .. } | State::Healthy { .. } | State::Trouble { .. } => vec![],
        }
    }

    /// Takes the next rung.
    fn climb(&mut self, now: Millis) -> Vec<RecoveryEffect> {
        self.wrong_since.get_or_insert(now);
        if let Some((rung, at)) = self.stepped.take()
            && now.since(at) < Limits::STEP_WATCH_MS
        {
            // The step down was too early: back up, and the next try comes later.
            self.hold_ms = (self.hold_ms * 2).min(Limits::STEP_DOWN_CAP_MS);
            return self.rebuild_at(now, rung);
        }
        let was_up = matches!(self.state, State::Trouble { .. });
        if was_up && self.restarts < Limits::ICE_RESTARTS {
            self.restarts += 1;
            self.rung = self.rung.max(Rung::Restart);
            let until = now.plus(Limits::RESTART_WITHIN_MS + self.patience_ms());
            self.state = State::Trouble { until, restarting: true };
            return vec![RecoveryEffect::Restart];
        }
        let next = match self.rung {
            Rung::Clear | Rung::Wait | Rung::Restart => Rung::Rebuild,
            Rung::Rebuild if self.can_relay() || self.hides => Rung::RelayOnly,
            Rung::Rebuild | Rung::RelayOnly | Rung::AudioOnly => Rung::AudioOnly,
        };
        self.rebuild_at(now, next)
    }

    fn rebuild_at(&mut self, now: Millis, rung: Rung) -> Vec<RecoveryEffect> {
        // At the top the routes take turns: it may be the relay that is broken.
        let again = self.rung == Rung::AudioOnly && rung == Rung::AudioOnly;
        let route = match rung {
            Rung::Clear | Rung::Wait | Rung::Restart | Rung::Rebuild => Route::Any,
            Rung::RelayOnly if !self.relays_answer => Route::Any,
            Rung::RelayOnly => Route::Relay,
            Rung::AudioOnly if !self.can_relay() || (again && self.route == Route::Relay) => Route::Any,
            Rung::AudioOnly => Route::Relay,
        };
        let picture = rung < Rung::AudioOnly;
        (self.rung, self.restarts, self.rebuilding) = (rung, 0, true);
        self.state = State::Setup { until: now.plus(Limits::PC_CONNECT_WITHIN_MS + self.patience_ms()) };
        let mut effects = self.switch(route, picture);
        effects.push(RecoveryEffect::Rebuild);
        effects
    }

    fn switch(&mut self, route: Route, picture: bool) -> Vec<RecoveryEffect> {
        let mut effects = vec![];
        let route = if self.hides { Route::Relay } else { route };
        if std::mem::replace(&mut self.route, route) != route {
            effects.push(RecoveryEffect::Route(route));
        }
        if std::mem::replace(&mut self.picture, picture) != picture {
            effects.push(RecoveryEffect::Picture(picture));
        }
        effects
    }

    /// Healthy for long enough: pictures again, then every route again.
    fn step_down(&mut self, now: Millis) -> Vec<RecoveryEffect> {
        self.stepped = Some((self.rung, now));
        self.state = State::Healthy { since: now };
        match self.rung {
            Rung::AudioOnly if self.route == Route::Relay => {
                self.rung = Rung::RelayOnly;
                self.switch(Route::Relay, true)
            }
            Rung::Clear | Rung::Wait | Rung::Restart | Rung::Rebuild | Rung::AudioOnly => {
                self.rung = Rung::Rebuild;
                self.switch(Route::Any, true)
            }
            Rung::RelayOnly => {
                self.rung = Rung::Rebuild;
                let mut effects = self.switch(Route::Any, true);
                effects.push(RecoveryEffect::Restart);
                effects
            }
        }
    }
}

#[cfg(test)]
mod tests;
