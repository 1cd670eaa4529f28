//! A page's session under whatever a server, other pages, a browser and a person can say, in any order and at any time.

use super::bytes::Bytes;
use super::peers::{candidate, flow};
use super::texts::{From, noise, plausible, words};
use holdfast::peer::RtcEvent;
use holdfast::session::{
    ChannelEvent, Effect, Entrance, Event, Fault, Intent, Keepsake, MediaEvent, NetEvent, Opener, SocketEvent, Tried,
    Unsent,
};
use holdfast::view::{MediaKind, MediaProblem};
use holdfast::wire::{Body, ClientMsg, CloseCode, MediaState, Name, PeerMsg, Sdp, ServerMsg, Token, decode, encode};
use holdfast::{CallView, ChatId, Limits, LogEpoch, Millis, Offset, PcEpoch, PeerId, RoomId, Session, SocketEpoch};

/// Events of one run.
const STEPS: usize = 300;
const BEGIN: u64 = 1_800_000_000_000;
const KINDS: [MediaKind; 2] = [MediaKind::Audio, MediaKind::Video];

fn room_id(hides: bool) -> RoomId {
    let code = if hides { "relay-kavot-imure-sakem" } else { "kavot-imure-sakem" };
    code.parse().expect("a code")
}

/// A message of a server or a page: one that keeps to the protocol, one that was damaged, or any text.
fn message(bytes: &mut Bytes<'_>, from: From) -> String {
    match bytes.below(8) {
        0 => bytes.text(),
        1 => noise(bytes, from),
        _ => plausible(bytes, from),
    }
}

fn rtc(bytes: &mut Bytes<'_>) -> RtcEvent {
    let sdp = || Sdp::new("v=0\r\na=candidate:1 1 udp 1 192.0.2.7 5 typ host\r\n").expect("short");
    match bytes.below(10) {
        0 => RtcEvent::OfferReady(sdp()),
        1 => RtcEvent::AnswerReady(sdp()),
        2 => RtcEvent::AnswerApplied,
        3 => RtcEvent::OperationFailed,
        4 => RtcEvent::Disconnected,
        5 => RtcEvent::Failed,
        6 => RtcEvent::LocalCandidate(candidate(bytes)),
        7 => RtcEvent::Flowed(flow(bytes)),
        _ => RtcEvent::Connected,
    }
}

fn intent(bytes: &mut Bytes<'_>, view: &CallView) -> Intent {
    let said = view.chat.get(bytes.below(view.chat.len() as u64) as usize);
    match bytes.below(24) {
        0 => Intent::Leave,
        1 => Intent::ToggleMicrophone,
        2 => Intent::ToggleCamera,
        3..=6 => Intent::Say(words(bytes)),
        7 => Intent::ShowEarlier,
        8 => Intent::ToggleChat,
        9 => Intent::TryNow,
        10 => Intent::ToggleAudioOnly,
        11 => said.map_or(Intent::Escape, |line| Intent::SayAgain(line.id)),
        12 => said.map_or(Intent::Escape, |line| Intent::Unsay(line.id)),
        13 => Intent::ChooseDevice(bytes.pick(&KINDS), words(bytes)),
        14 => Intent::ChooseSpeaker(words(bytes)),
        15 => Intent::Shortcut(Box::new(if bytes.one_in(2) { Intent::ToggleHelp } else { Intent::ToggleMicrophone })),
        16 => Intent::ToggleShortcuts,
        17 => Intent::CopyLink,
        18 => Intent::TileShown(Some(seat(bytes))),
        19 => Intent::CopyDebug,
        20 => Intent::Cause(bytes.pick(&[
            Fault::DropSocket,
            Fault::KillConnections,
            Fault::ExpireRelays,
            Fault::RelayOnly,
            Fault::OfferAgain,
            Fault::FreezeHeartbeat,
        ])),
        21 => Intent::Dismiss(bytes.number()),
        _ => Intent::Join("Ana".into()),
    }
}

fn media(bytes: &mut Bytes<'_>) -> MediaEvent {
    let kind = bytes.pick(&KINDS);
    match bytes.below(7) {
        0 => MediaEvent::Started(kind, "d".into()),
        1 => MediaEvent::Failed(kind, bytes.pick(&[MediaProblem::Denied, MediaProblem::Busy, MediaProblem::Other])),
        2 => MediaEvent::Ended(kind),
        3 => MediaEvent::Interrupted(kind, bytes.one_in(2)),
        4 => MediaEvent::Level(Some(seat(bytes)), bytes.number() as u8),
        5 => MediaEvent::Unheard(bytes.one_in(2)),
        _ => MediaEvent::SpeakerFailed,
    }
}

fn seat(bytes: &mut Bytes<'_>) -> PeerId {
    PeerId::from_bits(bytes.below(5))
}

fn entrance(bytes: &mut Bytes<'_>) -> Entrance {
    let keepsake = bytes.one_in(2).then(|| Keepsake {
        token: Token::new("00.1.abc").expect("legal"),
        name: Name::new("Ana").expect("short"),
        media: MediaState { audio: bytes.one_in(2), video: bytes.one_in(2) },
        claim: bytes.number(),
        read: Offset { epoch: LogEpoch::from_number(BEGIN), seq: bytes.number() },
        audio_only: bytes.one_in(2),
        keys_off: false,
    });
    Entrance {
        name: if bytes.one_in(4) { words(bytes) } else { "Ana".into() },
        join: !bytes.one_in(8),
        opener: bytes.pick(&[Opener::Own, Opener::Unknown, Opener::Foreign]),
        returned: bytes.one_in(2),
        reloaded_at: bytes.one_in(4).then(|| Millis::from_unix(BEGIN)),
        keepsake,
        unsent: (0..bytes.below(4)).map(unsent).collect(),
        debug: bytes.one_in(2),
        plain: bytes.one_in(8),
        barred: None,
    }
}

fn unsent(n: u64) -> Unsent {
    let id: ChatId = format!("018bcfe5-6800-7abc-8def-0123456789{n:02x}").parse().expect("an id");
    let (body, name) = (Body::new("hello").expect("short"), Name::new("Ana").expect("short"));
    Unsent { id, body, name, at: Millis::from_unix(BEGIN) }
}

/// What a server that keeps to the protocol would answer.
fn answer(bytes: &mut Bytes<'_>, msg: &ClientMsg) -> Option<String> {
    let offset = Offset { epoch: LogEpoch::from_number(BEGIN), seq: bytes.below(12) };
    match msg {
        ClientMsg::Hello(_) => {
            super::pinned(From::Server).into_iter().find(|line| line.contains("welcome")).map(Into::into)
        }
        ClientMsg::Chat { id, .. } => Some(encode(&ServerMsg::Ack { id: *id, offset })),
        ClientMsg::Ping { n } => Some(encode(&ServerMsg::Pong { n: *n, head: offset, away: vec![] })),
        ClientMsg::History { before } => {
            Some(encode(&ServerMsg::History { before: *before, messages: vec![], more: bytes.one_in(2) }))
        }
        ClientMsg::SignalAck { .. }
        | ClientMsg::Watch { .. }
        | ClientMsg::Check { .. }
        | ClientMsg::Signal { .. }
        | ClientMsg::State { .. }
        | ClientMsg::Range { .. }
        | ClientMsg::Leave => None,
    }
}

/// A page and what it was told of: the socket and the connections it opened.
struct Page {
    session: Session,
    hides: bool,
    socket: SocketEpoch,
    connections: Vec<(PeerId, PcEpoch)>,
}

impl Page {
    fn event(&self, bytes: &mut Bytes<'_>) -> Event {
        let (peer, pc) = bytes.pick(&self.connections);
        match bytes.below(24) {
            0 => {
                let code = CloseCode::from_number(bytes.below(5_000) as u16);
                Event::Socket(self.socket, SocketEvent::Closed(code, words(bytes)))
            }
            1..=8 => Event::Socket(self.socket, SocketEvent::Text(message(bytes, From::Server))),
            9..=11 => Event::Rtc(peer, pc, rtc(bytes)),
            12 if bytes.one_in(4) => Event::Channel(peer, pc, ChannelEvent::Closed),
            12 => Event::Channel(peer, pc, ChannelEvent::Opened),
            13..=15 => Event::Channel(peer, pc, ChannelEvent::Text(message(bytes, From::Peer))),
            16..=18 => Event::Intent(intent(bytes, &self.session.view())),
            19 => Event::Net(bytes.pick(&[NetEvent::Online, NetEvent::Shown, NetEvent::Offline, NetEvent::Frozen])),
            20 => Event::Media(media(bytes)),
            21 => Event::Found((0..bytes.below(4)).map(unsent).collect()),
            _ => Event::Tick,
        }
    }

    /// Checks what the session asks for, and says what a browser and a server would answer.
    fn run(&mut self, bytes: &mut Bytes<'_>, effect: Effect) -> Option<Event> {
        match effect {
            Effect::OpenSocket(epoch) => {
                self.socket = epoch;
                Some(Event::Socket(epoch, SocketEvent::Opened))
            }
            Effect::OpenPc(peer, epoch, ..) => {
                self.connections.push((peer, epoch));
                None
            }
            Effect::SendText(epoch, text) => {
                let msg = decode::<ClientMsg>(&text).expect("the server reads what a page writes");
                if let ClientMsg::Signal { signal, .. } = &msg {
                    assert!(!self.hides || !signal.shows_address(), "an address that was to be hidden: {text}");
                }
                let answered = if bytes.one_in(4) { None } else { answer(bytes, &msg) };
                answered.map(|text| Event::Socket(epoch, SocketEvent::Text(text)))
            }
            Effect::SendPeer(_, _, text) => {
                let msg = decode::<PeerMsg>(&text).expect("a page reads what a page writes");
                if let PeerMsg::Signal { signal, .. } = &msg {
                    assert!(!self.hides || !signal.shows_address(), "an address that was to be hidden: {text}");
                }
                None
            }
            Effect::KeepChat(_, unsent) => (!bytes.one_in(4)).then_some(Event::Kept(unsent.id)),
            Effect::Capture(what) => {
                let kind = if what.audio.is_some() { MediaKind::Audio } else { MediaKind::Video };
                (!bytes.one_in(4)).then(|| Event::Media(MediaEvent::Started(kind, "d".into())))
            }
            Effect::Try(n, _) => Some(Event::Tried(n, bytes.pick(&[Tried::Address, Tried::Nothing, Tried::Silent]))),
            _ => None,
        }
    }

    fn keeps_its_limits(&self) {
        let view = self.session.view();
        assert!(self.session.unsent() <= Limits::OUTBOX, "{} unsent", self.session.unsent());
        assert!(self.session.unacked_signals() <= Limits::SIGNALS_UNACKED);
        assert!(view.notices.len() <= Limits::NOTICES);
        assert!(view.chat.len() <= Limits::CHAT_KEPT_BACK + Limits::CHAT_HEARD + Limits::OUTBOX);
        let _ = self.session.next_deadline();
    }
}

/// The target.
pub(crate) fn session(bytes: &[u8]) {
    let _ = tiles_shown(bytes);
}

/// The same, and how many people were on screen at most: none would mean that it tries little.
pub(crate) fn tiles_shown(bytes: &[u8]) -> usize {
    let mut bytes = Bytes::new(bytes);
    let hides = bytes.one_in(4);
    let mut page = Page {
        session: Session::new(bytes.number(), [7; 16]),
        hides,
        socket: SocketEpoch::from_number(0),
        connections: vec![(PeerId::from_bits(2), PcEpoch::from_number(1))],
    };
    let checks = bytes.one_in(16);
    let mut next =
        vec![if checks { Event::Intent(Intent::Check) } else { Event::Entered(room_id(hides), entrance(&mut bytes)) }];
    let (mut now, mut shown) = (Millis::from_unix(BEGIN), 0);
    for _ in 0..STEPS {
        if bytes.is_empty() {
            break;
        }
        next.push(page.event(&mut bytes));
        // Clocks go on, stand, or jump.
        now = now.plus(bytes.pick(&[0, 20, 400, 5_000, 60_000]));
        for event in std::mem::take(&mut next) {
            for effect in page.session.handle(now, event) {
                next.extend(page.run(&mut bytes, effect));
            }
        }
        let forgotten = page.connections.len().saturating_sub(8);
        page.connections.drain(..forgotten);
        page.keeps_its_limits();
        shown = shown.max(page.session.view().tiles.len());
    }
    shown
}
