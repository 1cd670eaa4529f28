//! The data channel of a connection: the way from page to page.

use crate::externs::PeerConnectionExt;
use crate::inbox::Inbox;
use crate::listener::Listener;
use holdfast::session::{ChannelEvent, Event};
use holdfast::{PcEpoch, PeerId};
use wasm_bindgen::JsCast;
use web_sys::{MessageEvent, RtcDataChannel, RtcDataChannelInit, RtcDataChannelState, RtcPeerConnection};

/// Both sides make it under this number, so that neither has to announce it.
const NUMBER: u16 = 0;
/// More than this waiting to go out means that nothing goes out: what matters is sent again by its sender.
const WAITING_BYTES: u32 = 1 << 20;

/// Makes the channel; none where the browser cannot: the call goes on without.
pub(crate) fn open(pc: &RtcPeerConnection) -> Option<RtcDataChannel> {
    let init = RtcDataChannelInit::new();
    init.set_negotiated(true);
    init.set_id(NUMBER);
    pc.unchecked_ref::<PeerConnectionExt>().create_data_channel("pages", &init).ok()
}

/// Posts what happens on it.
pub(crate) fn listen(channel: &RtcDataChannel, peer: PeerId, epoch: PcEpoch, inbox: &Inbox) -> Vec<Listener> {
    let post = |name: &'static str, event: fn(&web_sys::Event) -> Option<ChannelEvent>| {
        let inbox = inbox.clone();
        Listener::new(channel, name, move |what| {
            if let Some(event) = event(&what) {
                inbox.post_from_page(Event::Channel(peer, epoch, event));
            }
        })
    };
    vec![
        post("open", |_| Some(ChannelEvent::Opened)),
        post("close", |_| Some(ChannelEvent::Closed)),
        post("message", |what| {
            let text = what.dyn_ref::<MessageEvent>()?.data().as_string()?;
            Some(ChannelEvent::Text(text))
        }),
    ]
}

/// Sends a message, if it can be sent now.
pub(crate) fn send(channel: &RtcDataChannel, text: &str) {
    if channel.ready_state() == RtcDataChannelState::Open && channel.buffered_amount() < WAITING_BYTES {
        let _ = channel.send_with_str(text);
    }
}
