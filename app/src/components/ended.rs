//! After the call: why it ended and how to go on.

use super::header::Header;
use super::notices::focus_when_shown;
use crate::call::use_call;
use holdfast::RoomId;
use holdfast::session::Intent;
use holdfast::view::{Phase, Receipt};
use holdfast::wire::CloseCode;
use leptos::prelude::*;

/// The last screen of a call.
#[component]
pub(crate) fn Ended(room: RoomId) -> impl IntoView {
    let call = use_call();
    let why = call.part(|view| view.ending().unwrap_or_default());
    let name = call.part(|view| view.me.name.clone());
    let outdated = call.part(|view| view.phase == Phase::Ended(CloseCode::Version));
    let receipt = call.memo(|view| view.receipt.clone());
    let main = NodeRef::new();
    focus_when_shown(main);
    let path = format!("/r/{room}");
    view! {
        <div class="lobby">
            <Header />
            <main class="ended" node_ref=main tabindex="-1">
                <h1>{why}</h1>
                {move || receipt.get().map(|receipt| view! { <Account receipt /> })}
                <div class="ended-actions">
                    <Show
                        when=outdated
                        fallback=move || {
                            view! {
                                <button class="button primary" type="button" on:click=move |_| call.send(Intent::Join(untrack(name)))>
                                    "Join again"
                                </button>
                            }
                        }
                    >
                        <a class="button primary" rel="external" href=path.clone()>"Reload"</a>
                    </Show>
                    <a class="button plain" href="/">"Go to the start"</a>
                </div>
            </main>
        </div>
    }
}

/// What happened in the call.
#[component]
fn Account(receipt: Receipt) -> impl IntoView {
    let lines = receipt.lines().into_iter().map(|line| view! { <li>{line}</li> }).collect_view();
    view! {
        <section class="receipt" aria-label="How the call went">
            <ul>{lines}</ul>
            <a href=receipt.file() download="call.json">"Save as a file"</a>
        </section>
    }
}
