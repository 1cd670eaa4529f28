//! One person at one computer: their page, their browser's connections and devices, and what they did.

use crate::fake_pc::{FakePc, Signaling};
use holdfast::session::{Keepsake, Unsent};
use holdfast::view::MediaKind;
use holdfast::{ChatId, Millis, PcEpoch, PeerId, Session};
use std::collections::{BTreeMap, BTreeSet};

/// One person at one computer.
pub struct Client {
    pub session: Session,
    pub page: u64,
    pub pcs: BTreeMap<(PeerId, PcEpoch), FakePc>,
    pub keepsake: Option<Keepsake>,
    pub tick_at: Option<Millis>,
    /// Messages written and not given up.
    pub said: BTreeSet<ChatId>,
    /// What the browser has written down.
    pub disk: Vec<Unsent>,
    /// The browser cannot write anything down.
    pub disk_broken: bool,
    /// Messages written, in order.
    pub order: Vec<ChatId>,
    /// Messages that waited in a page that was reloaded before they were written down: they may be in the log or not.
    pub given_up: BTreeSet<ChatId>,
    pub wants_in: bool,
    /// The seat it has or last had.
    pub last_seat: Option<PeerId>,
    /// To whom no pictures are sent.
    pub blind: BTreeSet<PeerId>,
    /// The own microphone and camera, as the adapter has them.
    pub tracks: Tracks,
    /// The computer sleeps until then: nothing happens in the page, and everything happens late.
    pub asleep_until: Option<Millis>,
}

/// What nobody may guess, though it follows from the seed here.
pub fn secret(seed: u64) -> [u8; 16] {
    std::array::from_fn(|n| seed.to_le_bytes()[n % 8])
}

/// What runs and what is kept from the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracks {
    pub microphone: bool,
    pub camera: bool,
    pub muted: bool,
    pub covered: bool,
}

impl Client {
    pub fn new(seed: u64) -> Self {
        Self {
            session: Session::new(seed, secret(seed)),
            page: 0,
            pcs: BTreeMap::new(),
            keepsake: None,
            disk: vec![],
            disk_broken: false,
            tick_at: None,
            said: BTreeSet::new(),
            given_up: BTreeSet::new(),
            order: vec![],
            wants_in: false,
            last_seat: None,
            blind: BTreeSet::new(),
            tracks: Tracks::default(),
            asleep_until: None,
        }
    }

    /// Messages of this page that are not known to be stored.
    pub fn waiting(&self) -> BTreeSet<ChatId> {
        let view = self.session.view();
        view.chat.iter().filter(|line| line.mine && line.offset.is_none()).map(|line| line.id).collect()
    }

    /// Whether no offer waits for its answer.
    pub fn is_settled(&self) -> bool {
        self.pcs.values().all(|pc| pc.signaling == Signaling::Stable)
    }

    pub fn sleeps(&self, now: Millis) -> bool {
        self.asleep_until.is_some_and(|until| now < until)
    }

    pub fn seat(&self) -> Option<PeerId> {
        self.session.view().me.peer
    }
}

impl Tracks {
    pub const fn running(&mut self, kind: MediaKind) -> &mut bool {
        match kind {
            MediaKind::Audio => &mut self.microphone,
            MediaKind::Video => &mut self.camera,
        }
    }
}
