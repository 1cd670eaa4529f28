//! The loop: next event, state machine, effects, view.

use crate::clock;
use crate::inbox::{Inbox, Mail};
use crate::run::Browser;
use crate::{keys, net};
use futures::future::poll_fn;
use futures::{FutureExt, pin_mut, select_biased};
use gloo_timers::future::TimeoutFuture;
use holdfast::session::Event;
use holdfast::{CallView, Millis, Session};
use leptos::prelude::{GetUntracked, RwSignal, Set, WithUntracked};
use std::task::Poll;

/// Events taken before the view is published, so that a burst redraws once.
const BATCH: usize = 64;
/// The same for what other pages say.
const PAGES_BATCH: usize = 16;
/// The longest sleep: timers of more than 24 days overflow in browsers, and an hour is as good.
const LONGEST_SLEEP_MS: u64 = 3_600_000;

/// Runs for as long as the page lives.
pub(crate) async fn run(inbox: Inbox, mut mail: Mail, view: RwSignal<CallView>) {
    let mut session = Session::new(u64::from_le_bytes(random()), random());
    let mut browser = Browser::new(inbox.clone());
    let _listeners = (net::listen(&inbox), keys::listen(&inbox));
    loop {
        let mut timer = sleep_until(session.next_deadline()).fuse();
        let first = {
            let next = mail.next().fuse();
            pin_mut!(next);
            select_biased! {
                event = next => match event {
                    Some(event) => event,
                    None => return,
                },
                () = timer => Event::Tick,
            }
        };
        browser.run(session.handle(clock::now(), first));
        for next in mail.waiting(BATCH, PAGES_BATCH) {
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

/// Random bytes from the browser's secure source, which every browser with WASM has.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    let crypto = web_sys::window().and_then(|window| window.crypto().ok());
    if !crypto.is_some_and(|crypto| crypto.get_random_values_with_u8_array(&mut bytes).is_ok()) {
        bytes = std::array::from_fn(|_| (js_sys::Math::random() * 256.0) as u8);
    }
    bytes
}
