//! The chat panel: what was said, what waits, and a field to write in.

use super::chat_line::Line;
use super::icon::{Glyph, Icon};
use crate::call::use_call;
use holdfast::Limits;
use holdfast::session::Intent;
use holdfast::view::Earlier;
use holdfast::wire::Body;
use leptos::prelude::*;

/// Characters left from which on the counter shows.
const COUNTER_FROM: usize = 500;
/// Pixels from the end of the log within which new messages are followed.
const NEAR_END_PX: i32 = 48;

/// Beside the stage, or over it on a narrow screen.
#[component]
pub(crate) fn ChatPanel() -> impl IntoView {
    let call = use_call();
    let open = call.memo(|view| view.chat_open);
    let chat = call.memo(|view| view.chat.clone());
    let earlier = call.memo(|view| view.earlier);
    let note = call.part(holdfast::CallView::chat_note);
    let log = NodeRef::<leptos::html::Div>::new();
    let scroll = move || {
        if let Some(log) = log.get_untracked() {
            log.set_scroll_top(log.scroll_height());
        }
    };
    let at_end = StoredValue::new(true);
    Effect::new(move |was_open: Option<bool>| {
        let mine = chat.read().last().is_some_and(|line| line.offset.is_none());
        let open = open.get();
        // Whoever reads back is left in peace.
        if open && (was_open != Some(true) || mine || at_end.get_value()) {
            request_animation_frame(scroll);
        }
        open
    });
    let on_scroll = move |_| {
        if let Some(log) = log.get_untracked() {
            at_end.set_value(log.scroll_top() + log.client_height() + NEAR_END_PX >= log.scroll_height());
        }
    };
    view! {
        <aside class="chat" id="chat" aria-label="Chat panel" hidden=move || !open.get()>
            <div class="chat-head">
                <h2>"Chat"</h2>
                <button type="button" class="ghost" aria-label="Close chat panel" on:click=move |_| call.send(Intent::ToggleChat)>
                    <Icon glyph=Glyph::Close />
                </button>
            </div>
            // Announced by the announcer, in one sentence each, so the log itself stays quiet.
            <div class="chat-log" role="log" aria-label="Chat" aria-live="off" tabindex="0" node_ref=log on:scroll=on_scroll>
                <Show when=move || earlier.get() != Earlier::None>
                    <button
                        type="button"
                        class="ghost chat-earlier"
                        disabled=move || earlier.get() == Earlier::Loading
                        on:click=move |_| call.send(Intent::ShowEarlier)
                    >
                        {move || if earlier.get() == Earlier::Loading { "Loading…" } else { "Earlier messages" }}
                    </button>
                </Show>
                <Show when=move || chat.read().is_empty() && earlier.get() == Earlier::None>
                    <p class="chat-empty">"Messages stay in this room, also for people who come later."</p>
                </Show>
                <For each=move || chat.get().as_ref().clone() key=|line| (line.id, line.offset, line.failed) let(line)>
                    <Line line />
                </For>
            </div>
            <p class="chat-note" role="status">{note}</p>
            <ChatForm open />
        </aside>
    }
}

#[component]
fn ChatForm(open: Memo<bool>) -> impl IntoView {
    let call = use_call();
    let field = NodeRef::<leptos::html::Textarea>::new();
    let used = RwSignal::new(0_usize);
    let over = move || used.get() > Limits::CHAT_CHARS;
    let near_limit = move || used.get() + COUNTER_FROM >= Limits::CHAT_CHARS;
    Effect::new(move |_| {
        if open.get() {
            request_animation_frame(move || {
                if let Some(field) = field.get_untracked() {
                    let _ = field.focus();
                }
            });
        }
    });
    let send = move || {
        let Some(field) = field.get_untracked() else { return };
        let text = field.value();
        let chars = text.chars().count();
        if text.trim().is_empty() || chars > Limits::CHAT_CHARS {
            return;
        }
        // What will be refused stays in the field, under a notice that says why.
        let kept = Body::new(&text).is_ok() && call.view.with_untracked(|view| view.pending() < Limits::OUTBOX);
        call.send(Intent::Say(text));
        if kept {
            field.set_value("");
            used.set(0);
        }
    };
    let counter = move || format!("{} of {} characters", used.get(), Limits::CHAT_CHARS);
    view! {
        <form
            class="chat-form"
            on:submit=move |ev| {
                ev.prevent_default();
                send();
            }
        >
            <textarea
                node_ref=field
                class="input"
                rows="1"
                aria-label="Message"
                placeholder="Write a message"
                on:input=move |ev| used.set(event_target_value(&ev).chars().count())
                on:keydown=move |ev| {
                    if ev.key() == "Enter" && !ev.shift_key() && !ev.is_composing() {
                        ev.prevent_default();
                        send();
                    }
                }
            ></textarea>
            <button class="button primary" type="submit" aria-label="Send" disabled=over><Icon glyph=Glyph::Send /></button>
            <Show when=near_limit>
                <p class="chat-counter" class:over=over role="status">{counter}</p>
            </Show>
        </form>
    }
}
