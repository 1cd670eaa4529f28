//! Sessions and rooms under whatever a server, a page or a client can say, in any order and at any time.

use crate::each_seed;
use crate::texts::{From, noise, plausible, words};
use holdfast::peer::RtcEvent;
use holdfast::rng::Rng;
use holdfast::room::{AppendOutcome, Claim, RoomEffect, RoomEvent};
use holdfast::session::{ChannelEvent, Effect, Entrance, Event, Intent, NetEvent, SocketEvent};
use holdfast::wire::{Candidate, ClientMsg, CloseCode, Entry, Sdp, ServerMsg, decode};
use holdfast::{ConnId, Limits, LogEpoch, Millis, Offset, PcEpoch, PeerId, Room, RoomId, Session, SocketEpoch};

/// Steps of one run.
const STEPS: u64 = 60;

fn room_id() -> RoomId {
    "kavot-imure-sakem".parse().expect("a code")
}

fn seat(rng: &mut Rng) -> PeerId {
    PeerId::from_bits(rng.below(5))
}

fn message(rng: &mut Rng, from: From) -> String {
    if rng.below(5) == 0 { noise(rng, from) } else { plausible(rng, from) }
}

fn rtc(rng: &mut Rng) -> RtcEvent {
    let sdp = || Sdp::new("v=0\r\n").expect("short");
    match rng.below(8) {
        0 => RtcEvent::OfferReady(sdp()),
        1 => RtcEvent::AnswerReady(sdp()),
        2 => RtcEvent::AnswerApplied,
        3 => RtcEvent::OperationFailed,
        4 => RtcEvent::Disconnected,
        5 => RtcEvent::Failed,
        6 => RtcEvent::LocalCandidate(Candidate::new("candidate:1".into(), "0".into(), 0).expect("short")),
        _ => RtcEvent::Connected,
    }
}

fn intent(rng: &mut Rng) -> Intent {
    match rng.below(12) {
        0 => Intent::Leave,
        1 => Intent::ToggleMicrophone,
        2 => Intent::ToggleCamera,
        3..=6 => Intent::Say(words(rng)),
        7 => Intent::ShowEarlier,
        8 => Intent::ToggleChat,
        9 => Intent::TryNow,
        10 => Intent::ToggleAudioOnly,
        _ => Intent::Join("Ana".into()),
    }
}

#[test]
fn a_session_survives_any_server_and_any_page() {
    let welcomed = std::cell::Cell::new(0_u64);
    each_seed(400, |rng| {
        let mut session = Session::new(rng.next_u64(), [7; 16]);
        let mut now = 1_800_000_000_000;
        let mut socket = SocketEpoch::from_number(0);
        let mut connections = vec![(PeerId::from_bits(2), PcEpoch::from_number(1))];
        let entrance = Entrance { name: "Ana".into(), join: true, ..Entrance::default() };
        let mut next = vec![Event::Entered(room_id(), entrance)];
        for _ in 0..STEPS {
            let (peer, pc) = connections[rng.below(connections.len() as u64) as usize];
            let heard = SocketEvent::Text(message(rng, From::Server));
            next.push(match rng.below(20) {
                0 => Event::Socket(
                    socket,
                    SocketEvent::Closed(CloseCode::from_number(rng.below(5_000) as u16), words(rng)),
                ),
                1..=9 => Event::Socket(socket, heard),
                10 | 11 => Event::Rtc(peer, pc, rtc(rng)),
                12 => Event::Channel(peer, pc, ChannelEvent::Opened),
                13..=15 => Event::Channel(peer, pc, ChannelEvent::Text(message(rng, From::Peer))),
                16 => Event::Intent(intent(rng)),
                17 => Event::Net([NetEvent::Online, NetEvent::Shown, NetEvent::Frozen][rng.below(3) as usize]),
                _ => Event::Tick,
            });
            // Clocks go on, stand, or jump.
            now += [0, 20, 400, 5_000, 60_000][rng.below(5) as usize];
            for event in std::mem::take(&mut next) {
                for effect in session.handle(Millis::from_unix(now), event) {
                    match effect {
                        Effect::OpenSocket(epoch) => {
                            socket = epoch;
                            next.push(Event::Socket(epoch, SocketEvent::Opened));
                        }
                        Effect::OpenPc(peer, epoch, ..) => connections.push((peer, epoch)),
                        _ => {}
                    }
                }
            }
            connections.drain(..connections.len().saturating_sub(8));
            let view = session.view();
            welcomed.set(welcomed.get() + u64::from(!view.tiles.is_empty()));
            assert!(session.unsent() <= Limits::OUTBOX, "{} unsent", session.unsent());
            let _ = session.next_deadline();
        }
    });
    assert!(welcomed.get() > 0, "no session came into a call: this tries nothing");
}

fn entry_of(rng: &mut Rng) -> Option<Entry> {
    match decode(&plausible(rng, From::Server)) {
        Ok(ServerMsg::Event { entry, .. }) => Some(entry),
        _ => None,
    }
}

#[test]
fn a_room_survives_any_clients_and_any_log() {
    let seated = std::cell::Cell::new(0_usize);
    each_seed(400, |rng| {
        let from = Offset { epoch: LogEpoch::from_number(1_800_000_000_000), seq: 0 };
        let mut room = if rng.below(2) == 0 { Room::new(from) } else { Room::shared(from) };
        let mut now = 1_800_000_000_000;
        let mut next = vec![RoomEvent::Loaded];
        for _ in 0..STEPS {
            let conn = ConnId::from_number(rng.below(6));
            let said = decode::<ClientMsg>(&message(rng, From::Client));
            let event = match (rng.below(10), said) {
                (0, _) => Some(RoomEvent::Closed { conn }),
                (1, _) => entry_of(rng).map(|entry| RoomEvent::Folded { offset: room.head().next(), entry }),
                (2, _) if rng.below(4) == 0 => Some(RoomEvent::Reborn { from: Offset { seq: rng.below(9), ..from } }),
                (3, _) => Some(RoomEvent::Trimmed { seq: rng.below(40) }),
                (4, _) => Some(RoomEvent::Hears(rng.below(2) == 0)),
                (5, _) => Some(RoomEvent::Page { conn, entries: vec![] }),
                (_, Ok(ClientMsg::Hello(hello))) => {
                    let claim = if rng.below(2) == 0 {
                        Claim::Fresh(seat(rng))
                    } else {
                        Claim::Held { peer: seat(rng), else_fresh: seat(rng) }
                    };
                    Some(RoomEvent::Hello { conn, hello: Box::new(hello), claim })
                }
                (_, Ok(ClientMsg::Watch { .. })) => Some(RoomEvent::Watch { conn }),
                (_, Ok(msg)) => Some(RoomEvent::Message { conn, msg }),
                (_, Err(_)) => Some(RoomEvent::Tick),
            };
            next.extend(event);
            now += [0, 20, 400, 5_000, 60_000][rng.below(5) as usize];
            for event in std::mem::take(&mut next) {
                for effect in room.handle(Millis::from_unix(now), event) {
                    match effect {
                        RoomEffect::Append { ticket, entry, .. } => {
                            let offset = room.head().next();
                            let outcome = match rng.below(8) {
                                0 => AppendOutcome::Away,
                                1 => AppendOutcome::Busy,
                                2 => AppendOutcome::IdTaken,
                                _ => AppendOutcome::Stored(offset),
                            };
                            if matches!(outcome, AppendOutcome::Stored(_)) {
                                next.push(RoomEvent::Folded { offset, entry });
                            }
                            next.push(RoomEvent::Appended { ticket, outcome });
                        }
                        RoomEffect::Close { conn, .. } => next.push(RoomEvent::Closed { conn }),
                        RoomEffect::Read { conn, .. } => next.push(RoomEvent::Page { conn, entries: vec![] }),
                        _ => {}
                    }
                }
            }
            seated.set(seated.get().max(room.seats()));
            let _ = (room.next_deadline(), room.people(), room.oldest_joined());
        }
    });
    assert!(seated.get() > 0, "nobody came in: this tries nothing");
}
