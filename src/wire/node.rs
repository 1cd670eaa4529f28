//! What server nodes tell each other about a room they share: who is on which node, and messages for its seats.
//!
//! All of it is soft state on a channel that may lose messages: presence is repeated, signals are acknowledged end to
//! end by the pages. What must not be lost is in the room's log.

use super::{MediaState, ServerMsg};
use crate::id::PeerId;
use serde::{Deserialize, Serialize};

/// A seat as the node that last had its socket knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    /// The seat.
    pub peer: PeerId,
    /// The number its socket came with: a greater one elsewhere wins.
    pub claim: u64,
    /// Its microphone and camera.
    pub media: MediaState,
    /// Whether its link is up.
    pub here: bool,
    /// How long nothing was heard of it, in milliseconds.
    pub quiet_ms: u64,
}

/// What one node says to the others about one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NodeMsg {
    /// When it changes and every [`crate::Limits::BEAT_MS`]: the seats whose sockets are or were last on this node.
    Seats {
        /// At most one for each seat of the room.
        seats: Vec<Presence>,
    },
    /// A node that just loaded the room asks for everyone's `seats`.
    Who,
    /// A message for a seat, for the node that has its socket.
    Forward {
        /// The seat.
        to: PeerId,
        /// The message.
        msg: Box<ServerMsg>,
    },
}
