//! The signalling link: one socket at a time, opened again for as long as the page lives.

use crate::backoff::Backoff;
use crate::id::SocketEpoch;
use crate::limits::Limits;
use crate::rng::Rng;
use crate::time::Millis;
use crate::wire::{CloseCode, Retry};

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

/// How long an answer takes, smoothed as TCP does (RFC 6298): the silence that means something grows with it.
#[derive(Clone, Copy, Debug)]
struct Rtt {
    smooth_ms: u64,
    varies_ms: u64,
}

impl Rtt {
    const UNKNOWN: Self = Self { smooth_ms: 0, varies_ms: 0 };

    fn measured(&mut self, ms: u64) {
        let ms = ms.min(Limits::RTT_CAP_MS);
        if self.smooth_ms == 0 {
            *self = Self { smooth_ms: ms, varies_ms: ms / 2 };
            return;
        }
        self.varies_ms = (3 * self.varies_ms + self.smooth_ms.abs_diff(ms)) / 4;
        self.smooth_ms = (7 * self.smooth_ms + ms) / 8;
    }

    /// An answer that was sent once more on the way has come by then.
    fn answer_within_ms(self) -> u64 {
        Limits::DOUBT_MS.max(3 * (self.smooth_ms + 4 * self.varies_ms))
    }

    /// Silence of this length is a dead link: a lost segment is sent again after one, two and four timeouts.
    fn dead_after_ms(self) -> u64 {
        let timeout = self.smooth_ms + 4 * self.varies_ms;
        (Limits::PING_EVERY_MS + 7 * timeout).clamp(Limits::LINK_DEAD_AFTER_MS, Limits::LINK_DEAD_CAP_MS)
    }
}

/// The state machine of the link.
#[derive(Clone, Debug)]
pub struct Link {
    state: LinkState,
    /// Without a heartbeat.
    plain: bool,
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
mod tests {
    use super::*;

    fn at(ms: u64) -> Millis {
        Millis::from_unix(ms)
    }

    fn online() -> Link {
        let mut link = Link::new(Rng::new(1));
        assert_eq!(link.handle(at(0), LinkEvent::Start), [LinkEffect::Open(SocketEpoch::from_number(1))]);
        assert_eq!(link.handle(at(10), LinkEvent::Opened(link.epoch())), [LinkEffect::Greet]);
        assert_eq!(link.handle(at(20), LinkEvent::Greeted), []);
        assert!(link.is_online());
        link
    }

    #[test]
    fn an_old_sockets_words_are_dropped() {
        let mut link = online();
        let old = link.epoch();
        let _ = link.handle(at(30), LinkEvent::Closed(old, CloseCode::Broken, String::new()));
        let _ = link.handle(at(5_000), LinkEvent::Tick);
        assert_ne!(link.epoch(), old);
        let before = link.state();
        assert_eq!(link.handle(at(5_001), LinkEvent::Opened(old)), []);
        assert_eq!(link.handle(at(5_001), LinkEvent::Closed(old, CloseCode::Replaced, String::new())), []);
        assert_eq!(link.state(), before);
    }

    #[test]
    fn silence_is_noticed_and_a_ping_goes_first() {
        let mut link = online();
        assert_eq!(link.next_deadline(), Some(at(2_020)));
        assert_eq!(link.handle(at(2_020), LinkEvent::Tick), [LinkEffect::Ping]);
        let effects = link.handle(at(6_020), LinkEvent::Tick);
        assert_eq!(effects, [LinkEffect::Close(link.epoch()), LinkEffect::Lost]);
        assert!(matches!(link.state(), LinkState::Waiting { until } if until.since(at(6_020)) <= 400));
    }

    #[test]
    fn a_slow_link_is_given_more_time_and_a_doubted_one_less() {
        let mut link = online();
        for _ in 0..20 {
            let _ = link.handle(at(30), LinkEvent::Ponged(1_000));
        }
        assert_eq!(link.handle(at(7_000), LinkEvent::Tick), [LinkEffect::Ping], "an answer may still be on its way");
        let effects = link.handle(at(20_020), LinkEvent::Tick);
        assert_eq!(effects, [LinkEffect::Close(link.epoch()), LinkEffect::Lost], "but not for ever");
        let mut link = online();
        let _ = link.handle(at(30), LinkEvent::Ponged(40));
        assert_eq!(link.handle(at(100), LinkEvent::Doubt), [LinkEffect::Ping]);
        let _ = link.handle(at(150), LinkEvent::Heard(link.epoch()));
        assert_eq!(link.handle(at(1_900), LinkEvent::Tick), [], "it answered");
        assert_eq!(link.handle(at(2_000), LinkEvent::Doubt), [LinkEffect::Ping]);
        let old = link.epoch();
        let effects = link.handle(at(2_500), LinkEvent::Tick);
        assert_eq!(effects, [LinkEffect::Close(old), LinkEffect::Lost, LinkEffect::Open(link.epoch())]);
    }

    #[test]
    fn a_stop_code_stops_and_a_hint_is_obeyed() {
        let mut link = online();
        let _ = link.handle(at(50), LinkEvent::Closed(link.epoch(), CloseCode::Restart, "restart retry=2000".into()));
        assert!(matches!(link.state(), LinkState::Waiting { until } if (2_000..2_400).contains(&until.since(at(50)))));
        let mut link = online();
        let _ = link.handle(at(50), LinkEvent::Closed(link.epoch(), CloseCode::Replaced, String::new()));
        assert_eq!(link.state(), LinkState::Stopped(CloseCode::Replaced));
        assert_eq!(link.next_deadline(), None);
    }

    #[test]
    fn a_link_that_never_settles_keeps_backing_off() {
        let mut link = Link::new(Rng::new(4));
        let _ = link.handle(at(0), LinkEvent::Start);
        for n in 1..=6 {
            let _ = link.handle(at(n * 10_000), LinkEvent::Opened(link.epoch()));
            let _ = link.handle(at(n * 10_000), LinkEvent::Greeted);
            let _ = link.handle(at(n * 10_000), LinkEvent::Closed(link.epoch(), CloseCode::Broken, String::new()));
            assert_eq!(u64::from(link.attempt()), n);
            let _ = link.handle(at(n * 10_000 + 5_000), LinkEvent::Tick);
        }
    }

    #[test]
    fn online_again_cuts_the_wait_short() {
        let mut link = online();
        let _ = link.handle(at(50), LinkEvent::Closed(link.epoch(), CloseCode::Later, String::new()));
        assert_eq!(link.handle(at(60), LinkEvent::TryNow), [LinkEffect::Open(link.epoch())]);
        assert_eq!(link.handle(at(61), LinkEvent::TryNow), [], "a connect that just began is not aborted");
        let hung = link.epoch();
        assert_eq!(
            link.handle(at(1_000), LinkEvent::TryNow),
            [LinkEffect::Close(hung), LinkEffect::Open(link.epoch())]
        );
    }
}
