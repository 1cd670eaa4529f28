//! The screen of the call: stage, controls, chat.

use super::chat_panel::ChatPanel;
use super::controls::Controls;
use super::debug::Debug;
use super::help::Help;
use super::notices::{Notices, focus_when_shown};
use super::tile::{OwnTile, Tile};
use crate::call::use_call;
use holdfast::order::put;
use holdfast::session::Intent;
use holdfast::{CallView, PeerId};
use leptos::prelude::*;

/// Everything one sees in a call.
#[component]
pub(crate) fn CallScreen() -> impl IntoView {
    let call = use_call();
    let link = call.part(|view| view.link.as_str());
    let (main, chat_button) = (NodeRef::new(), NodeRef::new());
    focus_when_shown(main);
    view! {
        <main class="call" data-link=link node_ref=main tabindex="-1">
            <h1 class="sr-only">"Call"</h1>
            <Stage main />
            <Controls chat_button />
            <ChatPanel chat_button />
            <Help />
            <Debug />
        </main>
    }
}

/// A picture that is moved in the page stops for a moment, so tiles keep their order and only their place changes.
fn in_fixed_order(view: &CallView) -> Vec<PeerId> {
    let mut peers = vec![];
    for tile in &view.tiles {
        put(&mut peers, tile.peer, |peer| *peer);
    }
    peers
}

#[component]
fn Stage(main: NodeRef<leptos::html::Main>) -> impl IntoView {
    let call = use_call();
    let peers = call.memo(in_fixed_order);
    let people = call.part(|view| view.people().to_string());
    let alone = move || peers.read().is_empty();
    let banner = call.part(CallView::link_banner);
    let audio_only = call.part(|view| view.audio_only);
    let request = call.part(CallView::request);
    view! {
        <section class="stage" aria-label="People">
            <div class="over">
            <Show when=move || !banner().is_empty()>
                <div class="banner" data-banner="">
                    <span>{banner}</span>
                    <button type="button" on:click=move |_| call.send(Intent::TryNow)>"Try now"</button>
                    <button type="button" on:click=move |_| call.send(Intent::ToggleAudioOnly)>
                        {move || if audio_only() { "Pictures too" } else { "Audio only" }}
                    </button>
                    <button type="button" on:click=move |_| call.send(Intent::Leave)>"Leave"</button>
                </div>
            </Show>
            <Show when=move || !request().is_empty()>
                <p class="banner" data-request="">{request}</p>
            </Show>
            <Notices main />
            <Show when=alone>
                <div class="alone">
                    <span>"Nobody else is here yet. Send them the link."</span>
                    <button class="button primary" type="button" on:click=move |_| call.send(Intent::CopyLink)>"Copy link"</button>
                </div>
            </Show>
            </div>
            <div class="grid" data-people=people>
                <For each=move || peers.get() key=|peer| *peer let(peer)>
                    <Tile peer />
                </For>
                <OwnTile />
            </div>
        </section>
    }
}
