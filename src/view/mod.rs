//! What a person sees, as plain data: the only thing the user interface reads.

mod words;

use crate::id::{ChatId, Offset, PeerId, RoomId};
use crate::time::Millis;
use crate::wire::{CloseCode, Name};
use std::sync::Arc;

pub use words::{Piece, clock_text, initials, pieces};

/// Which screen is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Before the call: preview, devices, name.
    #[default]
    Lobby,
    /// 'Join' was pressed, the seat is on its way.
    Joining,
    /// In the call.
    InCall,
    /// After 'Leave'.
    Left,
    /// The server ended it for a reason that will not go away by itself.
    Ended(CloseCode),
}

/// How the link to the server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkView {
    /// The first connection is being made.
    #[default]
    Connecting,
    /// Up.
    Online,
    /// Down; tried again by itself.
    Offline {
        /// Attempts so far.
        attempt: u32,
    },
}

impl LinkView {
    /// The value of `data-link`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Online => "online",
            Self::Offline { .. } => "offline",
        }
    }
}

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
    /// Running.
    On,
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
            (Self::Off, MediaKind::Audio) => "Microphone off.",
            (Self::Off, MediaKind::Video) => "Camera off.",
            (Self::Starting, MediaKind::Audio) => "Starting the microphone.",
            (Self::Starting, MediaKind::Video) => "Starting the camera.",
            (Self::Failed(problem), _) => problem.advice(kind),
        }
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

/// How a person's media path is, as `data-media` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaPath {
    /// Flows.
    Live,
    /// Being set up or repaired.
    Recovering,
    /// Only sound, because the path carries no more.
    Audio,
    /// Their link and their media are both gone.
    Lost,
}

impl MediaPath {
    /// The value of `data-media`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Recovering => "recovering",
            Self::Audio => "audio",
            Self::Lost => "lost",
        }
    }
}

/// One other person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileView {
    /// Their seat.
    pub peer: PeerId,
    /// Their name.
    pub name: Name,
    /// Their microphone is on.
    pub audio: bool,
    /// Their camera is on.
    pub video: bool,
    /// They are speaking.
    pub speaking: bool,
    /// Their media path.
    pub path: MediaPath,
    /// Their link to the server is up.
    pub here: bool,
    /// Place in the grid, from 1; the own tile comes last.
    pub place: usize,
}

impl TileView {
    /// What is wrong, in words; empty when nothing is.
    #[must_use]
    pub fn trouble(&self) -> String {
        let name = self.name.as_str();
        match (self.path, self.here) {
            (MediaPath::Live | MediaPath::Audio, true) => String::new(),
            (MediaPath::Live | MediaPath::Audio, false) => format!("{name} lost the server, the call goes on"),
            (MediaPath::Recovering, true) => format!("Connecting to {name}…"),
            (MediaPath::Recovering | MediaPath::Lost, false) => {
                format!("{name}'s connection dropped, bringing them back…")
            }
            (MediaPath::Lost, true) => format!("{name}'s picture is lost, trying again…"),
        }
    }
}

/// Whether a chat message is safe on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatStatus {
    /// Not yet.
    Pending,
    /// In the room's log.
    Stored,
    /// It was refused for good; the person may try again.
    Failed,
}

impl ChatStatus {
    /// The value of `data-status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Stored => "stored",
            Self::Failed => "failed",
        }
    }
}

/// What lies before the first message shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Earlier {
    /// Nothing.
    #[default]
    None,
    /// Messages, to be had.
    There,
    /// Messages, on their way.
    Loading,
}

/// One chat message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatLine {
    /// Its id.
    pub id: ChatId,
    /// Who wrote it.
    pub name: Name,
    /// Whether I wrote it.
    pub mine: bool,
    /// What it says.
    pub text: Arc<str>,
    /// When it was stored, or written while it is pending.
    pub at: Millis,
    /// Its place in the log, once stored.
    pub offset: Option<Offset>,
    /// It was refused for good.
    pub failed: bool,
}

impl ChatLine {
    /// Whether it is safe on the server.
    #[must_use]
    pub const fn status(&self) -> ChatStatus {
        match (self.offset, self.failed) {
            (Some(_), _) => ChatStatus::Stored,
            (None, true) => ChatStatus::Failed,
            (None, false) => ChatStatus::Pending,
        }
    }
}

/// Something worth saying for a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Counts up, so that each is shown once.
    pub id: u64,
    /// The words.
    pub text: String,
    /// When it goes away.
    pub until: Millis,
}

/// Oneself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelfView {
    /// My name; empty until one is chosen.
    pub name: String,
    /// My seat.
    pub peer: Option<PeerId>,
    /// My microphone.
    pub microphone: DeviceState,
    /// My camera.
    pub camera: DeviceState,
    /// I am speaking.
    pub speaking: bool,
}

/// Who is in the room, as the lobby shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LobbyView {
    /// Their names, oldest first.
    pub people: Vec<Name>,
    /// All seats are taken.
    pub full: bool,
}

impl LobbyView {
    /// Who is here, in words.
    #[must_use]
    pub fn summary(&self) -> String {
        let names: Vec<&str> = self.people.iter().map(Name::as_str).collect();
        match names.as_slice() {
            [] => "Nobody is here yet. You will be the first.".into(),
            [one] => format!("{one} is here."),
            [one, two] => format!("{one} and {two} are here."),
            [one, two, rest @ ..] => format!("{one}, {two} and {} more are here.", rest.len()),
        }
    }
}

/// Everything a person sees of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallView {
    /// The room, once entered.
    pub room: Option<RoomId>,
    /// Which screen.
    pub phase: Phase,
    /// The link to the server.
    pub link: LinkView,
    /// Oneself.
    pub me: SelfView,
    /// Who is here already; none until the server said so.
    pub lobby: Option<LobbyView>,
    /// The others, in the order they came.
    pub tiles: Vec<TileView>,
    /// The chat, oldest first, pending ones last.
    pub chat: Arc<Vec<ChatLine>>,
    /// Whether there are messages before the first one shown.
    pub earlier: Earlier,
    /// Messages wait because the server cannot store them right now.
    pub store_away: bool,
    /// The chat panel is open.
    pub chat_open: bool,
    /// Messages that came while it was closed.
    pub unread: usize,
    /// The keyboard shortcuts are shown.
    pub help_open: bool,
    /// The person has switched the single-key shortcuts off.
    pub keys_off: bool,
    /// Minutes by which the person's clock is ahead of UTC.
    pub utc_offset_min: i32,
    /// Devices to choose from.
    pub devices: Arc<Devices>,
    /// What is worth saying now.
    pub notices: Vec<Notice>,
    /// The newest sentence for screen readers, with a counter that makes each one new.
    pub announcement: (u64, String),
}

impl CallView {
    /// People in the grid, oneself included.
    #[must_use]
    pub fn people(&self) -> usize {
        self.tiles.len() + 1
    }

    /// What is said over the message field; empty when all is well.
    #[must_use]
    pub fn chat_note(&self) -> &'static str {
        match (self.pending(), self.link, self.store_away) {
            (0, ..) => "",
            (_, LinkView::Online, true) => "Messages will be saved when the server is back.",
            (_, LinkView::Online, false) => "",
            (_, LinkView::Connecting | LinkView::Offline { .. }, _) => {
                "Messages will be sent when the connection is back."
            }
        }
    }

    /// Messages not stored yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.chat.iter().filter(|line| line.status() == ChatStatus::Pending).count()
    }

    /// What the banner says of the link; empty when all is well.
    #[must_use]
    pub fn link_banner(&self) -> String {
        match (self.phase, self.link) {
            (Phase::InCall, LinkView::Offline { .. } | LinkView::Connecting) => {
                let waiting = match self.pending() {
                    0 => String::new(),
                    1 => " Your message is kept.".into(),
                    n => format!(" Your {n} messages are kept."),
                };
                format!("Reconnecting to the server. The call goes on.{waiting}")
            }
            _ => String::new(),
        }
    }

    /// Why it ended, in words, and whether joining again can help.
    #[must_use]
    pub const fn ending(&self) -> Option<&'static str> {
        match self.phase {
            Phase::Left => Some("You left the call."),
            Phase::Ended(CloseCode::Replaced) => Some("You joined this call in another tab or window."),
            Phase::Ended(CloseCode::RoomFull) => Some("This call is full. Eight people are in it already."),
            Phase::Ended(CloseCode::Version) => Some("There is a newer version. Reload the page to go on."),
            Phase::Ended(_) => Some("The call ended."),
            Phase::Lobby | Phase::Joining | Phase::InCall => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lobby_says_who_is_here() {
        let lobby = |names: &[&str]| LobbyView {
            people: names.iter().map(|n| Name::new(n).expect("valid")).collect(),
            full: false,
        };
        assert_eq!(lobby(&[]).summary(), "Nobody is here yet. You will be the first.");
        assert_eq!(lobby(&["Ana", "Bo"]).summary(), "Ana and Bo are here.");
        assert_eq!(lobby(&["Ana", "Bo", "Cy", "Di"]).summary(), "Ana, Bo and 2 more are here.");
    }
}
