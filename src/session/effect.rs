//! Everything a person's page can ask the browser for, as one closed list.

use super::event::{Keepsake, Unsent};
use crate::id::{ChatId, PcEpoch, PeerId, RoomId, SocketEpoch};
use crate::recovery::Route;
use crate::view::MediaKind;
use crate::wire::{Candidate, IceServer, Sdp};

/// What to start: which kinds, and which device of each (`None` for the usual one).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// The microphone, if wanted.
    pub audio: Option<Option<String>>,
    /// The camera, if wanted.
    pub video: Option<Option<String>>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Read what is remembered of this room and report with [`super::Event::Entered`]. The texts are the name in the
    /// link and whether the link asks to go straight in.
    Recall(RoomId, String, bool),
    /// Get ready for media without entering a room.
    Prepare,
    /// See whether this one server gives an address, and report with [`super::Event::Tried`] under this number.
    Try(usize, IceServer),
    /// Open a socket under this epoch.
    OpenSocket(SocketEpoch),
    /// Send a frame on the socket of this epoch.
    SendText(SocketEpoch, String),
    /// Close the socket of this epoch; nothing it says counts any more.
    CloseSocket(SocketEpoch),
    /// Make a peer connection.
    OpenPc(PeerId, PcEpoch, Vec<IceServer>, Route),
    /// Drop a peer connection.
    ClosePc(PeerId, PcEpoch),
    /// Make an offer (with new ICE credentials if true) and report it.
    CreateOffer(PeerId, PcEpoch, bool),
    /// Apply an offer, make the answer and report it.
    ApplyOffer(PeerId, PcEpoch, Sdp),
    /// Apply an answer and report.
    ApplyAnswer(PeerId, PcEpoch, Sdp),
    /// Add a candidate.
    AddCandidate(PeerId, PcEpoch, Candidate),
    /// Send a message on the data channel of a connection.
    SendPeer(PeerId, PcEpoch, String),
    /// Close the data channel of a connection for good; the connection goes on.
    CloseChannel(PeerId, PcEpoch),
    /// Use these ICE servers and routes from the next gathering on.
    Configure(PeerId, PcEpoch, Vec<IceServer>, Route),
    /// Send this person a whole picture now.
    Refresh(PeerId, PcEpoch),
    /// Send our camera to this person, or no more.
    SetPicture(PeerId, PcEpoch, bool),
    /// Start microphone, camera or both and report each.
    Capture(Capture),
    /// Stop a device and free it.
    Release(MediaKind),
    /// Let the running microphone through.
    Unmute,
    /// Send silence and keep the microphone running.
    Mute,
    /// Send darkness and keep the camera running, or pictures again.
    Cover(bool),
    /// Hear through this device.
    SetSpeaker(String),
    /// Show this person's stream in their tile; `None` is oneself.
    Attach(Option<PeerId>),
    /// Remember the name in this browser.
    SaveName(String),
    /// Remember the seat in this tab.
    SaveSeat(RoomId, Keepsake),
    /// Forget the seat.
    ForgetSeat(RoomId),
    /// Write a message down in this browser before it is sent, and report with [`super::Event::Kept`].
    KeepChat(RoomId, Unsent),
    /// Forget a message that was written down.
    DropChat(ChatId),
    /// Copy this text.
    CopyText(String),
    /// Copy the room's link and report with [`super::Intent::LinkCopied`] or [`super::Intent::LinkNotCopied`].
    CopyLink(RoomId),
    /// Load this page again, once the server gives it; report with [`super::Event::NotReloaded`] where it does not.
    Reload,
    /// Show the room's link as the page's address: what came with the link of this person is not for the others.
    TidyAddress(RoomId),
}
