//! The signalling link: one socket at a time, opened again for as long as the page lives.

mod rtt;

use crate::backoff::Backoff;
use crate::id::SocketEpoch;
use crate::limits::Limits;
use crate::rng::Rng;
use crate::time::Millis;
use crate::wire::{CloseCode, Retry};
use rtt::Rtt;

/// Where the link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Not started.
    Idle,
    /// The socket is being opened; given up at `until`.
    Opening {
        /// When the attempt counts as failed.
        until: Millis,
    },
    /// The socket is open and the first message is sent; given up at `until`.
    Greeting {
        /// When the attempt counts as failed.
        until: Millis,
    },
    /// The server answered.
    Online {
        /// Since when.
        since: Millis,
        /// When something last arrived.
        heard: Millis,
        /// When a ping was last sent.
        pinged: Millis,
        /// The link is in doubt and given up at this time if nothing arrives.
        doubted: Option<Millis>,
    },
    /// Between two attempts.
    Waiting {
        /// When the next one starts.
        until: Millis,
    },
    /// Given up, because the server said that coming back would end the same way.
    Stopped(CloseCode),
}

/// What happens to the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// Open it.
    Start,
    /// The socket of this epoch is open.
    Opened(SocketEpoch),
    /// Something arrived on the socket of this epoch.
    Heard(SocketEpoch),
    /// The server accepted our first message.
    Greeted,
    /// The socket of this epoch is closed.
    Closed(SocketEpoch, CloseCode, String),
    /// The network may be back, or somebody asked to try now.
    TryNow,
    /// A ping was answered after this many milliseconds.
    Ponged(u64),
    /// Something else over the same network just broke: is this link still there?
    Doubt,
    /// Close it for good.
    Stop,
    /// Time has passed.
    Tick,
}

/// What must be done for the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEffect {
    /// Open a socket under this epoch.
    Open(SocketEpoch),
    /// Close the socket of this epoch.
    Close(SocketEpoch),
    /// Send the first message on the socket of this epoch.
    Greet,
    /// Send a ping.
    Ping,
    /// The link was up and is down.
    Lost,
}

/// The state machine of the link.
#[derive(Clone, Debug)]
pub struct Link {
    state: LinkState,
    /// Without a heartbeat.
    plain: bool,
    /// Hears nothing more on this socket, because a developer wants it so.
    frozen: bool,
    rtt: Rtt,
    epoch: SocketEpoch,
    attempt: u32,
    rng: Rng,
}

impl Link {
    /// A link that was not started; `rng` is used for jitter only.
    #[must_use]
    pub const fn new(rng: Rng) -> Self {
        Self {
            state: LinkState::Idle,
            plain: false,
            frozen: false,
            rtt: Rtt::UNKNOWN,
            epoch: SocketEpoch::from_number(0),
            attempt: 0,
            rng,
        }
    }

    /// From now on only what the browser says of the socket counts, as in clients without a heartbeat.
    pub const fn be_plain(&mut self) {
        self.plain = true;
    }

    /// Hears nothing more on the socket there is.
    pub const fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> LinkState {
        self.state
    }

    /// The epoch of the newest socket.
    #[must_use]
    pub const fn epoch(&self) -> SocketEpoch {
        self.epoch
    }

    /// Attempts since the link was last up.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether messages can be sent.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        matches!(self.state, LinkState::Online { .. })
    }

    /// Whether what arrives on the newest socket counts: once it is given up, nothing does.
    #[must_use]
    pub const fn listens(&self) -> bool {
        matches!(self.state, LinkState::Greeting { .. } | LinkState::Online { .. })
    }

    /// When to call [`Link::handle`] with [`LinkEvent::Tick`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        match self.state {
            LinkState::Idle | LinkState::Stopped(_) => None,
            LinkState::Opening { until } | LinkState::Greeting { until } | LinkState::Waiting { until } => Some(until),
            LinkState::Online { heard, pinged, doubted, .. } => {
                let dead_ms = if self.plain { u64::MAX >> 1 } else { self.rtt.dead_after_ms() };
                let dead = heard.plus(dead_ms);
                [pinged.plus(Limits::PING_EVERY_MS), doubted.unwrap_or(dead), dead].into_iter().min()
            }
        }
    }

    /// Applies one event.
    #[must_use]
    pub fn handle(&mut self, now: Millis, event: LinkEvent) -> Vec<LinkEffect> {
        match event {
            LinkEvent::TryNow | LinkEvent::Doubt if self.plain => vec![],
            LinkEvent::Start => match self.state {
                LinkState::Idle | LinkState::Stopped(_) => {
                    self.attempt = 0;
                    self.open(now)
                }
                LinkState::Opening { .. }
                | LinkState::Greeting { .. }
                | LinkState::Online { .. }
                | LinkState::Waiting { .. } => vec![],
            },
            LinkEvent::Opened(epoch) => match self.state {
                LinkState::Opening { until } if epoch == self.epoch => {
                    self.state = LinkState::Greeting { until: until.max(now.plus(Limits::CONNECT_WITHIN_MS)) };
                    vec![LinkEffect::Greet]
                }
                _ => vec![], // From a socket we already replaced.
            },
            LinkEvent::Heard(epoch) => {
                if let LinkState::Online { heard, doubted, .. } = &mut self.state
                    && epoch == self.epoch
                    && !self.frozen
                {
                    (*heard, *doubted) = (now, None);
                }
                vec![]
            }
            LinkEvent::Greeted => {
                if let LinkState::Greeting { .. } = self.state {
                    self.state = LinkState::Online { since: now, heard: now, pinged: now, doubted: None };
                }
                vec![]
            }
            LinkEvent::Closed(epoch, code, reason) => {
                if epoch != self.epoch || self.is_at_rest() {
                    return vec![]; // From a socket we already replaced.
                }
                self.lost(now, code, &reason)
            }
            LinkEvent::TryNow => self.try_now(now),
            LinkEvent::Ponged(ms) => {
                self.rtt.measured(ms);
                vec![]
            }
            LinkEvent::Doubt => {
                let within = self.rtt.answer_within_ms();
                let LinkState::Online { doubted, .. } = &mut self.state else { return vec![] };
                doubted.get_or_insert(now.plus(within));
                self.ping(now)
            }
            LinkEvent::Stop => {
                let close = if self.is_at_rest() { vec![] } else { vec![LinkEffect::Close(self.epoch)] };
                self.state = LinkState::Stopped(CloseCode::Normal);
                close
            }
            LinkEvent::Tick => self.tick(now),
        }
    }

    const fn is_at_rest(&self) -> bool {
        matches!(self.state, LinkState::Idle | LinkState::Waiting { .. } | LinkState::Stopped(_))
    }

    fn open(&mut self, now: Millis) -> Vec<LinkEffect> {
        self.epoch = self.epoch.next();
        self.frozen = false;
        self.state = LinkState::Opening { until: now.plus(Limits::CONNECT_WITHIN_MS) };
        vec![LinkEffect::Open(self.epoch)]
    }

    fn lost(&mut self, now: Millis, code: CloseCode, reason: &str) -> Vec<LinkEffect> {
        let mut effects = vec![];
        if let LinkState::Online { since, .. } = self.state {
            effects.push(LinkEffect::Lost);
            if now.since(since) >= Limits::LINK_SETTLED_MS {
                self.attempt = 0;
            }
        }
        let wait_ms = match code.retry(reason) {
            Retry::Stop => {
                self.state = LinkState::Stopped(code);
                return effects;
            }
            // The server's wait is spread a little more, so that equal hints do not meet again.
            Retry::After(ms) => ms.saturating_add(self.rng.below(Limits::RETRY_FIRST_MS)),
            Retry::Now => Backoff::LINK.delay_ms(self.attempt, &mut self.rng),
        };
        self.attempt = self.attempt.saturating_add(1);
        self.state = LinkState::Waiting { until: now.plus(wait_ms) };
        effects
    }

    /// A connect that hangs is replaced, a wait is cut short; a link that seems up is asked to prove it.
    fn try_now(&mut self, now: Millis) -> Vec<LinkEffect> {
        match self.state {
            LinkState::Waiting { .. } => self.open(now),
            LinkState::Opening { until } if until.since(now) + 300 < Limits::CONNECT_WITHIN_MS => {
                let mut effects = vec![LinkEffect::Close(self.epoch)];
                effects.extend(self.open(now));
                effects
            }
            LinkState::Online { pinged, .. } if now.since(pinged) > 200 => self.ping(now),
            LinkState::Idle
            | LinkState::Opening { .. }
            | LinkState::Greeting { .. }
            | LinkState::Online { .. }
            | LinkState::Stopped(_) => vec![],
        }
    }

    fn tick(&mut self, now: Millis) -> Vec<LinkEffect> {
        match self.state {
            LinkState::Waiting { until } if now >= until => self.open(now),
            LinkState::Opening { until } | LinkState::Greeting { until } if now >= until => self.give_up_socket(now),
            LinkState::Online { doubted: Some(at), .. } if now >= at => {
                // The network under it is another one: nothing is overloaded, so nothing is gained by waiting.
                let mut effects = self.give_up_socket(now);
                if self.attempt == 1 {
                    effects.extend(self.open(now));
                }
                effects
            }
            LinkState::Online { heard, .. } if !self.plain && now.since(heard) >= self.rtt.dead_after_ms() => {
                self.give_up_socket(now)
            }
            LinkState::Online { pinged, .. } if now.since(pinged) >= Limits::PING_EVERY_MS => self.ping(now),
            LinkState::Idle
            | LinkState::Opening { .. }
            | LinkState::Greeting { .. }
            | LinkState::Online { .. }
            | LinkState::Waiting { .. }
            | LinkState::Stopped(_) => vec![],
        }
    }

    fn ping(&mut self, now: Millis) -> Vec<LinkEffect> {
        if let LinkState::Online { pinged, .. } = &mut self.state {
            *pinged = now;
        }
        vec![LinkEffect::Ping]
    }

    fn give_up_socket(&mut self, now: Millis) -> Vec<LinkEffect> {
        let mut effects = vec![LinkEffect::Close(self.epoch)];
        effects.extend(self.lost(now, CloseCode::Broken, ""));
        effects
    }
}

#[cfg(test)]
mod tests;
