//! What is worth saying for a moment. Screen readers hear it from the announcer.

use super::icon::{Glyph, Icon};
use crate::call::use_call;
use holdfast::session::Intent;
use leptos::prelude::*;

/// The notices, newest last.
#[component]
pub(crate) fn Notices() -> impl IntoView {
    let call = use_call();
    let notices = call.memo(|view| view.notices.clone());
    view! {
        <div class="notices">
            <For each=move || notices.get() key=|notice| notice.id let(notice)>
                <div class="notice">
                    <span>{notice.text}</span>
                    <button type="button" aria-label="Dismiss" on:click=move |_| call.send(Intent::Dismiss(notice.id))>
                        <Icon glyph=Glyph::Close />
                    </button>
                </div>
            </For>
        </div>
    }
}
