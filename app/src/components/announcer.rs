//! Says to screen readers what sighted people see happen.

use crate::call::use_call;
use leptos::prelude::*;

/// A polite live region. Every other sentence ends in a no-break space, so that the same words count as new.
#[component]
pub(crate) fn Announcer() -> impl IntoView {
    let call = use_call();
    let sentence = call.memo(|view| view.announcement.clone());
    let text = move || sentence.with(|(n, text)| if n % 2 == 0 { text.clone() } else { format!("{text}\u{a0}") });
    view! { <div class="sr-only" role="status" aria-live="polite" data-announcer="">{text}</div> }
}
