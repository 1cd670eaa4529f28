//! The data channel to one person: whether it is open, how much may come over it, and how words that others bring are known.

use crate::bucket::Bucket;
use crate::id::{PcEpoch, PeerId};
use crate::inbox::ReplayWindow;
use crate::limits::Limits;
use crate::secret::{Key, Secrets};
use crate::time::Millis;
use crate::wire::{PeerMsg, encode};

/// What becomes of a message that came over the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It is read.
    Open,
    /// It is too much; what matters comes again.
    Dropped,
    /// There was far too much: the channel is closed, and no message costs anything any more.
    Closed,
}

/// The data channel to one person, over all their connections: a new connection does not give new budgets.
#[derive(Debug)]
pub(super) struct Channel {
    /// The connection on which it is open.
    open: Option<PcEpoch>,
    /// What we seal our words to them with when somebody else brings them, and how many we have sealed.
    ours: Key,
    sealed: u64,
    /// What they seal theirs to us with, and which of them have come.
    theirs: Option<Key>,
    came: ReplayWindow,
    messages: Bucket,
    bytes: Bucket,
    drops: Bucket,
    carried_bytes: Bucket,
    pictures: Bucket,
    wants: Bucket,
}

impl Channel {
    pub(super) fn new(now: Millis, secrets: &mut Secrets) -> Self {
        Self {
            open: None,
            ours: secrets.next_key(),
            sealed: 0,
            theirs: None,
            came: ReplayWindow::default(),
            messages: Bucket::new(now, Limits::PEER_MESSAGE_BURST, Limits::PEER_MESSAGES_PER_S),
            bytes: Bucket::new(now, Limits::PEER_BYTES_BURST, Limits::PEER_BYTES_PER_S),
            drops: Bucket::new(now, Limits::PEER_DROPS_BURST, Limits::PEER_DROPS_PER_S),
            carried_bytes: Bucket::new(now, Limits::CARRY_BYTES_BURST, Limits::CARRY_BYTES_PER_S),
            pictures: Bucket::new(now, Limits::PICTURES_ASKED_BURST, Limits::PICTURES_ASKED_PER_S),
            wants: Bucket::new(now, Limits::WANTS_BURST, Limits::WANTS_PER_S),
        }
    }

    pub(super) const fn opened(&mut self, epoch: PcEpoch) {
        self.open = Some(epoch);
    }

    pub(super) const fn closed(&mut self) {
        self.open = None;
    }

    /// The connection it is open on, if that is still the one in use.
    pub(super) fn on(&self, epoch: PcEpoch) -> Option<PcEpoch> {
        self.open.filter(|open| *open == epoch)
    }

    /// Judges a message of so many bytes before it is read.
    pub(super) fn admit(&mut self, now: Millis, len: usize) -> Passage {
        let bytes = u32::try_from(len).unwrap_or(u32::MAX);
        if len <= Limits::FRAME_BYTES && self.messages.take(now) && self.bytes.take_many(now, bytes) {
            return Passage::Open;
        }
        if self.drops.take(now) {
            return Passage::Dropped;
        }
        self.open = None;
        Passage::Closed
    }

    /// Whether so many bytes are carried for them now.
    pub(super) fn may_be_carried_for(&mut self, now: Millis, len: usize) -> bool {
        self.carried_bytes.take_many(now, u32::try_from(len).unwrap_or(u32::MAX))
    }

    /// Whether they get the whole picture they ask for: making one is dear.
    pub(super) fn may_ask_for_picture(&mut self, now: Millis) -> bool {
        self.pictures.take(now)
    }

    /// Whether they may switch our pictures now.
    pub(super) fn may_switch(&mut self, now: Millis) -> bool {
        self.wants.take(now)
    }

    /// What they must know to take our words from somebody else.
    pub(super) const fn key(&self) -> Key {
        self.ours
    }

    /// They told what they seal their words with. A new page of theirs has a new key and counts anew.
    pub(super) fn learn(&mut self, key: Key) {
        if self.theirs != Some(key) {
            (self.theirs, self.came) = (Some(key), ReplayWindow::default());
        }
    }

    /// Whether they have had a channel to us, and so know our key.
    pub(super) const fn is_known(&self) -> bool {
        self.theirs.is_some()
    }

    /// A message for somebody else to bring from `me` to `them`.
    pub(super) fn seal(&mut self, me: PeerId, them: PeerId, msg: &PeerMsg) -> PeerMsg {
        self.sealed += 1;
        let n = self.sealed;
        let seal = self.ours.seal(&[&words(me, them, n), encode(msg).as_bytes()]);
        PeerMsg::Carry { to: them, n, seal, msg: Box::new(msg.clone()) }
    }

    /// Whether a message that somebody brought is theirs to us, word for word, and comes for the first time.
    pub(super) fn is_theirs(&mut self, them: PeerId, me: PeerId, carried: &PeerMsg) -> bool {
        let (PeerMsg::Carried { n, seal, msg, .. }, Some(key)) = (carried, self.theirs) else { return false };
        let sealed = key.seal(&[&words(them, me, *n), encode(&**msg).as_bytes()]);
        sealed == *seal && self.came.accept(*n)
    }
}

/// From whom, to whom, and which of all.
fn words(from: PeerId, to: PeerId, n: u64) -> Vec<u8> {
    format!("{from} {to} {n}").into_bytes()
}
