//! Whether calls work from here: each part with a word, and one sentence for all of it.

use crate::call::use_call;
use crate::components::header::Header;
use holdfast::session::Intent;
use leptos::prelude::*;

/// `/check`.
#[component]
pub(crate) fn CheckPage(
    /// Another site led here: devices start after a click.
    waits: bool,
) -> impl IntoView {
    let call = use_call();
    Effect::new(move |_| {
        if !waits {
            call.send(Intent::Check);
        }
    });
    let rows = call.memo(|view| view.check.rows.clone());
    let found = move || {
        let rows = rows.get().into_iter();
        rows.map(|(subject, found)| {
            view! {
                <li data-finding=found.as_str()>
                    <span>{subject.name()}</span>
                    <strong>{found.words()}</strong>
                </li>
            }
        })
        .collect_view()
    };
    let verdict = call.memo(|view| view.check.verdict());
    let words = move || match verdict.get() {
        "" if waits => "Camera, microphone and network are tried once you press 'Check'.",
        "" => "Looking at your network and devices. Allow camera and microphone if the browser asks.",
        verdict => verdict,
    };
    view! {
        <div class="lobby">
            <Header />
            <main class="checks">
                <h1>"Check your connection"</h1>
                <p class="lead" role="status" data-verdict="">
                    {words}
                </p>
                <ul>
                    {found}
                </ul>
                <a class="button plain" href="/check">{if waits { "Check" } else { "Check again" }}</a>
            </main>
        </div>
    }
}
