//! The page's clock: wall time that never runs backwards.

use holdfast::Millis;

/// Now, as the time the page was opened plus a monotonic clock.
pub fn now() -> Millis {
    let performance = web_sys::window().and_then(|window| window.performance());
    performance.map_or(Millis::ZERO, |clock| Millis::from_unix((clock.time_origin() + clock.now()) as u64))
}

/// Minutes by which the person's clock is ahead of UTC.
pub(crate) fn utc_offset_min() -> i32 {
    -(js_sys::Date::new_0().get_timezone_offset() as i32)
}
