//! The server's clock: wall time that never runs backwards, and its way to tokio's.
//!
//! The monotonic clock stands still while a machine sleeps, and knows nothing of a wall clock that is put right. So steps
//! forward are followed; a room makes nothing of silence in a time it did not live through.

use holdfast::Millis;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Differences up to this are the two clocks' own, in milliseconds.
const STEP_MS: u64 = 500;

static CLOCK: LazyLock<(Clock, Instant)> = LazyLock::new(|| (Clock::starting_at(wall_ms()), Instant::now()));

/// The wall clock as read once, and how far it went ahead of the monotonic one since.
struct Clock {
    start_ms: u64,
    ahead_ms: AtomicU64,
}

impl Clock {
    const fn starting_at(start_ms: u64) -> Self {
        Self { start_ms, ahead_ms: AtomicU64::new(0) }
    }

    /// The time after `elapsed_ms` of the monotonic clock, when the wall clock says `wall_ms`.
    fn read(&self, elapsed_ms: u64, wall_ms: u64) -> u64 {
        let steady = self.start_ms.saturating_add(elapsed_ms);
        let ahead = wall_ms.saturating_sub(steady);
        let known = self.ahead_ms.load(Ordering::Relaxed);
        let ahead = if ahead > known.saturating_add(STEP_MS) {
            self.ahead_ms.fetch_max(ahead, Ordering::Relaxed).max(ahead)
        } else {
            known
        };
        steady.saturating_add(ahead)
    }
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Now. It follows the system's clock forward and never goes back.
#[must_use]
pub fn now() -> Millis {
    let (clock, began) = &*CLOCK;
    Millis::from_unix(clock.read(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX), wall_ms()))
}

/// What the system's clock says, in seconds, also after a step back: for what other machines judge by theirs.
#[must_use]
pub fn wall_s() -> u64 {
    wall_ms() / 1_000
}

/// The tokio instant of a time.
#[must_use]
pub fn instant_of(at: Millis) -> Instant {
    Instant::now() + Duration::from_millis(at.since(now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_slept_or_was_put_right_is_followed_and_never_runs_back() {
        let clock = Clock::starting_at(1_000_000);
        assert_eq!(clock.read(10, 1_000_010), 1_000_010);
        assert_eq!(clock.read(20, 4_600_020), 4_600_020, "an hour asleep, or set right by an hour");
        assert_eq!(clock.read(30, 1_000_030), 4_600_030, "a step back is not followed");
        assert_eq!(clock.read(40, 4_600_300), 4_600_040, "small differences are the clocks' own");
    }
}
