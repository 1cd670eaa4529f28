//! The lobby: see yourself, choose devices, say your name, see who is inside.

use super::devices::DeviceList;
use super::header::Header;
use super::icon::{Glyph, Icon};
use super::input_button::InputButton;
use super::notices::Notices;
use crate::call::use_call;
use crate::dom::{METER_ID, video_id};
use holdfast::session::Intent;
use holdfast::view::{DeviceState, LinkView, LobbyView, MediaKind, Phase};
use holdfast::{CallView, Limits, RoomId};
use leptos::prelude::*;

/// Before the call.
#[component]
pub(crate) fn Lobby(room: RoomId, name: String) -> impl IntoView {
    let call = use_call();
    let hides = room.hides_addresses();
    let code = room;
    let joining = call.memo(|view| view.phase == Phase::Joining);
    let full = call.memo(|view| view.lobby.as_ref().is_some_and(|lobby| lobby.full));
    let link = call.part(|view| view.link);
    let main = NodeRef::new();
    let who = call.part(|view| view.lobby.as_ref().map(LobbyView::summary));
    let store_away = call.part(|view| view.store_away);
    let who = move || match (link(), who()) {
        (LinkView::Offline { .. }, _) if store_away() => "The server cannot store anything now. Trying again…".into(),
        (LinkView::Offline { .. }, _) => "The server does not answer. Trying again…".into(),
        (LinkView::Connecting | LinkView::Online, Some(text)) => text,
        (LinkView::Connecting | LinkView::Online, None) => format!("Room {code}"),
    };
    view! {
        <div class="lobby">
            <Header />
            <main class="lobby-main" node_ref=main tabindex="-1">
                <Preview />
                <section class="lobby-side">
                    <div>
                        <h1>"Ready to join?"</h1>
                        <p class="lobby-who" data-lobby-people="">{who}</p>
                        {hides.then(|| view! { <p class="lobby-who">"Addresses stay hidden here: everything goes through a relay."</p> })}
                    </div>
                    <NameForm name joining full />
                    <MicrophoneCheck />
                    <details class="devices">
                        <summary>"Camera, microphone and speaker"</summary>
                        <DeviceList />
                    </details>
                    <p class="lobby-who"><a href="/check" target="_blank">"Check your connection"</a></p>
                    <noscript>
                        <p class="note">"A call needs JavaScript. Please allow it for this page."</p>
                    </noscript>
                </section>
            </main>
            <Notices main />
        </div>
    }
}

#[component]
fn NameForm(name: String, joining: Memo<bool>, full: Memo<bool>) -> impl IntoView {
    let call = use_call();
    let field = NodeRef::<leptos::html::Input>::new();
    let known = call.memo(|view| view.me.name.clone());
    Effect::new(move |_| {
        let known = known.get();
        // What somebody typed before we knew their name stays.
        if let Some(field) = field.get()
            && field.value().is_empty()
            && !known.is_empty()
        {
            field.set_value(&known);
        }
    });
    let submit = move |ev: leptos::ev::SubmitEvent| {
        ev.prevent_default();
        if let Some(field) = field.get_untracked() {
            call.send(Intent::Join(field.value()));
        }
    };
    let label = move || match (joining.get(), full.get()) {
        (true, _) => "Joining…",
        (false, true) => "This call is full",
        (false, false) => "Join",
    };
    view! {
        <form class="lobby-form" on:submit=submit>
            // Pressed before the page is alive, the browser asks for this page again: straight into the call then.
            <input type="hidden" name="join" value="1" />
            <label class="field">
                <span>"Your name"</span>
                <input
                    node_ref=field
                    class="input"
                    name="name"
                    value=name
                    required
                    maxlength=Limits::NAME_CHARS.to_string()
                    autocomplete="nickname"
                />
            </label>
            <button class="button primary" type="submit" disabled=move || joining.get() || full.get()>{label}</button>
        </form>
    }
}

#[component]
fn Preview() -> impl IntoView {
    let call = use_call();
    let camera = call.part(|view| view.me.camera);
    Effect::new(move |_| call.send(Intent::TileShown(None)));
    let request = call.part(CallView::request);
    let words = move || match camera() {
        DeviceState::On => "",
        DeviceState::Starting => "Starting your camera…",
        DeviceState::Held => "Your camera starts when you join.",
        DeviceState::Asking => request(),
        DeviceState::Off => "Your camera is off.",
        DeviceState::Failed(problem) => problem.advice(MediaKind::Video),
    };
    view! {
        <div class="preview">
            <video id=video_id(None) autoplay playsinline prop:muted=true hidden=move || camera() != DeviceState::On aria-label="Your camera"></video>
            <div class="preview-empty" hidden=move || camera() == DeviceState::On>
                <Icon glyph=Glyph::CameraOff />
                <p>{words}</p>
            </div>
            <div class="preview-controls">
                <InputButton kind=MediaKind::Audio />
                <InputButton kind=MediaKind::Video />
            </div>
        </div>
    }
}

#[component]
fn MicrophoneCheck() -> impl IntoView {
    let call = use_call();
    let microphone = call.part(|view| view.me.microphone);
    let words = move || match microphone() {
        DeviceState::On => "Say something: the bar moves when we hear you.",
        DeviceState::Starting => "Starting your microphone…",
        DeviceState::Held => "Your microphone starts when you join.",
        DeviceState::Asking => DeviceState::Asking.words(MediaKind::Audio),
        DeviceState::Off => "Your microphone is off.",
        DeviceState::Failed(problem) => problem.advice(MediaKind::Audio),
    };
    let failed = move || matches!(microphone(), DeviceState::Failed(_));
    view! {
        <div class="field">
            <span>"Microphone level"</span>
            <meter class="meter" id=METER_ID min="0" max="100" value="0" aria-label="Microphone level"></meter>
            <p class:note=failed class:lobby-who=move || !failed()>{words}</p>
        </div>
    }
}
