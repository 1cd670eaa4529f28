//! What waits is sent at the pace at which it is taken: many messages never cost the link, and nothing is repeated in heaps.

use holdfast::rng::Rng;
use holdfast::session::{Effect, Entrance, Event, SocketEvent, Unsent};
use holdfast::wire::{Body, ClientMsg, Name, Refusal, ServerMsg, Token, Welcome, decode, encode};
use holdfast::{ChatId, Limits, LogEpoch, Millis, Offset, PeerId, Session, SocketEpoch};

const NOW: Millis = Millis::from_unix(1_800_000_000_000);

fn place(seq: u64) -> Offset {
    Offset { epoch: LogEpoch::from_number(1), seq }
}

/// The messages among these effects, in order.
fn chats(effects: &[Effect]) -> Vec<ChatId> {
    let chat = |effect: &Effect| match effect {
        Effect::SendText(_, text) => match decode::<ClientMsg>(text) {
            Ok(ClientMsg::Chat { id, .. }) => Some(id),
            _ => None,
        },
        _ => None,
    };
    effects.iter().filter_map(chat).collect()
}

fn say(session: &mut Session, now: Millis, msg: &ServerMsg) -> Vec<Effect> {
    session.handle(now, Event::Socket(SocketEpoch::from_number(1), SocketEvent::Text(encode(msg))))
}

/// A page that comes in with so many messages that wait, each of this many characters; and what it sends at once.
fn page_with(waiting: usize, chars: usize) -> (Session, Vec<ChatId>) {
    let mut rng = Rng::new(7);
    let unsent = (0..waiting as u64).map(|n| Unsent {
        id: ChatId::mint(NOW.plus(n), &mut rng),
        body: Body::new(&"x".repeat(chars)).expect("valid"),
        name: Name::new("Ana").expect("valid"),
        at: NOW,
    });
    let entrance = Entrance { name: "Ana".into(), join: true, unsent: unsent.collect(), ..Entrance::default() };
    let mut session = Session::new(1, [1; 16]);
    let _ = session.handle(NOW, Event::Entered("pacing".parse().expect("valid"), entrance));
    let _ = session.handle(NOW, Event::Socket(SocketEpoch::from_number(1), SocketEvent::Opened));
    let welcome = Welcome {
        peer: PeerId::from_bits(1),
        token: Token::new("token").expect("valid"),
        resumed: false,
        roster: vec![],
        head: place(0),
        from: place(0),
        now: NOW,
        ice: vec![],
        heartbeat_ms: Limits::PING_EVERY_MS,
    };
    let sent = chats(&say(&mut session, NOW, &ServerMsg::Welcome(Box::new(welcome))));
    (session, sent)
}

/// Lets time pass, with an answer to every ping, and counts the messages sent.
fn pass(
    session: &mut Session,
    from_ms: u64,
    to_ms: u64,
    mut each: impl FnMut(&mut Session, Millis, Vec<ChatId>),
) -> usize {
    let mut count = 0;
    for ms in (from_ms..to_ms).step_by(50) {
        let now = NOW.plus(ms);
        let effects = session.handle(now, Event::Tick);
        for effect in &effects {
            if let Effect::SendText(_, text) = effect
                && let Ok(ClientMsg::Ping { n }) = decode::<ClientMsg>(text)
            {
                let pong = ServerMsg::Pong { n, head: place(0), away: vec![] };
                let more = say(session, now, &pong);
                count += chats(&more).len();
                each(session, now, chats(&more));
            }
        }
        count += chats(&effects).len();
        each(session, now, chats(&effects));
    }
    count
}

#[test]
fn a_full_outbox_and_a_log_that_is_away_cost_one_message_a_second() {
    let refuse = |session: &mut Session, now: Millis, ids: Vec<ChatId>| {
        for id in ids {
            let refused = ServerMsg::Refused { code: Refusal::LogAway, about: Some(id) };
            assert!(chats(&say(session, now, &refused)).is_empty(), "a refusal is not answered at once");
        }
    };
    let (mut session, first) = page_with(Limits::OUTBOX, 20);
    assert_eq!(first.len(), Limits::CHAT_UNDER_WAY);
    refuse(&mut session, NOW, first);
    let sent = pass(&mut session, 0, 60_000, refuse);
    assert!((55..=62).contains(&sent), "{sent} messages in a minute");
    assert_eq!(session.unsent(), Limits::OUTBOX);
}

#[test]
fn what_waits_is_stored_in_order_and_within_what_a_seat_may_say() {
    let (mut session, first) = page_with(Limits::OUTBOX, 20);
    let (mut stored, mut to_answer) = (vec![], first);
    for tick in 0..400 {
        let from_ms = tick * 50;
        for id in std::mem::take(&mut to_answer) {
            stored.push(id);
            let offset = place(stored.len() as u64);
            to_answer.extend(chats(&say(&mut session, NOW.plus(from_ms), &ServerMsg::Ack { id, offset })));
        }
        let _ = pass(&mut session, from_ms, from_ms + 50, |_, _, ids| to_answer.extend(ids));
    }
    assert_eq!(session.unsent(), 0);
    assert_eq!(stored.len(), Limits::OUTBOX, "each was sent once");
    assert!(stored.is_sorted(), "in the order of writing");
}

#[test]
fn silence_repeats_one_message_less_and_less_often() {
    let (mut session, first) = page_with(Limits::OUTBOX, 20);
    assert_eq!(first.len(), Limits::CHAT_UNDER_WAY);
    let mut again = vec![];
    let sent = pass(&mut session, 0, 120_000, |_, _, ids| again.extend(ids));
    assert!(sent <= 7, "{sent} repetitions in two minutes");
    assert!(again.iter().all(|id| *id == first[0]), "only the first is asked about");
}

#[test]
fn long_messages_do_not_fill_a_slow_link() {
    let (_, sent) = page_with(Limits::OUTBOX, Limits::CHAT_CHARS);
    assert!(sent.len() * Limits::CHAT_CHARS <= Limits::CHAT_UNDER_WAY_BYTES + Limits::CHAT_CHARS, "{}", sent.len());
}

#[test]
fn what_a_slow_browser_finds_late_is_sent_too() {
    let (mut session, sent) = page_with(0, 1);
    assert!(sent.is_empty());
    let id = ChatId::mint(NOW, &mut Rng::new(9));
    let name = Name::new("Ana").expect("valid");
    let late = Unsent { id, body: Body::new("of a page that is gone").expect("valid"), name, at: NOW };
    assert_eq!(chats(&session.handle(NOW, Event::Found(vec![late]))), [id]);
}
