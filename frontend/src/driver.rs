//! The loop: next event, state machine, effects, view.

use crate::clock;
use crate::inbox::Inbox;
use crate::run::Browser;
use crate::{keys, net};
use futures::channel::mpsc;
use futures::future::poll_fn;
use futures::{FutureExt, StreamExt, select_biased};
use gloo_timers::future::TimeoutFuture;
use holdfast::session::Event;
use holdfast::{CallView, Millis, Session};
use leptos::prelude::{GetUntracked, RwSignal, Set, WithUntracked};
use std::task::Poll;

/// Events taken before the view is published, so that a burst redraws once.
const BATCH: usize = 64;
/// The longest sleep: timers of more than 24 days overflow in browsers, and an hour is as good.
const LONGEST_SLEEP_MS: u64 = 3_600_000;

/// Runs for as long as the page lives.
pub(crate) async fn run(inbox: Inbox, mut events: mpsc::Receiver<Event>, view: RwSignal<CallView>) {
    let mut session = Session::new(seed());
    let mut browser = Browser::new(inbox.clone());
    let _listeners = (net::listen(&inbox), keys::listen(&inbox));
    loop {
        let mut timer = sleep_until(session.next_deadline()).fuse();
        let first = select_biased! {
            event = events.next() => match event {
                Some(event) => event,
                None => return,
            },
            () = timer => Event::Tick,
        };
        browser.run(session.handle(clock::now(), first));
        for _ in 0..BATCH {
            let Ok(next) = events.try_recv() else { break };
            browser.run(session.handle(clock::now(), next));
        }
        let_others_run().await;
        let next = session.view();
        if view.with_untracked(|known| *known != next) {
            view.set(next);
        }
        debug_assert!(view.get_untracked().tiles.len() < holdfast::Limits::SEATS);
    }
}

/// Lets what the effects have started begin before the page is redrawn: the browser negotiates while we draw.
async fn let_others_run() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn sleep_until(deadline: Option<Millis>) -> TimeoutFuture {
    let ms = deadline.map_or(LONGEST_SLEEP_MS, |at| at.since(clock::now()).min(LONGEST_SLEEP_MS));
    TimeoutFuture::new(u32::try_from(ms).unwrap_or(u32::MAX))
}

/// A seed for jitter and message ids, from the browser's secure source where there is one.
fn seed() -> u64 {
    let mut bytes = [0_u8; 8];
    let crypto = web_sys::window().and_then(|window| window.crypto().ok());
    match crypto.map(|crypto| crypto.get_random_values_with_u8_array(&mut bytes)) {
        Some(Ok(_)) => u64::from_le_bytes(bytes),
        Some(Err(_)) | None => (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64,
    }
}
