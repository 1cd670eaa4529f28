//! Everything that can happen to a room, and everything a room can ask for.

use crate::id::{ChatId, ConnId, Offset, PeerId};
use crate::wire::{ClientMsg, CloseCode, Entry, Hello, Seat, ServerMsg};

/// Which seat somebody may have. The server has checked the token before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A new seat with this freshly minted id.
    Fresh(PeerId),
    /// The seat they held before.
    Held(PeerId),
}

/// What an append was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ticket {
    /// Seat this socket.
    Joined {
        /// The socket that waits.
        conn: ConnId,
    },
    /// Store this message.
    Chat {
        /// The socket that sent it.
        conn: ConnId,
        /// The message.
        id: ChatId,
    },
    /// Give this seat up.
    Left {
        /// The seat.
        peer: PeerId,
    },
}

/// How an append ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// It is in the log at this place, now or since an earlier try.
    Stored(Offset),
    /// The id belongs to another message.
    IdTaken,
    /// Too much waits for the log.
    Busy,
    /// The log does not answer.
    Away,
}

/// What happens to a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// The log was read to its end for the first time.
    Loaded,
    /// A lobby visitor came.
    Watch {
        /// Their socket.
        conn: ConnId,
    },
    /// Somebody wants a seat.
    Hello {
        /// Their socket.
        conn: ConnId,
        /// What they said.
        hello: Box<Hello>,
        /// The seat they may have.
        claim: Claim,
    },
    /// A later message.
    Message {
        /// Their socket.
        conn: ConnId,
        /// What they said.
        msg: ClientMsg,
    },
    /// A socket is closed.
    Closed {
        /// Which.
        conn: ConnId,
    },
    /// The next entry of the log was read.
    Folded {
        /// Its place.
        offset: Offset,
        /// What happened.
        entry: Entry,
    },
    /// An append ended.
    Appended {
        /// What it was for.
        ticket: Ticket,
        /// How it ended.
        outcome: AppendOutcome,
    },
    /// The page asked for by [`RoomEffect::Read`] was read; empty when there is nothing more.
    Page {
        /// The socket it is for.
        conn: ConnId,
        /// The entries, in order.
        entries: Vec<(Offset, Entry)>,
    },
    /// Time has passed.
    Tick,
}

/// What must be done for a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEffect {
    /// Send a message to these sockets.
    Send {
        /// The sockets.
        to: Vec<ConnId>,
        /// The message.
        msg: ServerMsg,
    },
    /// Send `welcome`, adding what only the server can mint: token, time, ICE servers.
    Welcome {
        /// The socket.
        conn: ConnId,
        /// Its seat.
        peer: PeerId,
        /// Whether the seat was kept.
        resumed: bool,
        /// Everybody else.
        roster: Vec<Seat>,
        /// The newest entry.
        head: Offset,
        /// Entries after this one follow.
        from: Offset,
    },
    /// Close a socket; whoever runs this drops what it said before it hears so.
    Close {
        /// The socket.
        conn: ConnId,
        /// Why.
        code: CloseCode,
    },
    /// Append an entry to the log and report with [`RoomEvent::Appended`].
    Append {
        /// Comes back in the report.
        ticket: Ticket,
        /// The entry.
        entry: Entry,
    },
    /// Read a page of entries after this one and report with [`RoomEvent::Page`].
    Read {
        /// The socket it is for.
        conn: ConnId,
        /// The last entry it has.
        after: Offset,
    },
}
