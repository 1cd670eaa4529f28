//! The client's side of a call: one state machine over link, people, media and chat, each with its own life.

mod between;
mod channel;
mod chat;
mod check;
mod debug;
mod effect;
mod event;
mod history;
mod incoming;
mod keys;
mod linking;
mod media;
mod names;
mod outgoing;
mod pace;
mod people;
mod pictures;
mod receipt;
mod reload;
mod stay;

pub use debug::Fault;
pub use effect::{Capture, Effect};
pub use event::{
    ChannelEvent, Entrance, Event, Intent, Keepsake, MediaEvent, NetEvent, Opener, SocketEvent, Tried, Unsent,
};
pub use keys::{Key, SHORTCUTS, shortcut};

use crate::id::{Offset, PeerId, RoomId};
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::link::{Link, LinkEvent, LinkState};
use crate::recovery::RecoveryEvent;
use crate::rng::Rng;
use crate::secret::Secrets;
use crate::speech::Speech;
use crate::time::Millis;
use crate::view::{CallView, LobbyView, Notice, Phase, Receipt};
use crate::wire::{CloseCode, IceServer, MediaState, Name, Token};
use chat::Chat;
use check::Check;
use debug::Debug as DebugLog;
use media::Media;
use people::Person;
use receipt::Account;
use reload::Reload;
use std::collections::BTreeMap;

/// The seat we hold, from the first `welcome` on.
#[derive(Clone, Debug)]
struct OwnSeat {
    peer: PeerId,
    token: Token,
    ice: Vec<IceServer>,
}

/// The root of the client. Feed it events, run its effects, show its view.
#[derive(Debug)]
pub struct Session {
    room: Option<RoomId>,
    phase: Phase,
    name: String,
    link: Link,
    /// Whether the first message on this socket asked for a seat, not for the lobby.
    greeted_for_seat: bool,
    seat: Option<OwnSeat>,
    /// The last number our seat was claimed with.
    claim: u64,
    /// By how much the server's clock is ahead of ours, in milliseconds.
    server_ahead_ms: i64,
    /// A token kept from before a reload.
    kept_token: Option<Token>,
    /// 'Join' was pressed, under this name, before the page had entered its room.
    hasty: Option<Name>,
    log: Offset,
    inbox: Inbox,
    asked_range: bool,
    /// Entries up to here were in the log before this page came: not unread, not news.
    history: u64,
    /// The newest message that was read, by this page or the one before it.
    read: Offset,
    /// When a seat that was asked for must have come.
    seat_by: Option<Millis>,
    people: BTreeMap<PeerId, Person>,
    media: Media,
    my_voice: Speech,
    chat: Chat,
    lobby: Option<LobbyView>,
    notices: Vec<Notice>,
    announcement: (u64, String),
    help_open: bool,
    keys_off: bool,
    rng: Rng,
    secrets: Secrets,
    /// When the last event was.
    now: Millis,
    /// What the server was last told of our devices, and what this tab remembers of the person's wish.
    told: MediaState,
    kept_wish: MediaState,
    kept_else: (Offset, bool, bool),
    /// The person goes on with sound alone.
    audio_only: bool,
    /// The browser has put the page aside.
    frozen: bool,
    plain: bool,
    reload: Reload,
    /// The page checks instead of calling.
    check: Option<Check>,
    debug: Option<DebugLog>,
    account: Account,
    receipt: Option<Receipt>,
}

impl Session {
    /// A page that has entered no room. `seed` feeds jitter; what nobody may guess follows from `secret`.
    #[must_use]
    pub fn new(seed: u64, secret: [u8; 16]) -> Self {
        let mut rng = Rng::new(seed);
        let link = Link::new(Rng::new(rng.next_u64()));
        Self {
            room: None,
            phase: Phase::Lobby,
            name: String::new(),
            link,
            greeted_for_seat: false,
            seat: None,
            claim: 0,
            server_ahead_ms: 0,
            kept_token: None,
            hasty: None,
            log: Offset::default(),
            inbox: Inbox::default(),
            asked_range: false,
            history: 0,
            read: Offset::default(),
            seat_by: None,
            people: BTreeMap::new(),
            media: Media::default(),
            my_voice: Speech::default(),
            chat: Chat::default(),
            lobby: None,
            notices: vec![],
            announcement: (0, String::new()),
            help_open: false,
            keys_off: false,
            rng,
            secrets: Secrets::new(secret),
            now: Millis::ZERO,
            told: MediaState::default(),
            kept_wish: MediaState::default(),
            kept_else: (Offset::default(), false, false),
            audio_only: false,
            frozen: false,
            plain: false,
            reload: Reload::default(),
            check: None,
            debug: None,
            account: Account::default(),
            receipt: None,
        }
    }

    /// Applies one event and says what must happen next. The only way in.
    #[must_use]
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Effect> {
        self.now = now;
        if let Some(check) = &mut self.check {
            return check.handle(now, event);
        }
        self.count(now);
        let mut effects = self.apply(now, event);
        effects.extend(self.send_due(now));
        effects.extend(self.pause_unseen(now));
        if let Some(question) = self.media.wait(now) {
            self.announce(question);
        }
        effects.extend(self.note_read());
        self.note_changes(now);
        effects
    }

    fn apply(&mut self, now: Millis, event: Event) -> Vec<Effect> {
        match event {
            Event::Entered(room, entrance) => self.entered(now, room, entrance),
            Event::Socket(epoch, event) => {
                if epoch != self.link.epoch() {
                    return vec![]; // From a socket we already replaced.
                }
                match event {
                    SocketEvent::Opened => self.link(now, LinkEvent::Opened(epoch)),
                    SocketEvent::Text(_) if !self.link.listens() => vec![], // From a socket we gave up.
                    SocketEvent::Text(text) => {
                        let mut effects = self.link(now, LinkEvent::Heard(epoch));
                        effects.extend(self.text(now, &text));
                        effects
                    }
                    SocketEvent::Closed(code, reason) => self.link(now, LinkEvent::Closed(epoch, code, reason)),
                }
            }
            Event::Found(unsent) => {
                self.chat.restore(unsent);
                vec![] // What is due goes out after every event.
            }
            Event::Kept(id) => self.kept(id),
            Event::Rtc(peer, epoch, event) => self.rtc(now, peer, epoch, event),
            Event::Channel(peer, epoch, event) => self.channel(now, peer, epoch, event),
            Event::Media(event) => self.media_event(now, event),
            Event::Net(NetEvent::Frozen) => {
                self.frozen = true;
                vec![]
            }
            Event::Net(NetEvent::Shown) => {
                self.frozen = false;
                self.link(now, LinkEvent::TryNow)
            }
            Event::Net(NetEvent::Online) => {
                let mut effects = self.link(now, LinkEvent::TryNow);
                effects.extend(self.recover_all(now, RecoveryEvent::NetworkChanged));
                effects
            }
            Event::Net(NetEvent::Offline) => vec![], // A hint only: the link finds out by itself.
            Event::Tried(..) => vec![],              // Nothing is tried here.
            Event::NotReloaded => self.not_reloaded(now),
            Event::Intent(intent) => self.intent(now, intent),
            Event::Tick => self.tick(now),
        }
    }

    /// When to call [`Session::handle`] with [`Event::Tick`] if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let people = self.people.values().filter_map(|person| person.next_deadline(self.now));
        let notices = self.notices.iter().map(|notice| notice.until);
        let chat = self.chat.next_deadline().filter(|_| self.link.is_online());
        let chat = chat.into_iter().chain(self.chat.history_deadline());
        // Between two attempts the seconds are counted.
        let count = match self.link.state() {
            LinkState::Waiting { until } => Some(self.now.plus(until.since(self.now) % 1_000).max(self.now.plus(1))),
            _ => None,
        };
        self.link
            .next_deadline()
            .into_iter()
            .chain(count)
            .chain(people)
            .chain(notices)
            .chain(chat)
            .chain(self.seat_by)
            .chain(self.media.next_deadline())
            .chain(self.reload.next_deadline())
            .chain(self.check.as_ref().and_then(Check::next_deadline))
            .min()
    }

    /// What the person sees now.
    #[must_use]
    pub fn view(&self) -> CallView {
        CallView {
            room: self.room.clone(),
            phase: self.phase,
            link: self.link_view(),
            me: self.media.view(&self.name, self.seat.as_ref().map(|seat| seat.peer), self.my_voice.is_speaking()),
            lobby: self.lobby.clone(),
            tiles: self.tiles(),
            chat: self.chat.lines(),
            earlier: self.chat.earlier(),
            store_away: self.chat.store_away(),
            chat_open: self.chat.is_open(),
            unread: self.chat.unread(),
            help_open: self.help_open,
            keys_off: self.keys_off,
            devices: self.media.devices(),
            notices: self.notices.clone(),
            announcement: self.announcement.clone(),
            audio_only: self.audio_only,
            receipt: self.receipt.clone(),
            blocked: self.is_blocked(),
            unheard: self.media.is_unheard() && !self.people.is_empty(),
            check: self.check.as_ref().map(Check::view).unwrap_or_default(),
            debug: self.debug_view(),
        }
    }

    /// Chat messages that are not stored yet.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.chat.waiting()
    }

    /// Signals that wait for their acknowledgement, the longest queue of all people.
    #[must_use]
    pub fn unacked_signals(&self) -> usize {
        self.people.values().map(|person| person.peer.unacked()).max().unwrap_or(0)
    }

    fn intent(&mut self, now: Millis, intent: Intent) -> Vec<Effect> {
        match intent {
            Intent::Enter(room, name, join) => {
                if self.room.is_some() {
                    return vec![]; // A page has one room for its whole life.
                }
                vec![Effect::Recall(room, name, join)]
            }
            Intent::Check if self.room.is_some() => vec![],
            Intent::Check => {
                let (check, effects) = Check::begin(now);
                self.check = Some(check);
                effects
            }
            Intent::Join(name) => self.join(now, &name),
            Intent::Leave => self.leave(now),
            Intent::ToggleMicrophone | Intent::ToggleCamera if !self.wants_devices() => vec![],
            Intent::ToggleMicrophone => self.toggle_microphone(now),
            Intent::ToggleCamera => self.toggle_camera(now),
            Intent::ChooseDevice(kind, id) => self.media.choose(kind, id),
            Intent::ChooseSpeaker(id) => self.media.choose_speaker(id),
            Intent::Say(text) => self.say(now, &text),
            Intent::SayAgain(id) => self.say_again(now, id),
            Intent::Unsay(id) => self.unsay(id),
            Intent::ShowEarlier => self.show_earlier(now),
            Intent::ToggleChat if self.phase != Phase::InCall => vec![],
            Intent::ToggleChat => {
                self.chat.toggle();
                vec![]
            }
            Intent::ToggleHelp => {
                self.help_open = !self.help_open && self.phase == Phase::InCall;
                vec![]
            }
            Intent::Shortcut(what) if self.keys_off && *what != Intent::Escape => vec![],
            Intent::Shortcut(what) => self.intent(now, *what),
            Intent::ToggleShortcuts => {
                self.keys_off = !self.keys_off;
                vec![]
            }
            Intent::Escape => {
                self.help_open = false;
                vec![]
            }
            Intent::CopyLink => self.room.clone().map(Effect::CopyLink).into_iter().collect(),
            Intent::LinkCopied => self.notify(now, "Link copied. Send it to the people you want to meet."),
            Intent::LinkNotCopied(link) => {
                self.notify_for(now, Limits::NOTICE_TO_READ_MS, &format!("Copy this link and send it: {link}"))
            }
            Intent::TileShown(who) => vec![Effect::Attach(who)],
            Intent::TryNow => self.link(now, LinkEvent::TryNow),
            Intent::ToggleAudioOnly => self.toggle_audio_only(now),
            Intent::CopyDebug => self.debug_text().map(Effect::CopyText).into_iter().collect(),
            Intent::Cause(fault) => self.cause(now, fault),
            Intent::Dismiss(id) => {
                self.notices.retain(|notice| notice.id != id);
                vec![]
            }
        }
    }

    /// Whether a camera or microphone has any business running.
    pub(super) const fn wants_devices(&self) -> bool {
        self.room.is_some() && matches!(self.phase, Phase::Lobby | Phase::Joining | Phase::InCall)
    }

    fn tick(&mut self, now: Millis) -> Vec<Effect> {
        self.notices.retain(|notice| notice.until > now);
        let mut effects = self.link(now, LinkEvent::Tick);
        if self.seat_by.is_some_and(|at| now >= at) {
            // The socket lives but the seat does not come: start over.
            self.seat_by = None;
            let epoch = self.link.epoch();
            effects.push(Effect::CloseSocket(epoch));
            effects.extend(self.link(now, LinkEvent::Closed(epoch, CloseCode::Broken, String::new())));
        }
        effects.extend(self.history_tick(now));
        effects.extend(self.reload.tick(now));
        let peers: Vec<PeerId> = self.people.keys().copied().collect();
        for peer in peers {
            let due = self.people.get_mut(&peer).map(|person| person.peer.tick(now)).unwrap_or_default();
            effects.extend(self.run_peer(peer, due));
            effects.extend(self.switch_pictures(now, peer));
        }
        effects
    }

    /// Shows a sentence for a moment and reads it to screen readers.
    fn notify(&mut self, now: Millis, text: &str) -> Vec<Effect> {
        self.notify_for(now, Limits::NOTICE_MS, text)
    }

    fn notify_for(&mut self, now: Millis, ms: u64, text: &str) -> Vec<Effect> {
        self.announce(text);
        let until = now.plus(ms);
        if self.notices.len() >= Limits::NOTICES {
            self.notices.remove(0);
        }
        self.notices.push(Notice { id: self.announcement.0, text: text.to_owned(), until });
        vec![]
    }

    fn announce(&mut self, text: &str) {
        self.announcement = (self.announcement.0 + 1, text.to_owned());
    }
}
