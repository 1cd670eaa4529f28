//! The peer connections: each runs its operations one after the other and posts what comes of them.

use crate::channel;
use crate::externs::{PeerConnectionExt, SenderExt, TransceiverExt};
use crate::inbox::Inbox;
use crate::js;
use crate::listener::Listener;
use crate::media::Media;
use crate::screen::Screen;
use futures::StreamExt;
use futures::channel::mpsc;
use gloo_timers::future::TimeoutFuture;
use holdfast::peer::RtcEvent;
use holdfast::recovery::Route;
use holdfast::session::Event;
use holdfast::view::MediaKind;
use holdfast::wire::{Candidate, IceServer, Sdp};
use holdfast::{PcEpoch, PeerId};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    MediaStream, MediaStreamTrack, RtcConfiguration, RtcDataChannel, RtcIceCandidateInit, RtcIceServer,
    RtcIceTransportPolicy, RtcPeerConnection, RtcPeerConnectionIceEvent, RtcPeerConnectionState, RtcRtpReceiver,
    RtcRtpTransceiver, RtcRtpTransceiverDirection, RtcRtpTransceiverInit, RtcSdpType, RtcSessionDescriptionInit,
    RtcTrackEvent,
};

/// Operations that may wait for one connection. The core asks for one at a time, candidates aside.
const WAITING: usize = 256;

/// How long the connection that warms the browser up is kept.
const WARM_MS: u32 = 3_000;

/// One browser operation.
pub(crate) enum Operation {
    /// Make and set an offer.
    Offer { restart: bool },
    /// Apply an offer, make and set the answer.
    ApplyOffer(Sdp),
    /// Apply an answer.
    ApplyAnswer(Sdp),
    /// Add a candidate.
    AddCandidate(Candidate),
}

/// One connection. Dropping it closes it.
struct Connection {
    pc: RtcPeerConnection,
    operations: mpsc::Sender<Operation>,
    channel: Option<RtcDataChannel>,
    /// Pictures of ours go out on it.
    picture: Rc<Cell<bool>>,
    _listeners: Vec<Listener>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.pc.close();
    }
}

#[derive(Default)]
struct Inner {
    connections: BTreeMap<(PeerId, PcEpoch), Connection>,
    /// One stream a person for all their connections, so that a repair does not touch the element.
    streams: BTreeMap<PeerId, MediaStream>,
}

/// All connections of this page.
#[derive(Clone, Default)]
pub(crate) struct Connections(Rc<RefCell<Inner>>);

impl Connections {
    /// Makes a connection.
    pub(crate) fn open(
        &self,
        peer: PeerId,
        epoch: PcEpoch,
        configuration: &RtcConfiguration,
        inbox: &Inbox,
        media: &Media,
        screen: &Rc<RefCell<Screen>>,
    ) {
        let post = {
            let inbox = inbox.clone();
            move |event| inbox.post(Event::Rtc(peer, epoch, event))
        };
        let made = RtcPeerConnection::new_with_configuration(configuration);
        let (Ok(pc), Some(stream)) = (made, self.stream(peer)) else {
            return post(RtcEvent::OperationFailed);
        };
        let (operations, waiting) = mpsc::channel(WAITING);
        let mut listeners = listen(&pc, &post, peer, stream, Rc::clone(screen));
        let channel = channel::open(&pc);
        listeners.extend(channel.iter().flat_map(|channel| channel::listen(channel, peer, epoch, inbox)));
        let picture = Rc::new(Cell::new(true)); // Until the core says otherwise, which it does at once.
        let ours = Ours { media: media.clone(), picture: Rc::clone(&picture) };
        wasm_bindgen_futures::spawn_local(work(pc.clone(), waiting, ours, post));
        let connection = Connection { pc, operations, channel, picture, _listeners: listeners };
        self.0.borrow_mut().connections.insert((peer, epoch), connection);
    }

    /// Drops a connection.
    pub(crate) fn close(&self, peer: PeerId, epoch: PcEpoch) {
        let closed = self.0.borrow_mut().connections.remove(&(peer, epoch));
        drop(closed);
    }

    /// Queues an operation; one of a connection that is gone is of no interest.
    pub(crate) fn operate(&self, peer: PeerId, epoch: PcEpoch, operation: Operation) {
        if let Some(connection) = self.0.borrow_mut().connections.get_mut(&(peer, epoch)) {
            let _ = connection.operations.try_send(operation);
        }
    }

    /// Uses these servers and routes from the next gathering on.
    pub(crate) fn configure(&self, peer: PeerId, epoch: PcEpoch, configuration: &RtcConfiguration) {
        if let Some(connection) = self.0.borrow().connections.get(&(peer, epoch)) {
            let _ = connection.pc.unchecked_ref::<PeerConnectionExt>().set_configuration(configuration);
        }
    }

    /// Sends our camera on this connection, or no more.
    pub(crate) fn set_picture(&self, peer: PeerId, epoch: PcEpoch, on: bool, track: Option<&MediaStreamTrack>) {
        let mut inner = self.0.borrow_mut();
        if let Some(connection) = inner.connections.get_mut(&(peer, epoch)) {
            connection.picture.set(on);
            for transceiver in transceivers(&connection.pc).filter(|one| kind_of(one) == MediaKind::Video) {
                send_track(&transceiver, track.filter(|_| on));
            }
        }
    }

    /// Sends this person a whole picture: an encoding that pauses begins anew with one.
    pub(crate) fn refresh(&self, peer: PeerId, epoch: PcEpoch) {
        let inner = self.0.borrow();
        let Some(connection) = inner.connections.get(&(peer, epoch)) else { return };
        let video = transceivers(&connection.pc).find(|one| kind_of(one) == MediaKind::Video);
        if let Some(sender) = video.map(|video| video.sender()) {
            wasm_bindgen_futures::spawn_local(async move {
                for active in [false, true] {
                    let sender = sender.unchecked_ref::<SenderExt>();
                    let Ok(parameters) = sender.get_parameters() else { return };
                    let encodings: js_sys::Array = js::get(&parameters, "encodings").unchecked_into();
                    if encodings.length() == 0 {
                        return;
                    }
                    let _ = js_sys::Reflect::set(&encodings.get(0), &"active".into(), &active.into());
                    let Ok(done) = sender.set_parameters(&parameters) else { return };
                    let _ = JsFuture::from(done).await;
                }
            });
        }
    }

    /// Sends a message to this person's page.
    pub(crate) fn send(&self, peer: PeerId, epoch: PcEpoch, text: &str) {
        if let Some(channel) = self.0.borrow().connections.get(&(peer, epoch)).and_then(|one| one.channel.as_ref()) {
            channel::send(channel, text);
        }
    }

    /// Closes the data channel to this person's page.
    pub(crate) fn close_channel(&self, peer: PeerId, epoch: PcEpoch) {
        if let Some(channel) = self.0.borrow().connections.get(&(peer, epoch)).and_then(|one| one.channel.as_ref()) {
            channel.close();
        }
    }

    /// The connections there are.
    pub(crate) fn all(&self) -> Vec<(PeerId, PcEpoch, RtcPeerConnection)> {
        let inner = self.0.borrow();
        inner.connections.iter().map(|((peer, epoch), one)| (*peer, *epoch, Clone::clone(&one.pc))).collect()
    }

    /// Sends another track of ours to everyone.
    pub(crate) fn replace_track(&self, kind: MediaKind, track: Option<&MediaStreamTrack>) {
        for connection in self.0.borrow().connections.values() {
            let track = track.filter(|_| kind == MediaKind::Audio || connection.picture.get());
            for transceiver in transceivers(&connection.pc).filter(|one| kind_of(one) == kind) {
                send_track(&transceiver, track);
            }
        }
    }

    /// The person's stream; streams of people who are gone are let go.
    pub(crate) fn stream(&self, peer: PeerId) -> Option<MediaStream> {
        let mut inner = self.0.borrow_mut();
        let Inner { connections, streams } = &mut *inner;
        streams.retain(|known, _| *known == peer || connections.keys().any(|(theirs, _)| theirs == known));
        if let Some(stream) = streams.get(&peer) {
            return Some(Clone::clone(stream));
        }
        let stream = MediaStream::new().ok()?;
        // Not stream.clone(), which is the browser's and makes another stream.
        streams.insert(peer, Clone::clone(&stream));
        Some(stream)
    }

    /// Where everybody's sound arrives.
    pub(crate) fn audio_receivers(&self) -> Vec<(PeerId, RtcRtpReceiver)> {
        let inner = self.0.borrow();
        let of = |((peer, _), connection): (&(PeerId, PcEpoch), &Connection)| {
            let audio = transceivers(&connection.pc).find(|one| kind_of(one) == MediaKind::Audio)?;
            Some((*peer, audio.receiver()))
        };
        inner.connections.iter().filter_map(of).collect()
    }
}

/// Makes a connection that nobody uses and lets it find its addresses, so that the first real one finds codecs,
/// certificates and network interfaces ready: the first of a page is slow, and people wait for it.
pub(crate) async fn warm_up() {
    let Ok(pc) = RtcPeerConnection::new() else { return };
    let both = ["audio", "video"].map(|kind| add_transceiver(&pc, kind));
    if both.iter().all(Result::is_ok) {
        let _ = set_local(&pc).await;
    }
    TimeoutFuture::new(WARM_MS).await;
    pc.close();
}

/// Servers and routes, as the browser wants them.
pub(crate) fn configuration(ice: &[IceServer], route: Route) -> RtcConfiguration {
    let servers = js_sys::Array::new();
    for one in ice {
        let server = RtcIceServer::new();
        let urls: js_sys::Array = one.urls.iter().map(|url| JsValue::from_str(url)).collect();
        server.set_urls(&urls);
        if let (Some(username), Some(credential)) = (&one.username, &one.credential) {
            server.set_username(username);
            server.set_credential(credential);
        }
        servers.push(&server);
    }
    let configuration = RtcConfiguration::new();
    configuration.set_ice_servers(&servers);
    configuration.set_ice_transport_policy(match route {
        Route::Any => RtcIceTransportPolicy::All,
        Route::Relay => RtcIceTransportPolicy::Relay,
    });
    configuration
}

fn listen(
    pc: &RtcPeerConnection,
    post: &(impl Fn(RtcEvent) + Clone + 'static),
    peer: PeerId,
    stream: MediaStream,
    screen: Rc<RefCell<Screen>>,
) -> Vec<Listener> {
    let (found, moved, connection) = (post.clone(), post.clone(), pc.clone());
    vec![
        Listener::new(pc, "icecandidate", move |event| {
            let candidate = event.dyn_ref::<RtcPeerConnectionIceEvent>().and_then(RtcPeerConnectionIceEvent::candidate);
            if let Some(candidate) = candidate {
                let (mid, index) = (candidate.sdp_mid().unwrap_or_default(), candidate.sdp_m_line_index().unwrap_or(0));
                if let Ok(candidate) = Candidate::new(candidate.candidate(), mid, index) {
                    found(RtcEvent::LocalCandidate(candidate));
                }
            }
        }),
        Listener::new(pc, "connectionstatechange", move |_| match connection.connection_state() {
            RtcPeerConnectionState::Connected => moved(RtcEvent::Connected),
            RtcPeerConnectionState::Disconnected => moved(RtcEvent::Disconnected),
            RtcPeerConnectionState::Failed => moved(RtcEvent::Failed),
            _ => {}
        }),
        Listener::new(pc, "track", move |event| {
            let Some(track) = event.dyn_ref::<RtcTrackEvent>().map(RtcTrackEvent::track) else { return };
            let same_kind = |old: &MediaStreamTrack| old.kind() == track.kind();
            let known = stream.get_tracks();
            let known = known.iter().filter_map(|old| old.dyn_into::<MediaStreamTrack>().ok());
            known.filter(same_kind).for_each(|old| stream.remove_track(&old));
            stream.add_track(&track);
            screen.borrow().attach(Some(peer), &stream);
        }),
    ]
}

fn transceivers(pc: &RtcPeerConnection) -> impl Iterator<Item = RtcRtpTransceiver> + use<> {
    let all = pc.unchecked_ref::<PeerConnectionExt>().get_transceivers().unwrap_or_default();
    all.to_vec().into_iter().filter_map(|one| one.dyn_into().ok())
}

fn kind_of(transceiver: &RtcRtpTransceiver) -> MediaKind {
    if transceiver.receiver().track().kind() == "audio" { MediaKind::Audio } else { MediaKind::Video }
}

fn send_track(transceiver: &RtcRtpTransceiver, track: Option<&MediaStreamTrack>) {
    let Ok(done) = transceiver.sender().unchecked_ref::<SenderExt>().replace_track(track) else { return };
    wasm_bindgen_futures::spawn_local(async move {
        let _ = JsFuture::from(done).await; // Refused only when the connection was closed meanwhile.
    });
}

/// What we send on one connection.
struct Ours {
    media: Media,
    picture: Rc<Cell<bool>>,
}

impl Ours {
    fn track(&self, kind: MediaKind) -> Option<MediaStreamTrack> {
        self.media.track(kind).filter(|_| kind == MediaKind::Audio || self.picture.get())
    }
}

/// Runs a connection's operations one after the other.
async fn work(pc: RtcPeerConnection, mut waiting: mpsc::Receiver<Operation>, ours: Ours, post: impl Fn(RtcEvent)) {
    while let Some(operation) = waiting.next().await {
        let outcome = match operation {
            Operation::Offer { restart } => make_offer(&pc, &ours, restart).await.map(RtcEvent::OfferReady),
            Operation::ApplyOffer(sdp) => apply_offer(&pc, &ours, &sdp).await.map(RtcEvent::AnswerReady),
            Operation::ApplyAnswer(sdp) => {
                set_remote(&pc, RtcSdpType::Answer, &sdp).await.map(|()| RtcEvent::AnswerApplied)
            }
            Operation::AddCandidate(candidate) => {
                // One that cannot be added is not missed: it belongs to an offer that was taken back.
                let _ = add_candidate(&pc, &candidate).await;
                continue;
            }
        };
        post(outcome.unwrap_or_else(|error| {
            web_sys::console::warn_2(&"holdfast: a connection step failed".into(), &error);
            RtcEvent::OperationFailed
        }));
    }
}

async fn make_offer(pc: &RtcPeerConnection, ours: &Ours, restart: bool) -> Result<Sdp, JsValue> {
    if restart {
        pc.unchecked_ref::<PeerConnectionExt>().restart_ice()?;
    }
    if transceivers(pc).next().is_none() {
        for (name, kind) in [("audio", MediaKind::Audio), ("video", MediaKind::Video)] {
            let transceiver = add_transceiver(pc, name)?;
            send_track(&transceiver, ours.track(kind).as_ref());
        }
    }
    set_local(pc).await
}

async fn apply_offer(pc: &RtcPeerConnection, ours: &Ours, sdp: &Sdp) -> Result<Sdp, JsValue> {
    set_remote(pc, RtcSdpType::Offer, sdp).await?;
    for transceiver in transceivers(pc) {
        if transceiver.mid().is_none() {
            // Left over from an offer of ours that was taken back: theirs brought its own.
            let _ = transceiver.unchecked_ref::<TransceiverExt>().stop();
            continue;
        }
        if transceiver.unchecked_ref::<TransceiverExt>().set_direction("sendrecv").is_err() {
            continue; // Their offer ended it.
        }
        send_track(&transceiver, ours.track(kind_of(&transceiver)).as_ref());
    }
    set_local(pc).await
}

fn add_transceiver(pc: &RtcPeerConnection, kind: &str) -> Result<RtcRtpTransceiver, JsValue> {
    let init = RtcRtpTransceiverInit::new();
    init.set_direction(RtcRtpTransceiverDirection::Sendrecv);
    pc.unchecked_ref::<PeerConnectionExt>().add_transceiver(kind, &init)
}

pub(crate) async fn set_local(pc: &RtcPeerConnection) -> Result<Sdp, JsValue> {
    JsFuture::from(pc.unchecked_ref::<PeerConnectionExt>().set_local_description()?).await?;
    let text = pc.local_description().map(|description| description.sdp()).unwrap_or_default();
    Sdp::new(&text).map_err(|error| JsValue::from_str(&error.to_string()))
}

async fn set_remote(pc: &RtcPeerConnection, kind: RtcSdpType, sdp: &Sdp) -> Result<(), JsValue> {
    let description = RtcSessionDescriptionInit::new(kind);
    description.set_sdp(sdp.as_str());
    JsFuture::from(pc.unchecked_ref::<PeerConnectionExt>().set_remote_description(&description)?).await.map(|_| ())
}

async fn add_candidate(pc: &RtcPeerConnection, candidate: &Candidate) -> Result<(), JsValue> {
    let init = RtcIceCandidateInit::new(candidate.line());
    init.set_sdp_mid(Some(candidate.mid()));
    init.set_sdp_m_line_index(Some(candidate.index()));
    JsFuture::from(pc.unchecked_ref::<PeerConnectionExt>().add_ice_candidate(&init)?).await.map(|_| ())
}
