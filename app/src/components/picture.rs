//! A person's moving picture, in its box.

use crate::call::use_call;
use crate::dom::video_id;
use holdfast::PeerId;
use holdfast::view::fills;
use leptos::prelude::*;

/// Fills its box, or is seen whole where too much of it would be cut off. The frontend finds it by its id.
#[component]
pub(crate) fn Picture(
    who: Option<PeerId>,
    label: impl Fn() -> String + Copy + Send + Sync + 'static,
    #[prop(optional)] hidden: Signal<bool>,
) -> impl IntoView {
    let call = use_call();
    let video = NodeRef::<leptos::html::Video>::new();
    let whole = RwSignal::new(false);
    let measure = move || {
        if let Some(video) = video.get_untracked() {
            let tile = (video.client_width().unsigned_abs(), video.client_height().unsigned_abs());
            whole.set(!fills((video.video_width(), video.video_height()), tile));
        }
    };
    // What changes the size of boxes: the window, the people, the chat beside them.
    let window = window_event_listener(leptos::ev::resize, move |_| measure());
    on_cleanup(move || window.remove());
    let layout = call.memo(|view| (view.people(), view.chat_open));
    Effect::new(move |_| {
        layout.track();
        request_animation_frame(measure);
    });
    view! {
        <video
            node_ref=video
            id=video_id(who)
            class:whole=whole
            autoplay
            playsinline
            prop:muted=who.is_none()
            hidden=hidden
            aria-label=label
            on:resize=move |_| measure()
        ></video>
    }
}
