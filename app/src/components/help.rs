//! The keyboard shortcuts.

use super::icon::{Glyph, Icon};
use crate::call::use_call;
use holdfast::session::{Intent, SHORTCUTS};
use leptos::prelude::*;

/// A list of keys, shown by `?`: a modal dialog, so that the browser keeps the focus in it and gives it back.
#[component]
pub(crate) fn Help() -> impl IntoView {
    let call = use_call();
    let open = call.memo(|view| view.help_open);
    let keys_off = call.part(|view| view.keys_off);
    let dialog = NodeRef::<leptos::html::Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = dialog.get() else { return };
        match (open.get(), dialog.open()) {
            (true, false) => {
                let _ = dialog.show_modal();
            }
            (false, true) => dialog.close(),
            (true, true) | (false, false) => {}
        }
    });
    let closed = move |_| {
        if open.get_untracked() {
            call.send(Intent::Escape);
        }
    };
    let keys = SHORTCUTS.iter().map(|(key, what)| view! { <dt><kbd>{*key}</kbd></dt> <dd>{*what}</dd> }).collect_view();
    view! {
        <dialog node_ref=dialog class="menu" aria-label="Keyboard shortcuts" on:close=closed>
            <div class="menu-head">
                <h2>"Keyboard shortcuts"</h2>
                <button type="button" class="ghost" aria-label="Close shortcuts" on:click=move |_| call.send(Intent::Escape)>
                    <Icon glyph=Glyph::Close />
                </button>
            </div>
            <dl>{keys}</dl>
            <label class="check">
                <input
                    type="checkbox"
                    prop:checked=move || !keys_off()
                    on:change=move |_| call.send(Intent::ToggleShortcuts)
                />
                "Use these keys"
            </label>
        </dialog>
    }
}
