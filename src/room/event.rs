//! Everything that can happen to a room, and everything a room can ask for.

use crate::id::{ChatId, ConnId, NodeId, Offset, PeerId};
use crate::wire::{ClientMsg, CloseCode, Entry, Hello, NodeMsg, Seat, ServerMsg};

/// Which seat somebody may have. The server has checked the token before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A new seat with this freshly minted id.
    Fresh(PeerId),
    /// The seat they held before.
    Held {
        /// Which.
        peer: PeerId,
        /// The seat they get if that one was left for good.
        else_fresh: PeerId,
    },
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
    /// Sign a member in again, into a log that began anew.
    Rejoined {
        /// The seat.
        peer: PeerId,
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
    /// The log began another life than the one it was meant for; it was not appended.
    Moved,
}

/// What happens to a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// The log was read to its end for the first time.
    Loaded,
    /// The log is not the one this room folded: it begins, or goes on, after this place. What lay before is gone from
    /// it; the people are not.
    Reborn {
        /// The place before the first entry there is.
        from: Offset,
    },
    /// Entries up to this one were taken out of the log; the archive has them.
    Trimmed {
        /// The last one taken.
        seq: u64,
    },
    /// Another node said something about this room.
    Told {
        /// Which node.
        node: NodeId,
        /// What it said.
        msg: NodeMsg,
    },
    /// Whether this node hears the others. While it does not, their silence says nothing about their people.
    Hears(bool),
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
    /// A socket is so slow that this entry's frame was not queued for it: it reads pages at its own pace from now on.
    Behind {
        /// The socket.
        conn: ConnId,
        /// The last entry that was queued.
        sent: u64,
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
    /// Send what somebody else wants this socket to hear, unless much waits for it already: nobody is closed for what
    /// others send them.
    Pass {
        /// The sockets.
        to: Vec<ConnId>,
        /// The message.
        msg: ServerMsg,
    },
    /// Send a new entry to these sockets, and report with [`RoomEvent::Behind`] for whom too much waits already.
    Live {
        /// The sockets.
        to: Vec<ConnId>,
        /// Its place.
        offset: Offset,
        /// What happened.
        entry: Entry,
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
        /// The log may have forgotten that it had this: if the archive has it, its place there is the answer.
        ask_archive: bool,
    },
    /// Tell every other node that has this room.
    Tell {
        /// What.
        msg: NodeMsg,
    },
    /// Read the newest messages before this place and send them to this socket, or refuse if they cannot be read.
    History {
        /// The socket.
        conn: ConnId,
        /// The place.
        before: Offset,
    },
    /// Read a page of entries after this one and report with [`RoomEvent::Page`].
    Read {
        /// The socket it is for.
        conn: ConnId,
        /// The last entry it has.
        after: Offset,
    },
}
