//! What two browsers say to each other to set up and repair their peer connection.

use super::text::{Sdp, TextError};
use crate::id::PcEpoch;
use crate::limits::Limits;
use serde::{Deserialize, Serialize};

/// One way to reach a peer, as `RTCIceCandidateInit` holds it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawCandidate", into = "RawCandidate")]
pub struct Candidate {
    line: String,
    mid: String,
    index: u16,
}

/// The unchecked shape of a candidate on the wire.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCandidate {
    line: String,
    mid: String,
    index: u16,
}

impl Candidate {
    /// A candidate from its attribute line, media id and media line index.
    ///
    /// # Errors
    /// [`TextError::TooLong`] past [`Limits::CANDIDATE_BYTES`], [`TextError::Character`] for control characters.
    pub fn new(line: String, mid: String, index: u16) -> Result<Self, TextError> {
        if line.len() > Limits::CANDIDATE_BYTES || mid.len() > Limits::CANDIDATE_BYTES {
            return Err(TextError::TooLong);
        }
        if line.chars().chain(mid.chars()).any(char::is_control) {
            return Err(TextError::Character);
        }
        Ok(Self { line, mid, index })
    }

    /// The `candidate:` attribute; empty for the end of candidates.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The media id it belongs to.
    #[must_use]
    pub fn mid(&self) -> &str {
        &self.mid
    }

    /// The index of the media line it belongs to.
    #[must_use]
    pub const fn index(&self) -> u16 {
        self.index
    }
}

impl TryFrom<RawCandidate> for Candidate {
    type Error = TextError;
    fn try_from(raw: RawCandidate) -> Result<Self, TextError> {
        Self::new(raw.line, raw.mid, raw.index)
    }
}

impl From<Candidate> for RawCandidate {
    fn from(candidate: Candidate) -> Self {
        Self { line: candidate.line, mid: candidate.mid, index: candidate.index }
    }
}

impl std::fmt::Debug for Candidate {
    // A candidate holds somebody's address.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Candidate({} bytes)", self.line.len())
    }
}

/// A signal for one peer connection. `epoch` names the connection; a lower one than the receiver's is out of date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Signal {
    /// Let us negotiate like this. An epoch above the receiver's asks for a new connection.
    Offer {
        /// Which connection.
        epoch: PcEpoch,
        /// Number of the offer within the connection; the answer repeats it.
        round: u32,
        /// The description.
        sdp: Sdp,
    },
    /// Answers the offer of the same epoch and round.
    Answer {
        /// Which connection.
        epoch: PcEpoch,
        /// Number of the offer that is answered.
        round: u32,
        /// The description.
        sdp: Sdp,
    },
    /// A way to reach me.
    Candidate {
        /// Which connection.
        epoch: PcEpoch,
        /// The candidate.
        candidate: Candidate,
    },
    /// Please start anew: I lost this connection, and you lead its repairs.
    Renew {
        /// The connection that was lost.
        epoch: PcEpoch,
    },
}

impl Signal {
    /// The connection the signal is about.
    #[must_use]
    pub const fn epoch(&self) -> PcEpoch {
        match self {
            Self::Offer { epoch, .. }
            | Self::Answer { epoch, .. }
            | Self::Candidate { epoch, .. }
            | Self::Renew { epoch } => *epoch,
        }
    }
}
