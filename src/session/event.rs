//! Everything that can happen to a person's page, as one closed list.

use super::debug::Fault;
use crate::id::{ChatId, Offset, PcEpoch, PeerId, RoomId, SocketEpoch};
use crate::peer::RtcEvent;
use crate::time::Millis;
use crate::view::{Devices, MediaKind, MediaProblem};
use crate::wire::{Body, CloseCode, MediaState, Name, Token};

/// What a tab remembers of its seat across a reload.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keepsake {
    /// Opens the seat again.
    pub token: Token,
    /// The name used.
    pub name: Name,
    /// Whether microphone and camera were on: a reload never switches one on.
    pub media: MediaState,
    /// The last number this seat was claimed with.
    #[serde(default)]
    pub claim: u64,
    /// Messages up to here were read.
    #[serde(default)]
    pub read: Offset,
    /// The person went on with sound alone.
    #[serde(default)]
    pub audio_only: bool,
    /// They had switched the single-key shortcuts off.
    #[serde(default)]
    pub keys_off: bool,
}

/// A message that was written and is not known to be stored.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsent {
    /// Its id.
    pub id: ChatId,
    /// What it says.
    pub body: Body,
    /// Its author's name.
    pub name: Name,
    /// When it was written.
    pub at: Millis,
}

/// Who brought this page up, as the server saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opener {
    /// The person, or a page of ours.
    #[default]
    Own,
    /// The browser does not say.
    Unknown,
    /// Another site.
    Foreign,
}

impl Opener {
    /// Its stable name, which the page carries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Unknown => "unknown",
            Self::Foreign => "foreign",
        }
    }

    /// Reads that name. What is none may be another site's doing.
    #[must_use]
    pub fn read(name: &str) -> Self {
        let all = [Self::Own, Self::Unknown];
        all.into_iter().find(|one| one.as_str() == name).unwrap_or(Self::Foreign)
    }
}

/// What the page finds when it enters a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entrance {
    /// The name in the link, or else the one remembered.
    pub name: String,
    /// The link asks to go straight in.
    pub join: bool,
    /// Who brought this page up: no other site starts a device or joins for the person.
    pub opener: Opener,
    /// The person reloaded the page or went back to it. Browsers repeat then what they said of the first time.
    pub returned: bool,
    /// When this tab last loaded the page again because the server speaks another version.
    pub reloaded_at: Option<Millis>,
    /// This tab had a seat in this room.
    pub keepsake: Option<Keepsake>,
    /// Messages that pages which are gone had written here and could not send, oldest first.
    pub unsent: Vec<Unsent>,
    /// Show the developer's panel.
    pub debug: bool,
    /// Do without what Holdfast is for, to see the difference: no ladder, no heartbeat, no channel from page to page.
    pub plain: bool,
    /// Set when this page can never open a camera or microphone.
    pub barred: Option<MediaProblem>,
}

/// What happens on a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketEvent {
    /// It is open.
    Opened,
    /// A frame arrived.
    Text(String),
    /// It is closed, with the code and the reason.
    Closed(CloseCode, String),
}

/// What happens on the data channel to another page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// It is open.
    Opened,
    /// A message arrived.
    Text(String),
    /// It is closed.
    Closed,
}

/// What happens to microphone, camera and speakers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaEvent {
    /// It runs, on the device with this id.
    Started(MediaKind, String),
    /// It could not be started.
    Failed(MediaKind, MediaProblem),
    /// It stopped by itself: unplugged, or taken by the system.
    Ended(MediaKind),
    /// It gives nothing for a while, by no wish of the person's: a phone call, a closed lid. Or does so no more.
    Interrupted(MediaKind, bool),
    /// The devices one can choose from changed.
    Devices(Devices),
    /// How loud somebody is, 0 to 100; `None` is oneself.
    Level(Option<PeerId>, u8),
    /// The browser plays no sound of others before a click or key, or does from now on.
    Unheard(bool),
    /// The chosen speaker cannot be used.
    SpeakerFailed,
}

/// What a browser says of a STUN or TURN server that it tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It gave an address that the browser did not know.
    Address,
    /// It gave none, and nothing failed.
    Nothing,
    /// It did not answer, or the browser cannot tell.
    Silent,
}

/// What happens to the network and the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetEvent {
    /// The browser says that there is a network again, or another one.
    Online,
    /// The page is shown again, or woke up.
    Shown,
    /// The browser says the network is gone: a hint, never a verdict.
    Offline,
    /// The page is put aside, frozen or kept for 'back': nobody looks at it until it goes on.
    Frozen,
}

/// What the person wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Go to a room: the lobby is shown. The driver answers with [`Event::Entered`].
    Enter(RoomId, String, bool),
    /// Check the network and the devices instead of calling.
    Check,
    /// Take a seat under this name.
    Join(String),
    /// Leave the call.
    Leave,
    /// Switch the microphone.
    ToggleMicrophone,
    /// Switch the camera.
    ToggleCamera,
    /// Use this device.
    ChooseDevice(MediaKind, String),
    /// Hear through this device.
    ChooseSpeaker(String),
    /// Send a chat message.
    Say(String),
    /// Send a message that was refused once more.
    SayAgain(ChatId),
    /// Forget a message that was refused.
    Unsay(ChatId),
    /// Load the messages before the first one shown.
    ShowEarlier,
    /// Open or close the chat panel.
    ToggleChat,
    /// Show or hide the keyboard shortcuts.
    ToggleHelp,
    /// What a shortcut key stands for.
    Shortcut(Box<Intent>),
    /// Switch the single-key shortcuts off or on.
    ToggleShortcuts,
    /// Close whatever lies over the call.
    Escape,
    /// Copy the link to this room.
    CopyLink,
    /// The browser copied it.
    LinkCopied,
    /// The browser would not copy this link.
    LinkNotCopied(String),
    /// A tile is on screen: `None` is oneself.
    TileShown(Option<PeerId>),
    /// Try to reach the server now.
    TryNow,
    /// Go on with sound alone, or have pictures again.
    ToggleAudioOnly,
    /// Copy what the developer's panel shows.
    CopyDebug,
    /// Break something on purpose; only with the developer's panel.
    Cause(Fault),
    /// Take a notice away.
    Dismiss(u64),
}

/// Everything that can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The driver read what the page remembers of this room.
    Entered(RoomId, Entrance),
    /// More that pages which are gone could not send: the browser was slow to find it.
    Found(Vec<Unsent>),
    /// The browser has written this message down, or cannot.
    Kept(ChatId),
    /// Something on the socket of this epoch.
    Socket(SocketEpoch, SocketEvent),
    /// Something on this person's connection of this epoch.
    Rtc(PeerId, PcEpoch, RtcEvent),
    /// Something happened on the data channel of a connection.
    Channel(PeerId, PcEpoch, ChannelEvent),
    /// Something with microphone, camera or speakers.
    Media(MediaEvent),
    /// What became of [`super::Effect::Try`] with this number.
    Tried(usize, Tried),
    /// The server did not give the page that [`super::Effect::Reload`] asked for.
    NotReloaded,
    /// Something with the network.
    Net(NetEvent),
    /// The person wants something.
    Intent(Intent),
    /// Time has passed.
    Tick,
}
