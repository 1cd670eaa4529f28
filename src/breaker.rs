//! A circuit breaker: stops asking what does not answer, and asks once in a while whether it does again.

use crate::backoff::Backoff;
use crate::rng::Rng;
use crate::time::Millis;

/// Failures in a row after which nothing more is asked.
const TRIES: u32 = 3;
/// How long it stays open: doubling, with jitter, so that nodes do not ask together.
const WAITS: Backoff = Backoff { first_ms: 500, cap_ms: 4_000 };
/// A probe that has not come back by then counts as failed.
const PROBE_MS: u64 = 3_000;

/// Whether the dependency may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Yes; `failures` in a row so far.
    Closed {
        /// How many.
        failures: u32,
    },
    /// Not before `until`.
    Open {
        /// When one question may go through.
        until: Millis,
        /// How often it was opened in a row.
        times: u32,
    },
    /// One question is out, and its answer decides.
    HalfOpen {
        /// When the question counts as lost.
        until: Millis,
        /// How often it was opened in a row.
        times: u32,
    },
}

impl BreakerState {
    /// The stable name of the state.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half_open",
        }
    }
}

/// The breaker of one dependency.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: BreakerState,
    down_since: Option<Millis>,
    rng: Rng,
}

impl Breaker {
    /// A closed one; `rng` is used for jitter only.
    #[must_use]
    pub const fn new(rng: Rng) -> Self {
        Self { state: BreakerState::Closed { failures: 0 }, down_since: None, rng }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// Since when the dependency is not to be asked freely.
    #[must_use]
    pub const fn down_since(&self) -> Option<Millis> {
        self.down_since
    }

    /// Whether a question may go out now. When one may after a wait, it is the probe.
    pub fn allow(&mut self, now: Millis) -> bool {
        match self.state {
            BreakerState::Closed { .. } => true,
            BreakerState::Open { until, times } | BreakerState::HalfOpen { until, times } if now >= until => {
                self.state = BreakerState::HalfOpen { until: now.plus(PROBE_MS), times };
                true
            }
            BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => false,
        }
    }

    /// An answer came. True when the state changed.
    pub fn succeeded(&mut self) -> bool {
        let was_closed = matches!(self.state, BreakerState::Closed { .. });
        (self.state, self.down_since) = (BreakerState::Closed { failures: 0 }, None);
        !was_closed
    }

    /// No answer came, or that the dependency cannot. True when the state changed.
    pub fn failed(&mut self, now: Millis) -> bool {
        match self.state {
            BreakerState::Closed { failures } if failures + 1 < TRIES => {
                self.state = BreakerState::Closed { failures: failures + 1 };
                false
            }
            BreakerState::Closed { .. } => {
                self.down_since = Some(now);
                self.open(now, 0);
                true
            }
            BreakerState::HalfOpen { times, .. } => {
                self.open(now, times + 1);
                true
            }
            BreakerState::Open { .. } => false, // Asked before it was opened.
        }
    }

    fn open(&mut self, now: Millis, times: u32) {
        let bound = WAITS.bound_ms(times);
        self.state = BreakerState::Open { until: now.plus(bound / 2 + self.rng.below(bound / 2)), times };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Millis {
        Millis::from_unix(ms)
    }

    #[test]
    fn it_opens_after_three_failures_and_lets_one_probe_through() {
        let mut breaker = Breaker::new(Rng::new(1));
        assert!(!breaker.failed(at(0)) && !breaker.failed(at(1)) && breaker.failed(at(2)));
        assert_eq!((breaker.allow(at(3)), breaker.down_since()), (false, Some(at(2))));
        assert!(breaker.allow(at(600)), "the probe");
        assert!(!breaker.allow(at(601)), "and only one");
        assert!(breaker.failed(at(700)));
        assert!(!breaker.allow(at(1_100)), "the second wait is longer");
        assert!(breaker.allow(at(1_800)));
        assert!(breaker.succeeded() && breaker.allow(at(1_801)));
        assert_eq!((breaker.state(), breaker.down_since()), (BreakerState::Closed { failures: 0 }, None));
    }

    #[test]
    fn a_success_forgets_failures_and_a_lost_probe_does_not_block() {
        let mut breaker = Breaker::new(Rng::new(1));
        assert!(!breaker.failed(at(0)) && !breaker.failed(at(0)) && !breaker.succeeded());
        assert!(!breaker.failed(at(0)) && !breaker.failed(at(0)) && breaker.failed(at(0)));
        assert!(breaker.allow(at(5_000)) && !breaker.allow(at(5_001)));
        assert!(breaker.allow(at(5_000 + PROBE_MS)), "nobody answered for the first probe");
    }

    #[test]
    fn late_failures_do_not_prolong_an_outage() {
        let mut breaker = Breaker::new(Rng::new(1));
        assert!([0, 0, 0].into_iter().filter(|ms| breaker.failed(at(*ms))).count() == 1);
        let open = breaker.state();
        assert!(!breaker.failed(at(100)));
        assert_eq!(breaker.state(), open);
    }
}
