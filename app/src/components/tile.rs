//! One person's picture, name and state.

use super::icon::{Glyph, Icon};
use crate::call::use_call;
use crate::dom::video_id;
use holdfast::PeerId;
use holdfast::session::Intent;
use holdfast::view::{DeviceState, TileView, initials};
use leptos::prelude::*;

/// Somebody else.
#[component]
pub(crate) fn Tile(peer: PeerId) -> impl IntoView {
    let call = use_call();
    let tile = call.memo(move |view| view.tiles.iter().find(|tile| tile.peer == peer).cloned());
    let with = move |read: fn(&TileView) -> bool| tile.with(|tile| tile.as_ref().is_some_and(read));
    let text = move |read: fn(&TileView) -> String| tile.with(|tile| tile.as_ref().map(read).unwrap_or_default());
    let name = move || text(TileView::shown);
    let plain_name = move || text(|tile| tile.name.as_str().to_owned());
    let trouble = move || text(TileView::trouble);
    let place = move || tile.with(|tile| tile.as_ref().map_or(0, |tile| tile.place)).to_string();
    Effect::new(move |_| call.send(Intent::TileShown(Some(peer))));
    view! {
        <article
            class="tile"
            class:speaking=move || with(|tile| tile.speaking)
            class:dark=move || with(|tile| !tile.video)
            data-tile="peer"
            data-peer=peer.to_string()
            data-media=move || text(|tile| tile.path.as_str().to_owned())
            data-place=place
            data-audio=move || if with(|tile| tile.audio) { "on" } else { "off" }
            data-video=move || if with(|tile| tile.video) { "on" } else { "off" }
            style:order=place
            aria-label=name
        >
            // Behind the picture: seen until there is one, and when the camera is off.
            <div class="tile-face" aria-hidden="true"><span>{move || initials(&plain_name())}</span></div>
            <video id=video_id(Some(peer)) autoplay playsinline aria-label=move || format!("{}'s picture", name())></video>
            <Show when=move || !trouble().is_empty()>
                <p class="tile-trouble" data-trouble="">{trouble}</p>
            </Show>
            <Label name=Signal::derive(name) muted=Signal::derive(move || with(|tile| !tile.audio)) />
            <Show when=move || with(|tile| tile.relayed == Some(true))>
                <span class="tile-route" title="The media goes through a relay.">"via relay"</span>
            </Show>
        </article>
    }
}

/// Oneself, mirrored.
#[component]
pub(crate) fn OwnTile() -> impl IntoView {
    let call = use_call();
    let me = call.memo(|view| view.me.clone());
    let seen = move || me.read().camera == DeviceState::On;
    let name = move || format!("{} (you)", me.read().name);
    Effect::new(move |_| call.send(Intent::TileShown(None)));
    view! {
        <article
            class="tile"
            class:speaking=move || me.read().speaking
            class:dark=move || !seen()
            data-tile="self"
            style:order="99"
            aria-label=name
        >
            <div class="tile-face" aria-hidden="true"><span>{move || initials(&me.read().name)}</span></div>
            <video id=video_id(None) autoplay playsinline prop:muted=true aria-label="Your camera"></video>
            <Show when=move || me.read().paused>
                <p class="tile-trouble" data-paused="">"Paused until you are back"</p>
            </Show>
            <Label name=Signal::derive(name) muted=Signal::derive(move || me.read().microphone != DeviceState::On) />
        </article>
    }
}

#[component]
fn Label(name: Signal<String>, muted: Signal<bool>) -> impl IntoView {
    view! {
        <p class="tile-label">
            <Show when=move || muted.get()>
                <Icon glyph=Glyph::MicrophoneOff />
                <span class="sr-only">"Muted"</span>
            </Show>
            <span class="name">{move || name.get()}</span>
        </p>
    }
}
