//! The keyboard shortcuts.

use super::icon::{Glyph, Icon};
use crate::call::use_call;
use holdfast::session::{Intent, SHORTCUTS};
use leptos::prelude::*;

/// A list of keys, shown by `?`.
#[component]
pub(crate) fn Help() -> impl IntoView {
    let call = use_call();
    let open = call.part(|view| view.help_open);
    let close = NodeRef::<leptos::html::Button>::new();
    Effect::new(move |_| {
        if let Some(close) = close.get() {
            let _ = close.focus();
        }
    });
    view! {
        <Show when=open>
            <div class="help" role="dialog" aria-label="Keyboard shortcuts">
                <div class="menu">
                    <div class="menu-head">
                        <h2>"Keyboard shortcuts"</h2>
                        <button node_ref=close type="button" class="ghost" aria-label="Close shortcuts" on:click=move |_| call.send(Intent::ToggleHelp)>
                            <Icon glyph=Glyph::Close />
                        </button>
                    </div>
                    <dl>
                        {SHORTCUTS
                            .iter()
                            .map(|(key, what)| view! { <dt><kbd>{*key}</kbd></dt> <dd>{*what}</dd> })
                            .collect_view()}
                    </dl>
                </div>
            </div>
        </Show>
    }
}
