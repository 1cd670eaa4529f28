//! What two pages say to each other over their own data channel: what the server would carry if it were there.

use super::{Body, MediaState, Signal};
use crate::id::{ChatId, PeerId};
use crate::secret::{Key, Seal};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// A message from one page to another. Who sent it is known from the connection it came over, which was agreed on
/// through the server, seat by seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PeerMsg {
    /// First on every channel.
    Greet {
        /// What I will seal messages with that somebody else brings you from me. Whoever does not know it is not me.
        key: Key,
        /// The shadows of my messages that are not stored yet: others of mine that you hold as such are not.
        waiting: Vec<ChatId>,
    },
    /// As [`super::ClientMsg::Signal`].
    Signal {
        /// My numbering.
        stream: u64,
        /// Its number.
        seq: u64,
        /// The signal.
        signal: Signal,
    },
    /// As [`super::ClientMsg::SignalAck`].
    SignalAck {
        /// Your numbering.
        stream: u64,
        /// The last number delivered.
        seq: u64,
    },
    /// My microphone or camera was switched.
    State {
        /// How they are now.
        media: MediaState,
    },
    /// I hear you and wait for a whole picture.
    Refresh,
    /// Whether I want your pictures.
    Want {
        /// False for sound alone.
        picture: bool,
    },
    /// Whether I send you pictures while my camera is on.
    Sends {
        /// False while our path does not carry them, or you do not want them.
        picture: bool,
    },
    /// A message of mine that is not stored yet.
    Chat {
        /// The shadow of the id that it will be stored under.
        shadow: ChatId,
        /// What it says.
        body: Body,
        /// When it was written, by the server's clock as far as I know it.
        at: Millis,
    },
    /// I leave the call.
    Leave,
    /// Please pass this on to somebody I cannot reach.
    Carry {
        /// To whom.
        to: PeerId,
        /// Counts what I have sealed for them.
        n: u64,
        /// My seal of it.
        seal: Seal,
        /// The message; never one that asks for carrying again.
        msg: Box<PeerMsg>,
    },
    /// Passed on for somebody who cannot reach you.
    Carried {
        /// For whom.
        from: PeerId,
        /// Counts what they have sealed for you; each counts once.
        n: u64,
        /// Their seal of it.
        seal: Seal,
        /// The message; never one that asks for carrying again.
        msg: Box<PeerMsg>,
    },
}

impl PeerMsg {
    /// Whether somebody else may bring it.
    #[must_use]
    pub const fn can_be_carried(&self) -> bool {
        match self {
            Self::Signal { .. } | Self::SignalAck { .. } | Self::State { .. } | Self::Chat { .. } | Self::Leave => true,
            Self::Greet { .. }
            | Self::Refresh
            | Self::Want { .. }
            | Self::Sends { .. }
            | Self::Carry { .. }
            | Self::Carried { .. } => false,
        }
    }
}
