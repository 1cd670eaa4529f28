//! The wire protocol: one closed enum a direction, JSON text frames, checked when they are decoded.
//!
//! `docs/protocol.md` says who may send what and when. Unknown messages and unknown fields are refused, so that a
//! misspelt field is an error and not a silent default.

mod close;
mod entry;
mod escapes;
mod glyphs;
mod node;
mod peer;
mod signal;
mod text;

pub use close::{CloseCode, Retry};
pub use entry::{Entry, LeaveReason};
pub(crate) use glyphs::{first_sign, is_unseen};
pub use node::{NodeMsg, Presence};
pub use peer::PeerMsg;
pub use signal::{Candidate, Signal, without_addresses};
pub use text::{Body, Name, Sdp, TextError, Token};

use crate::id::{ChatId, Offset, PeerId, RoomId};
use crate::limits::Limits;
use crate::time::Millis;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The version both sides must speak. A server that speaks another one closes with [`CloseCode::Version`].
pub const PROTOCOL_VERSION: u16 = 1;

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "holdfast.v1";

/// What a person sends: whether the others can hear and see them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaState {
    /// The microphone is on.
    pub audio: bool,
    /// The camera is on.
    pub video: bool,
}

/// A claim to a seat held before, with the last entry this page has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// The token of the last `welcome`.
    pub token: Token,
    /// The last entry delivered; seq 0 for a page that was reloaded and knows nothing.
    pub after: Offset,
}

/// The first message of somebody who wants a seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Must be [`PROTOCOL_VERSION`].
    pub version: u16,
    /// The room to enter; it is created when nobody was in it before.
    pub room: RoomId,
    /// The display name.
    pub name: Name,
    /// Whether the microphone and the camera are on.
    pub media: MediaState,
    /// Greater with every `hello` of a seat: of two sockets that claim it, the greater number wins, in whatever order
    /// and on whichever server they arrive. Without it, 0: then of two sockets the later has the seat.
    #[serde(default)]
    pub claim: u64,
    /// Present when this page or tab had a seat before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
}

/// What a browser sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMsg {
    /// From the lobby, as the first message: tell me who is in the room, I am not in it yet.
    Watch {
        /// Must be [`PROTOCOL_VERSION`].
        version: u16,
        /// The room to look at.
        room: RoomId,
    },
    /// As the only message: I want to know which ways media could take; answered by `ways`.
    Check {
        /// Must be [`PROTOCOL_VERSION`].
        version: u16,
    },
    /// First message, or after `watch`: give me a seat.
    Hello(Hello),
    /// With a seat: a chat message. Repeated with the same id until `ack` or `refused`.
    Chat {
        /// Minted by the sender.
        id: ChatId,
        /// What it says.
        body: Body,
    },
    /// With a seat: a signal for one peer. Repeated until `signal_ack`.
    Signal {
        /// Who it is for.
        to: PeerId,
        /// Which numbering `seq` belongs to; a higher one replaces a lower one.
        stream: u64,
        /// 1, 2, 3, … within the stream.
        seq: u64,
        /// What it says.
        signal: Signal,
    },
    /// With a seat: everything up to `seq` of that peer's stream has arrived.
    SignalAck {
        /// Whose signals.
        to: PeerId,
        /// Their stream.
        stream: u64,
        /// The last number delivered.
        seq: u64,
    },
    /// With a seat: microphone or camera was switched.
    State {
        /// The new state.
        media: MediaState,
    },
    /// With a seat: send me the entries after this one; answered by `event`s and one `caught_up`.
    Range {
        /// The last entry I have.
        after: Offset,
    },
    /// With a seat: send me the messages before this place, newest first; answered by `history` or `refused`.
    History {
        /// The oldest place I have.
        before: Offset,
    },
    /// Any time after the first message: are you there? Answered by `pong`.
    Ping {
        /// Comes back in the answer.
        n: u64,
    },
    /// With a seat: I am leaving for good.
    Leave,
}

/// A person in the room as `welcome` lists them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// Their seat.
    pub peer: PeerId,
    /// Their display name.
    pub name: Name,
    /// Whether their microphone and camera are on.
    pub media: MediaState,
    /// False while their link is down and the seat is kept for them.
    pub here: bool,
    /// The place of the entry they joined with: the order of the grid.
    pub joined: Offset,
}

/// A STUN or TURN server, as `RTCPeerConnection` wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IceServer {
    /// `stun:` and `turn:` URLs.
    pub urls: Vec<String>,
    /// For TURN: the expiring user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For TURN: its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// The answer to `hello`: the seat and everything needed to take part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    /// Your seat.
    pub peer: PeerId,
    /// Opens the same seat again, for a day; keep the newest.
    pub token: Token,
    /// True when the seat was kept: the others never saw you leave, and your peer connections still count.
    pub resumed: bool,
    /// Everybody else in the room as of `head`, oldest first.
    pub roster: Vec<Seat>,
    /// The newest entry of the log.
    pub head: Offset,
    /// The entries after this one are sent to you now; older ones are in the history.
    pub from: Offset,
    /// The server's clock.
    pub now: Millis,
    /// STUN and TURN servers with credentials for this seat.
    pub ice: Vec<IceServer>,
    /// Say something at least this often.
    pub heartbeat_ms: u64,
}

/// Why a message was refused. The codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The message needs a seat and you have none.
    NoSeat,
    /// The room's log does not answer; keep the message and send it again.
    LogAway,
    /// Too many messages wait for the log; keep the message and send it again.
    Busy,
    /// You send chat messages too fast; keep the message and send it again.
    TooFast,
    /// A message with this id and another author or text is stored already, or an operator deleted it.
    IdTaken,
    /// You have a seat already.
    Seated,
    /// The message's id is of a day that has not come yet; mint another.
    BadId,
    /// Earlier messages cannot be read right now; ask again.
    HistoryAway,
    /// The signal shows an address, in a room that hides them; it was not passed on.
    ShowsAddress,
}

/// A message of the past, at its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Past {
    /// Its place.
    pub offset: Offset,
    /// The `chat` entry.
    pub entry: Entry,
}

/// What the server sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ServerMsg {
    /// To a lobby visitor, at once and whenever it changes: who is in the room.
    Lobby {
        /// Their names, oldest first.
        people: Vec<Name>,
        /// Whether all seats are taken.
        full: bool,
    },
    /// Answers `check`: the servers a seat would be told of.
    Ways {
        /// As in `welcome`, with credentials for nobody's seat.
        ice: Vec<IceServer>,
    },
    /// Answers `hello`.
    Welcome(Box<Welcome>),
    /// An entry of the room's log, in order and without gaps.
    Event {
        /// Its place.
        offset: Offset,
        /// What happened.
        entry: Entry,
    },
    /// Ends the `event`s that answer `welcome` or `range`.
    CaughtUp {
        /// The last one sent.
        at: Offset,
    },
    /// The log is not the one you know: forget its entries, what follows starts after `from`.
    Resync {
        /// The place before the first entry that follows.
        from: Offset,
        /// Everyone who has a seat: whoever else you know is gone.
        seats: Vec<PeerId>,
    },
    /// Answers `history`: the newest messages before that place, oldest first.
    History {
        /// The place that was asked for.
        before: Offset,
        /// The messages.
        messages: Vec<Past>,
        /// Whether there are older ones.
        more: bool,
    },
    /// Your chat message is in the log.
    Ack {
        /// Its id.
        id: ChatId,
        /// Its place.
        offset: Offset,
    },
    /// A message of yours was refused.
    Refused {
        /// Why.
        code: Refusal,
        /// Which chat message, if it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<ChatId>,
    },
    /// A signal from another seat.
    Signal {
        /// Who sent it.
        from: PeerId,
        /// Their numbering.
        stream: u64,
        /// Its number.
        seq: u64,
        /// What it says.
        signal: Signal,
    },
    /// A peer has your signals up to `seq`.
    SignalAck {
        /// Who has them.
        from: PeerId,
        /// Your stream.
        stream: u64,
        /// The last number delivered.
        seq: u64,
    },
    /// Somebody switched their microphone or camera.
    State {
        /// Who.
        peer: PeerId,
        /// The new state.
        media: MediaState,
    },
    /// Somebody's link went down or came back; their seat is kept meanwhile.
    Presence {
        /// Who.
        peer: PeerId,
        /// Whether the link is up.
        here: bool,
    },
    /// New credentials before the old ones expire.
    Ice {
        /// Replaces the list of `welcome`.
        servers: Vec<IceServer>,
        /// Replaces the token of `welcome`, before that one expires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<Token>,
    },
    /// Answers `ping`.
    Pong {
        /// The number of the ping.
        n: u64,
        /// The newest entry of the log: whoever has less missed something.
        head: Offset,
        /// Seats whose link is down: whoever thinks otherwise missed a `presence`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        away: Vec<PeerId>,
    },
}

/// Why bytes are not a message. `code` is stable and goes into the close reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than [`Limits::FRAME_BYTES`].
    #[error("message is too long")]
    TooLong,
    /// Not JSON, not a known message, or a field out of its bounds.
    #[error("message is malformed")]
    Malformed,
}

impl DecodeError {
    /// The stable code of the error.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
        }
    }
}

/// Reads a message of either direction.
///
/// # Errors
/// [`DecodeError`] when the text is too long or is not exactly one well-formed message within its bounds.
pub fn decode<M: DeserializeOwned>(text: &str) -> Result<M, DecodeError> {
    let text = readable(text)?;
    // The small reader: its errors are numbers, and so a page need not carry the means to word them.
    let mut unescaped = vec![0; text.len()];
    let (message, end) =
        serde_json_core::from_str_escaped(&text, &mut unescaped).map_err(|_| DecodeError::Malformed)?;
    if text[end..].trim().is_empty() { Ok(message) } else { Err(DecodeError::Malformed) }
}

/// What does not depend on the message: its bounds, and pairs of escapes.
fn readable(text: &str) -> Result<Cow<'_, str>, DecodeError> {
    match text.len() {
        n if n > Limits::FRAME_BYTES => Err(DecodeError::TooLong),
        _ if is_too_deep(text) => Err(DecodeError::Malformed),
        _ => Ok(escapes::with_whole_pairs(text)),
    }
}

/// Whether lists and objects are nested deeper than any message is: the reader follows them by recursion.
fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    text.bytes().any(|byte| {
        match (byte, quoted) {
            (_, true) if escaped => escaped = false,
            (b'\\', true) => escaped = true,
            (b'"', _) => quoted = !quoted,
            (b'{' | b'[', false) => depth += 1,
            (b'}' | b']', false) => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > Limits::MESSAGE_DEPTH
    })
}

/// Writes a message of either direction.
///
/// # Panics
/// Never: every field of a message can be written as JSON.
#[must_use]
pub fn encode<M: Serialize>(message: &M) -> String {
    serde_json::to_string(message).expect("messages hold only strings, numbers, lists and string-keyed structs")
}
