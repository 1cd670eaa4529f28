//! A page without a browser: the real client state machine over real sockets. It has no camera and no screen.
#![allow(dead_code)]

use super::handshake;
use futures::{SinkExt, StreamExt};
use holdfast::session::{Effect, Entrance, Event, Intent, Keepsake, Opener, SocketEvent, Unsent};
use holdfast::view::{CallView, ChatStatus, Earlier, LinkView, Phase};
use holdfast::wire::{CloseCode, Entry, ServerMsg, decode};
use holdfast::{ChatId, Millis, Offset, RoomId, Session, SocketEpoch};
use netlab::history::Seen;
use server::clock;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// What the test can look at.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) view: CallView,
    /// Every message this page ever showed as stored.
    pub(crate) shown: BTreeMap<Offset, ChatId>,
    /// Messages it wrote, in order.
    pub(crate) sent: Vec<ChatId>,
    /// When each message it wrote was seen as stored.
    pub(crate) acked: BTreeMap<ChatId, Offset>,
    /// How long each took from writing to being stored, in milliseconds.
    pub(crate) took_ms: Vec<u64>,
    pub(crate) resyncs: u32,
    /// What the server must never do, if it did.
    pub(crate) violations: Vec<String>,
    /// By how much this computer's clock is wrong.
    pub(crate) skew_ms: i64,
    /// Sockets it opened.
    pub(crate) sockets: u32,
    /// Times a server welcomed it, and closed it with a code.
    pub(crate) welcomes: u32,
    pub(crate) closes: Vec<String>,
    /// When it came into the room, each time.
    pub(crate) arrived: Vec<u64>,
    disk: Vec<Unsent>,
    keepsake: Option<Keepsake>,
    written_at: BTreeMap<ChatId, u64>,
}

/// A page that runs by itself until it is dropped.
pub(crate) struct Page {
    pub(crate) name: String,
    events: mpsc::UnboundedSender<Event>,
    pub(crate) shared: Arc<Mutex<Shared>>,
    addrs: Arc<Mutex<Vec<SocketAddr>>>,
    room: RoomId,
    task: tokio::task::JoinHandle<()>,
}

struct Driver {
    session: Session,
    name: String,
    events: mpsc::UnboundedSender<Event>,
    shared: Arc<Mutex<Shared>>,
    addrs: Arc<Mutex<Vec<SocketAddr>>>,
    tries: usize,
    sockets: BTreeMap<SocketEpoch, mpsc::UnboundedSender<Option<String>>>,
}

impl Page {
    /// Opens a room's page on one of these servers, tried in turn.
    pub(crate) fn open(name: &str, room: &RoomId, addrs: &[SocketAddr]) -> Self {
        Self::open_skewed(name, room, addrs, 0)
    }

    /// On a computer whose clock is wrong by this much.
    pub(crate) fn open_skewed(name: &str, room: &RoomId, addrs: &[SocketAddr], skew_ms: i64) -> Self {
        let shared = Shared { skew_ms, ..Shared::default() };
        Self::with(name, room, Arc::new(Mutex::new(addrs.to_vec())), Arc::new(Mutex::new(shared)))
    }

    fn with(name: &str, room: &RoomId, addrs: Arc<Mutex<Vec<SocketAddr>>>, shared: Arc<Mutex<Shared>>) -> Self {
        let (events, mut waiting) = mpsc::unbounded_channel();
        let session = Session::new(rand::random(), rand::random());
        let mut driver = Driver {
            session,
            name: name.to_owned(),
            events: events.clone(),
            shared: Arc::clone(&shared),
            addrs: Arc::clone(&addrs),
            tries: 0,
            sockets: BTreeMap::new(),
        };
        let task = tokio::spawn(async move {
            loop {
                let deadline = driver.session.next_deadline().map_or(60_000, |at| at.since(driver.now()));
                let wake = sleep_until(Instant::now() + Duration::from_millis(deadline.max(1)));
                let event = tokio::select! {
                    event = waiting.recv() => match event { Some(event) => event, None => return },
                    () = wake => Event::Tick,
                };
                driver.handle(event);
            }
        });
        let page = Self { name: name.to_owned(), events, shared, addrs, room: room.clone(), task };
        page.intend(Intent::Enter(room.clone(), name.to_owned(), true));
        page
    }

    /// A crash or a reload: everything in memory is gone, what the browser keeps is there.
    pub(crate) fn reload(self) -> Self {
        self.task.abort();
        Self::with(&self.name, &self.room, Arc::clone(&self.addrs), Arc::clone(&self.shared))
    }

    /// A second tab that copied this one's storage.
    pub(crate) fn twin(&self, addrs: &[SocketAddr]) -> Self {
        let keepsake = self.shared.lock().expect("no panic").keepsake.clone();
        let shared = Shared { keepsake, ..Shared::default() };
        Self::with(&self.name, &self.room, Arc::new(Mutex::new(addrs.to_vec())), Arc::new(Mutex::new(shared)))
    }

    pub(crate) fn move_to(&self, addrs: &[SocketAddr]) {
        *self.addrs.lock().expect("no panic") = addrs.to_vec();
    }

    pub(crate) fn intend(&self, intent: Intent) {
        let _ = self.events.send(Event::Intent(intent));
    }

    pub(crate) fn say(&self, text: &str) {
        self.intend(Intent::Say(text.to_owned()));
    }

    pub(crate) fn view(&self) -> CallView {
        self.shared.lock().expect("no panic").view.clone()
    }

    pub(crate) fn pending(&self) -> usize {
        self.view().pending()
    }

    pub(crate) fn shown(&self) -> usize {
        self.shared.lock().expect("no panic").shown.len()
    }

    pub(crate) fn is_in(&self) -> bool {
        let shared = self.shared.lock().expect("no panic");
        shared.view.phase == Phase::InCall && shared.view.link == LinkView::Online
    }

    pub(crate) fn seen(&self) -> Seen {
        let shared = self.shared.lock().expect("no panic");
        Seen { who: self.name.clone(), messages: shared.shown.iter().map(|(at, id)| (*at, *id)).collect() }
    }

    /// Waits until this holds of the page.
    pub(crate) async fn until(&self, what: &str, within: Duration, mut holds: impl FnMut(&Self) -> bool) -> Duration {
        let began = Instant::now();
        while !holds(self) {
            if began.elapsed() > within {
                let view = self.view();
                panic!(
                    "{}: not in time: {what}; {:?} {:?}, {} pending, {} shown, {} tiles",
                    self.name,
                    view.phase,
                    view.link,
                    view.pending(),
                    self.shown(),
                    view.tiles.len()
                );
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    }

    /// Waits until this holds, for as long as more and more is shown: how fast that goes is the machine's business.
    pub(crate) async fn until_shown(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) -> Duration {
        let began = Instant::now();
        while !holds(self) {
            let shown = self.shown();
            let more = |page: &Self| page.shown() > shown || holds(page);
            self.until(&format!("{what}: more than {shown} shown"), Duration::from_secs(20), more).await;
        }
        began.elapsed()
    }

    pub(crate) async fn joined(&self) -> Duration {
        self.until("in the call", Duration::from_secs(20), Self::is_in).await
    }

    /// Reads back to the beginning of the room's history.
    pub(crate) async fn read_back(&self) {
        for _ in 0..500 {
            match self.view().earlier {
                Earlier::None => return,
                Earlier::There => self.intend(Intent::ShowEarlier),
                Earlier::Loading => {}
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Driver {
    fn handle(&mut self, event: Event) {
        if let Event::Socket(_, SocketEvent::Text(text)) = &event
            && let Ok(ServerMsg::Resync { .. }) = decode::<ServerMsg>(text)
        {
            self.shared.lock().expect("no panic").resyncs += 1;
        }
        match &event {
            Event::Socket(_, SocketEvent::Text(text)) if text.starts_with("{\"welcome\"") => {
                self.shared.lock().expect("no panic").welcomes += 1;
            }
            Event::Socket(_, SocketEvent::Closed(code, why)) => {
                self.shared.lock().expect("no panic").closes.push(format!("{code:?} {why}"));
            }
            _ => {}
        }
        for effect in self.session.handle(self.now(), event) {
            self.run(effect);
        }
        self.publish();
    }

    /// This computer's clock, which may be wrong.
    fn now(&self) -> Millis {
        let skew_ms = self.shared.lock().expect("no panic").skew_ms;
        Millis::from_unix(clock::now().as_unix().saturating_add_signed(skew_ms))
    }

    fn publish(&mut self) {
        let view = self.session.view();
        let now = clock::now().as_unix();
        let mut shared = self.shared.lock().expect("no panic");
        if !Arc::ptr_eq(&shared.view.chat, &view.chat) {
            for line in view.chat.iter() {
                if line.mine && line.status() == ChatStatus::Pending && !shared.written_at.contains_key(&line.id) {
                    shared.written_at.insert(line.id, now);
                    shared.sent.push(line.id);
                }
                if let Some(offset) = line.offset {
                    shared.shown.insert(offset, line.id);
                    let written = shared.written_at.get(&line.id).copied();
                    if let Some(written) = written.filter(|_| !shared.acked.contains_key(&line.id)) {
                        shared.acked.insert(line.id, offset);
                        shared.took_ms.push(now.saturating_sub(written));
                    }
                }
            }
        }
        let inside = |view: &CallView| view.phase == Phase::InCall && view.link == LinkView::Online;
        if inside(&view) && !inside(&shared.view) {
            shared.arrived.push(now);
        }
        shared.view = view;
    }

    fn run(&mut self, effect: Effect) {
        match effect {
            Effect::Recall(room, name, join) => {
                let (keepsake, unsent) = {
                    let shared = self.shared.lock().expect("no panic");
                    (shared.keepsake.clone(), shared.disk.clone())
                };
                let entrance = Entrance {
                    name,
                    join,
                    opener: Opener::Own,
                    returned: false,
                    reloaded_at: None,
                    keepsake,
                    unsent,
                    debug: false,
                    plain: false,
                    barred: None,
                };
                let _ = self.events.send(Event::Entered(room, entrance));
            }
            Effect::OpenSocket(epoch) => self.open(epoch),
            Effect::SendText(epoch, text) => {
                if let Some(socket) = self.sockets.get(&epoch) {
                    let _ = socket.send(Some(text));
                }
            }
            Effect::CloseSocket(epoch) => drop(self.sockets.remove(&epoch)),
            Effect::SaveSeat(_, keepsake) => self.shared.lock().expect("no panic").keepsake = Some(keepsake),
            Effect::ForgetSeat(_) => self.shared.lock().expect("no panic").keepsake = None,
            Effect::KeepChat(_, message) => {
                let id = message.id;
                self.shared.lock().expect("no panic").disk.push(message);
                let _ = self.events.send(Event::Kept(id));
            }
            Effect::DropChat(id) => self.shared.lock().expect("no panic").disk.retain(|message| message.id != id),
            _ => {} // Of a camera or a screen.
        }
    }

    fn open(&mut self, epoch: SocketEpoch) {
        let addrs = self.addrs.lock().expect("no panic").clone();
        self.tries += 1;
        self.shared.lock().expect("no panic").sockets += 1;
        let addr = addrs[self.tries % addrs.len()];
        let (out, mut waiting) = mpsc::unbounded_channel::<Option<String>>();
        self.sockets.clear();
        self.sockets.insert(epoch, out);
        let (events, name, shared) = (self.events.clone(), self.name.clone(), Arc::clone(&self.shared));
        let blame = move |what: String| shared.lock().expect("no panic").violations.push(what);
        let post = move |event| drop(events.send(Event::Socket(epoch, event)));
        tokio::spawn(async move {
            let Ok((mut socket, _)) = connect_async(handshake(addr)).await else {
                return post(SocketEvent::Closed(CloseCode::Broken, String::new()));
            };
            post(SocketEvent::Opened);
            let mut last: Option<Offset> = None;
            loop {
                tokio::select! {
                    out = waiting.recv() => match out.flatten() {
                        Some(text) => {
                            if socket.send(Message::text(text)).await.is_err() {
                                return post(SocketEvent::Closed(CloseCode::Broken, String::new()));
                            }
                        }
                        None => {
                            let _ = socket.close(None).await;
                            return;
                        }
                    },
                    frame = socket.next() => match frame {
                        Some(Ok(Message::Text(text))) => {
                            match decode::<ServerMsg>(&text) {
                                Ok(ServerMsg::Event { offset, entry }) => {
                                    let next = last.is_none_or(|last| offset.epoch != last.epoch || offset.seq == last.seq + 1);
                                    if !next {
                                        blame(format!("{name}: {offset:?} after {last:?}: {entry:?}"));
                                    }
                                    last = Some(offset);
                                    let _: &Entry = &entry;
                                }
                                Ok(ServerMsg::Resync { .. } | ServerMsg::Welcome(_)) => last = None,
                                Ok(_) => {}
                                Err(error) => blame(format!("{name}: not of the protocol: {error}")),
                            }
                            post(SocketEvent::Text(text.to_string()));
                        }
                        Some(Ok(Message::Close(Some(frame)))) => {
                            let code = CloseCode::from_number(frame.code.into());
                            return post(SocketEvent::Closed(code, frame.reason.to_string()));
                        }
                        Some(Ok(Message::Close(None)) | Err(_)) | None => {
                            return post(SocketEvent::Closed(CloseCode::Broken, String::new()));
                        }
                        Some(Ok(_)) => {}
                    },
                }
            }
        });
    }
}
