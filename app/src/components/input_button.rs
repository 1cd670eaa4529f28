//! The button that switches the microphone or the camera.

use super::icon::{Glyph, Icon};
use crate::call::use_call;
use holdfast::session::Intent;
use holdfast::view::{DeviceState, MediaKind};
use leptos::prelude::*;

/// Switches one input and says how it is.
#[component]
pub(crate) fn InputButton(kind: MediaKind) -> impl IntoView {
    let call = use_call();
    let state = call.part(move |view| match kind {
        MediaKind::Audio => view.me.microphone,
        MediaKind::Video => view.me.camera,
    });
    let on = move || matches!(state(), DeviceState::On | DeviceState::Starting);
    let asks = move || state() == DeviceState::Asking;
    let label = move || match (kind, on()) {
        (MediaKind::Audio, _) if asks() => "Microphone: allow it in your browser",
        (MediaKind::Video, _) if asks() => "Camera: allow it in your browser",
        (MediaKind::Audio, true) => "Mute microphone",
        (MediaKind::Audio, false) => "Unmute microphone",
        (MediaKind::Video, true) => "Turn camera off",
        (MediaKind::Video, false) => "Turn camera on",
    };
    let glyph = Signal::derive(move || match (kind, on()) {
        (MediaKind::Audio, true) => Glyph::Microphone,
        (MediaKind::Audio, false) => Glyph::MicrophoneOff,
        (MediaKind::Video, true) => Glyph::Camera,
        (MediaKind::Video, false) => Glyph::CameraOff,
    });
    let (shortcut, intent) = match kind {
        MediaKind::Audio => ("m", Intent::ToggleMicrophone),
        MediaKind::Video => ("v", Intent::ToggleCamera),
    };
    view! {
        <button
            type="button"
            class="control"
            class:waits=move || matches!(state(), DeviceState::Starting | DeviceState::Asking)
            class:off=move || matches!(state(), DeviceState::Off | DeviceState::Held)
            class:failed=move || matches!(state(), DeviceState::Failed(_))
            aria-label=label
            aria-keyshortcuts=shortcut
            title=move || format!("{} ({shortcut})", label())
            on:click=move |_| call.send(intent.clone())
        >
            <Icon glyph />
        </button>
    }
}
