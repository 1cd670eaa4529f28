//! A room: the lobby, then the call, then the end of it.

use super::not_found::NotFoundPage;
use crate::call::use_call;
use crate::components::announcer::Announcer;
use crate::components::ended::Ended;
use crate::components::lobby::Lobby;
use crate::components::stage::CallScreen;
use holdfast::RoomId;
use holdfast::session::Intent;
use holdfast::view::Phase;
use leptos::prelude::*;
use leptos_meta::{Meta, Title};
use leptos_router::hooks::{use_params_map, use_query_map};

/// Which screen of a room is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Screen {
    Lobby,
    Call,
    Ended,
}

/// `/r/{room}`.
#[component]
pub(crate) fn RoomPage() -> impl IntoView {
    let params = use_params_map();
    let room = move || params.read().get("room").and_then(|code| code.parse::<RoomId>().ok());
    view! {
        {move || match room() {
            Some(room) => view! { <Room room /> }.into_any(),
            None => view! { <NotFoundPage /> }.into_any(),
        }}
    }
}

#[component]
fn Room(room: RoomId) -> impl IntoView {
    let call = use_call();
    let query = use_query_map();
    let name = query.read_untracked().get("name").unwrap_or_default();
    let join = query.read_untracked().get("join").is_some_and(|text| text == "1");
    let title = format!("{room} - Holdfast");
    {
        let (room, name) = (room.clone(), name.clone());
        Effect::new(move |_| call.send(Intent::Enter(room.clone(), name.clone(), join)));
    }
    on_cleanup(move || call.send(Intent::Exit));
    let screen = call.memo(|view| match view.phase {
        Phase::Lobby | Phase::Joining => Screen::Lobby,
        Phase::InCall => Screen::Call,
        Phase::Left | Phase::Ended(_) => Screen::Ended,
    });
    view! {
        // A room's code has only letters, digits and hyphens, so it is safe where the title is not escaped.
        <Title text=title />
        <Meta name="robots" content="noindex" />
        {move || match screen.get() {
            Screen::Lobby => view! { <Lobby room=room.clone() name=name.clone() /> }.into_any(),
            Screen::Call => view! { <CallScreen /> }.into_any(),
            Screen::Ended => view! { <Ended room=room.clone() /> }.into_any(),
        }}
        <Announcer />
    }
}
