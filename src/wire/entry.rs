//! The entries of a room's log: who came, who left, what was said.

use super::MediaState;
use super::text::{Body, Name, stored_body, stored_name};
use crate::id::{ChatId, Offset, PeerId};
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
        #[serde(deserialize_with = "stored_name")]
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
        /// The place of the `joined` it ends; it says nothing about a later one.
        joined: Offset,
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
        #[serde(deserialize_with = "stored_name")]
        name: Name,
        /// What it says.
        #[serde(deserialize_with = "stored_body")]
        body: Body,
        /// When it was stored, by the server's clock.
        at: Millis,
    },
    /// An operator deleted a message: whoever shows it takes it away.
    Deleted {
        /// The message.
        id: ChatId,
        /// When, by the server's clock.
        at: Millis,
    },
    /// Stands where a deleted message was, so that the numbers have no gap.
    Redacted,
}

impl Entry {
    /// Whether it may be appended only to the life of the log it was meant for.
    #[must_use]
    pub const fn is_of_one_life(&self) -> bool {
        matches!(self, Self::Chat { .. })
    }

    /// What makes a second append of the same thing a repetition: the log holds each key of a room once.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        match self {
            Self::Chat { id, .. } => Some(id.to_string()),
            Self::Left { peer, joined, .. } => Some(format!("left-{peer}-{}-{}", joined.epoch.number(), joined.seq)),
            Self::Deleted { id, .. } => Some(format!("deleted-{id}")),
            Self::Joined { .. } | Self::Redacted => None,
        }
    }

    /// Whether this, sent again under the same key, is the same thing; only times and the author's seat may differ
    /// (a message that survived a crash of its page comes back under a new seat).
    #[must_use]
    pub fn repeats(&self, stored: &Self) -> bool {
        match (self, stored) {
            (Self::Chat { id, body, .. }, Self::Chat { id: known, body: first, .. }) => id == known && body == first,
            (Self::Chat { .. }, _) => false,
            _ => self.key() == stored.key(),
        }
    }

    /// When it was stored, by the server's clock; zero where nothing is left to say.
    #[must_use]
    pub const fn at(&self) -> Millis {
        match self {
            Self::Joined { at, .. } | Self::Left { at, .. } | Self::Chat { at, .. } | Self::Deleted { at, .. } => *at,
            Self::Redacted => Millis::ZERO,
        }
    }
}
