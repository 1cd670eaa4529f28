//! One connection under any signals and any browser: negotiation alone, and with its ladder and its numbering.

use super::bytes::Bytes;
use holdfast::negotiation::{Manners, Negotiation, NegotiationEffect, NegotiationEvent};
use holdfast::peer::{Peer, PeerEffect, RtcEvent};
use holdfast::recovery::{Flow, RecoveryEvent};
use holdfast::wire::{Candidate, Sdp, Signal};
use holdfast::{Limits, Millis, PcEpoch, PeerId};
use std::collections::BTreeSet;

/// Events of one run.
const STEPS: usize = 400;

fn sdp() -> Sdp {
    Sdp::new("v=0\r\na=candidate:1 1 udp 1 192.0.2.7 5 typ host\r\n").expect("short")
}

pub(super) fn candidate(bytes: &mut Bytes<'_>) -> Candidate {
    let kind = bytes.pick(&["192.0.2.7 9 typ host", "198.51.100.7 9 typ relay", ""]);
    Candidate::new(format!("candidate:1 1 udp 1 {kind}"), "0".into(), 0).expect("short")
}

/// Any remote and a browser that ends each operation some time: one operation runs at a time, candidates wait.
pub(super) fn negotiation(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let mut negotiation = Negotiation::new(bytes.pick(&[Manners::Polite, Manners::Impolite]));
    let mut running: Option<NegotiationEvent> = None;
    let mut has_remote = false;
    for _ in 0..STEPS {
        if bytes.is_empty() {
            break;
        }
        let round = bytes.pick(&[0, 1, 2, 3, u32::MAX]);
        let event = match bytes.below(8) {
            0 => NegotiationEvent::Offer,
            1 => NegotiationEvent::Restart,
            2 => NegotiationEvent::RemoteOffer(round, sdp()),
            3 => NegotiationEvent::RemoteAnswer(round, sdp()),
            4 => NegotiationEvent::RemoteCandidate(candidate(&mut bytes)),
            5 if bytes.one_in(16) => NegotiationEvent::Failed,
            _ => match running.take() {
                Some(ended) => ended,
                None => continue,
            },
        };
        has_remote |= matches!(event, NegotiationEvent::AnswerReady(_) | NegotiationEvent::AnswerApplied);
        let failed = event == NegotiationEvent::Failed;
        let mut candidates = 0;
        for effect in negotiation.handle(event) {
            let ends = match effect {
                NegotiationEffect::CreateOffer { .. } => NegotiationEvent::OfferReady(sdp()),
                NegotiationEffect::ApplyOffer(_) => NegotiationEvent::AnswerReady(sdp()),
                NegotiationEffect::ApplyAnswer(_) => NegotiationEvent::AnswerApplied,
                NegotiationEffect::AddCandidate(_) => {
                    candidates += 1;
                    assert!(has_remote, "a candidate before a description");
                    continue;
                }
                NegotiationEffect::SendOffer(..) | NegotiationEffect::SendAnswer(..) | NegotiationEffect::Broken => {
                    continue;
                }
            };
            assert!(running.is_none() && !failed, "two operations at a time");
            running = Some(ends);
        }
        assert!(candidates <= Limits::HELD_CANDIDATES);
        assert!(running.is_none() || !negotiation.is_settled());
    }
}

fn signal(bytes: &mut Bytes<'_>, epoch: PcEpoch) -> Signal {
    let round = bytes.pick(&[0, 1, 2, u32::MAX]);
    match bytes.below(5) {
        0 | 1 => Signal::Offer { epoch, round, sdp: sdp() },
        2 => Signal::Answer { epoch, round, sdp: sdp() },
        3 => Signal::Candidate { epoch, candidate: candidate(bytes) },
        _ => Signal::Renew { epoch },
    }
}

fn rtc(bytes: &mut Bytes<'_>) -> RtcEvent {
    match bytes.below(10) {
        0 => RtcEvent::OfferReady(sdp()),
        1 => RtcEvent::AnswerReady(sdp()),
        2 => RtcEvent::AnswerApplied,
        3 => RtcEvent::OperationFailed,
        4 => RtcEvent::LocalCandidate(candidate(bytes)),
        5 => RtcEvent::Disconnected,
        6 => RtcEvent::Failed,
        7 => RtcEvent::Flowed(flow(bytes)),
        _ => RtcEvent::Connected,
    }
}

pub(super) fn flow(bytes: &mut Bytes<'_>) -> Flow {
    let relayed = bytes.pick(&[None, Some(false), Some(true)]);
    Flow { bytes: bytes.number(), frames: bytes.number(), picture_bytes: bytes.number(), relayed }
}

fn recovery(bytes: &mut Bytes<'_>) -> RecoveryEvent {
    match bytes.below(6) {
        0 => RecoveryEvent::NetworkChanged,
        1 => RecoveryEvent::Expect(bytes.one_in(2), bytes.one_in(2)),
        2 => RecoveryEvent::Relays(bytes.one_in(2)),
        3 => RecoveryEvent::Renewed,
        4 => RecoveryEvent::ForceRelay,
        _ => RecoveryEvent::Tick,
    }
}

/// Any person, any browser and any clock: what waits is bounded, and there is never more than one connection.
pub(super) fn peer(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let [me, them] = bytes.pick(&[[1, 2], [2, 1]]).map(PeerId::from_bits);
    let mut now = Millis::from_unix(1_800_000_000_000);
    let hides = bytes.one_in(2);
    let mut peer = Peer::new(now, me, them, Millis::from_unix(bytes.number()));
    if hides {
        peer.hide_addresses();
    }
    let (mut open, mut stream) = (BTreeSet::new(), 0);
    for _ in 0..STEPS {
        if bytes.is_empty() {
            break;
        }
        now = now.plus(bytes.pick(&[0, 1, 60, 400, 5_000, 60_000]));
        let near = peer.epoch().number();
        let epoch = match bytes.below(5) {
            0..=2 => near,
            3 => near.saturating_add(1),
            _ => bytes.number(),
        };
        let epoch = PcEpoch::from_number(epoch);
        let numbering = if bytes.one_in(4) { bytes.number() } else { stream };
        let effects = match bytes.below(10) {
            0..=2 => {
                let seq = bytes.number();
                peer.signal(now, numbering, seq, signal(&mut bytes, epoch))
            }
            3 => peer.acknowledged(now, numbering, bytes.number()),
            4 | 5 => peer.rtc(now, epoch, rtc(&mut bytes)),
            6 => peer.recover(now, recovery(&mut bytes)),
            7 => peer.resend(now),
            8 if open.is_empty() => peer.call(now),
            8 => peer.offer_again(now),
            _ => peer.tick(now),
        };
        for effect in effects {
            match effect {
                PeerEffect::Open(epoch, _) => assert!(open.insert(epoch), "{epoch} opened twice"),
                PeerEffect::Close(epoch) => assert!(open.remove(&epoch), "{epoch} was not open"),
                PeerEffect::Send { stream: of, seq, signal } => {
                    assert!(of >= stream && seq > 0, "a numbering went back");
                    stream = of;
                    assert!(!hides || !signal.shows_address(), "an address that was to be hidden");
                }
                PeerEffect::Acknowledge { .. }
                | PeerEffect::CreateOffer(..)
                | PeerEffect::ApplyOffer(..)
                | PeerEffect::ApplyAnswer(..)
                | PeerEffect::AddCandidate(..)
                | PeerEffect::SetRoute(..)
                | PeerEffect::SetPicture
                | PeerEffect::Refresh(_)
                | PeerEffect::AskPicture => {}
            }
        }
        assert!(open.len() <= 1, "{open:?} are open");
        assert!(peer.unacked() <= Limits::SIGNALS_UNACKED);
        let _ = (peer.path(), peer.relay_reach(now), peer.next_deadline());
    }
    let closed: Vec<_> = peer.close();
    assert_eq!(closed.len(), open.len(), "who leaves takes the connection along");
}
