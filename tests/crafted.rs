//! What somebody in the call can do with crafted messages: nothing to anybody's words, connections or main thread.

use holdfast::peer::RtcEvent;
use holdfast::rng::Rng;
use holdfast::secret::{Key, Secrets};
use holdfast::session::{ChannelEvent, Effect, Entrance, Event, Intent, SocketEvent};
use holdfast::view::Phase;
use holdfast::wire::{
    Body, ClientMsg, Entry, MediaState, Name, PeerMsg, Sdp, Seat, ServerMsg, Signal, Token, Welcome, decode, encode,
};
use holdfast::{ChatId, Limits, LogEpoch, Millis, Offset, PcEpoch, PeerId, Session, SocketEpoch};

const NOW: Millis = Millis::from_unix(1_800_000_000_000);
const SOCKET: SocketEpoch = SocketEpoch::from_number(1);

fn me() -> PeerId {
    PeerId::from_bits(1)
}

/// The two others: Mal, and Ana whose words Mal would like to say.
fn mal() -> PeerId {
    PeerId::from_bits(66)
}

fn ana() -> PeerId {
    PeerId::from_bits(2)
}

fn place(seq: u64) -> Offset {
    Offset { epoch: LogEpoch::from_number(1), seq }
}

fn body(text: &str) -> Body {
    Body::new(text).expect("valid")
}

fn sdp() -> Sdp {
    Sdp::new("v=0").expect("short")
}

fn welcome() -> ServerMsg {
    let seat = |peer, name: &str, seq| Seat {
        peer,
        name: Name::new(name).expect("valid"),
        media: MediaState { audio: true, video: true },
        here: true,
        joined: place(seq),
    };
    ServerMsg::Welcome(Box::new(Welcome {
        peer: me(),
        token: Token::new("token").expect("valid"),
        resumed: false,
        roster: vec![seat(mal(), "Mal", 1), seat(ana(), "Ana", 2)],
        head: place(3),
        from: place(3),
        now: NOW,
        ice: vec![],
        heartbeat_ms: Limits::PING_EVERY_MS,
    }))
}

struct Page {
    session: Session,
    now: Millis,
}

impl Page {
    /// A page in a call with Mal and Ana, with data channels to both.
    fn new() -> Self {
        let mut page = Self { session: Session::new(1, [1; 16]), now: NOW };
        let entrance = Entrance { name: "Bob".into(), join: true, ..Entrance::default() };
        let _ = page.event(Event::Entered("hostile".parse().expect("valid"), entrance));
        let _ = page.event(Event::Socket(SOCKET, SocketEvent::Opened));
        let opened = page.server(&welcome());
        for (peer, epoch) in opens(&opened) {
            let _ = page.event(Event::Rtc(peer, epoch, RtcEvent::Connected));
            let _ = page.event(Event::Channel(peer, epoch, ChannelEvent::Opened));
        }
        page
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        self.session.handle(self.now, event)
    }

    fn server(&mut self, msg: &ServerMsg) -> Vec<Effect> {
        self.event(Event::Socket(SOCKET, SocketEvent::Text(encode(msg))))
    }

    fn channel(&mut self, from: PeerId, text: String) -> Vec<Effect> {
        let epoch = PcEpoch::from_number(NOW.as_unix() + 1);
        self.event(Event::Channel(from, epoch, ChannelEvent::Text(text)))
    }

    fn says(&mut self, from: PeerId, msg: &PeerMsg) -> Vec<Effect> {
        self.channel(from, encode(msg))
    }

    fn chat(&self) -> Vec<(String, String)> {
        let view = self.session.view();
        view.chat.iter().map(|line| (line.name.as_str().to_owned(), line.text.to_string())).collect()
    }
}

fn opens(effects: &[Effect]) -> Vec<(PeerId, PcEpoch)> {
    let open = |effect: &Effect| match effect {
        Effect::OpenPc(peer, epoch, ..) => Some((*peer, *epoch)),
        _ => None,
    };
    effects.iter().filter_map(open).collect()
}

fn to_server(effects: &[Effect]) -> Vec<ClientMsg> {
    let text = |effect: &Effect| match effect {
        Effect::SendText(_, text) => decode::<ClientMsg>(text).ok(),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

fn to_pages(effects: &[Effect]) -> Vec<PeerMsg> {
    let text = |effect: &Effect| match effect {
        Effect::SendPeer(_, _, text) => decode::<PeerMsg>(text).ok(),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

fn chats(effects: &[Effect]) -> Vec<(ChatId, Body)> {
    let chat = |msg| match msg {
        ClientMsg::Chat { id, body } => Some((id, body)),
        _ => None,
    };
    to_server(effects).into_iter().filter_map(chat).collect()
}

/// Writes a message, which the browser writes down.
fn write(page: &mut Page, text: &str) -> (ChatId, Vec<Effect>) {
    let effects = page.event(Event::Intent(Intent::Say(text.into())));
    let id = effects.iter().find_map(|effect| match effect {
        Effect::KeepChat(_, unsent) => Some(unsent.id),
        _ => None,
    });
    let id = id.expect("it is written down first");
    (id, page.event(Event::Kept(id)))
}

#[test]
fn words_of_somebody_else_under_the_same_id_do_not_stand_for_ours() {
    let mut page = Page::new();
    let (id, sent) = write(&mut page, "the real words");
    assert_eq!(chats(&sent), [(id, body("the real words"))]);
    let forged = Entry::Chat { id, peer: mal(), name: Name::new("Mal").expect("valid"), body: body("forged"), at: NOW };
    let effects = page.server(&ServerMsg::Event { offset: place(4), entry: forged });
    let again = effects.iter().find_map(|effect| match effect {
        Effect::KeepChat(_, unsent) => Some(unsent.clone()),
        _ => None,
    });
    let again = again.expect("ours is written down under another id");
    assert_ne!(again.id, id);
    assert_eq!(chats(&page.event(Event::Kept(again.id))), [(again.id, body("the real words"))]);
    let own = |line: &&holdfast::view::ChatLine| line.mine;
    let view = page.session.view();
    assert_eq!(view.chat.iter().filter(own).map(|line| &*line.text).collect::<Vec<_>>(), ["the real words"]);
    assert!(page.chat().contains(&("Mal".into(), "forged".into())), "it is shown as what it is");
}

#[test]
fn a_message_that_was_deleted_before_we_heard_that_it_is_stored_is_not_sent_again() {
    let mut page = Page::new();
    let (id, sent) = write(&mut page, "taken away");
    assert_eq!(chats(&sent).len(), 1);
    let deleted = page.server(&ServerMsg::Event { offset: place(4), entry: Entry::Deleted { id, at: NOW } });
    assert!(deleted.contains(&Effect::DropChat(id)), "nor by another page: {deleted:?}");
    assert_eq!((page.session.unsent(), page.chat()), (0, vec![]));
    let late = page.server(&ServerMsg::Ack { id, offset: place(3) });
    assert_eq!((chats(&late), page.chat()), (vec![], vec![]), "its acknowledgement shows it to nobody");
}

#[test]
fn no_page_hears_the_id_of_a_message_that_is_not_stored() {
    let mut page = Page::new();
    let closed = SocketEvent::Closed(holdfast::wire::CloseCode::Broken, String::new());
    let _ = page.event(Event::Socket(SOCKET, closed));
    let (id, effects) = write(&mut page, "while the server is away");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::SendPeer(..))), "the others read it at once");
    for effect in &effects {
        if let Effect::SendPeer(_, _, text) = effect {
            assert!(!text.contains(&id.to_string()) && text.contains(&id.shadow().to_string()));
        }
    }
}

#[test]
fn a_message_read_before_it_was_stored_is_shown_once() {
    let mut page = Page::new();
    let id = ChatId::mint(NOW, &mut Rng::new(5));
    let told = PeerMsg::Chat { shadow: id.shadow(), body: body("hello"), at: NOW };
    let _ = page.says(ana(), &told);
    assert_eq!(page.chat(), [("Ana".to_owned(), "hello".to_owned())]);
    let entry = Entry::Chat { id, peer: ana(), name: Name::new("Ana").expect("valid"), body: body("hello"), at: NOW };
    let _ = page.server(&ServerMsg::Event { offset: place(4), entry });
    assert_eq!(page.chat().len(), 1);
    let _ = page.says(ana(), &told);
    assert_eq!(page.chat().len(), 1, "who still tells of it is late");
}

#[test]
fn pictures_are_refreshed_and_switched_no_more_often_than_a_call_needs() {
    let mut page = Page::new();
    let (mut refreshed, mut switched) = (0, 0);
    for n in 0..5_000 {
        page.now = NOW.plus(n);
        let _ = page.event(Event::Tick);
        let effects = page.says(mal(), &PeerMsg::Refresh);
        refreshed += effects.iter().filter(|effect| matches!(effect, Effect::Refresh(..))).count();
        let effects = page.says(mal(), &PeerMsg::Want { picture: n % 2 == 0 });
        switched += effects.iter().filter(|effect| matches!(effect, Effect::SetPicture(..))).count();
    }
    assert!((1..=7).contains(&refreshed), "{refreshed} in 5 s");
    assert!((1..=20).contains(&switched), "{switched} in 5 s");
}

#[test]
fn the_last_word_about_pictures_counts() {
    let mut page = Page::new();
    for n in 0..100 {
        let _ = page.says(mal(), &PeerMsg::Want { picture: n % 2 == 0 });
    }
    page.now = NOW.plus(10_000);
    let effects = page.event(Event::Tick);
    let off = |effect: &Effect| matches!(effect, Effect::SetPicture(peer, _, false) if *peer == mal());
    assert!(effects.iter().any(off), "the last wish was: none");
}

#[test]
fn who_floods_the_channel_loses_it_and_costs_nothing_more() {
    let mut page = Page::new();
    let mut closed = None;
    for n in 0..5_000 {
        let effects = page.channel(mal(), "junk".into());
        if closed.is_some() {
            assert!(effects.is_empty(), "message {n}");
        } else if effects.iter().any(|effect| matches!(effect, Effect::CloseChannel(peer, _) if *peer == mal())) {
            closed = Some(n);
        }
    }
    assert_eq!(closed, Some((Limits::PEER_MESSAGE_BURST + Limits::PEER_DROPS_BURST) as usize));
    // Nobody else notices.
    assert!(page.says(ana(), &PeerMsg::Refresh).iter().any(|effect| matches!(effect, Effect::Refresh(..))));
}

#[test]
fn large_messages_have_a_budget_of_bytes() {
    let mut page = Page::new();
    let long = body(&"x".repeat(Limits::CHAT_CHARS));
    for n in 0..300 {
        let shadow = ChatId::mint(NOW.plus(n), &mut Rng::new(n));
        let _ = page.says(mal(), &PeerMsg::Chat { shadow, body: long.clone(), at: NOW });
    }
    let most = Limits::PEER_BYTES_BURST as usize / Limits::CHAT_CHARS;
    assert!((most - 10..=most).contains(&page.chat().len()), "{}", page.chat().len());
}

#[test]
fn a_carrier_can_neither_forge_nor_change_nor_repeat_the_words_it_brings() {
    let mut page = Page::new();
    // The key is told over the direct channel.
    let key: Key = Secrets::new([9; 16]).next_key();
    let _ = page.says(ana(), &PeerMsg::Greet { key, waiting: vec![] });
    let chat = |n: u64, text: &str| PeerMsg::Chat {
        shadow: ChatId::mint(NOW.plus(n), &mut Rng::new(n)),
        body: body(text),
        at: NOW,
    };
    let sealed = |key: Key, from: PeerId, to: PeerId, n: u64, sealed: &PeerMsg, brought: &PeerMsg| PeerMsg::Carried {
        from,
        n,
        seal: key.seal(&[format!("{from} {to} {n}").as_bytes(), encode(sealed).as_bytes()]),
        msg: Box::new(brought.clone()),
    };
    let real = chat(1, "my words");
    let guess = Secrets::new([8; 16]).next_key();
    for forged in [
        sealed(guess, ana(), me(), 1, &real, &real),
        sealed(key, ana(), me(), 1, &real, &chat(1, "other words")),
        sealed(key, ana(), mal(), 1, &real, &real),
        sealed(key, mal(), me(), 1, &real, &real),
    ] {
        let _ = page.says(mal(), &forged);
        assert_eq!(page.chat(), [], "{forged:?}");
    }
    let brought = sealed(key, ana(), me(), 1, &real, &real);
    let _ = page.says(mal(), &brought);
    assert_eq!(page.chat(), [("Ana".to_owned(), "my words".to_owned())]);
    let leave = sealed(key, ana(), me(), 2, &PeerMsg::Leave, &PeerMsg::Leave);
    let _ = page.says(mal(), &leave);
    assert_eq!(page.session.view().tiles.len(), 1, "Ana left");
    let back = page.server(&ServerMsg::Presence { peer: ana(), here: false });
    let again = page.server(&ServerMsg::Presence { peer: ana(), here: true });
    assert!(to_pages(&back).is_empty() && to_pages(&again).is_empty());
    assert_eq!(page.session.view().tiles.len(), 2, "and came back");
    let _ = page.says(mal(), &leave);
    assert_eq!(page.session.view().tiles.len(), 2, "her old word is worth nothing now");
}

#[test]
fn a_carrier_uploads_no_more_for_somebody_than_their_budget() {
    let mut page = Page::new();
    let key = Secrets::new([9; 16]).next_key();
    let long = PeerMsg::Chat {
        shadow: ChatId::mint(NOW, &mut Rng::new(1)),
        body: body(&"x".repeat(Limits::CHAT_CHARS)),
        at: NOW,
    };
    let mut carried = 0;
    for n in 0..400 {
        let effects =
            page.says(mal(), &PeerMsg::Carry { to: ana(), n, seal: key.seal(&[]), msg: Box::new(long.clone()) });
        carried += effects
            .iter()
            .map(|effect| if let Effect::SendPeer(_, _, text) = effect { text.len() } else { 0 })
            .sum::<usize>();
    }
    assert!(carried > 0 && carried <= Limits::CARRY_BYTES_BURST as usize, "{carried}");
}

#[test]
fn offers_of_ever_higher_epochs_make_few_connections() {
    let mut page = Page::new();
    let stream = NOW.as_unix() + 10;
    let mut made = 0;
    for n in 0..350_u64 {
        page.now = NOW.plus(n * 20);
        let epoch = PcEpoch::from_number(NOW.as_unix() + 100 + n);
        let seq = 1 + made; // Only what is taken moves the stream on.
        let signal = Signal::Offer { epoch, round: 1, sdp: sdp() };
        let effects = page.server(&ServerMsg::Signal { from: mal(), stream, seq, signal });
        made += opens(&effects).len() as u64;
    }
    assert!((1..=7 + u64::from(Limits::CONNECTIONS_BURST)).contains(&made), "{made} connections in 7 s");
}

#[test]
fn rising_streams_and_floods_of_signals_make_us_send_little() {
    let mut page = Page::new();
    // We have much to say to Mal, who acknowledges nothing.
    let epoch = PcEpoch::from_number(NOW.as_unix() + 1);
    for n in 0..100 {
        let candidate =
            holdfast::wire::Candidate::new(format!("candidate:{n} 1 udp 1 192.0.2.7 5 typ host"), "0".into(), 0);
        let found = RtcEvent::LocalCandidate(candidate.expect("short"));
        let _ = page.event(Event::Rtc(mal(), epoch, found));
    }
    let mut sent = 0;
    for n in 0..1_000_u64 {
        page.now = NOW.plus(n);
        let signal = Signal::Renew { epoch: PcEpoch::from_number(1) };
        let effects = page.server(&ServerMsg::Signal { from: mal(), stream: NOW.as_unix() + 50 + n, seq: 1, signal });
        sent += to_server(&effects).len();
        sent += to_server(&page.event(Event::Tick)).len();
    }
    assert!(sent <= 150, "{sent} messages in a second");
}

#[test]
fn a_page_that_left_stays_left() {
    let mut page = Page::new();
    let _ = page.event(Event::Intent(Intent::Leave));
    assert_eq!(page.session.view().phase, Phase::Left);
    let late = page.server(&welcome());
    assert!(late.is_empty(), "{late:?}");
    assert_eq!(page.session.view().phase, Phase::Left);
}

#[test]
fn a_welcome_nobody_asked_for_opens_nothing() {
    let mut session = Session::new(1, [1; 16]);
    let entrance = Entrance { name: "Bob".into(), join: false, ..Entrance::default() };
    let _ = session.handle(NOW, Event::Entered("hostile".parse().expect("valid"), entrance));
    let _ = session.handle(NOW, Event::Socket(SOCKET, SocketEvent::Opened));
    let effects = session.handle(NOW, Event::Socket(SOCKET, SocketEvent::Text(encode(&welcome()))));
    assert!(opens(&effects).is_empty());
    assert_eq!(session.view().phase, Phase::Lobby);
}
