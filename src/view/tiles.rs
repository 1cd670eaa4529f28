//! The others in the call, as the page shows them.

use crate::id::PeerId;
use crate::wire::Name;

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
