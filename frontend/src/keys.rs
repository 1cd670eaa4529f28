//! Keyboard events, as the shortcuts they stand for.

use crate::inbox::Inbox;
use crate::listener::Listener;
use holdfast::session::{Intent, Key, shortcut};
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, HtmlInputElement, KeyboardEvent};

/// Listens until the listener is dropped.
pub(crate) fn listen(inbox: &Inbox) -> Option<Listener> {
    let document = web_sys::window()?.document()?;
    let inbox = inbox.clone();
    Some(Listener::new(&document, "keydown", move |event| {
        let Some(event) = event.dyn_ref::<KeyboardEvent>() else { return };
        let key = Key {
            name: &event.key(),
            code: &event.code(),
            typing: is_typing(event),
            chorded: event.ctrl_key() || event.alt_key() || event.meta_key(),
            repeats: event.repeat(),
        };
        if let Some(intent) = shortcut(key) {
            inbox.intend(Intent::Shortcut(Box::new(intent)));
        }
    }))
}

/// Whether the event goes to something that takes text or letters itself.
fn is_typing(event: &KeyboardEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok());
    target.is_some_and(|element| {
        let input = element.dyn_ref::<HtmlInputElement>().map(HtmlInputElement::type_);
        match input.as_deref() {
            Some("checkbox" | "radio" | "button" | "submit") => false,
            Some(_) => true,
            None => matches!(element.tag_name().as_str(), "TEXTAREA" | "SELECT") || element.is_content_editable(),
        }
    })
}
