//! What a person sees, as plain data: the only thing the user interface reads.

mod chat;
mod check;
mod devices;
mod links;
mod receipt;
mod tiles;
mod words;

pub use chat::{ChatLine, ChatStatus, Earlier, with_days};
pub use check::{CheckView, Finding, Subject};
pub use devices::{Device, DeviceState, Devices, MediaKind, MediaProblem, UNHEARD, question};
pub use receipt::{Interruption, Receipt};
pub use tiles::{MediaPath, TileView, fills};

use crate::id::{PeerId, RoomId};
use crate::time::Millis;
use crate::wire::{CloseCode, Name};
use std::sync::Arc;

pub use links::{Piece, pieces};
pub use words::{clock_text, day_of, day_text, initials, machine_time, numbered};

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
        /// Whole seconds until the next one; none while one is under way.
        next_s: Option<u64>,
        /// What is wrong, as far as one can tell.
        cause: Cause,
    },
}

/// What is wrong when the server is not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The server: others are reached.
    Server,
    /// The own network: nobody is reached.
    Network,
    /// There is nobody else to tell by.
    Unknown,
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
    /// Nothing of mine goes out until I am back.
    pub paused: bool,
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
        let nth = |n: usize| self.people[..=n].iter().filter(|name| **name == self.people[n]).count();
        let names: Vec<String> =
            self.people.iter().enumerate().map(|(n, name)| numbered(name.as_str(), nth(n))).collect();
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
    /// Devices to choose from.
    pub devices: Arc<Devices>,
    /// What is worth saying now.
    pub notices: Vec<Notice>,
    /// The newest sentence for screen readers, with a counter that makes each one new.
    pub announcement: (u64, String),
    /// The person goes on with sound alone.
    pub audio_only: bool,
    /// What happened in the call that is over.
    pub receipt: Option<Receipt>,
    /// The network lets no call through: nobody is reached directly, and no relay is.
    pub blocked: bool,
    /// The browser plays no sound of the others before a click or key.
    pub unheard: bool,
    /// What a page that checks found.
    pub check: CheckView,
    /// What a developer sees.
    pub debug: Option<Arc<DebugView>>,
}

/// Every state, and what changed when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DebugView {
    /// One line each: the link, the log, everybody's path.
    pub states: Vec<String>,
    /// The newest changes, oldest first, with seconds since the page entered the room.
    pub changes: Vec<String>,
}

impl DebugView {
    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n\n{}", self.states.join("\n"), self.changes.join("\n"))
    }
}

impl CallView {
    /// People in the grid, oneself included.
    #[must_use]
    pub fn people(&self) -> usize {
        self.tiles.len() + 1
    }

    /// What the person has to do for camera, microphone or sound; empty when nothing.
    #[must_use]
    pub fn request(&self) -> &'static str {
        question(self.me.microphone, self.me.camera).unwrap_or(if self.unheard { UNHEARD } else { "" })
    }

    /// What is said over the message field; empty when all is well.
    #[must_use]
    pub fn chat_note(&self) -> &'static str {
        let read = self.tiles.iter().any(|tile| matches!(tile.path, MediaPath::Live | MediaPath::Audio));
        match (self.pending(), self.link, self.store_away) {
            (0, ..) => "",
            (_, LinkView::Connecting | LinkView::Offline { .. }, _) if read => {
                "The others can read it. It will be stored when the server is back."
            }
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
        self.chat.iter().filter(|line| line.mine && line.status() == ChatStatus::Pending).count()
    }

    /// What the banner says of the link; empty when all is well.
    #[must_use]
    pub fn link_banner(&self) -> String {
        match (self.phase, self.link) {
            (Phase::InCall, LinkView::Offline { .. } | LinkView::Connecting) => {
                let (cause, next_s) = match self.link {
                    LinkView::Offline { cause, next_s, .. } => (cause, next_s),
                    LinkView::Connecting | LinkView::Online => (Cause::Unknown, None),
                };
                let what = match cause {
                    Cause::Server => "The server does not answer. The call goes on.",
                    Cause::Network => "Your network is gone, bringing you back.",
                    Cause::Unknown => "Reconnecting to the server.",
                };
                let paused = if self.me.paused { " Until then nobody hears or sees you." } else { "" };
                let next = next_s.filter(|s| *s >= 2).map_or(String::new(), |s| format!(" Next try in {s} s."));
                let waiting = match self.pending() {
                    0 => String::new(),
                    1 => " Your message is kept.".into(),
                    n => format!(" Your {n} messages are kept."),
                };
                format!("{what}{paused}{waiting}{next}")
            }
            (Phase::InCall, LinkView::Online) if self.blocked => {
                "Nobody can be reached from this network, neither directly nor through a relay. Trying on.".into()
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
        assert_eq!(lobby(&["Ana", "Ana"]).summary(), "Ana and Ana (2) are here.");
        assert_eq!(lobby(&["Ana", "Bo"]).summary(), "Ana and Bo are here.");
        assert_eq!(lobby(&["Ana", "Bo", "Cy", "Di"]).summary(), "Ana, Bo and 2 more are here.");
    }
}
