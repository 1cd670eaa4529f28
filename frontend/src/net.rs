//! What the browser says of the network and of the page being shown again.

use crate::inbox::Inbox;
use crate::js;
use crate::listener::Listener;
use holdfast::session::{Event, NetEvent};
use wasm_bindgen::JsCast;
use web_sys::VisibilityState;

/// Listens until the listeners are dropped.
pub(crate) fn listen(inbox: &Inbox) -> Vec<Listener> {
    let Some(window) = web_sys::window() else { return vec![] };
    let post = |name: &'static str, event: NetEvent| {
        let inbox = inbox.clone();
        Listener::new(&window, name, move |_| inbox.post(Event::Net(event)))
    };
    let mut listeners = vec![
        post("online", NetEvent::Online),
        post("offline", NetEvent::Offline),
        // Into the back-forward cache, and out of it.
        post("pagehide", NetEvent::Frozen),
        post("pageshow", NetEvent::Shown),
    ];
    // Where the browser says so, also when one network takes over from another without a gap.
    if let Some(connection) = js::get(&window.navigator(), "connection").dyn_ref::<web_sys::EventTarget>() {
        let inbox = inbox.clone();
        listeners.push(Listener::new(connection, "change", move |_| inbox.post(Event::Net(NetEvent::Online))));
    }
    if let Some(document) = window.document() {
        for (name, event) in [("freeze", NetEvent::Frozen), ("resume", NetEvent::Shown)] {
            let inbox = inbox.clone();
            listeners.push(Listener::new(&document, name, move |_| inbox.post(Event::Net(event))));
        }
        let (inbox, page) = (inbox.clone(), document.clone());
        listeners.push(Listener::new(&document, "visibilitychange", move |_| {
            if page.visibility_state() == VisibilityState::Visible {
                inbox.post(Event::Net(NetEvent::Shown));
            }
        }));
    }
    listeners
}
