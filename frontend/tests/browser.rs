//! The adapters in a real browser: clock, listeners, storage, socket and the peer connection's own state rules.

use frontend::testing::{self, Outbox, Probe};
use holdfast::peer::RtcEvent;
use holdfast::session::{Event, Keepsake, MediaEvent, SocketEvent, Unsent};
use holdfast::view::MediaKind;
use holdfast::wire::{Body, CloseCode, MediaState, Name, Token};
use holdfast::{ChatId, Offset, PcEpoch, PeerId, SocketEpoch};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

fn peer(n: u64) -> PeerId {
    PeerId::from_bits(n)
}

const EPOCH: PcEpoch = PcEpoch::from_number(1);

#[wasm_bindgen_test]
fn the_clock_tells_unix_time_and_never_runs_backwards() {
    let (first, second) = (testing::now(), testing::now());
    assert!(first.as_unix() > 1_700_000_000_000 && first <= second);
}

#[wasm_bindgen_test]
fn a_seat_is_remembered_in_this_tab_until_it_is_forgotten() {
    let room = "storage-room".parse().expect("valid");
    let token = Token::new("seat.1.mac").expect("valid");
    let kept = Keepsake {
        token,
        name: Name::new("Ana").expect("valid"),
        media: MediaState { audio: true, video: false },
        claim: 3,
        read: Offset::default(),
        audio_only: false,
        keys_off: true,
    };
    testing::save_seat(&room, &kept);
    assert_eq!(testing::recall(&room, String::new(), false).keepsake, Some(kept));
    testing::forget_seat(&room);
    assert_eq!(testing::recall(&room, "Bo".into(), true).keepsake, None);
}

fn unsent(n: u64, text: &str) -> Unsent {
    let id = ChatId::mint(testing::now(), &mut holdfast::rng::Rng::new(n));
    let (body, name) = (Body::new(text).expect("valid"), Name::new("Ana").expect("valid"));
    Unsent { id, body, name, at: testing::now() }
}

/// What is found in time.
async fn adopted(outbox: &Outbox, room: &holdfast::RoomId) -> Vec<Unsent> {
    let mut found = vec![];
    outbox.adopt(room, |unsent| found = unsent, |late| panic!("{} were found late", late.len())).await;
    found
}

#[wasm_bindgen_test]
async fn a_database_that_the_browser_closed_is_opened_again() {
    let room: holdfast::RoomId = "closed-room".parse().expect("valid");
    let (first, second) = (unsent(71, "first"), unsent(72, "second"));
    let (outbox, other) = (Outbox::default(), Outbox::default());
    gloo_timers::future::TimeoutFuture::new(100).await;
    assert!(outbox.keep(room.clone(), first.clone()).await);
    outbox.lose_database().await;
    assert!(outbox.keep(room.clone(), second.clone()).await, "written down all the same");
    outbox.lose_database().await;
    assert!(outbox.forget(&first.id.to_string()).await.is_some());
    outbox.let_go();
    gloo_timers::future::TimeoutFuture::new(100).await;
    assert_eq!(adopted(&other, &room).await, [second]);
}

#[wasm_bindgen_test]
async fn what_a_page_wrote_down_is_left_to_it_while_it_lives_and_taken_over_when_it_is_gone() {
    let room: holdfast::RoomId = "outbox-room".parse().expect("valid");
    let (first, second) = (unsent(1, "first"), unsent(2, "second"));
    let page = Outbox::default();
    // Its lock is granted a moment after it was asked for.
    gloo_timers::future::TimeoutFuture::new(100).await;
    for message in [&first, &second] {
        assert!(page.keep(room.clone(), message.clone()).await);
    }
    let other = Outbox::default();
    assert_eq!(adopted(&other, &room).await, [], "the page that wrote them lives");
    page.let_go();
    gloo_timers::future::TimeoutFuture::new(100).await;
    assert_eq!(adopted(&other, &"another-room".parse().expect("valid")).await, []);
    assert_eq!(adopted(&other, &room).await, [first.clone(), second.clone()], "in the order of writing");
    other.forget(&first.id.to_string()).await.expect("forgotten");
    other.let_go();
    gloo_timers::future::TimeoutFuture::new(100).await;
    let third = Outbox::default();
    assert_eq!(adopted(&third, &room).await, std::slice::from_ref(&second));
    third.forget(&second.id.to_string()).await.expect("forgotten");
}

#[wasm_bindgen_test]
async fn a_socket_that_cannot_open_says_so_under_its_epoch() {
    // The test page's own server speaks no WebSocket at /ws.
    let mut probe = Probe::new();
    let epoch = SocketEpoch::from_number(7);
    probe.open_socket(epoch);
    let closed = probe.until(|event| matches!(event, Event::Socket(e, SocketEvent::Closed(..)) if *e == epoch)).await;
    assert!(matches!(closed, Event::Socket(_, SocketEvent::Closed(CloseCode::Broken, _))));
}

#[wasm_bindgen_test]
async fn two_connections_in_one_page_negotiate_connect_and_carry_a_camera() {
    let mut probe = Probe::new();
    probe.capture();
    probe.until(|event| matches!(event, Event::Media(MediaEvent::Started(MediaKind::Video, _)))).await;
    let (a, b) = (peer(1), peer(2));
    probe.open_pc(a, EPOCH);
    probe.open_pc(b, EPOCH);
    probe.create_offer(a, EPOCH);
    let (mut connected, mut candidates) = (0, vec![]);
    while connected < 2 {
        let event = probe.until(|event| matches!(event, Event::Rtc(..))).await;
        let Event::Rtc(of, _, event) = event else { unreachable!("only these were asked for") };
        let other = if of == a { b } else { a };
        match event {
            RtcEvent::OfferReady(sdp) => probe.apply_offer(other, EPOCH, sdp),
            RtcEvent::AnswerReady(sdp) => {
                probe.apply_answer(other, EPOCH, sdp);
                for (to, candidate) in candidates.drain(..) {
                    probe.add_candidate(to, EPOCH, candidate);
                }
            }
            RtcEvent::LocalCandidate(candidate) => candidates.push((other, candidate)),
            RtcEvent::Connected => connected += 1,
            RtcEvent::AnswerApplied | RtcEvent::Flowed(_) => {}
            RtcEvent::Disconnected | RtcEvent::Failed | RtcEvent::OperationFailed => panic!("{event:?}"),
        }
        for (to, candidate) in candidates.drain(..) {
            probe.add_candidate(to, EPOCH, candidate);
        }
    }
    assert_eq!(probe.received_kinds(b), ["audio", "video"]);
    probe.close_pc(a, EPOCH);
    probe.close_pc(b, EPOCH);
}

/// Offers that another page could make and no browser makes: each is a change of a real one.
fn bent(offer: &str) -> Vec<String> {
    let lines: Vec<&str> = offer.lines().collect();
    let join = |lines: &[&str]| lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
    let mut all = vec![
        offer.replace("m=video 9", "m=video 0"),
        offer.replace("m=audio 9", "m=audio 0"),
        offer.replace("m=video 9", "m=video 0").replace("m=audio 9", "m=audio 0"),
        offer.replace("m=application 9", "m=application 0"),
        offer.replace("m=video", "m=audio"),
        offer.replace("m=video", "m=text"),
        offer.replace("a=mid:1", "a=mid:0"),
        offer.replace("a=sendrecv", "a=inactive"),
        offer.replace("a=sendrecv", "a=sendonly"),
        offer.replace("a=setup:actpass", "a=setup:passive"),
        offer.replace("a=setup:actpass", "a=setup:nothing"),
        offer.replace("a=rtcp-mux", ""),
        offer.replace("a=group:BUNDLE", "a=group:NOTHING"),
        offer.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
        offer.replace("a=fingerprint:sha-256", "a=fingerprint:md5"),
        offer.replace("a=ice-ufrag:", "a=ice-ufrag:!"),
        offer.replace("v=0", "v=9"),
        offer.replace("\r\n", "\n"),
        offer.to_uppercase(),
        "v=0".into(),
        "x".repeat(30_000),
        join(&lines[..3]),
    ];
    all.extend((1..15).map(|part| offer.chars().take(offer.len() * part / 15).collect()));
    all.extend((0..14).map(|n| {
        let mut fewer = lines.clone();
        fewer.remove(n * (lines.len() - 1) / 14);
        join(&fewer)
    }));
    all
}

#[wasm_bindgen_test]
async fn whatever_is_offered_is_answered_or_refused_and_harms_no_other_connection() {
    let mut probe = Probe::new();
    let a = peer(1);
    probe.open_pc(a, EPOCH);
    probe.create_offer(a, EPOCH);
    let ready = probe.until(|event| matches!(event, Event::Rtc(_, _, RtcEvent::OfferReady(_)))).await;
    let Event::Rtc(_, _, RtcEvent::OfferReady(offer)) = ready else { unreachable!("asked for above") };
    let all = bent(offer.as_str());
    assert!(all.len() >= 50, "{}", all.len());
    for (n, text) in all.into_iter().enumerate() {
        let Ok(sdp) = holdfast::wire::Sdp::new(&text) else { continue };
        let (them, epoch) = (peer(10), PcEpoch::from_number(100 + n as u64));
        probe.open_pc(them, epoch);
        probe.apply_offer(them, epoch, sdp);
        let done = |event: &Event| matches!(event, Event::Rtc(_, of, RtcEvent::AnswerReady(_) | RtcEvent::OperationFailed) if *of == epoch);
        probe.until(done).await;
        probe.close_pc(them, epoch);
    }
    let b = peer(2);
    probe.open_pc(b, EPOCH);
    probe.apply_offer(b, EPOCH, offer);
    probe.until(|event| matches!(event, Event::Rtc(of, _, RtcEvent::AnswerReady(_)) if *of == b)).await;
}

#[wasm_bindgen_test]
async fn what_is_asked_of_a_connection_that_was_closed_meanwhile_fails_and_throws_nothing() {
    let mut probe = Probe::new();
    let a = peer(1);
    for n in 0..20 {
        let epoch = PcEpoch::from_number(n);
        probe.open_pc(a, epoch);
        probe.create_offer(a, epoch);
        probe.close_pc(a, epoch);
        probe.until(|event| matches!(event, Event::Rtc(_, of, RtcEvent::OperationFailed) if *of == epoch)).await;
    }
}

#[wasm_bindgen_test]
async fn glare_is_settled_by_rolling_back_and_a_wrong_answer_is_an_error() {
    let mut probe = Probe::new();
    let (a, b) = (peer(1), peer(2));
    probe.open_pc(a, EPOCH);
    probe.open_pc(b, EPOCH);
    probe.create_offer(a, EPOCH);
    probe.create_offer(b, EPOCH);
    let mut offer_of_a = None;
    for _ in 0..2 {
        let ready = probe.until(|event| matches!(event, Event::Rtc(_, _, RtcEvent::OfferReady(_)))).await;
        if let Event::Rtc(of, _, RtcEvent::OfferReady(sdp)) = ready
            && of == a
        {
            offer_of_a = Some(sdp);
        }
    }
    let offer = offer_of_a.expect("both offers are made");
    // b is polite: the browser takes b's own offer back and answers a's.
    probe.apply_offer(b, EPOCH, offer.clone());
    let ready = probe.until(|event| matches!(event, Event::Rtc(of, _, RtcEvent::AnswerReady(_)) if *of == b)).await;
    let Event::Rtc(_, _, RtcEvent::AnswerReady(answer)) = ready else { unreachable!("asked for above") };
    probe.apply_answer(a, EPOCH, answer.clone());
    probe.until(|event| matches!(event, Event::Rtc(of, _, RtcEvent::AnswerApplied) if *of == a)).await;
    // An answer without an offer of ours: InvalidStateError in the browser, an event for us.
    probe.apply_answer(a, EPOCH, answer);
    probe.until(|event| matches!(event, Event::Rtc(of, _, RtcEvent::OperationFailed) if *of == a)).await;
}

#[wasm_bindgen_test]
async fn a_released_camera_is_really_off() {
    let mut probe = Probe::new();
    probe.capture();
    probe.until(|event| matches!(event, Event::Media(MediaEvent::Started(MediaKind::Video, _)))).await;
    let track = probe.track(MediaKind::Video).expect("it runs");
    assert!(testing::is_live(&track) && probe.preview_tracks() == 1);
    probe.release(MediaKind::Video);
    assert!(!testing::is_live(&track) && probe.preview_tracks() == 0, "the light goes out");
}
