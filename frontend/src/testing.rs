//! A way for the tests of this crate to drive single adapters, as the loop would.

pub use crate::clock::now;
pub use crate::outbox::Outbox;
pub use crate::storage::{forget_seat, recall, save_seat};

use crate::inbox::{Inbox, Mail};
use crate::media::Media;
use crate::pc::{self, Connections, Operation};
use crate::screen::Screen;
use crate::socket::Socket;
use futures::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use holdfast::recovery::Route;
use holdfast::session::{Capture, Event};
use holdfast::view::MediaKind;
use holdfast::wire::{Candidate, Sdp};
use holdfast::{PcEpoch, PeerId, SocketEpoch};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use web_sys::{MediaStream, MediaStreamTrack, MediaStreamTrackState};

/// How long an event may take.
const WITHIN_MS: u32 = 15_000;

/// Whether a track still brings something.
#[must_use]
pub fn is_live(track: &MediaStreamTrack) -> bool {
    track.ready_state() == MediaStreamTrackState::Live
}

/// The adapters on one mailbox.
pub struct Probe {
    inbox: Inbox,
    mail: Mail,
    socket: Socket,
    media: Media,
    connections: Connections,
    screen: Rc<RefCell<Screen>>,
}

impl Default for Probe {
    fn default() -> Self {
        Self::new()
    }
}

impl Probe {
    /// Fresh adapters.
    ///
    /// # Panics
    /// When the browser makes no stream.
    #[must_use]
    pub fn new() -> Self {
        let (inbox, mail) = Inbox::new();
        let connections = Connections::default();
        let preview = MediaStream::new().expect("the browser makes streams");
        let media = Media::new(inbox.clone(), preview, Rc::new(|_, _| ()));
        let socket = Socket::new(inbox.clone());
        let screen = Rc::new(RefCell::new(Screen::new(inbox.clone())));
        Self { inbox, mail, socket, media, connections, screen }
    }

    /// Waits for an event that `wanted` takes; others are dropped.
    ///
    /// # Panics
    /// When it does not come in time.
    pub async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        let mut deadline = TimeoutFuture::new(WITHIN_MS);
        loop {
            let next = self.mail.next();
            futures::pin_mut!(next);
            match select(next, &mut deadline).await {
                Either::Left((Some(event), _)) if wanted(&event) => return event,
                Either::Left((Some(_), _)) => {}
                Either::Left((None, _)) | Either::Right(_) => panic!("the event did not come"),
            }
        }
    }

    /// Opens a socket to `/ws` of the page's own server.
    pub fn open_socket(&mut self, epoch: SocketEpoch) {
        self.socket.open(epoch);
    }

    /// Starts microphone and camera.
    pub fn capture(&self) {
        self.media.capture(Capture { audio: Some(None), video: Some(None) });
    }

    /// The running track of a kind: the very one the adapter holds, not a copy.
    #[must_use]
    pub fn track(&self, kind: MediaKind) -> Option<MediaStreamTrack> {
        self.media.track(kind)
    }

    /// How many tracks the own picture has.
    #[must_use]
    pub fn preview_tracks(&self) -> u32 {
        self.media.preview().get_tracks().length()
    }

    /// Stops a device.
    pub fn release(&self, kind: MediaKind) {
        self.media.release(kind);
    }

    /// Makes a connection.
    pub fn open_pc(&self, peer: PeerId, epoch: PcEpoch) {
        self.connections.open(peer, epoch, &pc::configuration(&[], Route::Any), &self.inbox, &self.media, &self.screen);
    }

    /// Drops a connection.
    pub fn close_pc(&self, peer: PeerId, epoch: PcEpoch) {
        self.connections.close(peer, epoch);
    }

    /// Makes an offer.
    pub fn create_offer(&self, peer: PeerId, epoch: PcEpoch) {
        self.connections.operate(peer, epoch, Operation::Offer { restart: false });
    }

    /// Applies an offer.
    pub fn apply_offer(&self, peer: PeerId, epoch: PcEpoch, sdp: Sdp) {
        self.connections.operate(peer, epoch, Operation::ApplyOffer(sdp));
    }

    /// Applies an answer.
    pub fn apply_answer(&self, peer: PeerId, epoch: PcEpoch, sdp: Sdp) {
        self.connections.operate(peer, epoch, Operation::ApplyAnswer(sdp));
    }

    /// Adds a candidate.
    pub fn add_candidate(&self, peer: PeerId, epoch: PcEpoch, candidate: Candidate) {
        self.connections.operate(peer, epoch, Operation::AddCandidate(candidate));
    }

    /// The kinds of the tracks that arrive from a person, sorted.
    #[must_use]
    pub fn received_kinds(&self, peer: PeerId) -> Vec<String> {
        let tracks = self.connections.stream(peer).map(|stream| stream.get_tracks().to_vec()).unwrap_or_default();
        let mut kinds: Vec<String> = tracks
            .into_iter()
            .filter_map(|track| track.dyn_into::<MediaStreamTrack>().ok())
            .map(|track| track.kind())
            .collect();
        kinds.sort();
        kinds
    }
}
