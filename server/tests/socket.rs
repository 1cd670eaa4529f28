//! Real sockets against the real server: who may connect, what may be said, and that nobody else is disturbed.

mod support;

use futures::SinkExt;
use holdfast::wire::{Candidate, ClientMsg, CloseCode, Entry, Refusal, Resume, ServerMsg, Signal};
use holdfast::{Limits, LogEpoch, Offset, PcEpoch, PeerId};
use std::time::{Duration, Instant};
use support::{SOON, TestServer, chat, chat_id, hello, room, upgrade_status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

#[tokio::test]
async fn only_listed_origins_may_upgrade() {
    let server = TestServer::start_with(|config| {
        config.origins = server::origin::Origins::parse("https://meet.example").expect("valid");
    })
    .await;
    for (origin, status) in [
        (None, 403),
        (Some("null"), 403),
        (Some(""), 403),
        (Some("https://meet.example"), 101),
        (Some("http://meet.example"), 403),
        (Some("https://meet.example:443"), 403),
        (Some("https://meet.example:8443"), 403),
        (Some("https://sub.meet.example"), 403),
        (Some("https://meet.example.evil.example"), 403),
        (Some("https://evilmeet.example"), 403),
        (Some("https://MEET.EXAMPLE"), 403),
        (Some("https://meet.example/"), 403),
        (Some("file://"), 403),
        (Some("https://evil.example"), 403),
    ] {
        let mut request = server.handshake();
        request.headers_mut().remove("origin");
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", HeaderValue::from_str(origin).expect("ascii"));
        }
        assert_eq!(upgrade_status(request).await, status, "{origin:?}");
    }
}

#[tokio::test]
async fn the_subprotocol_must_be_offered() {
    let server = TestServer::start().await;
    let mut request = server.handshake();
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("other"));
    assert_eq!(upgrade_status(request).await, 400);
}

/// Who checks gets the ways and nothing else: no seat, no room, no socket to keep.
#[tokio::test]
async fn a_check_is_answered_once_and_holds_nothing() {
    let server = TestServer::start_with(|config| config.joins_per_s = 1).await;
    let check = ClientMsg::Check { version: holdfast::wire::PROTOCOL_VERSION };
    let mut asks = server.connect().await;
    asks.send(&check).await;
    let ice = asks.until(|msg| if let ServerMsg::Ways { ice } = msg { Some(ice) } else { None }).await;
    assert!(ice.iter().any(|one| one.urls[0].starts_with("turn:") && one.credential.is_some()), "{ice:?}");
    let name = ice.iter().find_map(|one| one.username.as_deref()).expect("a credential");
    let expires_s: u64 = name.split(':').next().and_then(|text| text.parse().ok()).expect("begins with its expiry");
    let now_s = server::clock::now().as_unix() / 1_000;
    assert!((now_s..=now_s + 60).contains(&expires_s), "good for a minute: {}", expires_s - now_s);
    assert_eq!(asks.closed().await.0, CloseCode::Normal.number());
    let mut late = server.connect().await;
    late.send(&ClientMsg::Watch { version: holdfast::wire::PROTOCOL_VERSION, room: room("late") }).await;
    late.send(&check).await;
    assert_eq!(late.closed().await.0, CloseCode::OutOfOrder.number());
    let mut old = server.connect().await;
    old.send(&ClientMsg::Check { version: 0 }).await;
    assert_eq!(old.closed().await.0, CloseCode::Version.number());
    // Credentials are not for the taking: one address gets them no faster than seats.
    let mut refused = 0;
    for _ in 0..10 {
        let mut greedy = server.connect().await;
        greedy.send(&check).await;
        refused += u32::from(greedy.closed().await.0 == CloseCode::TooFast.number());
    }
    assert!(refused >= 4, "{refused} of 10 were refused");
}

#[tokio::test]
async fn broken_frames_get_their_code_and_disturb_nobody() {
    let server = TestServer::start().await;
    let (mut ana, _) = server.join(&room("frames"), "Ana").await;
    let long = "x".repeat(Limits::FRAME_BYTES + 1);
    let data = |code, bytes: Vec<u8>, last| Message::Frame(Frame::message(bytes, OpCode::Data(code), last));
    let cases: Vec<(&str, Vec<Message>, u16)> = vec![
        ("one byte too many", vec![Message::text(long)], 1009),
        ("ten megabytes", vec![Message::text("x".repeat(10 << 20))], 1009),
        (
            "too much in fragments",
            (0..5).map(|n| data(if n == 0 { Data::Text } else { Data::Continue }, vec![b'x'; 16_000], false)).collect(),
            1009,
        ),
        ("text that is not UTF-8", vec![data(Data::Text, vec![0xff, 0xfe], true)], 1007),
        ("a continuation of nothing", vec![data(Data::Continue, vec![b'x'], true)], 1002),
        ("bytes instead of text", vec![Message::binary(vec![1, 2, 3])], 1003),
        ("not JSON", vec![Message::text("hello")], 4002),
        ("an unknown message", vec![Message::text(r#"{"fly":{}}"#)], 4002),
        ("deep nesting", vec![Message::text("[".repeat(60_000))], 4002),
        ("a seat without asking", vec![Message::text(r#""leave""#)], 4007),
        ("another version", vec![Message::text(r#"{"watch":{"version":99,"room":"frames"}}"#)], 4000),
    ];
    for (what, frames, code) in cases {
        let mut bad = server.connect().await;
        for frame in frames {
            let _ = bad.ws.send(frame).await;
        }
        assert_eq!(bad.closed().await.0, code, "{what}");
        assert!(ana.is_alive().await, "{what}");
    }
}

#[tokio::test]
async fn ten_thousand_empty_fragments_cost_nothing() {
    let server = TestServer::start().await;
    let (mut ana, _) = server.join(&room("fragments"), "Ana").await;
    let mut bad = server.connect().await;
    let part = |code, last| Message::Frame(Frame::message(Vec::new(), OpCode::Data(code), last));
    let _ = bad.ws.send(part(Data::Text, false)).await;
    for _ in 0..10_000 {
        if bad.ws.send(part(Data::Continue, false)).await.is_err() {
            break;
        }
    }
    assert!(ana.is_alive().await);
    assert_eq!(bad.closed().await.0, CloseCode::HelloTimeout.number(), "a message that never ends is no first message");
}

#[tokio::test]
async fn silence_is_closed_before_and_after_the_upgrade() {
    let server = TestServer::start().await;
    let began = Instant::now();
    let mut quiet = server.connect().await;
    let mut slow = TcpStream::connect(server.addr()).await.expect("connects");
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Half").await.expect("writes");
    assert_eq!(quiet.closed().await.0, CloseCode::HelloTimeout.number());
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(SOON, slow.read_to_end(&mut rest)).await.expect("the half request is dropped");
    assert!(began.elapsed() < Duration::from_secs(12));
}

#[tokio::test]
async fn a_flood_is_stopped_with_a_code() {
    let server = TestServer::start().await;
    let (mut ana, _) = server.join(&room("flood"), "Ana").await;
    let (mut bad, _) = server.join(&room("other"), "Bad").await;
    let began = Instant::now();
    for n in 0..5_000 {
        if bad.ws.feed(Message::text(format!(r#"{{"ping":{{"n":{n}}}}}"#))).await.is_err() {
            break;
        }
    }
    let _ = bad.ws.flush().await;
    assert_eq!(bad.closed().await.0, 1008);
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(ana.is_alive().await);
}

#[tokio::test]
async fn chat_faster_than_allowed_is_refused_and_kept_by_its_sender() {
    let server = TestServer::start().await;
    let (mut ana, _) = server.join(&room("fast"), "Ana").await;
    for n in 0..u64::from(Limits::CHAT_BURST) + 20 {
        ana.send(&chat(n, "hi")).await;
    }
    let about = ana
        .until(|msg| match msg {
            ServerMsg::Refused { code: Refusal::TooFast | Refusal::Busy, about } => Some(about),
            _ => None,
        })
        .await;
    assert!(about.is_some_and(|id| (0..300).any(|n| chat_id(n) == id)));
    assert!(ana.is_alive().await, "the socket stays");
}

#[tokio::test]
async fn hostile_sequences_reach_nobody_else() {
    let server = TestServer::start().await;
    let (here, there) = (room("here"), room("there"));
    let (mut victim, seat) = server.join(&here, "Victim").await;
    let (mut stranger, _) = server.join(&there, "Stranger").await;
    let epoch = PcEpoch::from_number(u64::MAX);
    let signal = |to: PeerId| ClientMsg::Signal { to, stream: u64::MAX, seq: 1 << 63, signal: Signal::Renew { epoch } };
    stranger.send(&signal(seat.peer)).await; // A seat of another room.
    stranger.send(&signal(PeerId::from_bits(0))).await; // Nobody's seat.
    stranger.send(&ClientMsg::SignalAck { to: seat.peer, stream: 0, seq: u64::MAX }).await;
    stranger.send(&ClientMsg::Range { after: Offset { epoch: LogEpoch::from_number(u64::MAX), seq: u64::MAX } }).await;
    stranger.send(&ClientMsg::Range { after: Offset { epoch: LogEpoch::from_number(0), seq: 1 << 63 } }).await;
    stranger.send(&hello(&there, "Again", None)).await; // A second seat on one socket.
    for n in 0..200 {
        let candidate = format!(
            r#"{{"signal":{{"to":"{}","stream":1,"seq":{n},"signal":{{"candidate":{{"epoch":1,"candidate":{{"line":"x","mid":"0","index":0}}}}}}}}}}"#,
            seat.peer
        );
        stranger.text(&candidate).await;
    }
    assert!(stranger.is_alive().await, "nothing of this is worth a close");
    stranger.send(&hello(&here, "Elsewhere", None)).await; // Another room on the same socket.
    assert_eq!(stranger.closed().await.0, CloseCode::OutOfOrder.number());
    victim.send(&ClientMsg::Ping { n: 1 }).await;
    let heard = victim
        .until(|msg| match msg {
            ServerMsg::Pong { n: 1, .. } => Some(false),
            ServerMsg::Signal { .. } | ServerMsg::SignalAck { .. } => Some(true),
            _ => None,
        })
        .await;
    assert!(!heard, "a signal crossed rooms");
}

#[tokio::test]
async fn a_forged_or_foreign_token_opens_no_seat_and_evicts_nobody() {
    let server = TestServer::start().await;
    let (mut ana, seat) = server.join(&room("tokens"), "Ana").await;
    let (_, other) = server.join(&room("elsewhere"), "Other").await;
    let forged = seat.token.as_str().replace(&seat.peer.to_string(), "0000000000000001");
    for token in [forged.as_str(), other.token.as_str(), "x", "0.0.0"] {
        let token = holdfast::wire::Token::new(token).expect("a legal text");
        let mut thief = server.connect().await;
        thief.send(&hello(&room("tokens"), "Thief", Some(Resume { token, after: Offset::default() }))).await;
        let theirs = thief.welcome().await;
        assert!(!theirs.resumed && theirs.peer != seat.peer);
        thief.send(&ClientMsg::Leave).await;
        let _ = thief.closed().await;
    }
    assert!(ana.is_alive().await);
}

#[tokio::test]
async fn the_same_seat_on_another_socket_fences_the_older() {
    let server = TestServer::start().await;
    let (mut old, seat) = server.join(&room("fence"), "Ana").await;
    let mut new = server.connect().await;
    let resume = Resume { token: seat.token.clone(), after: seat.head };
    new.send(&hello(&room("fence"), "Ana", Some(resume))).await;
    let again = new.welcome().await;
    assert!(again.resumed && again.peer == seat.peer && again.roster.is_empty());
    assert_eq!(old.closed().await.0, CloseCode::Replaced.number());
    assert!(new.is_alive().await);
}

#[tokio::test]
async fn a_reader_that_never_reads_is_closed_and_the_others_go_on() {
    let server = TestServer::start().await;
    let hall = room("slow");
    let (mut ana, _) = server.join(&hall, "Ana").await;
    let (slow, seat) = server.join(&hall, "Slow").await; // Never read from again.
    let (mut bo, _) = server.join(&hall, "Bo").await;
    // More than its queue and the system hold: its author is answered all the same.
    let long = "\u{1F600}".repeat(Limits::CHAT_CHARS);
    for n in 0..100 {
        bo.send(&chat(n, &long)).await;
        bo.ack(n).await;
    }
    let began = Instant::now();
    loop {
        ana.send(&ClientMsg::Ping { n: 1 }).await; // So that something comes in any case.
        let gone = |msg| match msg {
            ServerMsg::Presence { peer, here: false } if peer == seat.peer => Some(true),
            ServerMsg::Pong { .. } => Some(false),
            _ => None,
        };
        if ana.until(gone).await {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(15), "it is closed, or silent for too long");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(slow);
    assert!(ana.is_alive().await && bo.is_alive().await);
}

#[tokio::test]
async fn everyone_reads_the_same_messages_in_the_same_order() {
    let server = TestServer::start().await;
    let hall = room("order");
    let mut people = vec![];
    for n in 0..4 {
        people.push(server.join(&hall, &format!("P{n}")).await.0);
    }
    for n in 0..40_u64 {
        people[(n % 4) as usize].send(&chat(n, &format!("message {n}"))).await;
        people[(n % 4) as usize].send(&chat(n, &format!("message {n}"))).await; // Every message twice.
    }
    let mut logs = vec![];
    for person in &mut people {
        let mut log: Vec<(u64, String)> = vec![];
        while log.len() < 40 {
            let found = person
                .until(|msg| match msg {
                    ServerMsg::Event { offset, entry: Entry::Chat { body, .. } } => {
                        Some((offset.seq, String::from(body)))
                    }
                    _ => None,
                })
                .await;
            log.push(found);
        }
        logs.push(log);
    }
    let texts: std::collections::BTreeSet<&String> = logs[0].iter().map(|(_, text)| text).collect();
    assert_eq!(texts.len(), 40, "every message once");
    assert!(logs.iter().all(|log| *log == logs[0]));
    assert!(logs[0].windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[tokio::test]
async fn a_drain_tells_every_socket_when_to_come_back() {
    let server = TestServer::start().await;
    let (mut ana, _) = server.join(&room("drain"), "Ana").await;
    let mut watcher = server.connect().await;
    watcher.text(r#"{"watch":{"version":1,"room":"drain"}}"#).await;
    let began = Instant::now();
    let drained = tokio::spawn(server.running.drain());
    for socket in [&mut ana, &mut watcher] {
        let (code, reason) = socket.closed().await;
        assert_eq!(code, 1012);
        assert!(reason.contains("retry="), "{reason}");
    }
    assert!(began.elapsed() < Duration::from_secs(2));
    drained.await.expect("the drain ends");
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// Else the last ones told would meet the first ones told.
#[tokio::test]
async fn a_drain_spreads_those_told_last_as_widely_as_those_told_first() {
    let server = TestServer::start_with(|config| {
        (config.sockets_per_address, config.connects_per_s) = (1_000, 1_000);
    })
    .await;
    let mut all = vec![];
    for _ in 0..300 {
        all.push(server.connect().await);
    }
    let app = &server.running.app;
    let first = (0..200).map(|_| app.drain_spread_ms()).max();
    all.truncate(5);
    let gone = Instant::now();
    while app.sockets.len() > 5 {
        assert!(gone.elapsed() < Duration::from_secs(5), "{} sockets are left", app.sockets.len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let last = (0..200).map(|_| app.drain_spread_ms()).max();
    assert!((500..600).contains(&first.unwrap_or(0)), "300 sockets are asked back over 600 ms: {first:?}");
    assert!((500..600).contains(&last.unwrap_or(0)), "the last five too: {last:?}");
}

#[tokio::test]
async fn one_address_has_its_share_of_sockets() {
    let server = TestServer::start_with(|config| config.sockets_per_address = 3).await;
    let mut open = vec![];
    for _ in 0..3 {
        open.push(server.connect().await);
    }
    assert_eq!(upgrade_status(server.handshake()).await, 429);
    drop(open.pop());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(upgrade_status(server.handshake()).await, 101);
    assert_eq!(open.len(), 2);
}

/// A room whose code says so passes on no address but a relay's, whoever tries.
#[tokio::test]
async fn a_room_that_hides_addresses_passes_none_on() {
    let server = TestServer::start().await;
    let hall = room("relay-hall");
    let (mut ana, seat) = server.join(&hall, "Ana").await;
    let (mut eve, eves) = server.join(&hall, "Eve").await;
    let candidate = |address: &str| {
        let line = format!("candidate:1 1 udp 41885439 {address}");
        let candidate = Candidate::new(line, "0".into(), 0).expect("short");
        Signal::Candidate { epoch: PcEpoch::from_number(9), candidate }
    };
    let to = seat.peer;
    let shown = [
        "192.0.2.7 5 typ host",
        "192.0.2.7 5 typ srflx raddr 0.0.0.0 rport 0",
        "192.0.2.7 5 typ relay raddr 10.0.0.1 rport 5",
    ];
    for (n, address) in shown.into_iter().enumerate() {
        eve.send(&ClientMsg::Signal { to, stream: 9, seq: n as u64 + 1, signal: candidate(address) }).await;
        let refused = eve
            .until(|msg| match msg {
                ServerMsg::Refused { code, .. } => Some(code),
                _ => None,
            })
            .await;
        assert_eq!(refused, Refusal::ShowsAddress, "{address}");
    }
    let hidden = candidate("192.0.2.7 5 typ relay raddr 0.0.0.0 rport 0");
    eve.send(&ClientMsg::Signal { to, stream: 9, seq: 4, signal: hidden }).await;
    let (from, seq) = ana
        .until(|msg| match msg {
            ServerMsg::Signal { from, seq, .. } => Some((from, seq)),
            _ => None,
        })
        .await;
    assert_eq!((from, seq), (eves.peer, 4), "the first that arrives is the one that shows nothing");
}
