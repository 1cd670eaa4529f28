//! The server's clock: wall time that never runs backwards, and its way to tokio's.

use holdfast::Millis;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// The wall clock and the monotonic clock, read together once.
static START: OnceLock<(u64, Instant)> = OnceLock::new();

fn start() -> (u64, Instant) {
    *START.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (u64::try_from(since.as_millis()).unwrap_or(u64::MAX), Instant::now())
    })
}

/// Now. A step of the system's clock after the start changes nothing.
#[must_use]
pub fn now() -> Millis {
    let (wall, began) = start();
    Millis::from_unix(wall.saturating_add(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)))
}

/// The tokio instant of a time.
#[must_use]
pub fn instant_of(at: Millis) -> Instant {
    let (wall, began) = start();
    began + Duration::from_millis(at.as_unix().saturating_sub(wall))
}
