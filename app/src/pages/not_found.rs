//! The page for addresses that lead nowhere.

use crate::components::header::Header;
use leptos::prelude::*;

/// Any other path.
#[component]
pub(crate) fn NotFoundPage() -> impl IntoView {
    view! {
        <div class="lobby">
            <Header />
            <main class="ended">
                <h1>"There is nothing at this address."</h1>
                <p>"A room's link looks like /r/kavot-imure-sakem."</p>
                <a class="button primary" href="/">"Go to the start"</a>
            </main>
        </div>
    }
}
