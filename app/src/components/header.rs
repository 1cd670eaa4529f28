//! The name of the house at the top of a page, and the way back to the start.

use super::icon::{Glyph, Icon};
use leptos::prelude::*;

/// On every page but the call itself.
#[component]
pub(crate) fn Header() -> impl IntoView {
    view! {
        <header>
            <a class="brand" href="/"><Icon glyph=Glyph::Brand />"Holdfast"</a>
        </header>
    }
}
