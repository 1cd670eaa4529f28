//! A token bucket: how often somebody may do something.

use crate::time::Millis;

/// Allows `burst` at once and `per_s` a second in the long run. Counts in thousandths so that slow rates stay exact.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    burst: u64,
    per_s: u64,
    level: u64,
    at: Millis,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(now: Millis, burst: u32, per_s: u32) -> Self {
        let burst = u64::from(burst) * 1_000;
        Self { burst, per_s: u64::from(per_s), level: burst, at: now }
    }

    /// Takes one token; false if none is left.
    #[must_use]
    pub fn take(&mut self, now: Millis) -> bool {
        self.take_many(now, 1)
    }

    /// Takes so many tokens at once; false, and none is taken, if fewer are left.
    #[must_use]
    pub fn take_many(&mut self, now: Millis, tokens: u32) -> bool {
        self.refill(now);
        let wanted = u64::from(tokens) * 1_000;
        let taken = self.level >= wanted;
        if taken {
            self.level -= wanted;
        }
        taken
    }

    /// Whether nothing is remembered of the past, so that the bucket may be forgotten.
    #[must_use]
    pub fn is_full(&mut self, now: Millis) -> bool {
        self.refill(now);
        self.level == self.burst
    }

    fn refill(&mut self, now: Millis) {
        let gained = now.since(self.at).saturating_mul(self.per_s);
        self.level = self.level.saturating_add(gained).min(self.burst);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_holds() {
        let mut bucket = Bucket::new(Millis::ZERO, 3, 2);
        let passed = (0..10).filter(|_| bucket.take(Millis::ZERO)).count();
        assert_eq!(passed, 3);
        assert!(!bucket.take(Millis::from_unix(499)));
        assert!(bucket.take(Millis::from_unix(500)));
        assert!(!bucket.take(Millis::from_unix(500)));
    }

    #[test]
    fn what_is_taken_at_once_is_there_whole_or_not_taken() {
        let mut bucket = Bucket::new(Millis::ZERO, 1_000, 100);
        assert!(bucket.take_many(Millis::ZERO, 700));
        assert!(!bucket.take_many(Millis::ZERO, 400));
        assert!(bucket.take_many(Millis::ZERO, 300), "the refusal took nothing");
        assert!(bucket.take_many(Millis::from_unix(1_000), 100));
        assert!(!bucket.take(Millis::from_unix(1_000)));
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing() {
        let mut bucket = Bucket::new(Millis::from_unix(1_000), 1, 1);
        assert!(bucket.take(Millis::from_unix(1_000)));
        assert!(!bucket.take(Millis::from_unix(0)));
        assert!(bucket.take(Millis::from_unix(2_000)));
        assert!(bucket.is_full(Millis::from_unix(9_000)));
    }
}
