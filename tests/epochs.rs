//! What comes from an old socket or an old peer connection counts for nothing.

use holdfast::peer::{Path, Peer, PeerEffect, RtcEvent};
use holdfast::session::{Effect, Entrance, Event, SocketEvent};
use holdfast::wire::{CloseCode, Name, Sdp, ServerMsg, Signal, encode};
use holdfast::{Limits, Millis, PeerId, Session, SocketEpoch};

const NOW: Millis = Millis::from_unix(1_800_000_000_000);

fn sdp() -> Sdp {
    Sdp::new("v=0").expect("short")
}

#[test]
fn a_message_of_a_socket_we_replaced_is_dropped() {
    let mut session = Session::new(1, [1; 16]);
    let room = "epoch-room".parse().expect("valid");
    let (old, new) = (SocketEpoch::from_number(1), SocketEpoch::from_number(2));
    let effects = session.handle(NOW, Event::Entered(room, Entrance::default()));
    assert!(effects.contains(&Effect::OpenSocket(old)));
    let _ = session.handle(NOW, Event::Socket(old, SocketEvent::Closed(CloseCode::Broken, String::new())));
    let effects = session.handle(NOW.plus(Limits::RETRY_CAP_MS), Event::Tick);
    assert!(effects.contains(&Effect::OpenSocket(new)));
    let lobby = encode(&ServerMsg::Lobby { people: vec![Name::new("Ghost").expect("valid")], full: true });
    let effects = session.handle(NOW, Event::Socket(old, SocketEvent::Text(lobby)));
    assert!(effects.is_empty() && session.view().lobby.is_none());
}

#[test]
fn late_events_of_a_connection_we_rebuilt_are_dropped() {
    let mut peer = Peer::new(NOW, PeerId::from_bits(1), PeerId::from_bits(2), NOW);
    let _ = peer.call(NOW);
    let old = peer.epoch();
    let effects = peer.tick(NOW.plus(Limits::PC_CONNECT_WITHIN_MS));
    assert!(effects.contains(&PeerEffect::Close(old)) && peer.epoch() > old, "rebuilt");
    assert!(peer.rtc(NOW, old, RtcEvent::OfferReady(sdp())).is_empty());
    assert!(peer.rtc(NOW, old, RtcEvent::Connected).is_empty());
    assert_eq!(peer.path(), Path::Troubled, "the old one's 'connected' means nothing");
}

#[test]
fn late_answer_after_rebuild_is_ignored() {
    let mut peer = Peer::new(NOW, PeerId::from_bits(1), PeerId::from_bits(2), NOW);
    let _ = peer.call(NOW);
    let old = peer.epoch();
    let _ = peer.rtc(NOW, old, RtcEvent::OfferReady(sdp()));
    let _ = peer.tick(NOW.plus(Limits::PC_CONNECT_WITHIN_MS));
    let stream = NOW.as_unix() + 1;
    let effects = peer.signal(NOW, stream, 1, Signal::Answer { epoch: old, round: 1, sdp: sdp() });
    assert_eq!(effects, [PeerEffect::Acknowledge { stream, seq: 1 }], "acknowledged and nothing else");
}
