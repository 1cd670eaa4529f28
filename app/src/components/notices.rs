//! What is worth saying for a moment. Screen readers hear it from the announcer.

use super::icon::{Glyph, Icon};
use crate::call::use_call;
use holdfast::session::Intent;
use leptos::html::{Button, Main};
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use leptos::web_sys::HtmlElement;

/// The notices, newest last. The focus goes from one that is dismissed to the next, and from the last one to `main`.
#[component]
pub(crate) fn Notices(main: NodeRef<Main>) -> impl IntoView {
    let call = use_call();
    let notices = call.memo(|view| view.notices.clone());
    let dismiss = move |id: u64, button: NodeRef<Button>| {
        let notice = button.get_untracked().and_then(|button| button.parent_element());
        let next =
            notice.and_then(|notice| notice.next_element_sibling().or_else(|| notice.previous_element_sibling()));
        match next.and_then(|next| next.last_element_child()).and_then(|next| next.dyn_into::<HtmlElement>().ok()) {
            Some(next) => drop(next.focus()),
            None => focus(main),
        }
        call.send(Intent::Dismiss(id));
    };
    view! {
        <div class="notices">
            <For each=move || notices.get() key=|notice| notice.id let(notice)>
                {
                    let button = NodeRef::new();
                    view! {
                        <div class="notice">
                            <span>{notice.text}</span>
                            <button node_ref=button type="button" aria-label="Dismiss" on:click=move |_| dismiss(notice.id, button)>
                                <Icon glyph=Glyph::Close />
                            </button>
                        </div>
                    }
                }
            </For>
        </div>
    }
}

/// Puts the focus at the beginning of a screen, if it is still shown.
pub(crate) fn focus(main: NodeRef<Main>) {
    if let Some(main) = main.try_get_untracked().flatten() {
        let _ = main.focus();
    }
}

/// Puts the focus at the beginning of a screen that takes the place of another one.
pub(crate) fn focus_when_shown(main: NodeRef<Main>) {
    Effect::new(move |_| {
        main.track();
        request_animation_frame(move || focus(main));
    });
}
