//! The entries of a room's log: who came, who left, what was said.

use super::MediaState;
use super::text::{Body, Name};
use crate::id::{ChatId, PeerId};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// Why somebody is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// They pressed 'Leave'.
    Left,
    /// Their link was down for longer than a seat is kept.
    Lost,
}

/// One entry. Written once by the server, then the same for everyone for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// Somebody took a seat, or came back to theirs after it was given up.
    Joined {
        /// The seat.
        peer: PeerId,
        /// Their display name.
        name: Name,
        /// Whether the microphone and the camera were on.
        media: MediaState,
        /// When, by the server's clock.
        at: Millis,
    },
    /// A seat was given up.
    Left {
        /// The seat.
        peer: PeerId,
        /// Why.
        reason: LeaveReason,
        /// When, by the server's clock.
        at: Millis,
    },
    /// Somebody wrote to everyone.
    Chat {
        /// Minted by the author's browser; the log holds each id once.
        id: ChatId,
        /// Who wrote it.
        peer: PeerId,
        /// Their name at that time.
        name: Name,
        /// What it says.
        body: Body,
        /// When it was stored, by the server's clock.
        at: Millis,
    },
}
