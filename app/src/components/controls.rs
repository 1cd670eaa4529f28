//! The buttons of the call.

use super::devices::DeviceList;
use super::icon::{Glyph, Icon};
use super::input_button::InputButton;
use crate::call::use_call;
use holdfast::session::Intent;
use holdfast::view::MediaKind;
use leptos::prelude::*;

/// Microphone, camera, devices, chat, link, help, leave.
#[component]
pub(crate) fn Controls(chat_button: NodeRef<leptos::html::Button>) -> impl IntoView {
    let call = use_call();
    let chat_open = call.part(|view| view.chat_open);
    let help_open = call.part(|view| view.help_open);
    let unread = call.part(|view| view.unread);
    let audio_only = call.part(|view| view.audio_only);
    let chat_label = move || match (chat_open(), unread()) {
        (true, _) => "Close chat".to_owned(),
        (false, 0) => "Open chat".to_owned(),
        (false, n) => format!("Open chat, {n} unread"),
    };
    view! {
        <div class="controls" role="toolbar" aria-label="Controls">
            <InputButton kind=MediaKind::Audio />
            <InputButton kind=MediaKind::Video />
            <button type="button" class="control" popovertarget="device-menu" aria-label="Devices" title="Devices">
                <Icon glyph=Glyph::Settings />
            </button>
            <button
                node_ref=chat_button
                type="button"
                class="control"
                aria-label=chat_label
                aria-expanded=move || chat_open().to_string()
                aria-controls="chat"
                aria-keyshortcuts="c"
                title="Chat (c)"
                on:click=move |_| call.send(Intent::ToggleChat)
            >
                <Icon glyph=Glyph::Chat />
                <Show when=move || unread() != 0>
                    <span class="count" aria-hidden="true">{unread}</span>
                </Show>
            </button>
            <button type="button" class="control" aria-label="Copy link" title="Copy link" on:click=move |_| call.send(Intent::CopyLink)>
                <Icon glyph=Glyph::Copy />
            </button>
            <button
                type="button"
                class="control"
                aria-label="Keyboard shortcuts"
                aria-expanded=move || help_open().to_string()
                aria-keyshortcuts="?"
                title="Keyboard shortcuts (?)"
                on:click=move |_| call.send(Intent::ToggleHelp)
            >
                <Icon glyph=Glyph::Help />
            </button>
            <button type="button" class="control leave" on:click=move |_| call.send(Intent::Leave)>"Leave"</button>
            <div class="menu" id="device-menu" popover="auto" role="dialog" aria-label="Devices">
                <div class="menu-head">
                    <h2>"Devices"</h2>
                    <button type="button" class="ghost" popovertarget="device-menu" popovertargetaction="hide" aria-label="Close devices">
                        <Icon glyph=Glyph::Close />
                    </button>
                </div>
                <DeviceList />
                <label class="check">
                    <input
                        type="checkbox"
                        prop:checked=audio_only
                        on:change=move |_| call.send(Intent::ToggleAudioOnly)
                    />
                    "Audio only: no pictures in either direction"
                </label>
            </div>
        </div>
    }
}
