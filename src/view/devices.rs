//! Cameras, microphones and speakers, as the page shows them.

/// A kind of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaKind {
    /// The microphone.
    Audio,
    /// The camera.
    Video,
}

/// Why a microphone or camera cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaProblem {
    /// The person or the browser said no.
    Denied,
    /// There is no such device.
    Missing,
    /// Another program uses it.
    Busy,
    /// The page is not served over HTTPS or from this computer.
    Insecure,
    /// The browser cannot do this.
    Unsupported,
    /// The system took it for a while, for a phone call perhaps; it comes back by itself.
    Interrupted,
    /// Anything else.
    Other,
}

impl MediaProblem {
    /// What to tell the person about it.
    #[must_use]
    pub const fn advice(self, kind: MediaKind) -> &'static str {
        match (self, kind) {
            (Self::Denied, MediaKind::Video) => {
                "The camera is blocked. Allow it in the address bar, or join without it."
            }
            (Self::Denied, MediaKind::Audio) => {
                "The microphone is blocked. Allow it in the address bar, or join without it."
            }
            (Self::Missing, MediaKind::Video) => "No camera found. Connect one, or join without it.",
            (Self::Missing, MediaKind::Audio) => "No microphone found. Connect one, or join without it.",
            (Self::Busy, MediaKind::Video) => "Another program is using the camera. Close it and try again.",
            (Self::Busy, MediaKind::Audio) => "Another program is using the microphone. Close it and try again.",
            (Self::Insecure, _) => {
                "Browsers allow camera and microphone only on secure pages. Open this page with https."
            }
            (Self::Unsupported, _) => {
                "This browser cannot make video calls. A current Chrome, Firefox, Safari or Edge can."
            }
            (Self::Interrupted, MediaKind::Video) => "The camera is interrupted. It comes back by itself.",
            (Self::Interrupted, MediaKind::Audio) => "The microphone is interrupted. It comes back by itself.",
            (Self::Other, MediaKind::Video) => "The camera did not start. Try again, or choose another one.",
            (Self::Other, MediaKind::Audio) => "The microphone did not start. Try again, or choose another one.",
        }
    }
}

/// How an own microphone or camera is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceState {
    /// Wanted, and being started.
    #[default]
    Starting,
    /// Wanted, and the browser waits for the person to allow it.
    Asking,
    /// Running.
    On,
    /// Wanted, and not started before the person does something: it was not they who opened the page.
    Held,
    /// Switched off by the person.
    Off,
    /// Wanted, and not to be had.
    Failed(MediaProblem),
}

impl DeviceState {
    /// How it is, as screen readers say it after a switch.
    #[must_use]
    pub const fn words(self, kind: MediaKind) -> &'static str {
        match (self, kind) {
            (Self::On, MediaKind::Audio) => "Microphone on.",
            (Self::On, MediaKind::Video) => "Camera on.",
            (Self::Off | Self::Held, MediaKind::Audio) => "Microphone off.",
            (Self::Off | Self::Held, MediaKind::Video) => "Camera off.",
            (Self::Starting, MediaKind::Audio) => "Starting the microphone.",
            (Self::Starting, MediaKind::Video) => "Starting the camera.",
            (Self::Asking, MediaKind::Audio) => ASKS_MICROPHONE,
            (Self::Asking, MediaKind::Video) => ASKS_CAMERA,
            (Self::Failed(problem), _) => problem.advice(kind),
        }
    }
}

const ASKS_MICROPHONE: &str = "Your browser asks for the microphone: please allow.";
const ASKS_CAMERA: &str = "Your browser asks for the camera: please allow.";

/// What to say where the browser keeps the sound back.
pub const UNHEARD: &str = "Click to hear the others";

/// What the browser asks the person, if it asks.
#[must_use]
pub fn question(microphone: DeviceState, camera: DeviceState) -> Option<&'static str> {
    match (microphone == DeviceState::Asking, camera == DeviceState::Asking) {
        (true, true) => Some("Your browser asks for camera and microphone: please allow."),
        (true, false) => Some(ASKS_MICROPHONE),
        (false, true) => Some(ASKS_CAMERA),
        (false, false) => None,
    }
}

/// A device one can choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The browser's id for it.
    pub id: String,
    /// Its name.
    pub label: String,
}

/// The devices one can choose from, and which are in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// Cameras.
    pub cameras: Vec<Device>,
    /// Microphones.
    pub microphones: Vec<Device>,
    /// Speakers; empty where the browser does not let one choose.
    pub speakers: Vec<Device>,
    /// The camera in use.
    pub camera: String,
    /// The microphone in use.
    pub microphone: String,
    /// The speaker in use.
    pub speaker: String,
}
