//! What is worth saying for a moment. Screen readers hear it from the announcer.

use super::icon::{Glyph, Icon};
use crate::call::use_call;
use holdfast::session::Intent;
use leptos::html::{Button, Main};
use leptos::prelude::*;

/// The notices, newest last. The focus goes from one that is dismissed to the next, and from the last one to `main`.
#[component]
pub(crate) fn Notices(main: NodeRef<Main>) -> impl IntoView {
    let call = use_call();
    let notices = call.memo(|view| view.notices.clone());
    let buttons = StoredValue::new(Vec::<(u64, NodeRef<Button>)>::new());
    let dismiss = move |id: u64| {
        // The reference of a button that is gone is disposed of with its notice: reading it the plain way would panic.
        buttons.update_value(|all| all.retain(|(_, button)| button.try_get_untracked().flatten().is_some()));
        let next = buttons.with_value(|all| {
            let later = all.iter().find(|(other, _)| *other > id);
            later.or_else(|| all.iter().rev().find(|(other, _)| *other < id)).map(|(_, button)| *button)
        });
        match next.and_then(|button| button.try_get_untracked().flatten()) {
            Some(button) => drop(button.focus()),
            None => focus(main),
        }
        call.send(Intent::Dismiss(id));
    };
    view! {
        <div class="notices">
            <For each=move || notices.get() key=|notice| notice.id let(notice)>
                {
                    let button = NodeRef::new();
                    buttons.update_value(|all| all.push((notice.id, button)));
                    view! {
                        <div class="notice">
                            <span>{notice.text}</span>
                            <button node_ref=button type="button" aria-label="Dismiss" on:click=move |_| dismiss(notice.id)>
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
