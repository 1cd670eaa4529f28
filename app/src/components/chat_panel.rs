//! The chat panel: what was said, what waits, and a field to write in.

use super::chat_line::Line;
use super::icon::{Glyph, Icon};
use crate::call::use_call;
use holdfast::session::Intent;
use holdfast::view::{Earlier, with_days};
use holdfast::wire::Body;
use holdfast::{CallView, ChatId, Limits};
use leptos::prelude::*;

/// Characters left from which on the counter shows.
const COUNTER_FROM: usize = 500;
/// Pixels from the end of the log within which new messages are followed.
const NEAR_END_PX: i32 = 48;

/// Beside the stage, or over it on a narrow screen.
#[component]
pub(crate) fn ChatPanel(chat_button: NodeRef<leptos::html::Button>) -> impl IntoView {
    let call = use_call();
    let open = call.memo(|view| view.chat_open);
    let chat = call.memo(|view| view.chat.clone());
    let earlier = call.memo(|view| view.earlier);
    let note = call.part(CallView::chat_note);
    let log = NodeRef::<leptos::html::Div>::new();
    let at_end = StoredValue::new(true);
    // How far what is under the eye is from the end of the log: this stays when older messages come before it.
    let from_end = StoredValue::new(0);
    let measure = move || {
        if let Some(log) = log.try_get_untracked().flatten() {
            from_end.set_value(log.scroll_height() - log.scroll_top());
            at_end.set_value(from_end.get_value() <= log.client_height() + NEAR_END_PX);
        }
    };
    let scroll = move |back: i32| {
        if let Some(log) = log.try_get_untracked().flatten() {
            log.set_scroll_top(log.scroll_height() - back);
        }
        measure();
    };
    // The log is lower or higher than before: whoever was at its end stays there.
    let resized = move || {
        if at_end.get_value() {
            request_animation_frame(move || scroll(0));
        }
    };
    let window = window_event_listener(leptos::ev::resize, move |_| resized());
    on_cleanup(move || window.remove());
    // On a narrow screen a banner above the log takes room away.
    let banner = call.part(CallView::link_banner);
    Effect::new(move |before: Option<usize>| {
        let length = banner().len();
        if before != Some(length) {
            resized();
        }
        length
    });
    Effect::new(move |before: Option<(bool, Option<ChatId>, Option<ChatId>)>| {
        let (was_open, first_before, mine_before) = before.unwrap_or_default();
        let open = open.get();
        let chat = chat.read();
        let first = chat.first().map(|line| line.id);
        // Ids begin with their time: a greater one of ours was just written.
        let mine = chat.last().filter(|line| line.mine && line.offset.is_none()).map(|line| line.id).max(mine_before);
        let longer = first != first_before && chat.iter().any(|line| Some(line.id) == first_before);
        request_animation_frame(move || {
            // Whoever reads back is left in peace.
            if !was_open || mine != mine_before || at_end.try_get_value() == Some(true) {
                scroll(0);
            } else if longer {
                scroll(from_end.try_get_value().unwrap_or_default());
            } else {
                measure();
            }
        });
        (open, first, mine)
    });
    let focus_log = move || {
        if let Some(log) = log.try_get_untracked().flatten() {
            let _ = log.focus();
        }
    };
    // Closed by its own button, the panel gives the focus to the one that opens it. That one may be hidden until then.
    let closing = StoredValue::new(false);
    let close = move |_| {
        closing.set_value(true);
        call.send(Intent::ToggleChat);
    };
    Effect::new(move |_| {
        if !open.get() && closing.get_value() {
            closing.set_value(false);
            request_animation_frame(move || {
                if let Some(button) = chat_button.try_get_untracked().flatten() {
                    let _ = button.focus();
                }
            });
        }
    });
    let rows = move || with_days(&chat.read(), call.offset_min);
    view! {
        <aside class="chat" id="chat" aria-label="Chat panel" hidden=move || !open.get()>
            <div class="chat-head">
                <h2>"Chat"</h2>
                <button type="button" class="ghost" aria-label="Close chat panel" on:click=close>
                    <Icon glyph=Glyph::Close />
                </button>
            </div>
            // Announced by the announcer, in one sentence each, so the log itself stays quiet.
            <div class="chat-log" role="log" aria-label="Chat" aria-live="off" tabindex="0" node_ref=log on:scroll=move |_| measure()>
                <Show when=move || earlier.get() != Earlier::None>
                    <button
                        type="button"
                        class="ghost chat-earlier"
                        disabled=move || earlier.get() == Earlier::Loading
                        on:click=move |_| {
                            focus_log(); // The button goes dead, and may be gone afterwards.
                            call.send(Intent::ShowEarlier);
                        }
                    >
                        {move || if earlier.get() == Earlier::Loading { "Loading…" } else { "Earlier messages" }}
                    </button>
                </Show>
                <Show when=move || chat.read().is_empty() && earlier.get() == Earlier::None>
                    <p class="chat-empty">"Messages stay in this room, also for people who come later."</p>
                </Show>
                <For each=rows key=|(line, begins)| (line.id, line.offset, line.failed, *begins) let((line, begins))>
                    <Line line begins focus_log />
                </For>
            </div>
            <p class="chat-note" role="status">{note}</p>
            <ChatForm open resized />
        </aside>
    }
}

#[component]
fn ChatForm(open: Memo<bool>, resized: impl Fn() + Copy + 'static) -> impl IntoView {
    let call = use_call();
    let field = NodeRef::<leptos::html::Textarea>::new();
    let used = RwSignal::new(0_usize);
    let over = move || used.get() > Limits::CHAT_CHARS;
    let near_limit = move || used.get() + COUNTER_FROM >= Limits::CHAT_CHARS;
    Effect::new(move |_| {
        if open.get() {
            request_animation_frame(move || {
                if let Some(field) = field.try_get_untracked().flatten() {
                    let _ = field.focus();
                }
            });
        }
    });
    let send = move || {
        let Some(field) = field.try_get_untracked().flatten() else { return };
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
            resized();
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
                dir="auto"
                on:input=move |ev| {
                    used.set(event_target_value(&ev).chars().count());
                    resized();
                }
                on:keydown=move |ev| {
                    // The Enter that ends a composition is not ours: Safari sends it afterwards, and marks it by this number.
                    let composes = ev.is_composing() || ev.key_code() == 229;
                    if ev.key() == "Enter" && !ev.shift_key() && !composes {
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
