//! The WASM entry of Holdfast: starts the driver, then brings the server's HTML to life.
//!
//! This crate holds every browser adapter and no policy: what to do is decided in `holdfast`, what to show in `app`.

#![recursion_limit = "512"] // A page is one type, as deep as its markup.

mod bar;
mod channel;
mod clock;
mod driver;
mod externs;
mod flows;
mod inbox;
mod js;
mod keys;
mod levels;
mod listener;
mod media;
mod net;
mod outbox;
mod pc;
mod run;
mod screen;
mod socket;
mod storage;
pub mod testing;
mod ways;

use app::address::Address;
use app::call::Call;
use inbox::Inbox;
use leptos::prelude::*;
use wasm_bindgen::prelude::wasm_bindgen;

/// Which page this is.
fn address() -> Address {
    let location = web_sys::window().map(|window| window.location());
    let part = |read: fn(&web_sys::Location) -> Result<String, wasm_bindgen::JsValue>| {
        location.as_ref().and_then(|location| read(location).ok()).unwrap_or_default()
    };
    Address::read(&part(web_sys::Location::pathname), &part(web_sys::Location::search))
}

/// Called by the page once the module is loaded.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_body(|| {
        let view = RwSignal::new(holdfast::CallView::default());
        let (inbox, events) = Inbox::new();
        let intents = StoredValue::new_local(inbox.clone());
        let send = Callback::new(move |intent| intents.with_value(|inbox| inbox.intend(intent)));
        provide_context(Call::new(view, send, clock::utc_offset_min));
        wasm_bindgen_futures::spawn_local(driver::run(inbox, events, view));
        view! { <app::App address=address() /> }
    });
}
