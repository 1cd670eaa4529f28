//! What browsers have and web-sys does not.

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use web_sys::RtcConfiguration;

#[wasm_bindgen]
extern "C" {
    /// `RTCPeerConnection`, for its methods that web-sys lacks.
    pub(crate) type PeerConnectionExt;

    /// Makes the next offer gather anew; survives a rollback.
    #[wasm_bindgen(method, js_name = restartIce)]
    pub(crate) fn restart_ice(this: &PeerConnectionExt);

    /// Makes and sets the description that is due.
    #[wasm_bindgen(method, js_name = setLocalDescription)]
    pub(crate) fn set_local_description(this: &PeerConnectionExt) -> Promise;

    /// Replaces the ICE servers.
    #[wasm_bindgen(method, catch, js_name = setConfiguration)]
    pub(crate) fn set_configuration(this: &PeerConnectionExt, configuration: &RtcConfiguration) -> Result<(), JsValue>;

    /// `RTCRtpReceiver`, for its methods that web-sys lacks.
    pub(crate) type ReceiverExt;

    /// Who was heard lately, and how loud.
    #[wasm_bindgen(method, catch, js_name = getSynchronizationSources)]
    pub(crate) fn synchronization_sources(this: &ReceiverExt) -> Result<Array, JsValue>;

    /// `RTCRtpTransceiver`, for its methods that web-sys lacks.
    pub(crate) type TransceiverExt;

    /// Ends both directions for good.
    #[wasm_bindgen(method, catch)]
    pub(crate) fn stop(this: &TransceiverExt) -> Result<(), JsValue>;

    /// `HTMLMediaElement`, for its methods that web-sys lacks.
    pub(crate) type MediaElementExt;

    /// Plays through another speaker, where the browser can.
    #[wasm_bindgen(method, catch, js_name = setSinkId)]
    pub(crate) fn set_sink_id(this: &MediaElementExt, id: &str) -> Result<Promise, JsValue>;
}
