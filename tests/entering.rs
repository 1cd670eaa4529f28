//! What is pressed before the page has entered its room is done once it has.

use holdfast::session::{Effect, Entrance, Event, Intent, Keepsake, Opener, SocketEvent};
use holdfast::view::{Earlier, LinkView, Phase};
use holdfast::wire::{CloseCode, MediaState, Name, Refusal, ServerMsg, Token, Welcome, decode, encode};
use holdfast::{Limits, LogEpoch, Millis, Offset, PeerId, Session, SocketEpoch};

const NOW: Millis = Millis::from_unix(1_800_000_000_000);

#[test]
fn join_before_the_room_is_entered_is_kept() {
    let mut session = Session::new(1, [1; 16]);
    assert!(session.handle(NOW, Event::Intent(Intent::Join("Ana".into()))).is_empty());
    let room = "hasty-room".parse().expect("valid");
    let effects =
        session.handle(NOW, Event::Entered(room, Entrance { name: "Old name".into(), ..Entrance::default() }));
    assert!(effects.contains(&Effect::SaveName("Ana".into())));
    let view = session.view();
    assert_eq!((view.phase, view.me.name.as_str()), (Phase::Joining, "Ana"));
}

fn captures(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Capture(_)))
}

#[test]
fn a_seat_kept_under_a_name_that_is_refused_today_is_none() {
    let kept = |name: &str| format!(r#"{{"token":"t","name":"{name}","media":{{"audio":true,"video":true}}}}"#);
    assert!(decode::<Keepsake>(&kept("Ana")).is_ok());
    // The page would ask for the seat for ever without saying who it is for.
    assert!(decode::<Keepsake>(&kept(&"x".repeat(41))).is_err());
}

#[test]
fn whoever_opened_the_page_decides_what_starts_by_itself() {
    let keepsake = || {
        Some(Keepsake {
            read: Offset::default(),
            audio_only: false,
            keys_off: false,
            name: Name::new("Ana").expect("valid"),
            token: Token::new("token").expect("valid"),
            claim: 1,
            media: MediaState { audio: true, video: true },
        })
    };
    // Who opened it, whether the link asks to go in, whether this tab had a seat, whether the person reloaded or went
    // back; then: is it joining, do devices start?
    for (opener, join, kept, returned, joining, starts) in [
        (Opener::Own, true, None, false, true, true),
        (Opener::Own, false, None, false, false, true),
        (Opener::Own, false, keepsake(), false, true, true),
        (Opener::Own, false, keepsake(), true, true, true),
        (Opener::Unknown, true, None, false, true, false),
        (Opener::Unknown, true, None, true, true, false),
        (Opener::Unknown, false, None, false, false, false),
        (Opener::Unknown, false, keepsake(), false, true, false),
        (Opener::Unknown, false, keepsake(), true, true, true),
        (Opener::Foreign, true, None, false, false, false),
        (Opener::Foreign, true, None, true, false, false),
        (Opener::Foreign, false, None, false, false, false),
        (Opener::Foreign, true, keepsake(), false, false, false),
        (Opener::Foreign, false, keepsake(), true, true, true),
    ] {
        let what = format!("{opener:?}, join={join}, had a seat={}, returned={returned}", kept.is_some());
        let mut session = Session::new(1, [1; 16]);
        let room = "opened-room".parse().expect("valid");
        let entrance = Entrance { name: "Ana".into(), join, opener, returned, keepsake: kept, ..Entrance::default() };
        let effects = session.handle(NOW, Event::Entered(room, entrance));
        assert_eq!(session.view().phase == Phase::Joining, joining, "{what}");
        assert_eq!(captures(&effects), starts, "{what}");
        for event in [Event::Tick, Event::Socket(SocketEpoch::from_number(1), SocketEvent::Opened)] {
            assert!(!captures(&session.handle(NOW, event)), "{what}: something else started a device");
        }
        if !starts {
            let camera = session.handle(NOW, Event::Intent(Intent::ToggleCamera));
            let wants =
                |effect: &Effect| matches!(effect, Effect::Capture(one) if one.video.is_some() && one.audio.is_none());
            assert!(camera.iter().any(wants), "{what}: the button starts the camera, and no more");
        }
        if !joining {
            let effects = session.handle(NOW, Event::Intent(Intent::Join("Ana".into())));
            assert_eq!(captures(&effects), !starts, "{what}: 'Join' is a click");
        }
    }
}

#[test]
fn who_opened_the_page_survives_its_name() {
    for opener in [Opener::Own, Opener::Unknown, Opener::Foreign] {
        assert_eq!(Opener::read(opener.as_str()), opener);
    }
    assert_eq!(Opener::read(""), Opener::Foreign);
}

fn text(session: &mut Session, now: Millis, msg: &ServerMsg) -> Vec<Effect> {
    session.handle(now, Event::Socket(SocketEpoch::from_number(1), SocketEvent::Text(encode(msg))))
}

#[test]
fn messages_the_server_cannot_find_are_asked_for_again_and_not_for_ever() {
    let mut session = Session::new(1, [1; 16]);
    let room = "hasty-room".parse().expect("valid");
    let entrance = Entrance { name: "Ana".into(), join: true, ..Entrance::default() };
    let _ = session.handle(NOW, Event::Entered(room, entrance));
    let _ = session.handle(NOW, Event::Socket(SocketEpoch::from_number(1), SocketEvent::Opened));
    let at = Offset { epoch: LogEpoch::from_number(5), seq: 0 };
    let welcome = Welcome {
        peer: PeerId::from_bits(1),
        token: Token::new("token").expect("valid"),
        resumed: false,
        head: at,
        from: at,
        heartbeat_ms: 2_000,
        roster: vec![],
        ice: vec![],
        now: NOW,
    };
    let is_question = |effect: &Effect| matches!(effect, Effect::SendText(_, text) if text.contains("history"));
    let effects = text(&mut session, NOW, &ServerMsg::Welcome(Box::new(welcome)));
    assert_eq!(effects.iter().filter(|effect| is_question(effect)).count(), 1);
    let away = ServerMsg::Refused { code: Refusal::HistoryAway, about: None };
    let (mut now, mut asked) = (NOW, 0);
    while session.view().earlier == Earlier::Loading {
        assert_eq!(asked, asked.min(Limits::HISTORY_TRIES), "for ever");
        let _ = text(&mut session, now, &away);
        for _ in 0..100 {
            now = now.plus(100);
            let pong = ServerMsg::Pong { n: 0, head: at, away: vec![] };
            let _ = text(&mut session, now, &pong);
            if session.handle(now, Event::Tick).iter().any(is_question) {
                asked += 1;
                break;
            }
        }
    }
    assert_eq!((asked, session.view().earlier), (Limits::HISTORY_TRIES, Earlier::There), "then a person may");
}

#[test]
fn whoever_waits_at_the_door_hears_that_nothing_can_be_stored() {
    let mut session = Session::new(1, [1; 16]);
    let room = "full-disk".parse().expect("valid");
    let entrance = Entrance { name: "Ana".into(), join: true, ..Entrance::default() };
    let _ = session.handle(NOW, Event::Entered(room, entrance));
    let _ = session.handle(NOW, Event::Socket(SocketEpoch::from_number(1), SocketEvent::Opened));
    assert!(!session.view().store_away);
    let _ = text(&mut session, NOW, &ServerMsg::Refused { code: Refusal::LogAway, about: None });
    let closed = SocketEvent::Closed(CloseCode::Later, String::new());
    let _ = session.handle(NOW, Event::Socket(SocketEpoch::from_number(1), closed));
    let view = session.view();
    assert!(view.store_away && matches!(view.link, LinkView::Offline { .. }) && view.phase == Phase::Joining);
    let at = Offset { epoch: LogEpoch::from_number(5), seq: 1 };
    let (peer, token) = (PeerId::from_bits(1), Token::new("token").expect("valid"));
    let welcome = Welcome {
        peer,
        token,
        resumed: false,
        head: at,
        from: at,
        heartbeat_ms: 2_000,
        roster: vec![],
        ice: vec![],
        now: NOW,
    };
    let mut now = NOW;
    let opens = loop {
        now = now.plus(500);
        let effects = session.handle(now, Event::Tick);
        let opens =
            effects.iter().find_map(|effect| if let Effect::OpenSocket(epoch) = effect { Some(*epoch) } else { None });
        if let Some(epoch) = opens {
            break epoch;
        }
    };
    let _ = session.handle(now, Event::Socket(opens, SocketEvent::Opened));
    let _ =
        session.handle(now, Event::Socket(opens, SocketEvent::Text(encode(&ServerMsg::Welcome(Box::new(welcome))))));
    assert!(!session.view().store_away, "the seat is stored, so the store is back");
}

#[test]
fn a_server_of_another_version_is_met_by_loading_the_page_again_once() {
    let first = SocketEpoch::from_number(1);
    let outdated = || Event::Socket(first, SocketEvent::Closed(CloseCode::Version, String::new()));
    let seated = |reloaded_at| {
        let mut session = Session::new(1, [1; 16]);
        let entrance = Entrance { name: "Ana".into(), join: true, reloaded_at, ..Entrance::default() };
        let _ = session.handle(NOW, Event::Entered("new-version".parse().expect("valid"), entrance));
        let _ = session.handle(NOW, Event::Socket(first, SocketEvent::Opened));
        session
    };
    let mut session = seated(None);
    assert_eq!(session.handle(NOW, outdated()), [Effect::Reload], "the seat is kept, and nobody is parted from");
    assert_eq!(session.view().phase, Phase::Joining);
    let (mut now, mut asked) = (NOW, 1);
    while session.view().phase == Phase::Joining {
        assert!(session.handle(now, Event::NotReloaded).iter().all(|effect| !matches!(effect, Effect::ForgetSeat(_))));
        now = session.next_deadline().unwrap_or(now);
        asked += session.handle(now, Event::Tick).iter().filter(|effect| **effect == Effect::Reload).count();
    }
    assert_eq!(session.view().phase, Phase::Ended(CloseCode::Version));
    assert_eq!(asked as u64, 1 + Limits::RELOAD_WITHIN_MS / Limits::RELOAD_AGAIN_MS, "then a person may");

    let ago = |ms: u64| Some(Millis::from_unix(NOW.as_unix() - ms));
    let mut again = seated(ago(Limits::RELOAD_EVERY_MS - 1));
    let effects = again.handle(NOW, outdated());
    assert!(!effects.contains(&Effect::Reload) && again.view().phase == Phase::Ended(CloseCode::Version));
    let mut later = seated(ago(Limits::RELOAD_EVERY_MS));
    assert_eq!(later.handle(NOW, outdated()), [Effect::Reload]);
}
