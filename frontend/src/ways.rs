//! Tries one STUN or TURN server: does it give this browser an address?

use crate::externs::PeerConnectionExt;
use crate::js;
use crate::listener::Listener;
use crate::pc::{configuration, set_local};
use futures::StreamExt;
use futures::channel::mpsc;
use futures::{FutureExt, select_biased};
use gloo_timers::future::TimeoutFuture;
use holdfast::Limits;
use holdfast::recovery::Route;
use holdfast::session::Tried;
use holdfast::view::Subject;
use holdfast::wire::IceServer;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{RtcDataChannelInit, RtcPeerConnection, RtcPeerConnectionIceEvent};

/// A connection that finds nothing is kept no longer than this.
const WITHIN_MS: u32 = Limits::CHECK_WITHIN_MS as u32 + 1_000;

/// Steps that may wait; there are a handful.
const STEPS: usize = 64;

/// What the browser says while it gathers.
enum Step {
    Found(String),
    Failed,
    Finished,
}

/// What comes of the server.
pub(crate) async fn ask(server: IceServer) -> Tried {
    let relay = Subject::of(&server).is_relay();
    let route = if relay { Route::Relay } else { Route::Any };
    let Ok(pc) = RtcPeerConnection::new_with_configuration(&configuration(&[server], route)) else {
        return Tried::Silent;
    };
    let tried = gather(&pc, relay).await;
    pc.close();
    tried.unwrap_or(Tried::Silent)
}

async fn gather(pc: &RtcPeerConnection, relay: bool) -> Result<Tried, JsValue> {
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
    pc.unchecked_ref::<PeerConnectionExt>().create_data_channel("check", &RtcDataChannelInit::new())?;
    set_local(pc).await?;
    let mut late = TimeoutFuture::new(WITHIN_MS).fuse();
    // A browser that does not say what failed cannot say that nothing did.
    let mut silent = !js_sys::Reflect::has(pc, &"onicecandidateerror".into()).unwrap_or(false);
    loop {
        select_biased! {
            step = said.next() => match step {
                Some(Step::Found(line)) if line.contains(" typ relay") => return Ok(Tried::Address),
                Some(Step::Found(line)) if !relay && line.contains(" typ srflx") => return Ok(Tried::Address),
                Some(Step::Found(_)) => {}
                Some(Step::Failed) => silent = true,
                Some(Step::Finished) => return Ok(if silent { Tried::Silent } else { Tried::Nothing }),
                None => return Ok(Tried::Silent),
            },
            () = late => return Ok(Tried::Silent),
        }
    }
}
