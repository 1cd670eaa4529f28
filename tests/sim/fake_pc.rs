//! A stand-in for RTCPeerConnection that keeps its state rules: signalling states, rollback, InvalidStateError.

use holdfast::recovery::Route;
use holdfast::wire::Sdp;

/// `signalingState`, as far as we drive it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signaling {
    Stable,
    HaveLocalOffer,
}

/// `connectionState`, as far as we read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    New,
    Connected,
    Disconnected,
    Failed,
}

/// The ICE user name fragments of an end: its own and the other's.
pub type Session = (Option<String>, Option<String>);

/// An operation asked of a connection in a state that forbids it: `InvalidStateError` in a browser, a bug in us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidState(pub String);

/// One end of a peer connection. A description reads `<kind> <ufrag> [answers <ufrag>]`.
#[derive(Clone, Debug)]
pub struct FakePc {
    pub signaling: Signaling,
    pub connection: Connection,
    /// The ICE user name fragment we use now, and the one of an offer that may still be taken back.
    local: Option<String>,
    offered: Option<String>,
    remote: Option<String>,
    /// The session before, which carries media until the newer one does.
    before: Option<Session>,
    made: u32,
    label: String,
    /// Which routes it may take, and whether it sends pictures.
    pub route: Route,
    pub picture: bool,
    /// What arrived: anything, and pictures.
    pub bytes: u64,
    pub frames: u64,
    /// Whether the data channel is open.
    pub channel: bool,
}

impl FakePc {
    pub fn new(label: String, route: Route, picture: bool) -> Self {
        Self {
            signaling: Signaling::Stable,
            connection: Connection::New,
            local: None,
            offered: None,
            remote: None,
            before: None,
            made: 0,
            label,
            route,
            picture,
            bytes: 0,
            frames: 0,
            channel: false,
        }
    }

    fn fresh_ufrag(&mut self) -> String {
        self.made += 1;
        format!("{}.{}", self.label, self.made)
    }

    /// `setLocalDescription()` for an offer.
    pub fn create_offer(&mut self, restart: bool) -> Result<Sdp, InvalidState> {
        if self.signaling != Signaling::Stable {
            return Err(InvalidState(format!("{}: offer in {:?}", self.label, self.signaling)));
        }
        let ufrag = match (&self.local, restart) {
            (Some(ufrag), false) => ufrag.clone(),
            _ => self.fresh_ufrag(),
        };
        self.offered = Some(ufrag.clone());
        self.signaling = Signaling::HaveLocalOffer;
        Ok(Sdp::new(&format!("offer {ufrag}")).expect("short"))
    }

    /// `setRemoteDescription(offer)`, taking our own offer back if need be, then `setLocalDescription()`.
    pub fn apply_offer(&mut self, sdp: &Sdp) -> Result<Sdp, InvalidState> {
        let words: Vec<&str> = sdp.as_str().split(' ').collect();
        let ["offer", theirs] = words[..] else {
            return Err(InvalidState(format!("{}: not an offer: {}", self.label, sdp.as_str())));
        };
        self.offered = None;
        let known = self.session();
        let restarted = self.remote.as_deref().is_some_and(|known| known != theirs);
        self.remote = Some(theirs.to_owned());
        let ours = match &self.local {
            Some(ufrag) if !restarted => ufrag.clone(),
            _ => self.fresh_ufrag(),
        };
        self.local = Some(ours.clone());
        self.moved_from(known);
        self.signaling = Signaling::Stable;
        Ok(Sdp::new(&format!("answer {ours} answers {theirs}")).expect("short"))
    }

    /// `setRemoteDescription(answer)`.
    pub fn apply_answer(&mut self, sdp: &Sdp) -> Result<(), InvalidState> {
        let words: Vec<&str> = sdp.as_str().split(' ').collect();
        let ["answer", theirs, "answers", ours] = words[..] else {
            return Err(InvalidState(format!("{}: not an answer: {}", self.label, sdp.as_str())));
        };
        if self.signaling != Signaling::HaveLocalOffer || self.offered.as_deref() != Some(ours) {
            return Err(InvalidState(format!("{}: answer to {ours} in {:?}", self.label, self.signaling)));
        }
        let known = self.session();
        self.local = self.offered.take();
        self.remote = Some(theirs.to_owned());
        self.moved_from(known);
        self.signaling = Signaling::Stable;
        Ok(())
    }

    /// `addIceCandidate`.
    pub fn add_candidate(&self) -> Result<(), InvalidState> {
        if self.remote.is_none() {
            return Err(InvalidState(format!("{}: candidate without a remote description", self.label)));
        }
        Ok(())
    }

    fn moved_from(&mut self, known: Session) {
        if known.0.is_some() && known != self.session() {
            self.before = Some(known);
        }
    }

    /// The ICE sessions that both ends have agreed on, as each end has them, newest first: while one is being replaced
    /// the one before it still carries media.
    pub fn agreed<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (Session, Session)> + 'a {
        let theirs: Vec<Session> = other.sessions().collect();
        self.sessions().flat_map(move |ours| {
            let same = |theirs: &Session| theirs.0 == ours.1 && theirs.1 == ours.0;
            theirs.iter().filter(|theirs| same(theirs)).map(|theirs| (ours.clone(), theirs.clone())).collect::<Vec<_>>()
        })
    }

    fn sessions(&self) -> impl Iterator<Item = Session> {
        let whole = |(local, remote): &Session| local.is_some() && remote.is_some();
        [Some(self.session()), self.before.clone()].into_iter().flatten().filter(whole)
    }

    /// The newest ICE session, to notice a restart.
    pub fn session(&self) -> Session {
        (self.local.clone(), self.remote.clone())
    }
}
