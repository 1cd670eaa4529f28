//! What happens to a media path, what must be done for it, and how far up the ladder it is.

/// How far up the ladder a connection is. What is above [`Rung::Rebuild`] stays in force until the path has been
/// healthy for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Nothing was wrong lately.
    #[default]
    Clear,
    /// Something is wrong; it may pass by itself.
    Wait,
    /// New ICE credentials and candidates for the same connection.
    Restart,
    /// A new connection.
    Rebuild,
    /// A new connection, over relays only.
    RelayOnly,
    /// A new connection without pictures.
    AudioOnly,
}

impl Rung {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Wait => "wait",
            Self::Restart => "restart",
            Self::Rebuild => "rebuild",
            Self::RelayOnly => "relay_only",
            Self::AudioOnly => "audio_only",
        }
    }
}

/// What arrived on a connection so far, as its statistics say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Bytes of sound and picture.
    pub bytes: u64,
    /// Pictures decoded.
    pub frames: u64,
    /// Bytes of pictures alone.
    pub picture_bytes: u64,
    /// Whether the pair in use has a relay in it; none while there is no pair.
    pub relayed: Option<bool>,
}

/// What happens to a media path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryEvent {
    /// A connection was made, by whichever side.
    Opened,
    /// The browser says that media can flow.
    Connected,
    /// The browser lost contact.
    Disconnected,
    /// The browser gave up.
    Failed,
    /// A restart was agreed on while the browser never left 'connected'.
    Agreed,
    /// What arrived so far.
    Flowed(Flow),
    /// Their statement of what they send: sound or picture, and picture.
    Expect(bool, bool),
    /// Our network is another one: waiting would be for nothing.
    NetworkChanged,
    /// The side that does not start restarts asks for one.
    Asked,
    /// A step of the negotiation failed: only a new connection helps.
    Broken,
    /// Whether there is a relay to go through.
    Relays(bool),
    /// Whether the relays give an address when they are asked.
    RelaysAnswer(bool),
    /// The credentials of the relays were renewed.
    Renewed,
    /// A developer wants relays only.
    ForceRelay,
    /// Time has passed.
    Tick,
}

/// What must be done for a media path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryEffect {
    /// Restart ICE, or ask the side that starts restarts to do it.
    Restart,
    /// Replace the connection.
    Rebuild,
    /// Use relays only from the next gathering on, or every route again.
    Route(Route),
    /// Send pictures again, or no more.
    Picture(bool),
    /// Media flows again: send a whole picture now, because the other side waits for one.
    Refresh,
    /// Sound comes and pictures do not: ask for a whole one.
    AskPicture,
}

/// Which routes a connection may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// Every one there is.
    #[default]
    Any,
    /// Through relays only.
    Relay,
}
