//! The others in the call, as the page shows them.

use super::words::numbered;
use crate::id::PeerId;
use crate::peer::RelayReach;
use crate::recovery::Rung;
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
    /// Their number among people of that name.
    pub number: usize,
    /// Their microphone is on.
    pub audio: bool,
    /// Their camera is on.
    pub video: bool,
    /// They are speaking.
    pub speaking: bool,
    /// Their media path.
    pub path: MediaPath,
    /// How far up the ladder of repairs it is.
    pub rung: Rung,
    /// For how many whole seconds media does not flow; none while it does.
    pub silent_s: Option<u64>,
    /// For how many whole seconds no picture came though one should; none while they come.
    pub blind_s: Option<u64>,
    /// Whether the path goes through a relay; none while nobody knows.
    pub relayed: Option<bool>,
    /// No direct way to them was found, and this is why no relay helps; none while one may.
    pub no_way: Option<RelayReach>,
    /// Their link to the server is up.
    pub here: bool,
    /// Place in the grid, from 1; the own tile comes last.
    pub place: usize,
}

impl TileView {
    /// Their name, told apart from others of the same name.
    #[must_use]
    pub fn shown(&self) -> String {
        numbered(self.name.as_str(), self.number)
    }

    /// What is wrong, since when and what is tried, in words; empty when nothing is.
    #[must_use]
    pub fn trouble(&self) -> String {
        let name = self.shown();
        let since = |s: u64| if s == 0 { String::new() } else { format!(" for {s} s") };
        match (self.path, self.here, self.silent_s, self.blind_s) {
            (MediaPath::Live | MediaPath::Audio, true, _, Some(s)) => format!("{name}: no picture{}", since(s)),
            (MediaPath::Audio, true, ..) => format!("{name}: sound only, the connection carries no more"),
            (MediaPath::Live, true, ..) => String::new(),
            (MediaPath::Live | MediaPath::Audio, false, _, Some(s)) => {
                format!("{name} lost the server, and no picture comes{}", since(s))
            }
            (MediaPath::Live | MediaPath::Audio, false, ..) => format!("{name} lost the server, the call goes on"),
            (MediaPath::Recovering | MediaPath::Lost, true, ..) if self.no_way.is_some() => {
                let relay =
                    if self.no_way == Some(RelayReach::Missing) { "there is no relay" } else { "no relay answers" };
                format!("{name}: no direct way to them, and {relay}. Trying on…")
            }
            (MediaPath::Recovering, true, None, _) => format!("Connecting to {name}…"),
            (MediaPath::Recovering | MediaPath::Lost, true, Some(s), _) => {
                let tried = match self.rung {
                    Rung::Clear | Rung::Wait => "waiting a moment",
                    Rung::Restart => "trying another route",
                    Rung::Rebuild => "connecting anew",
                    Rung::RelayOnly => "trying through a relay",
                    Rung::AudioOnly => "trying with sound only",
                };
                format!("{name}: no sound or picture{}, {tried}", since(s))
            }
            (MediaPath::Recovering | MediaPath::Lost, false, Some(s), _) => {
                format!("{name}'s connection dropped{}, bringing them back…", since(s))
            }
            (MediaPath::Recovering | MediaPath::Lost, false, None, _) => {
                format!("{name}'s connection dropped, bringing them back…")
            }
            (MediaPath::Lost, true, None, _) => format!("{name}'s picture is lost, trying again…"),
        }
    }
}

/// Whether a picture of this width and height fills a tile of that size: not where the crop would hide more than a
/// quarter of it, a head perhaps. Before there is a picture, or a tile, nothing is lost.
#[must_use]
pub fn fills(picture: (u32, u32), tile: (u32, u32)) -> bool {
    let across = u64::from(picture.0) * u64::from(tile.1);
    let down = u64::from(picture.1) * u64::from(tile.0);
    // The part that stays is the smaller of the two over the greater.
    across.min(down) == 0 || across.min(down) * 4 >= across.max(down) * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_hides_at_most_a_quarter() {
        let wide = (1_280, 720);
        assert!(fills(wide, (622, 346)) && fills((640, 480), wide), "three quarters of 4:3 are seen in 16:9");
        assert!(!fills((360, 640), (622, 700)) && !fills((360, 640), wide) && !fills(wide, (300, 600)));
        assert!(fills((0, 0), wide) && fills(wide, (0, 0)));
    }
}
