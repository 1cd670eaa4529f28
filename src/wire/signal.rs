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

    /// Whether it is a relay's.
    #[must_use]
    pub fn is_relay(&self) -> bool {
        self.line.contains(" typ relay")
    }

    /// Whether it shows an address other than a relay's.
    #[must_use]
    pub fn shows_address(&self) -> bool {
        shows_address(&self.line)
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

/// Whether a candidate line shows an address other than a relay's: its own, or the one the relay saw (RFC 8839, 5.1).
fn shows_address(line: &str) -> bool {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let after = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1)).copied();
    let relayed = after("typ").is_some_and(|kind| kind == "relay");
    // Where nothing may be told, Chromium writes no address here and Firefox the relay's own.
    let own = words.get(4).copied().unwrap_or_default();
    let seen = after("raddr").is_some_and(|addr| !matches!(addr, "0.0.0.0" | "::") && addr != own);
    !words.is_empty() && (!relayed || seen)
}

/// The same description without the candidates that show an address other than a relay's.
#[must_use]
pub fn without_addresses(sdp: &Sdp) -> Sdp {
    let shown = |line: &&str| line.strip_prefix("a=candidate:").is_some_and(shows_address);
    let kept: String = sdp.as_str().split_inclusive('\n').filter(|line| !shown(line)).collect();
    // Where nothing is left, the line that every description begins with (RFC 8866, 5.1).
    Sdp::new(&kept).unwrap_or_else(|_| Sdp::new("v=0\r\n").expect("short"))
}

impl Signal {
    /// Whether it shows an address other than a relay's.
    #[must_use]
    pub fn shows_address(&self) -> bool {
        match self {
            Self::Offer { sdp, .. } | Self::Answer { sdp, .. } => {
                let candidates = sdp.as_str().lines().filter_map(|line| line.strip_prefix("a=candidate:"));
                candidates.into_iter().any(shows_address)
            }
            Self::Candidate { candidate, .. } => candidate.shows_address(),
            Self::Renew { .. } => false,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_relays_pass_as_hidden() {
        let line =
            |rest: &str| Candidate::new(format!("candidate:1 1 udp 41885439 {rest}"), "0".into(), 0).expect("short");
        for shown in [
            "192.0.2.7 50000 typ host",
            "6f1c.local 50000 typ host",
            "192.0.2.7 50000 typ srflx raddr 10.0.0.1 rport 4000",
            "192.0.2.7 50000 typ relay raddr 198.51.100.3 rport 4000",
            "192.0.2.7 50000",
        ] {
            assert!(line(shown).shows_address(), "{shown}");
        }
        for hidden in [
            "192.0.2.7 50000 typ relay raddr 0.0.0.0 rport 0",
            "192.0.2.7 50000 typ relay raddr 192.0.2.7 rport 50000",
            "192.0.2.7 50000 typ relay",
        ] {
            assert!(!line(hidden).shows_address(), "{hidden}");
        }
        let sdp = Sdp::new("v=0\r\na=candidate:1 1 udp 1 192.0.2.7 5 typ host\r\n").expect("short");
        let clean = without_addresses(&sdp);
        assert_eq!(clean.as_str(), "v=0\r\n");
        let nothing_else = Sdp::new("a=candidate:1 1 udp 1 192.0.2.7 5 typ host").expect("short");
        assert_eq!(without_addresses(&nothing_else).as_str(), "v=0\r\n");
        let offer = |sdp| Signal::Offer { epoch: PcEpoch::from_number(1), round: 1, sdp };
        assert!(offer(sdp).shows_address() && !offer(clean).shows_address());
        assert!(!Candidate::new(String::new(), "0".into(), 0).expect("short").shows_address(), "the end of candidates");
    }
}
