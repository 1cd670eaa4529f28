//! A room: the lobby, then the call, then the end of it.

use crate::call::use_call;
use crate::components::announcer::Announcer;
use crate::components::ended::Ended;
use crate::components::lobby::Lobby;
use crate::components::stage::CallScreen;
use crate::weight::{later, served};
use holdfast::RoomId;
use holdfast::session::Intent;
use holdfast::view::Phase;
use leptos::prelude::*;

/// Which screen of a room is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Screen {
    Lobby,
    Call,
    Ended,
}

/// `/r/{room}`. A link may bring a name and ask to go straight in.
#[component]
pub(crate) fn RoomPage(room: RoomId, name: String, join: bool) -> impl IntoView {
    let call = use_call();
    {
        let (room, name) = (room.clone(), name.clone());
        Effect::new(move |_| call.send(Intent::Enter(room.clone(), name.clone(), join)));
    }
    let screen = call.memo(|view| match view.phase {
        Phase::Lobby | Phase::Joining => Screen::Lobby,
        Phase::InCall => Screen::Call,
        Phase::Left | Phase::Ended(_) => Screen::Ended,
    });
    view! {
        {move || match screen.get() {
            Screen::Lobby => served(view! { <Lobby room=room.clone() name=name.clone() /> }),
            Screen::Call => later(view! { <CallScreen /> }),
            Screen::Ended => later(view! { <Ended room=room.clone() /> }),
        }}
        <Announcer />
    }
}
