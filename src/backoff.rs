//! How long to wait before trying again: exponential backoff with full jitter.

use crate::limits::Limits;
use crate::rng::Rng;

/// Full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015): uniform from 0 to a bound that doubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first wait, in milliseconds.
    pub first_ms: u64,
    /// Upper bound of every wait, in milliseconds.
    pub cap_ms: u64,
}

impl Backoff {
    /// The waits of the signalling link.
    pub const LINK: Self = Self { first_ms: Limits::RETRY_FIRST_MS, cap_ms: Limits::RETRY_CAP_MS };

    /// The waits for messages that the server cannot find right now.
    pub const HISTORY: Self = Self { first_ms: Limits::HISTORY_AGAIN_MS, cap_ms: Limits::HISTORY_WITHIN_MS };

    /// The bound of the wait before attempt number `attempt`, counted from 0.
    #[must_use]
    pub fn bound_ms(self, attempt: u32) -> u64 {
        let factor = 1_u64.checked_shl(attempt.min(32)).unwrap_or(u64::MAX);
        self.first_ms.saturating_mul(factor).min(self.cap_ms)
    }

    /// A wait before attempt number `attempt`, in milliseconds.
    pub fn delay_ms(self, attempt: u32, rng: &mut Rng) -> u64 {
        rng.below(self.bound_ms(attempt).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_cap() {
        let bounds: Vec<u64> = (0..6).map(|n| Backoff::LINK.bound_ms(n)).collect();
        assert_eq!(bounds, [400, 800, 1_600, 3_200, 4_000, 4_000]);
        assert_eq!(Backoff::LINK.bound_ms(u32::MAX), 4_000);
    }

    #[test]
    fn waits_spread_over_the_whole_range() {
        let mut rng = Rng::new(5);
        let waits: Vec<u64> = (0..1_000).map(|_| Backoff::LINK.delay_ms(9, &mut rng)).collect();
        assert!(waits.iter().all(|w| *w <= 4_000));
        assert!(waits.iter().any(|w| *w < 400) && waits.iter().any(|w| *w > 3_600));
    }
}
