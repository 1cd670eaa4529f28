//! What arrives on every connection, read from its statistics a few times a second.

use crate::externs::PeerConnectionExt;
use crate::inbox::Inbox;
use crate::js;
use crate::pc::Connections;
use futures::future::{join_all, select};
use gloo_timers::callback::Interval;
use gloo_timers::future::TimeoutFuture;
use holdfast::peer::RtcEvent;
use holdfast::recovery::Flow;
use holdfast::session::Event;
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{RtcPeerConnection, RtcPeerConnectionState};

/// How often they are read.
const EVERY_MS: u32 = 200;
/// A reading that takes longer is given up.
const WITHIN_MS: u32 = 1_000;

/// Reads flows until it is dropped.
pub(crate) struct Flows {
    _timer: Interval,
}

impl Flows {
    pub(crate) fn new(inbox: Inbox, connections: Connections) -> Self {
        let busy = Rc::new(Cell::new(false));
        let timer = Interval::new(EVERY_MS, move || {
            if busy.replace(true) {
                return; // The last reading is not done: this page has more urgent things to do.
            }
            let (inbox, all, busy) = (inbox.clone(), connections.all(), Rc::clone(&busy));
            wasm_bindgen_futures::spawn_local(async move {
                let readings = all.into_iter().map(async |(peer, epoch, pc)| {
                    let fresh = pc.connection_state() == RtcPeerConnectionState::New;
                    if let Some(flow) = read(&pc).await.filter(|_| !fresh) {
                        inbox.post(Event::Rtc(peer, epoch, RtcEvent::Flowed(flow)));
                    }
                });
                // A connection that gives no answer keeps nobody from looking at the others.
                let (all, late) = (join_all(readings), TimeoutFuture::new(WITHIN_MS));
                futures::pin_mut!(all);
                select(all, late).await;
                busy.set(false);
            });
        });
        Self { _timer: timer }
    }
}

async fn read(pc: &RtcPeerConnection) -> Option<Flow> {
    let reports = pc.unchecked_ref::<PeerConnectionExt>().get_stats().ok()?;
    let reports = JsFuture::from(reports).await.ok()?;
    // A report is read like a map, but it is none.
    let reports: js_sys::Map = reports.unchecked_into();
    let mut flow = Flow::default();
    let mut pair = JsValue::UNDEFINED;
    reports.for_each(&mut |report, _| match text(&report, "type").as_deref() {
        Some("inbound-rtp") => {
            flow.bytes += number(&report, "bytesReceived");
            flow.frames += number(&report, "framesDecoded");
            if text(&report, "kind").as_deref() == Some("video") {
                flow.picture_bytes += number(&report, "bytesReceived");
            }
        }
        // The transport names its pair; Firefox, which has no transport here, marks the pair.
        Some("transport") => pair = js::get(&report, "selectedCandidatePairId"),
        Some("candidate-pair") if js::get(&report, "selected").is_truthy() => pair = js::get(&report, "id"),
        _ => {}
    });
    let pair = reports.get(&pair);
    let is_relay = |end: &str| text(&reports.get(&js::get(&pair, end)), "candidateType").map(|kind| kind == "relay");
    flow.relayed = is_relay("localCandidateId").zip(is_relay("remoteCandidateId")).map(|(ours, theirs)| ours || theirs);
    Some(flow)
}

fn text(report: &JsValue, name: &str) -> Option<String> {
    js::get(report, name).as_string()
}

fn number(report: &JsValue, name: &str) -> u64 {
    js::get(report, name).as_f64().unwrap_or(0.0) as u64
}
