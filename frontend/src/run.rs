//! Runs effects: one arm each, one adapter call an arm.

use crate::externs::ClipboardExt;
use crate::flows::Flows;
use crate::inbox::Inbox;
use crate::levels::Levels;
use crate::media::Media;
use crate::outbox::Outbox;
use crate::pc::{self, Connections, Operation, configuration};
use crate::screen::Screen;
use crate::socket::Socket;
use crate::{bar, storage, ways};
use holdfast::RoomId;
use holdfast::session::{Effect, Event, Intent};
use holdfast::view::MediaKind;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::MediaStream;

/// The browser, as the effects see it.
pub(crate) struct Browser {
    inbox: Inbox,
    socket: Socket,
    connections: Connections,
    screen: Rc<RefCell<Screen>>,
    outbox: Outbox,
    /// Made when a room is entered: the first page needs no camera.
    room: Option<InRoom>,
}

/// What is needed only in a room.
struct InRoom {
    media: Media,
    _levels: Rc<Levels>,
    _flows: Flows,
}

impl Browser {
    pub(crate) fn new(inbox: Inbox) -> Self {
        let socket = Socket::new(inbox.clone());
        Self {
            screen: Rc::new(RefCell::new(Screen::new(inbox.clone()))),
            inbox,
            socket,
            connections: Connections::default(),
            outbox: Outbox::default(),
            room: None,
        }
    }

    /// Runs effects in order.
    pub(crate) fn run(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.run_one(effect);
        }
    }

    fn run_one(&mut self, effect: Effect) {
        match effect {
            Effect::Recall(room, name, join) => self.recall(room, name, join),
            Effect::Prepare => self.prepare(),
            Effect::Try(row, server) => {
                let inbox = self.inbox.clone();
                wasm_bindgen_futures::spawn_local(async move {
                    let tried = ways::ask(server).await;
                    inbox.post(Event::Tried(row, tried));
                });
            }
            Effect::OpenSocket(epoch) => self.socket.open(epoch),
            Effect::SendText(epoch, text) => self.socket.send(epoch, text),
            Effect::CloseSocket(epoch) => self.socket.close(epoch),
            Effect::OpenPc(peer, epoch, ice, route) => {
                if let Some(InRoom { media, .. }) = &self.room {
                    self.connections.open(peer, epoch, &configuration(&ice, route), &self.inbox, media, &self.screen);
                }
            }
            Effect::ClosePc(peer, epoch) => self.connections.close(peer, epoch),
            Effect::CreateOffer(peer, epoch, restart) => {
                self.connections.operate(peer, epoch, Operation::Offer { restart });
            }
            Effect::ApplyOffer(peer, epoch, sdp) => self.connections.operate(peer, epoch, Operation::ApplyOffer(sdp)),
            Effect::ApplyAnswer(peer, epoch, sdp) => self.connections.operate(peer, epoch, Operation::ApplyAnswer(sdp)),
            Effect::AddCandidate(peer, epoch, candidate) => {
                self.connections.operate(peer, epoch, Operation::AddCandidate(candidate));
            }
            Effect::Configure(peer, epoch, ice, route) => {
                self.connections.configure(peer, epoch, &configuration(&ice, route));
            }
            Effect::SetPicture(peer, epoch, on) => {
                let track = self.media().and_then(|media| media.track(MediaKind::Video));
                self.connections.set_picture(peer, epoch, on, track.as_ref());
            }
            Effect::Refresh(peer, epoch) => self.connections.refresh(peer, epoch),
            Effect::SendPeer(peer, epoch, text) => self.connections.send(peer, epoch, &text),
            Effect::CloseChannel(peer, epoch) => self.connections.close_channel(peer, epoch),
            Effect::Capture(capture) => self.media().map_or((), |media| media.capture(capture)),
            Effect::Release(kind) => self.media().map_or((), |media| media.release(kind)),
            Effect::Unmute => self.media().map_or((), |media| media.set_muted(false)),
            Effect::Mute => self.media().map_or((), |media| media.set_muted(true)),
            Effect::Cover(covered) => self.media().map_or((), |media| media.set_covered(covered)),
            Effect::SetSpeaker(id) => self.screen.borrow_mut().set_speaker(id),
            Effect::Attach(None) => {
                if let Some(media) = self.media() {
                    self.screen.borrow().attach(None, media.preview());
                }
            }
            Effect::Attach(Some(peer)) => {
                if let Some(stream) = self.connections.stream(peer) {
                    self.screen.borrow().attach(Some(peer), &stream);
                }
            }
            Effect::SaveName(name) => storage::save_name(&name),
            Effect::SaveSeat(room, keepsake) => storage::save_seat(&room, &keepsake),
            Effect::ForgetSeat(room) => storage::forget_seat(&room),
            Effect::KeepChat(room, message) => {
                let (outbox, inbox, id) = (self.outbox.clone(), self.inbox.clone(), message.id);
                wasm_bindgen_futures::spawn_local(async move {
                    // A browser that cannot write it down sends it all the same.
                    let _ = outbox.keep(room, message).await;
                    inbox.post(Event::Kept(id));
                });
            }
            Effect::DropChat(id) => {
                let outbox = self.outbox.clone();
                wasm_bindgen_futures::spawn_local(async move {
                    let _ = outbox.forget(&id.to_string()).await;
                });
            }
            Effect::CopyText(text) => {
                if let Some(window) = web_sys::window()
                    && crate::js::has(&window.navigator(), "clipboard")
                {
                    let copied = window.navigator().clipboard().unchecked_ref::<ClipboardExt>().write_text(&text);
                    wasm_bindgen_futures::spawn_local(async move {
                        if let Ok(copied) = copied {
                            let _ = JsFuture::from(copied).await;
                        }
                    });
                }
            }
            Effect::CopyLink(room) => wasm_bindgen_futures::spawn_local(copy_link(room, self.inbox.clone())),
            Effect::TidyAddress(room) => bar::tidy(&room),
            Effect::Reload => {
                let inbox = self.inbox.clone();
                wasm_bindgen_futures::spawn_local(async move {
                    if !bar::reload().await {
                        inbox.post(Event::NotReloaded);
                    }
                });
            }
        }
    }

    fn media(&self) -> Option<&Media> {
        self.room.as_ref().map(|room| &room.media)
    }

    /// Makes what media needs.
    fn prepare(&mut self) {
        if self.room.is_none()
            && let Ok(preview) = MediaStream::new()
        {
            wasm_bindgen_futures::spawn_local(pc::warm_up());
            let levels = Rc::new(Levels::new(self.inbox.clone(), self.connections.clone()));
            let (connections, listening) = (self.connections.clone(), Rc::clone(&levels));
            let on_track = Rc::new(move |kind, track: Option<&web_sys::MediaStreamTrack>| {
                connections.replace_track(kind, track);
                if kind == MediaKind::Audio {
                    listening.listen(track);
                }
            });
            let media = Media::new(self.inbox.clone(), preview, on_track);
            let flows = Flows::new(self.inbox.clone(), self.connections.clone());
            self.room = Some(InRoom { media, _levels: levels, _flows: flows });
        }
    }

    fn recall(&mut self, room: RoomId, name: String, join: bool) {
        self.prepare();
        let (outbox, inbox) = (self.outbox.clone(), self.inbox.clone());
        wasm_bindgen_futures::spawn_local(async move {
            let mut entrance = storage::recall(&room, name, join);
            let enter = |unsent| {
                entrance.unsent = unsent;
                inbox.post(Event::Entered(room.clone(), entrance));
            };
            outbox.adopt(&room, enter, |late| inbox.post(Event::Found(late))).await;
        });
    }
}

async fn copy_link(room: RoomId, inbox: Inbox) {
    let link = bar::link(&room);
    let copied = async {
        let window = web_sys::window()?;
        if !crate::js::has(&window.navigator(), "clipboard") {
            return None;
        }
        let clipboard = window.navigator().clipboard();
        let copied = clipboard.unchecked_ref::<ClipboardExt>().write_text(&link).ok()?;
        JsFuture::from(copied).await.ok()
    };
    let copied = copied.await.is_some();
    inbox.intend(if copied { Intent::LinkCopied } else { Intent::LinkNotCopied(link) });
}
