//! What is remembered: the name in this browser, the seat in this tab.

use crate::bar::asks_for;
use crate::js;
use holdfast::session::{Entrance, Keepsake, Opener};
use holdfast::view::MediaProblem;
use holdfast::wire::{decode, encode};
use holdfast::{Millis, RoomId};
use web_sys::Storage;

const NAME: &str = "holdfast.name";
const RELOADED: &str = "holdfast.reloaded";

fn seat_key(room: &RoomId) -> String {
    format!("holdfast.seat.{room}")
}

fn local() -> Option<Storage> {
    web_sys::window()?.local_storage().ok()?
}

fn session() -> Option<Storage> {
    web_sys::window()?.session_storage().ok()?
}

/// What this page finds when it enters a room.
pub fn recall(room: &RoomId, name: String, join: bool) -> Entrance {
    let remembered = || local().and_then(|store| store.get_item(NAME).ok()?).unwrap_or_default();
    let kept = session().and_then(|store| store.get_item(&seat_key(room)).ok()?);
    Entrance {
        name: if name.is_empty() { remembered() } else { name },
        join,
        opener: opener(),
        returned: returned(),
        reloaded_at: session()
            .and_then(|store| store.get_item(RELOADED).ok()?)
            .and_then(|at| Some(Millis::from_unix(at.parse().ok()?))),
        keepsake: kept.and_then(|text| decode::<Keepsake>(&text).ok()),
        unsent: vec![],
        debug: asks_for("debug"),
        plain: asks_for("debug") && asks_for("plain"),
        barred: barred(),
    }
}

/// Who brought this page up, as the server wrote it into the document.
fn opener() -> Opener {
    let root = web_sys::window().and_then(|window| window.document()?.document_element());
    Opener::read(&root.and_then(|root| root.get_attribute("data-opener")).unwrap_or_default())
}

/// Whether the person reloaded this page or went back to it.
fn returned() -> bool {
    let performance = web_sys::window().and_then(|window| window.performance());
    let kind = performance.and_then(|known| js::get(&js::get(&known, "navigation"), "type").as_f64());
    kind == Some(1.0) || kind == Some(2.0)
}

/// Why this page can never open a camera or microphone.
fn barred() -> Option<MediaProblem> {
    let window = web_sys::window()?;
    if !window.is_secure_context() {
        return Some(MediaProblem::Insecure);
    }
    let able = js::has(&window, "RTCPeerConnection") && js::has(&window.navigator(), "mediaDevices");
    if able { None } else { Some(MediaProblem::Unsupported) }
}

/// Remembers the name.
pub(crate) fn save_name(name: &str) {
    if let Some(store) = local() {
        let _ = store.set_item(NAME, name);
    }
}

/// Remembers the seat.
pub fn save_seat(room: &RoomId, keepsake: &Keepsake) {
    if let Some(store) = session() {
        let _ = store.set_item(&seat_key(room), &encode(keepsake));
    }
}

/// Remembers that the page loads itself again now.
pub(crate) fn save_reload(now: Millis) {
    if let Some(store) = session() {
        let _ = store.set_item(RELOADED, &now.as_unix().to_string());
    }
}

/// Forgets the seat.
pub fn forget_seat(room: &RoomId) {
    if let Some(store) = session() {
        let _ = store.remove_item(&seat_key(room));
    }
}
