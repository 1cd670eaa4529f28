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
        name: "Ana".into(),
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
    assert_eq!(other.adopt(&room).await, [], "the page that wrote them lives");
    page.let_go();
    gloo_timers::future::TimeoutFuture::new(100).await;
    assert_eq!(other.adopt(&"another-room".parse().expect("valid")).await, []);
    assert_eq!(other.adopt(&room).await, [first.clone(), second.clone()], "in the order of writing");
    other.forget(&first.id.to_string()).await.expect("forgotten");
    other.let_go();
    gloo_timers::future::TimeoutFuture::new(100).await;
    let third = Outbox::default();
    assert_eq!(third.adopt(&room).await, std::slice::from_ref(&second));
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
