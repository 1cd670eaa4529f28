//! The developer's panel: every state, what changed when, and buttons that break things.

use crate::call::use_call;
use holdfast::session::{Fault, Intent};
use leptos::prelude::*;

const FAULTS: [(&str, Fault); 6] = [
    ("Drop socket", Fault::DropSocket),
    ("Kill connections", Fault::KillConnections),
    ("Expire relays", Fault::ExpireRelays),
    ("Relay only", Fault::RelayOnly),
    ("Offer again", Fault::OfferAgain),
    ("Freeze heartbeat", Fault::FreezeHeartbeat),
];

/// Shown with `?debug=1`.
#[component]
pub(crate) fn Debug() -> impl IntoView {
    let call = use_call();
    let shown = call.memo(|view| view.debug.is_some());
    let text = call.memo(|view| view.debug.as_ref().map(|debug| debug.text()).unwrap_or_default());
    let faults = move || {
        FAULTS
            .into_iter()
            .map(|(name, fault)| {
                view! { <button type="button" on:click=move |_| call.send(Intent::Cause(fault))>{name}</button> }
            })
            .collect_view()
    };
    view! {
        <Show when=move || shown.get()>
            <section class="debug" aria-label="Developer's panel">
                <p>
                    {faults}
                    <button type="button" on:click=move |_| call.send(Intent::CopyDebug)>"Copy"</button>
                </p>
                <pre>{move || text.get()}</pre>
            </section>
        </Show>
    }
}
