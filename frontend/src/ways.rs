//! Tries one STUN or TURN server: does it give this browser an address?

use crate::js;
use crate::listener::Listener;
use crate::pc::{configuration, set_local};
use futures::StreamExt;
use futures::channel::mpsc;
use futures::{FutureExt, select_biased};
use gloo_timers::future::TimeoutFuture;
use holdfast::recovery::Route;
use holdfast::view::Subject;
use holdfast::wire::IceServer;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{RtcPeerConnection, RtcPeerConnectionIceEvent};

/// A connection that finds nothing is kept no longer than this.
const WITHIN_MS: u32 = 12_000;

/// Steps that may wait; there are a handful.
const STEPS: usize = 64;

/// What the browser says while it gathers.
enum Step {
    Found(String),
    Failed,
    Finished,
}

/// Whether the server answers. A relay must give an address of its own; a STUN server may tell the browser nothing new.
pub(crate) async fn gives_an_address(server: IceServer) -> bool {
    let relay = Subject::of(&server).is_relay();
    let route = if relay { Route::Relay } else { Route::Any };
    let Ok(pc) = RtcPeerConnection::new_with_configuration(&configuration(&[server], route)) else { return false };
    let works = gather(&pc, relay).await;
    pc.close();
    works.unwrap_or(false)
}

async fn gather(pc: &RtcPeerConnection, relay: bool) -> Result<bool, JsValue> {
    let (mut steps, mut said) = mpsc::channel(STEPS);
    let mut failed = steps.clone();
    let _listeners = [
        Listener::new(pc, "icecandidate", move |event| {
            let candidate = event.dyn_ref::<RtcPeerConnectionIceEvent>().and_then(RtcPeerConnectionIceEvent::candidate);
            let line = candidate.map(|candidate| candidate.candidate()).filter(|line| !line.is_empty());
            let _ = steps.try_send(line.map_or(Step::Finished, Step::Found));
        }),
        // 701: no contact. Other codes come with an answer that is none of ours.
        Listener::new(pc, "icecandidateerror", move |event| {
            if js::get(&event, "errorCode").as_f64() == Some(701.0) {
                let _ = failed.try_send(Step::Failed);
            }
        }),
    ];
    pc.create_data_channel("check");
    set_local(pc).await?;
    let mut late = TimeoutFuture::new(WITHIN_MS).fuse();
    let mut silent = false;
    loop {
        select_biased! {
            step = said.next() => match step {
                Some(Step::Found(line)) if line.contains(" typ relay") => return Ok(true),
                Some(Step::Found(line)) if !relay && line.contains(" typ srflx") => return Ok(true),
                Some(Step::Found(_)) => {}
                Some(Step::Failed) => silent = true,
                Some(Step::Finished) => return Ok(!relay && !silent),
                None => return Ok(false),
            },
            () = late => return Ok(false),
        }
    }
}
