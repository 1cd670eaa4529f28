//! One node's room among others, event by event: claims, late words, a log that begins anew, an author's order.

use holdfast::rng::Rng;
use holdfast::room::{AppendOutcome, Claim, RoomEffect, RoomEvent, Ticket};
use holdfast::wire::{
    Body, ClientMsg, CloseCode, Entry, Hello, LeaveReason, MediaState, Name, NodeMsg, PROTOCOL_VERSION, Presence,
    Refusal, Sdp, ServerMsg, Signal,
};
use holdfast::{ChatId, ConnId, Limits, LogEpoch, Millis, NodeId, Offset, PcEpoch, PeerId, Room};

const START: u64 = 1_800_000_000_000;

fn at(ms: u64) -> Millis {
    Millis::from_unix(START + ms)
}

fn place(epoch: u64, seq: u64) -> Offset {
    Offset { epoch: LogEpoch::from_number(START + epoch), seq }
}

fn media() -> MediaState {
    MediaState { audio: true, video: true }
}

fn hello(claim: u64) -> Box<Hello> {
    let name = Name::new("Ana").expect("valid");
    let room = "nodes".parse().expect("valid");
    Box::new(Hello { version: PROTOCOL_VERSION, room, name, media: media(), claim, resume: None })
}

fn joined(peer: u64) -> Entry {
    let name = Name::new("Ana").expect("valid");
    Entry::Joined { peer: PeerId::from_bits(peer), name, media: media(), at: at(0) }
}

fn conn(n: u64) -> ConnId {
    ConnId::from_number(n)
}

fn seats(peer: u64, claim: u64, here: bool, quiet_ms: u64) -> RoomEvent {
    let seats = vec![Presence { peer: PeerId::from_bits(peer), claim, media: media(), here, quiet_ms }];
    RoomEvent::Told { node: NodeId::from_number(2), msg: NodeMsg::Seats { seats } }
}

/// A shared room in which seat 1 is on socket 1 with claim 10.
fn seated() -> Room {
    let mut room = Room::shared(place(0, 0));
    let _ = room.handle(at(0), RoomEvent::Loaded);
    let claim = Claim::Fresh(PeerId::from_bits(1));
    let _ = room.handle(at(0), RoomEvent::Hello { conn: conn(1), hello: hello(10), claim });
    let _ = room.handle(at(1), RoomEvent::Folded { offset: place(0, 1), entry: joined(1) });
    room
}

fn closes(effects: &[RoomEffect]) -> Vec<(ConnId, CloseCode)> {
    let close = |effect: &RoomEffect| match effect {
        RoomEffect::Close { conn, code } => Some((*conn, *code)),
        _ => None,
    };
    effects.iter().filter_map(close).collect()
}

fn appends(effects: &[RoomEffect]) -> Vec<Entry> {
    let append = |effect: &RoomEffect| match effect {
        RoomEffect::Append { entry, .. } => Some(entry.clone()),
        _ => None,
    };
    effects.iter().filter_map(append).collect()
}

#[test]
fn the_greater_claim_has_the_seat_wherever_it_is() {
    let mut room = seated();
    assert_eq!(closes(&room.handle(at(10), seats(1, 9, true, 0))), [], "an older one elsewhere changes nothing");
    assert_eq!(closes(&room.handle(at(11), seats(1, 11, true, 0))), [(conn(1), CloseCode::Replaced)]);
    // A socket of before, whose hello was late, does not take it back.
    let held = Claim::Held { peer: PeerId::from_bits(1), else_fresh: PeerId::from_bits(99) };
    let late = room.handle(at(12), RoomEvent::Hello { conn: conn(2), hello: hello(10), claim: held });
    assert_eq!(closes(&late), [(conn(2), CloseCode::Replaced)]);
    let newer = room.handle(at(13), RoomEvent::Hello { conn: conn(3), hello: hello(12), claim: held });
    assert!(newer.iter().any(|effect| matches!(effect, RoomEffect::Welcome { resumed: true, .. })));
}

#[test]
fn a_page_that_comes_from_a_node_whose_clock_is_ahead_keeps_its_seat() {
    const HOUR: u64 = 3_600_000;
    let mut room = Room::shared(place(0, 0));
    let _ = room.handle(at(0), RoomEvent::Folded { offset: place(0, 1), entry: joined(1) });
    let _ = room.handle(at(0), RoomEvent::Loaded);
    let held = Claim::Held { peer: PeerId::from_bits(1), else_fresh: PeerId::from_bits(99) };
    let claim = START + HOUR;
    let came = room.handle(at(1), RoomEvent::Hello { conn: conn(1), hello: hello(claim + 1), claim: held });
    assert!(came.iter().any(|effect| matches!(effect, RoomEffect::Welcome { resumed: true, .. })));
    // That node takes the socket that was lost on the way for living.
    let told = room.handle(at(2), seats(1, claim, true, 0));
    assert_eq!(closes(&told), [], "the newer socket is this one");
    let tells = |effect: &RoomEffect| match effect {
        RoomEffect::Tell { msg: NodeMsg::Seats { seats } } => seats.iter().any(|seat| seat.claim > claim),
        _ => false,
    };
    assert!(told.iter().any(tells), "and that node hears so: {told:?}");
    // Whoever claims anew there has it, whatever this one asked for.
    assert_eq!(closes(&room.handle(at(3), seats(1, claim + 2, true, 0))), [(conn(1), CloseCode::Replaced)]);
}

#[test]
fn a_leaving_ends_only_the_stay_it_names() {
    let mut room = seated();
    let peer = PeerId::from_bits(1);
    let left = |joined| Entry::Left { peer, joined, reason: LeaveReason::Lost, at: at(5) };
    let late = room.handle(at(20), RoomEvent::Folded { offset: place(0, 2), entry: left(place(0, 9)) });
    assert_eq!((closes(&late), room.seats()), (vec![], 1), "it names another stay");
    let ends = room.handle(at(21), RoomEvent::Folded { offset: place(0, 3), entry: left(place(0, 1)) });
    assert_eq!((closes(&ends), room.seats()), (vec![(conn(1), CloseCode::Silent)], 0));
}

#[test]
fn silence_of_others_counts_only_while_they_can_be_heard() {
    let mut room = seated();
    let _ = room.handle(at(30), RoomEvent::Folded { offset: place(0, 2), entry: joined(2) });
    let _ = room.handle(at(31), seats(2, 5, true, 0));
    let _ = room.handle(at(32), RoomEvent::Hears(false));
    let ping = |ms: u64| RoomEvent::Message { conn: conn(1), msg: ClientMsg::Ping { n: ms } };
    for ms in (2_000..60_000).step_by(2_000) {
        let _ = room.handle(at(ms), ping(ms));
        assert_eq!(appends(&room.handle(at(ms), RoomEvent::Tick)), [], "nobody is given up by a deaf node");
    }
    let _ = room.handle(at(60_000), RoomEvent::Hears(true));
    let _ = room.handle(at(64_000), ping(64_000));
    assert_eq!(appends(&room.handle(at(64_000), RoomEvent::Tick)), [], "and their time starts anew");
    for ms in (66_000..90_000).step_by(2_000) {
        let _ = room.handle(at(ms), ping(ms));
        if let [Entry::Left { peer, .. }] = appends(&room.handle(at(ms), RoomEvent::Tick)).as_slice() {
            assert_eq!(*peer, PeerId::from_bits(2));
            assert!(ms >= 60_000 + Limits::LEFT_AFTER_MS, "given up after {ms}");
            return;
        }
    }
    panic!("a dead node's people are given up");
}

#[test]
fn silence_that_was_slept_through_ends_no_seat() {
    let slept = 8 * 3_600_000;
    let mut room = seated();
    let _ = room.handle(at(2), RoomEvent::Folded { offset: place(0, 2), entry: joined(2) });
    let _ = room.handle(at(3), seats(2, 5, true, 0));
    let effects = room.handle(at(slept), RoomEvent::Tick);
    assert_eq!((appends(&effects), closes(&effects), room.seats()), (vec![], vec![], 2), "the machine slept, not they");
    // From then on silence is silence.
    for ms in (slept..slept + 60_000).step_by(500) {
        let _ = room.handle(at(ms), RoomEvent::Message { conn: conn(1), msg: ClientMsg::Ping { n: ms } });
        if let [Entry::Left { peer, .. }] = appends(&room.handle(at(ms), RoomEvent::Tick)).as_slice() {
            assert_eq!(*peer, PeerId::from_bits(2));
            assert!(ms >= slept + Limits::LEFT_AFTER_MS, "given up {} ms after waking up", ms - slept);
            return;
        }
    }
    panic!("whoever stays silent is given up");
}

#[test]
fn a_log_that_begins_anew_is_told_and_everyone_is_signed_in_again() {
    let mut room = seated();
    let effects = room.handle(at(50), RoomEvent::Reborn { from: place(40, 0) });
    let resync = effects.iter().any(|effect| {
        matches!(effect, RoomEffect::Send { msg: ServerMsg::Resync { from, seats }, .. } if *from == place(40, 0) && seats.len() == 1)
    });
    assert!(resync, "at once, not at the next ping");
    assert_eq!(appends(&effects).len(), 1);
    let _ = room.handle(at(51), RoomEvent::Folded { offset: place(40, 1), entry: joined(1) });
    assert_eq!(appends(&room.handle(at(5_000), RoomEvent::Tick)), [], "once");
    assert_eq!(room.seats(), 1, "nobody was thrown out");
}

#[test]
fn nobody_brings_a_deleted_message_back() {
    let mut room = seated();
    let mut rng = Rng::new(1);
    let ids: Vec<ChatId> = (0..2).map(|_| ChatId::mint(at(60_000), &mut rng)).collect();
    let _ = room.handle(at(60_000), RoomEvent::Folded { offset: place(0, 2), entry: Entry::Redacted });
    let deleted = Entry::Deleted { id: ids[0], at: at(60_000) };
    let _ = room.handle(at(60_000), RoomEvent::Folded { offset: place(0, 3), entry: deleted });
    let mut write = |id| {
        let body = Body::new("hi").expect("valid");
        room.handle(at(60_001), RoomEvent::Message { conn: conn(1), msg: ClientMsg::Chat { id, body } })
    };
    let again = write(ids[0]);
    assert_eq!(appends(&again), []);
    let refused = ServerMsg::Refused { code: Refusal::IdTaken, about: Some(ids[0]) };
    assert!(again.iter().any(|effect| matches!(effect, RoomEffect::Send { msg, .. } if *msg == refused)), "{again:?}");
    assert_eq!(appends(&write(ids[1])).len(), 1, "what its author says next is stored");
}

#[test]
fn an_author_is_not_overtaken_by_themselves() {
    let mut room = seated();
    let mut rng = Rng::new(1);
    let ids: Vec<ChatId> = (0..3).map(|_| ChatId::mint(at(60_000), &mut rng)).collect();
    let now = at(60_000);
    let write = |room: &mut Room, now, id| {
        let body = Body::new("hi").expect("valid");
        room.handle(now, RoomEvent::Message { conn: conn(1), msg: ClientMsg::Chat { id, body } })
    };
    let ended = |room: &mut Room, now, id, outcome| {
        room.handle(now, RoomEvent::Appended { ticket: Ticket::Chat { conn: conn(1), id }, outcome })
    };
    let refused = |effects: &[RoomEffect]| -> Vec<ChatId> {
        let one = |effect: &RoomEffect| match effect {
            RoomEffect::Send { msg: ServerMsg::Refused { about, code: Refusal::LogAway | Refusal::Busy }, .. } => {
                *about
            }
            _ => None,
        };
        effects.iter().filter_map(one).collect()
    };
    assert_eq!(appends(&write(&mut room, now, ids[0])).len(), 1);
    assert_eq!(appends(&write(&mut room, now, ids[1])), [], "behind the first");
    assert_eq!(refused(&ended(&mut room, now, ids[0], AppendOutcome::Away)), ids[..2]);
    assert_eq!(refused(&write(&mut room, now, ids[2])), ids[2..], "what was under way when the first failed");
    assert_eq!(appends(&write(&mut room, at(61_000), ids[0])).len(), 1);
    assert_eq!(appends(&write(&mut room, at(61_000), ids[1])), []);
    let next = ended(&mut room, at(61_100), ids[0], AppendOutcome::Stored(place(0, 2)));
    assert!(matches!(appends(&next).as_slice(), [Entry::Chat { id, .. }] if *id == ids[1]));
    // One that never comes again, because its author saw it stored, holds nobody up for long.
    let _ = ended(&mut room, at(61_200), ids[1], AppendOutcome::Away);
    assert_eq!(refused(&write(&mut room, at(61_300), ids[2])), ids[2..]);
    assert_eq!(
        appends(&write(&mut room, at(62_300), ids[2])).len(),
        1,
        "it comes again, and the one before it did not"
    );
}

#[test]
fn old_ids_are_looked_up_in_the_archive_and_ids_of_the_future_are_refused() {
    let mut room = seated();
    let mut rng = Rng::new(2);
    let now = at(20 * 86_400_000);
    let mut asks = |minted: Millis| {
        let id = ChatId::mint(minted, &mut rng);
        let body = Body::new("hi").expect("valid");
        let effects = room.handle(now, RoomEvent::Message { conn: conn(1), msg: ClientMsg::Chat { id, body } });
        let done = RoomEvent::Appended { ticket: Ticket::Chat { conn: conn(1), id }, outcome: AppendOutcome::IdTaken };
        let _ = room.handle(now, done);
        effects.iter().find_map(|effect| match effect {
            RoomEffect::Append { ask_archive, .. } => Some(*ask_archive),
            _ => None,
        })
    };
    let ago = |ms: u64| Millis::from_unix(now.as_unix() - ms);
    assert_eq!(asks(ago(1_000)), Some(false));
    assert_eq!(asks(ago(Limits::ID_WINDOW_MS + 1)), Some(true), "the log may have forgotten it");
    assert_eq!(asks(at(1_000)), Some(true), "minted before this log was born and settled");
    assert_eq!(asks(now.plus(Limits::ID_AHEAD_MS + 1)), None);
}

#[test]
fn a_seat_nobody_can_come_back_to_is_given_up_at_once() {
    let mut room = Room::shared(place(0, 0));
    let _ = room.handle(at(0), RoomEvent::Loaded);
    let claim = Claim::Fresh(PeerId::from_bits(7));
    let _ = room.handle(at(0), RoomEvent::Hello { conn: conn(1), hello: hello(1), claim });
    let away = RoomEvent::Appended { ticket: Ticket::Joined { conn: conn(1) }, outcome: AppendOutcome::Away };
    assert_eq!(closes(&room.handle(at(1), away)), [(conn(1), CloseCode::Later)]);
    // It was stored after all; nobody was told a token for it.
    let effects = room.handle(at(2), RoomEvent::Folded { offset: place(0, 1), entry: joined(7) });
    assert!(matches!(appends(&effects).as_slice(), [Entry::Left { .. }]), "{effects:?}");
}

/// Ana in seat 1 on socket 1, Mal in seat 2 on socket 2.
fn two_seated() -> Room {
    let mut room = seated();
    let claim = Claim::Fresh(PeerId::from_bits(2));
    let _ = room.handle(at(2), RoomEvent::Hello { conn: conn(2), hello: hello(10), claim });
    let _ = room.handle(at(3), RoomEvent::Folded { offset: place(0, 2), entry: joined(2) });
    for conn in [conn(1), conn(2)] {
        let _ = room
            .handle(at(4), RoomEvent::Page { conn, entries: vec![(place(0, 1), joined(1)), (place(0, 2), joined(2))] });
    }
    room
}

fn passed_to(effects: &[RoomEffect], conn: ConnId) -> usize {
    let pass = |effect: &&RoomEffect| matches!(effect, RoomEffect::Pass { to, msg: ServerMsg::Signal { .. } } if to.contains(&conn));
    effects.iter().filter(pass).count()
}

fn large_signal(to: u64, seq: u64) -> ClientMsg {
    let sdp = Sdp::new(&"x".repeat(Limits::SDP_BYTES)).expect("just short enough");
    let signal = Signal::Offer { epoch: PcEpoch::from_number(1), round: 1, sdp };
    ClientMsg::Signal { to: PeerId::from_bits(to), stream: 1, seq, signal }
}

#[test]
fn signals_have_a_budget_that_a_new_socket_does_not_renew() {
    let mut room = two_seated();
    let mut passed = 0;
    let mut mal = conn(2);
    for n in 0..400_u64 {
        if n % 10 == 0 {
            mal = conn(100 + n);
            let claim = Claim::Held { peer: PeerId::from_bits(2), else_fresh: PeerId::from_bits(99) };
            let _ = room.handle(at(10 + n), RoomEvent::Hello { conn: mal, hello: hello(100 + n), claim });
        }
        let effects = room.handle(at(10 + n), RoomEvent::Message { conn: mal, msg: large_signal(1, n) });
        passed += passed_to(&effects, conn(1));
        assert_eq!(closes(&effects), [], "nobody is closed for it");
        let refused = |effect: &RoomEffect| matches!(effect, RoomEffect::Pass { to, msg: ServerMsg::Refused { code: Refusal::TooFast, .. } } if *to == [mal]);
        assert!(passed_to(&effects, conn(1)) == 1 || effects.iter().any(refused), "its sender is told");
    }
    assert!((1..=3).contains(&passed), "{passed} of 400 signals of 40 kB");
}

#[test]
fn devices_that_are_switched_in_haste_are_told_a_few_times_and_as_they_are_in_the_end() {
    let mut room = two_seated();
    let mut told = vec![];
    let mut note = |effects: Vec<RoomEffect>| {
        for effect in effects {
            if let RoomEffect::Send { to, msg: ServerMsg::State { media, .. } } = effect {
                assert_eq!(to, [conn(1)]);
                told.push(media);
            }
        }
    };
    for n in 0..1_000_u64 {
        let media = MediaState { audio: n % 2 == 0, video: false };
        note(room.handle(at(10 + n), RoomEvent::Message { conn: conn(2), msg: ClientMsg::State { media } }));
        note(room.handle(at(10 + n), RoomEvent::Tick));
    }
    note(room.handle(at(2_000), RoomEvent::Tick));
    assert!(told.len() <= 25, "{} times in a second", told.len());
    assert_eq!(told.last(), Some(&MediaState { audio: false, video: false }));
}

#[test]
fn a_slow_reader_reads_pages_at_its_own_pace_and_hears_nothing_twice() {
    let mut room = two_seated();
    let chat = |seq: u64| Entry::Chat {
        id: ChatId::mint(at(seq), &mut Rng::new(seq)),
        peer: PeerId::from_bits(2),
        name: Name::new("Mal").expect("valid"),
        body: Body::new("words").expect("valid"),
        at: at(seq),
    };
    let live = |effects: &[RoomEffect]| {
        effects.iter().any(|effect| matches!(effect, RoomEffect::Live { to, .. } if to.contains(&conn(1))))
    };
    assert!(live(&room.handle(at(10), RoomEvent::Folded { offset: place(0, 3), entry: chat(3) })));
    let behind = room.handle(at(10), RoomEvent::Behind { conn: conn(1), sent: 2 });
    assert_eq!(behind, [RoomEffect::Read { conn: conn(1), after: place(0, 2) }]);
    assert!(!live(&room.handle(at(11), RoomEvent::Folded { offset: place(0, 4), entry: chat(4) })));
    assert_eq!(room.handle(at(11), RoomEvent::Behind { conn: conn(1), sent: 2 }), [], "a page is on its way already");
    let page = room.handle(
        at(12),
        RoomEvent::Page { conn: conn(1), entries: vec![(place(0, 3), chat(3)), (place(0, 4), chat(4))] },
    );
    let sent: Vec<u64> = page
        .iter()
        .filter_map(|effect| match effect {
            RoomEffect::Send { msg: ServerMsg::Event { offset, .. }, .. } => Some(offset.seq),
            _ => None,
        })
        .collect();
    assert_eq!(sent, [3, 4]);
    assert!(live(&room.handle(at(13), RoomEvent::Folded { offset: place(0, 5), entry: chat(5) })));
}

#[test]
fn whose_socket_is_closed_for_a_log_that_has_a_hole_is_away_at_once() {
    let mut room = two_seated();
    let _ = room.handle(at(10), RoomEvent::Behind { conn: conn(1), sent: 0 });
    let effects = room.handle(at(11), RoomEvent::Page { conn: conn(1), entries: vec![] });
    assert_eq!(closes(&effects), [(conn(1), CloseCode::Internal)]);
    let away = ServerMsg::Presence { peer: PeerId::from_bits(1), here: false };
    assert!(effects.contains(&RoomEffect::Pass { to: vec![conn(2)], msg: away }), "{effects:?}");
    // Nothing is sent to the socket that is gone.
    let signal = RoomEvent::Message { conn: conn(2), msg: large_signal(1, 1) };
    assert_eq!(passed_to(&room.handle(at(12), signal), conn(1)), 0);
}

#[test]
fn a_number_from_far_ahead_keeps_nobody_out() {
    let mut room = seated();
    let held = Claim::Held { peer: PeerId::from_bits(1), else_fresh: PeerId::from_bits(99) };
    let thief = room.handle(at(10), RoomEvent::Hello { conn: conn(2), hello: hello(u64::MAX), claim: held });
    assert_eq!(closes(&thief), [(conn(1), CloseCode::Replaced)], "whoever holds the token may take the seat");
    let mut elsewhere = seated();
    let _ = elsewhere.handle(at(10), RoomEvent::Hello { conn: conn(2), hello: hello(u64::MAX), claim: held });
    let back = elsewhere.handle(at(10_000), seats(1, START + 10_000, true, 0));
    assert_eq!(closes(&back), [(conn(2), CloseCode::Replaced)], "also over another node");
    let later = 20 + Limits::CLOCK_SLACK_MS;
    let owner = room.handle(at(later), RoomEvent::Hello { conn: conn(3), hello: hello(START + later), claim: held });
    assert_eq!(closes(&owner), [(conn(2), CloseCode::Replaced)], "and its owner may take it back");
}

#[test]
fn no_token_opens_a_seat_that_was_left() {
    let mut room = seated();
    let left = Entry::Left { peer: PeerId::from_bits(1), joined: place(0, 1), reason: LeaveReason::Left, at: at(5) };
    let _ = room.handle(at(5), RoomEvent::Folded { offset: place(0, 2), entry: left });
    let held = Claim::Held { peer: PeerId::from_bits(1), else_fresh: PeerId::from_bits(99) };
    let effects = room.handle(at(10), RoomEvent::Hello { conn: conn(2), hello: hello(20), claim: held });
    let peers: Vec<PeerId> = appends(&effects)
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Joined { peer, .. } => Some(peer),
            _ => None,
        })
        .collect();
    assert_eq!(peers, [PeerId::from_bits(99)]);
}

#[test]
fn what_may_not_be_stored_yet_is_not_overtaken() {
    let mut room = seated();
    let mut rng = Rng::new(3);
    let [first, second] = std::array::from_fn(|_| ChatId::mint(at(5), &mut rng));
    let say = |id| RoomEvent::Message {
        conn: conn(1),
        msg: ClientMsg::Chat { id, body: Body::new("words").expect("valid") },
    };
    let refused = room.handle(at(10), RoomEvent::TooMuch { conn: conn(1), id: first });
    let is = |effects: &[RoomEffect], id: ChatId, code: Refusal| {
        effects.contains(&RoomEffect::Send { to: vec![conn(1)], msg: ServerMsg::Refused { code, about: Some(id) } })
    };
    assert!(is(&refused, first, Refusal::TooFast));
    let early = room.handle(at(11), say(second));
    assert!(is(&early, second, Refusal::Busy) && appends(&early).is_empty(), "it waits for the first");
    assert_eq!(appends(&room.handle(at(20), say(first))).len(), 1);
}

/// Redis goes away for all nodes. Each notices after three seconds, and must not take the others' people for gone before.
#[test]
fn silence_that_has_two_sides_is_nobodys_absence() {
    let mut room = seated();
    let _ = room.handle(at(2), RoomEvent::Folded { offset: place(0, 2), entry: joined(2) });
    // The last beat comes just before the page's next ping: its sign of life is two seconds old.
    let _ = room.handle(at(4_000), seats(2, 11, true, Limits::PING_EVERY_MS));
    let lost_at = 4_000 + Limits::BEAT_MS - 1;
    let deaf_at = lost_at + 3_250;
    let gone = ServerMsg::Presence { peer: PeerId::from_bits(2), here: false };
    let mut told = |ms: u64| {
        let mut effects = room.handle(at(ms), RoomEvent::Message { conn: conn(1), msg: ClientMsg::Ping { n: ms } });
        effects.extend(room.handle(at(ms), RoomEvent::Tick));
        effects.iter().any(|effect| matches!(effect, RoomEffect::Pass { msg, .. } if *msg == gone))
    };
    for ms in (4_000..=deaf_at).step_by(50) {
        assert!(!told(ms), "{ms}");
    }
    // A node that hears goes on judging.
    assert!(told(deaf_at + 3_000));
}
