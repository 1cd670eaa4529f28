//! The address bar: what it asks for, and what it shows once the link has done its work.

use crate::{clock, js, storage};
use holdfast::RoomId;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// What an address may go on asking for: it says nothing of the person.
const KEPT: [&str; 2] = ["debug", "plain"];

/// Whether the page's address has `name=1`.
pub(crate) fn asks_for(name: &str) -> bool {
    crate::address().query.get(name).as_deref() == Some("1")
}

/// The link to a room, as one sends it to others.
pub(crate) fn link(room: &RoomId) -> String {
    let origin = web_sys::window().and_then(|window| window.location().origin().ok());
    format!("{}/r/{room}", origin.unwrap_or_default())
}

/// Loads the page again if the server gives it: what the browser shows in its place would end the call.
pub(crate) async fn reload() -> bool {
    let Some(window) = web_sys::window() else { return false };
    let Ok(path) = window.location().pathname() else { return false };
    let given = JsFuture::from(window.fetch_with_str(&path)).await;
    if !given.is_ok_and(|answer| js::get(&answer, "ok").is_truthy()) {
        return false;
    }
    storage::save_reload(clock::now());
    window.location().reload().is_ok()
}

/// Shows the room's link. A name and the wish to go straight in are one person's: whoever copies the address sends a link
/// for guests.
pub(crate) fn tidy(room: &RoomId) {
    let (mut link, mut sign) = (link(room), "?");
    for name in KEPT.into_iter().filter(|name| asks_for(name)) {
        for part in [sign, name, "=1"] {
            link.push_str(part);
        }
        sign = "&";
    }
    if let Some(history) = web_sys::window().and_then(|window| window.history().ok()) {
        // A browser that refuses shows the address as it was.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&link));
    }
}
