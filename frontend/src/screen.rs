//! Streams meet elements here: tiles are found by id, so that no stream ever enters the pages.

use crate::externs::MediaElementExt;
use crate::inbox::Inbox;
use crate::js;
use crate::listener::Listener;
use app::dom::{METER_ID, video_id};
use holdfast::PeerId;
use holdfast::session::{Event, MediaEvent};
use holdfast::view::fills;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Document, Element, HtmlVideoElement, MediaStream};

/// What is shown and heard where; says when it cannot be heard.
pub(crate) struct Screen {
    inbox: Inbox,
    speaker: Option<String>,
    /// Waits for a click or key to let sound through, where the browser asks for one.
    unmute: Rc<RefCell<Vec<Listener>>>,
}

/// The pictures of the others.
const OTHERS: &str = "[data-tile='peer'] video";

fn document() -> Option<Document> {
    web_sys::window()?.document()
}

fn element(id: &str) -> Option<Element> {
    document()?.get_element_by_id(id)
}

impl Screen {
    pub(crate) fn new(inbox: Inbox) -> Self {
        Self { inbox, speaker: None, unmute: Rc::default() }
    }

    /// Shows a stream in a person's tile, if the tile is there.
    pub(crate) fn attach(&self, who: Option<PeerId>, stream: &MediaStream) {
        let Some(video) = element(&video_id(who)).and_then(|found| found.dyn_into::<HtmlVideoElement>().ok()) else {
            return;
        };
        if video.src_object().as_ref() != Some(stream) {
            let _ = video.unchecked_ref::<MediaElementExt>().set_src_object(stream);
        }
        video.set_muted(who.is_none());
        if let Some(speaker) = self.speaker.as_deref().filter(|_| who.is_some()) {
            set_sink(&video, speaker, self.inbox.clone());
        }
        wasm_bindgen_futures::spawn_local(play(video, Rc::clone(&self.unmute), self.inbox.clone()));
    }

    /// Plays everybody through another speaker.
    pub(crate) fn set_speaker(&mut self, id: String) {
        for video in videos(OTHERS) {
            set_sink(&video, &id, self.inbox.clone());
        }
        self.speaker = Some(id);
    }

    /// Shows pictures whole where filling their box would cut off too much.
    pub(crate) fn fit() {
        for video in videos("video") {
            let boxed = (video.client_width().unsigned_abs(), video.client_height().unsigned_abs());
            let whole = !fills((video.video_width(), video.video_height()), boxed);
            let _ = video.toggle_attribute_with_force("data-whole", whole);
        }
    }

    /// Moves the meter of the own microphone, if it is shown.
    pub(crate) fn show_level(level: u8) {
        if let Some(meter) = element(METER_ID) {
            let _ = meter.set_attribute("value", &level.to_string());
        }
    }
}

fn videos(which: &str) -> Vec<HtmlVideoElement> {
    let found = document().and_then(|document| document.query_selector_all(which).ok());
    let nodes =
        found.map(|list| (0..list.length()).filter_map(|n| list.get(n)).collect::<Vec<_>>()).unwrap_or_default();
    nodes.into_iter().filter_map(|node| node.dyn_into().ok()).collect()
}

fn set_sink(video: &HtmlVideoElement, id: &str, inbox: Inbox) {
    if js::has(video, "setSinkId")
        && let Ok(done) = video.unchecked_ref::<MediaElementExt>().set_sink_id(id)
    {
        wasm_bindgen_futures::spawn_local(async move {
            if JsFuture::from(done).await.is_err() {
                inbox.post(Event::Media(MediaEvent::SpeakerFailed));
            }
        });
    }
}

/// Plays; where sound needs a click first, plays silently and lets the sound in with the first click or key.
async fn play(video: HtmlVideoElement, unmute: Rc<RefCell<Vec<Listener>>>, inbox: Inbox) {
    let blocked = |error: JsValue| js::error_name(&error) == "NotAllowedError";
    let Ok(playing) = video.play() else { return };
    if !JsFuture::from(playing).await.is_err_and(blocked) {
        return;
    }
    video.set_muted(true);
    // Listen before asking for a click, so that no click comes too early.
    if let Some(document) = document().filter(|_| unmute.borrow().is_empty()) {
        let listen = |name| {
            let inbox = inbox.clone();
            Listener::new(&document, name, move |_| let_sound_in(&inbox))
        };
        *unmute.borrow_mut() = vec![listen("pointerup"), listen("click"), listen("keydown")];
    }
    inbox.post(Event::Media(MediaEvent::Unheard(true)));
    if let Ok(playing) = video.play() {
        let _ = JsFuture::from(playing).await;
    }
}

/// A gesture: sound may play from now on. One that does not count as a gesture leaves the picture running.
fn let_sound_in(inbox: &Inbox) {
    for video in videos(OTHERS).into_iter().filter(|video| video.muted()) {
        video.set_muted(false);
        let Ok(playing) = video.play() else { continue };
        let inbox = inbox.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let unheard = JsFuture::from(playing).await.is_err();
            inbox.post(Event::Media(MediaEvent::Unheard(unheard)));
            if unheard {
                video.set_muted(true);
                if let Ok(again) = video.play() {
                    let _ = JsFuture::from(again).await;
                }
            }
        });
    }
}
