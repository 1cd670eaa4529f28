//! What people are called, what they said and what they have read, through refused names, reloads and reading back.

use holdfast::session::{Effect, Entrance, Event, Intent, Keepsake, SocketEvent};
use holdfast::view::Phase;
use holdfast::wire::{Body, Entry, MediaState, Name, Past, Seat, ServerMsg, Token, Welcome, encode};
use holdfast::{ChatId, Limits, LogEpoch, Millis, Offset, PeerId, Session, SocketEpoch};

const NOW: Millis = Millis::from_unix(1_800_000_000_000);

fn at(seq: u64) -> Offset {
    Offset { epoch: LogEpoch::from_number(5), seq }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("valid")
}

fn enter(entrance: Entrance) -> (Session, Vec<Effect>) {
    let mut session = Session::new(1, [1; 16]);
    let mut effects = session.handle(NOW, Event::Entered("text-room".parse().expect("valid"), entrance));
    effects.extend(session.handle(NOW, Event::Socket(SocketEpoch::from_number(1), SocketEvent::Opened)));
    (session, effects)
}

fn hear(session: &mut Session, msg: &ServerMsg) -> Vec<Effect> {
    session.handle(NOW, Event::Socket(SocketEpoch::from_number(1), SocketEvent::Text(encode(msg))))
}

/// The seats are numbered 2, 3, … in the order of the names.
fn welcome(session: &mut Session, head: u64, from: u64, names: &[&str]) -> Vec<Effect> {
    let seat = |(n, text): (usize, &&str)| {
        let (peer, joined) = (PeerId::from_bits(n as u64 + 2), at(n as u64 + 1));
        Seat { peer, name: name(text), media: MediaState::default(), here: true, joined }
    };
    let welcome = Welcome {
        peer: PeerId::from_bits(1),
        token: Token::new("token").expect("valid"),
        resumed: false,
        head: at(head),
        from: at(from),
        heartbeat_ms: 2_000,
        roster: names.iter().enumerate().map(seat).collect(),
        ice: vec![],
        now: NOW,
    };
    hear(session, &ServerMsg::Welcome(Box::new(welcome)))
}

fn chat(seq: u64, peer: u64, author: &str) -> Entry {
    let id = ChatId::mint(NOW.plus(seq), &mut holdfast::rng::Rng::new(seq));
    let body = Body::new(&format!("message {seq}")).expect("valid");
    Entry::Chat { id, peer: PeerId::from_bits(peer), name: name(author), body, at: NOW }
}

fn said(session: &mut Session, seq: u64) -> Vec<Effect> {
    hear(session, &ServerMsg::Event { offset: at(seq), entry: chat(seq, 2, "Bo") })
}

fn ana() -> Entrance {
    Entrance { name: "Ana".into(), join: true, ..Entrance::default() }
}

fn keepsake(effects: &[Effect]) -> Option<Keepsake> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::SaveSeat(_, kept) => Some(kept.clone()),
        _ => None,
    })
}

#[test]
fn a_name_in_the_link_is_cleaned_remembered_or_refused_with_its_reason() {
    let (session, effects) = enter(Entrance { name: " Ana\u{200E}".into(), ..ana() });
    assert_eq!((session.view().phase, session.view().me.name), (Phase::Joining, "Ana".into()));
    assert!(effects.contains(&Effect::SaveName("Ana".into())), "for the next room");
    for (text, reason) in [
        ("x".repeat(41), "That name is too long: a name has up to 40 characters."),
        ("\u{200B}\u{3164}".into(), "Nobody could see that name. Please enter another."),
    ] {
        let (mut session, effects) = enter(Entrance { name: text.clone(), ..ana() });
        let view = session.view();
        assert_eq!((view.phase, view.notices.last().map(|n| n.text.as_str())), (Phase::Lobby, Some(reason)));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::SaveName(_))));
        let _ = session.handle(NOW, Event::Intent(Intent::Join(text)));
        assert_eq!(session.view().notices.last().map(|n| n.text.as_str()), Some(reason), "'Join' says the same");
    }
    let (session, _) = enter(Entrance { join: false, name: String::new(), ..ana() });
    assert!(session.view().notices.is_empty(), "no name is no mistake");
}

#[test]
fn a_message_nobody_could_see_is_refused_in_words() {
    let (mut session, _) = enter(ana());
    let _ = welcome(&mut session, 0, 0, &[]);
    let _ = session.handle(NOW, Event::Intent(Intent::Say("\u{200B}".into())));
    let view = session.view();
    assert!(view.chat.is_empty());
    assert!(view.notices.last().is_some_and(|notice| notice.text.contains("invisible")));
    let _ = session.handle(NOW, Event::Intent(Intent::Say("ls \u{1B}[31m".into())));
    assert_eq!(session.view().chat.last().map(|line| line.text.to_string()), Some("ls [31m".into()));
}

#[test]
fn people_of_one_name_are_told_apart_in_tiles_chat_and_notices() {
    let (mut session, _) = enter(ana());
    let _ = welcome(&mut session, 3, 3, &["Bo", "Ana", "Bo"]);
    let shown =
        |session: &Session| session.view().tiles.iter().map(holdfast::view::TileView::shown).collect::<Vec<_>>();
    assert_eq!(shown(&session), ["Bo", "Ana (2)", "Bo (2)"]);
    let _ = hear(&mut session, &ServerMsg::Event { offset: at(4), entry: chat(4, 4, "Bo") });
    assert_eq!(session.view().chat.last().map(holdfast::view::ChatLine::author), Some("Bo (2)".into()));
    let left = |peer: u64, seq: u64, joined: u64| ServerMsg::Event {
        offset: at(seq),
        entry: Entry::Left {
            peer: PeerId::from_bits(peer),
            joined: at(joined),
            reason: holdfast::wire::LeaveReason::Left,
            at: NOW,
        },
    };
    let _ = hear(&mut session, &left(2, 5, 1));
    assert_eq!(shown(&session), ["Ana (2)", "Bo (2)"], "who stays keeps their number");
    let _ = hear(&mut session, &left(4, 6, 3));
    assert_eq!(session.view().notices.last().map(|n| n.text.clone()), Some("Bo (2) left.".into()));
}

#[test]
fn once_inside_the_address_is_the_link_for_guests_and_a_reload_still_comes_back() {
    let (mut session, effects) = enter(ana());
    let tidy = |effect: &Effect| matches!(effect, Effect::TidyAddress(_));
    assert!(!effects.iter().any(tidy), "in the lobby a reload still needs the name");
    let effects = welcome(&mut session, 0, 0, &[]);
    let saved = effects.iter().position(|effect| matches!(effect, Effect::SaveSeat(..)));
    let tidied = effects.iter().position(tidy);
    assert!(saved.is_some() && saved < tidied, "the seat is kept first");
    // The reload finds no name in the address.
    let (session, _) = enter(Entrance { keepsake: keepsake(&effects), ..Entrance::default() });
    assert_eq!((session.view().phase, session.view().me.name), (Phase::Joining, "Ana".into()));
    let (mut session, _) = enter(ana());
    let _ = session.handle(NOW, Event::Intent(Intent::LinkNotCopied("https://x.example/r/abc".into())));
    let notice = session.view().notices.pop().expect("a notice");
    assert!(notice.text.contains("https://x.example/r/abc") && notice.until > NOW.plus(20_000));
}

#[test]
fn what_was_not_read_is_unread_after_a_reload_and_what_was_read_is_not() {
    let (mut session, _) = enter(ana());
    let mut effects = welcome(&mut session, 2, 0, &["Bo"]);
    for seq in 1..=5 {
        effects.extend(said(&mut session, seq));
    }
    assert_eq!(session.view().unread, 3, "what was said before one came is no news");
    let again = |effects: &[Effect], last: u64| {
        let (mut session, _) = enter(Entrance { keepsake: keepsake(effects), ..Entrance::default() });
        let mut effects = welcome(&mut session, last, 0, &["Bo"]);
        for seq in 1..=last {
            effects.extend(said(&mut session, seq));
        }
        (session, effects)
    };
    let (mut session, mut effects) = again(&effects, 6);
    assert_eq!(session.view().unread, 4, "and one that came while the page was away");
    effects.extend(session.handle(NOW, Event::Intent(Intent::ToggleChat)));
    effects.extend(said(&mut session, 7));
    assert_eq!(session.view().unread, 0);
    let (session, _) = again(&effects, 8);
    assert_eq!(session.view().unread, 1);
}

#[test]
fn sound_alone_and_keys_that_are_off_survive_a_reload() {
    let (mut session, _) = enter(ana());
    let mut effects = welcome(&mut session, 0, 0, &["Bo"]);
    for intent in [Intent::ToggleAudioOnly, Intent::ToggleShortcuts] {
        effects.extend(session.handle(NOW, Event::Intent(intent)));
    }
    let (mut session, _) = enter(Entrance { keepsake: keepsake(&effects), ..Entrance::default() });
    let _ = welcome(&mut session, 0, 0, &["Bo"]);
    assert!(session.view().audio_only && session.view().keys_off);
}

#[test]
fn whoever_reads_back_keeps_what_they_loaded_when_something_new_is_said() {
    let (mut session, _) = enter(ana());
    let (from, last) = (200, 200 + Limits::CHAT_KEPT as u64);
    let _ = welcome(&mut session, last, from, &["Bo"]);
    for seq in from + 1..=last {
        let _ = said(&mut session, seq);
    }
    assert_eq!(session.view().chat.len(), Limits::CHAT_KEPT);
    let _ = session.handle(NOW, Event::Intent(Intent::ShowEarlier));
    let messages = (101..=from).map(|seq| Past { offset: at(seq), entry: chat(seq, 2, "Bo") }).collect();
    let _ = hear(&mut session, &ServerMsg::History { before: at(from + 1), messages, more: true });
    let first = |session: &Session| session.view().chat.first().and_then(|line| line.offset);
    assert_eq!(first(&session), Some(at(101)));
    let _ = said(&mut session, last + 1);
    assert_eq!(first(&session), Some(at(101)), "the oldest stays");
    assert_eq!(session.view().chat.len(), Limits::CHAT_KEPT + 101);
}

#[test]
fn a_day_begins_with_its_first_message_by_the_clock_of_its_season() {
    let (mut session, _) = enter(ana());
    let _ = welcome(&mut session, 0, 0, &[]);
    let summer = Millis::from_unix(1_784_152_800_000); // 2026-07-15T22:00Z
    for (seq, at_ms) in [(1, summer), (2, summer.plus(60_000)), (3, summer.plus(86_400_000))] {
        let Entry::Chat { id, peer, name, body, .. } = chat(seq, 2, "Bo") else { continue };
        let entry = Entry::Chat { id, peer, name, body, at: at_ms };
        let _ = hear(&mut session, &ServerMsg::Event { offset: at(seq), entry });
    }
    let lines = session.view().chat;
    // In Berlin it is midnight already; an hour less, as in winter, and the day would be another.
    let begins = |offset_min| holdfast::view::with_days(&lines, offset_min).into_iter().map(|(_, begins)| begins);
    let day = holdfast::view::day_of(summer, 120);
    assert_eq!(begins(|_| 120).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(day, holdfast::view::day_of(lines[1].at, 120));
    assert_eq!(holdfast::view::day_text(day), "Thursday, 16 July 2026");
    assert_eq!(holdfast::view::day_of(summer, 60), day - 1);
}
