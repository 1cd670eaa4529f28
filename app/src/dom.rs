//! Element ids that the frontend looks up.

use holdfast::PeerId;

/// The meter of the own microphone.
pub const METER_ID: &str = "mic-meter";

/// The video element of a person; `None` is oneself.
#[must_use]
pub fn video_id(who: Option<PeerId>) -> String {
    who.map_or_else(|| "video-self".to_owned(), |peer| format!("video-{peer}"))
}
