//! The wire protocol pinned: every message as JSON, every message there and back, and no bytes that panic.

use holdfast::secret::Key;
use holdfast::wire::{
    Body, Candidate, ClientMsg, Entry, Hello, IceServer, LeaveReason, MediaState, Name, PROTOCOL_VERSION, Past,
    PeerMsg, Refusal, Resume, Sdp, Seat, ServerMsg, Signal, Token, Welcome, decode, encode,
};
use holdfast::{ChatId, Limits, LogEpoch, Millis, Offset, PcEpoch, PeerId, RoomId};
use proptest::prelude::*;

fn at(seq: u64) -> Offset {
    Offset { epoch: LogEpoch::from_number(1_800_000_000_000), seq }
}

fn id() -> ChatId {
    "018bcfe5-6800-7abc-8def-0123456789ab".parse().expect("a UUID of version 7")
}

fn peer(n: u64) -> PeerId {
    PeerId::from_bits(n)
}

fn name() -> Name {
    Name::new("Ana").expect("valid")
}

fn body() -> Body {
    Body::new("hello\nworld").expect("valid")
}

fn media() -> MediaState {
    MediaState { audio: true, video: false }
}

fn signals() -> Vec<Signal> {
    let (epoch, sdp) = (PcEpoch::from_number(7), Sdp::new("v=0").expect("valid"));
    let candidate = Candidate::new("candidate:1 1 udp 1 192.0.2.1 9 typ host".into(), "0".into(), 0).expect("valid");
    vec![
        Signal::Offer { epoch, round: 1, sdp: sdp.clone() },
        Signal::Answer { epoch, round: 1, sdp },
        Signal::Candidate { epoch, candidate },
        Signal::Renew { epoch },
    ]
}

fn client_messages() -> Vec<ClientMsg> {
    let room: RoomId = "kavot-imure-sakem".parse().expect("valid");
    let token = Token::new("00.1.abc").expect("valid");
    let hello = |resume| {
        ClientMsg::Hello(Hello {
            version: PROTOCOL_VERSION,
            room: room.clone(),
            name: name(),
            media: media(),
            claim: 12,
            resume,
        })
    };
    let mut all = vec![
        ClientMsg::Watch { version: PROTOCOL_VERSION, room: room.clone() },
        ClientMsg::Check { version: PROTOCOL_VERSION },
        hello(None),
        hello(Some(Resume { token, after: at(5) })),
        ClientMsg::Chat { id: id(), body: body() },
        ClientMsg::SignalAck { to: peer(1), stream: 9, seq: 3 },
        ClientMsg::State { media: media() },
        ClientMsg::Range { after: at(5) },
        ClientMsg::History { before: at(5) },
        ClientMsg::Ping { n: 1 },
        ClientMsg::Leave,
    ];
    all.extend(signals().into_iter().map(|signal| ClientMsg::Signal { to: peer(1), stream: 9, seq: 3, signal }));
    all
}

fn server_messages() -> Vec<ServerMsg> {
    let now = Millis::from_unix(1_800_000_000_500);
    let ice = vec![
        IceServer { urls: vec!["stun:a:1".into()], username: None, credential: None },
        IceServer { urls: vec!["turn:a:1".into()], username: Some("u".into()), credential: Some("c".into()) },
    ];
    let seat = Seat { peer: peer(2), name: name(), media: media(), here: true, joined: at(3) };
    let welcome = Welcome {
        peer: peer(1),
        token: Token::new("00.1.abc").expect("valid"),
        resumed: true,
        roster: vec![seat],
        head: at(9),
        from: at(4),
        now,
        ice: ice.clone(),
        heartbeat_ms: 2_000,
    };
    let entries = [
        Entry::Joined { peer: peer(1), name: name(), media: media(), at: now },
        Entry::Left { peer: peer(1), joined: at(4), reason: LeaveReason::Left, at: now },
        Entry::Left { peer: peer(1), joined: at(4), reason: LeaveReason::Lost, at: now },
        Entry::Chat { id: id(), peer: peer(1), name: name(), body: body(), at: now },
        Entry::Deleted { id: id(), at: now },
        Entry::Redacted,
    ];
    let past =
        Past { offset: at(8), entry: Entry::Chat { id: id(), peer: peer(1), name: name(), body: body(), at: now } };
    let refusals = [
        Refusal::NoSeat,
        Refusal::LogAway,
        Refusal::Busy,
        Refusal::TooFast,
        Refusal::IdTaken,
        Refusal::Seated,
        Refusal::BadId,
        Refusal::HistoryAway,
        Refusal::ShowsAddress,
    ];
    let mut all = vec![
        ServerMsg::Lobby { people: vec![name()], full: false },
        ServerMsg::Ways { ice: vec![] },
        ServerMsg::Welcome(Box::new(welcome)),
        ServerMsg::CaughtUp { at: at(9) },
        ServerMsg::Resync { from: at(0), seats: vec![peer(1)] },
        ServerMsg::History { before: at(9), messages: vec![past], more: true },
        ServerMsg::Ack { id: id(), offset: at(9) },
        ServerMsg::Refused { code: Refusal::Busy, about: Some(id()) },
        ServerMsg::SignalAck { from: peer(1), stream: 9, seq: 3 },
        ServerMsg::State { peer: peer(1), media: media() },
        ServerMsg::Presence { peer: peer(1), here: false },
        ServerMsg::Ice { servers: ice.clone(), token: None },
        ServerMsg::Ice { servers: ice, token: Some(Token::new("00.1.abc").expect("valid")) },
        ServerMsg::Pong { n: 1, head: at(9), away: vec![] },
        ServerMsg::Pong { n: 1, head: at(9), away: vec![peer(2)] },
    ];
    all.extend(entries.into_iter().map(|entry| ServerMsg::Event { offset: at(9), entry }));
    all.extend(refusals.into_iter().map(|code| ServerMsg::Refused { code, about: None }));
    all.extend(signals().into_iter().map(|signal| ServerMsg::Signal { from: peer(1), stream: 9, seq: 3, signal }));
    all
}

fn key() -> Key {
    Key::try_from("0123456789abcdef0123456789abcdef".to_owned()).expect("32 digits")
}

fn page_messages() -> Vec<PeerMsg> {
    let mut all: Vec<PeerMsg> =
        signals().into_iter().map(|signal| PeerMsg::Signal { stream: 5, seq: 1, signal }).collect();
    let chat = PeerMsg::Chat { shadow: id().shadow(), body: body(), at: Millis::from_unix(1_800_000_000_000) };
    all.extend([
        PeerMsg::Greet { key: key(), waiting: vec![id().shadow()] },
        PeerMsg::SignalAck { stream: 5, seq: 1 },
        PeerMsg::State { media: media() },
        PeerMsg::Refresh,
        PeerMsg::Want { picture: false },
        PeerMsg::Sends { picture: true },
        PeerMsg::Leave,
        PeerMsg::Carry { to: peer(2), n: 3, seal: key().seal(&[b"words"]), msg: Box::new(chat.clone()) },
        PeerMsg::Carried { from: peer(1), n: 3, seal: key().seal(&[b"words"]), msg: Box::new(PeerMsg::Leave) },
        chat,
    ]);
    all
}

#[test]
fn every_message_between_pages_is_pinned_and_survives_the_way() {
    let lines: Vec<String> = page_messages().iter().map(encode).collect();
    for (msg, line) in page_messages().iter().zip(&lines) {
        assert_eq!(decode::<PeerMsg>(line).as_ref(), Ok(msg));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_is_nested_too_deep_is_refused_and_brackets_in_texts_are_not() {
    let mut msg = PeerMsg::Leave;
    for _ in 0..60 {
        msg = PeerMsg::Carry { to: peer(2), n: 1, seal: key().seal(&[]), msg: Box::new(msg) };
    }
    assert!(decode::<PeerMsg>(&encode(&msg)).is_err(), "120 levels");
    assert!(decode::<ClientMsg>(&"[".repeat(60_000)).is_err());
    let chat = ClientMsg::Chat { id: id(), body: Body::new(&"[{\\\"".repeat(500)).expect("valid") };
    assert_eq!(decode::<ClientMsg>(&encode(&chat)), Ok(chat));
}

#[test]
fn every_client_message_is_pinned() {
    let lines: Vec<String> = client_messages().iter().map(encode).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_server_message_is_pinned() {
    let lines: Vec<String> = server_messages().iter().map(encode).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_message_survives_the_way_there_and_back() {
    for message in client_messages() {
        assert_eq!(decode::<ClientMsg>(&encode(&message)).as_ref(), Ok(&message));
    }
    for message in server_messages() {
        assert_eq!(decode::<ServerMsg>(&encode(&message)).as_ref(), Ok(&message));
    }
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    let chat = |text: &str| format!(r#"{{"chat":{{"id":"{}","body":{}}}}}"#, id(), serde_json::json!(text));
    assert!(decode::<ClientMsg>(&chat(&"x".repeat(Limits::CHAT_CHARS))).is_ok());
    for bad in [
        chat(""),
        chat(&"x".repeat(Limits::CHAT_CHARS + 1)),
        chat("\u{0}"),
        chat("\u{200B}"),
        r#"{"ping":{"n":-1}}"#.into(),
        r#"{"ping":{"n":18446744073709551616}}"#.into(),
        r#"{"ping":{"n":1,"more":2}}"#.into(),
        r#"{"ping":{"n":1},"leave":null}"#.into(),
        r#""fly""#.into(),
        r#"{"range":{"after":{"epoch":1}}}"#.into(),
        "[".repeat(10_000),
        " ".repeat(Limits::FRAME_BYTES + 1),
        String::new(),
    ] {
        assert!(decode::<ClientMsg>(&bad).is_err(), "{}", &bad[..bad.len().min(80)]);
    }
}

#[test]
fn escapes_in_pairs_are_read_as_any_json_writer_may_write_them() {
    let line = format!(r#"{{"chat":{{"id":"{}","body":"\ud83d\ude00 \u0041 \\ud83d"}}}}"#, id());
    let body = Body::new("😀 A \\ud83d").expect("valid");
    assert_eq!(decode::<ClientMsg>(&line), Ok(ClientMsg::Chat { id: id(), body }));
    let half = format!(r#"{{"chat":{{"id":"{}","body":"\ud83d"}}}}"#, id());
    assert!(decode::<ClientMsg>(&half).is_err(), "half a pair is no character");
}

#[test]
fn what_an_older_program_stored_stays_readable() {
    let entry = |name: &str, body: &str| {
        format!(r#"{{"chat":{{"id":"{}","peer":"0000000000000001","name":"{name}","body":"{body}","at":1}}}}"#, id())
    };
    let read = |text: &str| match decode::<Entry>(text) {
        Ok(Entry::Chat { name, body, .. }) => (String::from(name), String::from(body)),
        other => panic!("{other:?}"),
    };
    assert_eq!(read(&entry("Ana\u{200E}", "hello")), ("Ana".into(), "hello".into()));
    assert_eq!(read(&entry("\u{200B}", "\u{3164}")), ("?".into(), "?".into()));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in ".{0,400}") {
        let _ = decode::<ClientMsg>(&text);
        let _ = decode::<ServerMsg>(&text);
        let _ = decode::<PeerMsg>(&text);
    }

    /// Bends a valid message a little, which gets further into the decoder than noise does.
    #[test]
    fn bent_messages_never_panic(which in 0..100_usize, cut in 0..400_usize, put in "[ -~]{0,8}") {
        let all = client_messages();
        let mut text = encode(&all[which % all.len()]);
        let cut = cut % (text.len() + 1);
        text.replace_range(cut..(cut + 1).min(text.len()), &put);
        let _ = decode::<ClientMsg>(&text);
        let all = page_messages();
        let mut text = encode(&all[which % all.len()]);
        let cut = cut % (text.len() + 1);
        text.replace_range(cut..(cut + 1).min(text.len()), &put);
        let _ = decode::<PeerMsg>(&text);
    }

    #[test]
    fn chat_of_any_text_survives_the_way_there_and_back(text in any::<String>(), n in any::<u64>()) {
        if let Ok(body) = Body::new(&text) {
            let message = ClientMsg::Chat { id: ChatId::mint(Millis::from_unix(n), &mut holdfast::rng::Rng::new(n)), body };
            prop_assert_eq!(decode::<ClientMsg>(&encode(&message)), Ok(message));
        }
    }
}
