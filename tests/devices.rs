//! The own microphone and camera follow the person: never on after leaving, never on against their word.

use holdfast::session::{Effect, Entrance, Event, Intent, MediaEvent};
use holdfast::view::{DeviceState, MediaKind, MediaProblem};
use holdfast::wire::MediaState;
use holdfast::{Millis, Offset, Session};

const NOW: Millis = Millis::from_unix(1_800_000_000_000);

fn in_the_lobby() -> Session {
    let mut session = Session::new(1, [1; 16]);
    let room = "device-room".parse().expect("valid");
    let _ = session.handle(NOW, Event::Entered(room, Entrance { name: "Ana".into(), ..Entrance::default() }));
    session
}

fn media(session: &mut Session, event: MediaEvent) -> Vec<Effect> {
    session.handle(NOW, Event::Media(event))
}

#[test]
fn a_camera_that_starts_after_leaving_is_freed_at_once() {
    let mut session = in_the_lobby();
    let _ = session.handle(NOW, Event::Intent(Intent::Leave));
    let effects = media(&mut session, MediaEvent::Started(MediaKind::Video, "cam".into()));
    assert_eq!(effects, [Effect::Release(MediaKind::Video)]);
    assert!(session.handle(NOW, Event::Intent(Intent::ToggleCamera)).is_empty(), "no key switches it on again");
}

#[test]
fn what_is_said_to_have_failed_sends_nothing() {
    let mut session = in_the_lobby();
    let _ = media(&mut session, MediaEvent::Started(MediaKind::Audio, "mic".into()));
    let _ = session.handle(NOW, Event::Intent(Intent::ChooseDevice(MediaKind::Audio, "other".into())));
    let effects = media(&mut session, MediaEvent::Failed(MediaKind::Audio, MediaProblem::Denied));
    assert!(effects.contains(&Effect::Release(MediaKind::Audio)), "the device used before is off too");
    assert_eq!(session.view().me.microphone, DeviceState::Failed(MediaProblem::Denied));
}

#[test]
fn a_microphone_chosen_while_muted_is_used_and_stays_muted() {
    let mut session = in_the_lobby();
    let _ = media(&mut session, MediaEvent::Started(MediaKind::Audio, "mic".into()));
    let _ = session.handle(NOW, Event::Intent(Intent::ToggleMicrophone));
    let effects = session.handle(NOW, Event::Intent(Intent::ChooseDevice(MediaKind::Audio, "other".into())));
    assert!(matches!(&effects[..], [Effect::Capture(capture)] if capture.audio == Some(Some("other".into()))));
    let effects = media(&mut session, MediaEvent::Started(MediaKind::Audio, "other".into()));
    assert_eq!(effects, [Effect::Mute]);
    assert_eq!(session.view().me.microphone, DeviceState::Off);
}

#[test]
fn a_reload_never_switches_anything_on() {
    let mut session = Session::new(1, [1; 16]);
    let room = "device-room".parse().expect("valid");
    let token = holdfast::wire::Token::new("x").expect("valid");
    let media = MediaState { audio: false, video: false };
    let read = Offset::default();
    let keepsake = Some(holdfast::session::Keepsake {
        token,
        name: holdfast::wire::Name::new("Ana").expect("valid"),
        media,
        claim: 0,
        read,
        audio_only: false,
        keys_off: false,
    });
    let effects = session.handle(NOW, Event::Entered(room, Entrance { keepsake, ..Entrance::default() }));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Capture(_))));
    let me = session.view().me;
    assert_eq!((me.microphone, me.camera), (DeviceState::Off, DeviceState::Off));
}

#[test]
fn shortcuts_can_be_switched_off() {
    let mut session = in_the_lobby();
    let press = || Event::Intent(Intent::Shortcut(Box::new(Intent::ToggleMicrophone)));
    let _ = session.handle(NOW, Event::Intent(Intent::ToggleShortcuts));
    assert!(session.handle(NOW, press()).is_empty());
    let _ = session.handle(NOW, Event::Intent(Intent::ToggleShortcuts));
    assert_eq!(session.handle(NOW, press()), [Effect::Mute]);
}

#[test]
fn a_phone_call_interrupts_and_nothing_is_restarted() {
    let mut session = in_the_lobby();
    let _ = media(&mut session, MediaEvent::Started(MediaKind::Audio, "mic".into()));
    let effects = media(&mut session, MediaEvent::Interrupted(MediaKind::Audio, true));
    assert!(effects.is_empty(), "the device is waited for: {effects:?}");
    assert_eq!(session.view().me.microphone, DeviceState::Failed(MediaProblem::Interrupted));
    let effects = media(&mut session, MediaEvent::Interrupted(MediaKind::Audio, false));
    assert!(effects.is_empty());
    assert_eq!(session.view().me.microphone, DeviceState::On);
    let _ = session.handle(NOW, Event::Intent(Intent::ToggleMicrophone));
    let _ = media(&mut session, MediaEvent::Interrupted(MediaKind::Audio, true));
    let _ = media(&mut session, MediaEvent::Interrupted(MediaKind::Audio, false));
    assert_eq!(session.view().me.microphone, DeviceState::Off, "what was off stays off");
}

fn asks_for(effects: &[Effect], wanted: Option<&str>) -> bool {
    let wanted = Some(wanted.map(str::to_owned));
    effects.iter().any(|effect| matches!(effect, Effect::Capture(capture) if capture.video == wanted))
}

#[test]
fn the_list_shows_the_camera_that_runs_and_a_fall_back_says_so() {
    let mut session = in_the_lobby();
    let _ = media(&mut session, MediaEvent::Started(MediaKind::Video, "a".into()));
    let choose = || Event::Intent(Intent::ChooseDevice(MediaKind::Video, "b".into()));
    for _ in 0..2 {
        assert!(asks_for(&session.handle(NOW, choose()), Some("b")), "it can be chosen again");
        assert_eq!(session.view().devices.camera, "b", "what was chosen is shown until it fails");
        let effects = media(&mut session, MediaEvent::Failed(MediaKind::Video, MediaProblem::Busy));
        assert!(asks_for(&effects, Some("a")), "the one before goes on: {effects:?}");
        let _ = media(&mut session, MediaEvent::Started(MediaKind::Video, "a".into()));
        let view = session.view();
        assert_eq!((view.devices.camera.as_str(), view.me.camera), ("a", DeviceState::On));
        assert!(view.notices.last().is_some_and(|notice| notice.text.starts_with("That camera did not start")));
    }
    let _ = session.handle(NOW, choose());
    let _ = media(&mut session, MediaEvent::Failed(MediaKind::Video, MediaProblem::Busy));
    let effects = media(&mut session, MediaEvent::Failed(MediaKind::Video, MediaProblem::Missing));
    assert!(asks_for(&effects, None), "neither starts: the usual one will do");
}

#[test]
fn a_speaker_that_fails_is_not_shown_as_chosen() {
    let mut session = in_the_lobby();
    let _ = session.handle(NOW, Event::Intent(Intent::ChooseSpeaker("gone".into())));
    assert_eq!(media(&mut session, MediaEvent::SpeakerFailed), [Effect::SetSpeaker(String::new())]);
    assert!(media(&mut session, MediaEvent::SpeakerFailed).is_empty(), "each tile reports it once");
    assert_eq!((session.view().devices.speaker.as_str(), session.view().notices.len()), ("", 1));
}

#[test]
fn a_question_without_an_answer_is_said_and_the_first_press_explains() {
    let mut session = in_the_lobby();
    let late = session.next_deadline().expect("the question is watched");
    let _ = session.handle(late, Event::Tick);
    let late = NOW.plus(holdfast::Limits::ASKS_AFTER_MS);
    let _ = session.handle(late, Event::Tick);
    let view = session.view();
    assert_eq!((view.me.microphone, view.me.camera), (DeviceState::Asking, DeviceState::Asking));
    assert!(view.request().contains("camera and microphone: please allow"));
    assert_eq!(view.announcement.1, view.request());
    let press = |session: &mut Session| session.handle(late, Event::Intent(Intent::ToggleMicrophone));
    assert!(press(&mut session).is_empty());
    assert_eq!(session.view().me.microphone, DeviceState::Asking, "the first press only explains");
    assert_eq!(session.view().notices.len(), 1);
    assert_eq!(press(&mut session), [Effect::Mute]);
    assert_eq!(session.view().me.microphone, DeviceState::Off, "the next one switches off");
    assert!(press(&mut session).is_empty(), "the browser is not asked once more");
    assert_eq!(media(&mut session, MediaEvent::Started(MediaKind::Audio, "mic".into())), [Effect::Unmute]);
    assert_eq!(session.view().me.microphone, DeviceState::On);
}
