//! The page's clock: wall time that never runs backwards.

use holdfast::Millis;

/// Now, as the time the page was opened plus a monotonic clock.
pub fn now() -> Millis {
    let performance = web_sys::window().and_then(|window| window.performance());
    performance.map_or(Millis::ZERO, |clock| Millis::from_unix((clock.time_origin() + clock.now()) as u64))
}

/// Minutes by which the person's clock is ahead of UTC at a time.
pub(crate) fn utc_offset_min(at: Millis) -> i32 {
    let date = js_sys::Date::new(&(at.as_unix() as f64).into());
    -(date.get_timezone_offset() as i32) // Of a time that is none it is not a number, and then 0.
}
