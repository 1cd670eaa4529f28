//! The port to the call: what the pages may see and do. The frontend plugs in; on the server it is detached.

use holdfast::session::Intent;
use holdfast::{CallView, Millis};
use leptos::prelude::*;

/// What is shown and what can be wanted.
#[derive(Clone, Copy)]
pub struct Call {
    /// Everything to show.
    pub view: RwSignal<CallView>,
    send: Callback<Intent>,
    /// By how many minutes the person's clock is ahead of UTC at a time: in summer by others than in winter.
    pub offset_min: fn(Millis) -> i32,
}

impl Call {
    /// A call behind which `send` takes what the person wants, and `offset_min` knows their clock.
    #[must_use]
    pub fn new(view: RwSignal<CallView>, send: Callback<Intent>, offset_min: fn(Millis) -> i32) -> Self {
        Self { view, send, offset_min }
    }

    /// A call that nobody is behind: the server renders with it.
    #[must_use]
    pub fn detached() -> Self {
        Self::new(RwSignal::new(CallView::default()), Callback::new(|_| ()), |_| 0)
    }

    /// The person wants something.
    pub fn send(self, intent: Intent) {
        self.send.run(intent);
    }

    /// A part of the view, read anew whenever anything changes: right for texts and attributes, which are compared
    /// before the page is touched.
    pub fn part<T>(
        self,
        part: impl Fn(&CallView) -> T + Copy + Send + Sync + 'static,
    ) -> impl Fn() -> T + Copy + Send + Sync + 'static {
        move || self.view.with(part)
    }

    /// A part of the view that changes only when the part does: right for lists and for what has side effects.
    #[must_use]
    pub fn memo<T: PartialEq + Send + Sync + 'static>(
        self,
        part: impl Fn(&CallView) -> T + Send + Sync + 'static,
    ) -> Memo<T> {
        Memo::new(move |_| self.view.with(&part))
    }
}

/// The call of this page.
#[must_use]
pub fn use_call() -> Call {
    use_context().unwrap_or_else(Call::detached)
}
