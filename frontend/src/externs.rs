//! What browsers have and web-sys does not, and what web-sys has without `catch`: an exception that passes through WASM
//! leaves a future behind that never ends, with all it holds. `clippy.toml` names what must not be called otherwise.

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use web_sys::{
    MediaStream, MediaStreamTrack, RtcConfiguration, RtcDataChannel, RtcDataChannelInit, RtcIceCandidateInit,
    RtcRtpParameters, RtcRtpTransceiver, RtcRtpTransceiverInit, RtcSessionDescriptionInit,
};

#[wasm_bindgen]
extern "C" {
    /// `RTCPeerConnection`, for its methods that web-sys lacks.
    pub(crate) type PeerConnectionExt;

    /// Makes the next offer gather anew; survives a rollback.
    #[wasm_bindgen(method, catch, js_name = restartIce)]
    pub(crate) fn restart_ice(this: &PeerConnectionExt) -> Result<(), JsValue>;

    /// Makes and sets the description that is due.
    #[wasm_bindgen(method, catch, js_name = setLocalDescription)]
    pub(crate) fn set_local_description(this: &PeerConnectionExt) -> Result<Promise, JsValue>;

    /// Applies their description.
    #[wasm_bindgen(method, catch, js_name = setRemoteDescription)]
    pub(crate) fn set_remote_description(
        this: &PeerConnectionExt,
        description: &RtcSessionDescriptionInit,
    ) -> Result<Promise, JsValue>;

    /// Adds a way to reach them.
    #[wasm_bindgen(method, catch, js_name = addIceCandidate)]
    pub(crate) fn add_ice_candidate(this: &PeerConnectionExt, init: &RtcIceCandidateInit) -> Result<Promise, JsValue>;

    /// What is sent and received.
    #[wasm_bindgen(method, catch, js_name = getTransceivers)]
    pub(crate) fn get_transceivers(this: &PeerConnectionExt) -> Result<Array, JsValue>;

    /// Adds one more thing to send and receive.
    #[wasm_bindgen(method, catch, js_name = addTransceiver)]
    pub(crate) fn add_transceiver(
        this: &PeerConnectionExt,
        kind: &str,
        init: &RtcRtpTransceiverInit,
    ) -> Result<RtcRtpTransceiver, JsValue>;

    /// Makes a data channel.
    #[wasm_bindgen(method, catch, js_name = createDataChannel)]
    pub(crate) fn create_data_channel(
        this: &PeerConnectionExt,
        label: &str,
        init: &RtcDataChannelInit,
    ) -> Result<RtcDataChannel, JsValue>;

    /// Counts of everything.
    #[wasm_bindgen(method, catch, js_name = getStats)]
    pub(crate) fn get_stats(this: &PeerConnectionExt) -> Result<Promise, JsValue>;

    /// Replaces the ICE servers.
    #[wasm_bindgen(method, catch, js_name = setConfiguration)]
    pub(crate) fn set_configuration(this: &PeerConnectionExt, configuration: &RtcConfiguration) -> Result<(), JsValue>;

    /// `RTCRtpReceiver`, for its methods that web-sys lacks.
    pub(crate) type ReceiverExt;

    /// Who was heard lately, and how loud.
    #[wasm_bindgen(method, catch, js_name = getSynchronizationSources)]
    pub(crate) fn synchronization_sources(this: &ReceiverExt) -> Result<Array, JsValue>;

    /// `RTCRtpSender`, for its methods.
    pub(crate) type SenderExt;

    /// Sends this from now on, or nothing.
    #[wasm_bindgen(method, catch, js_name = replaceTrack)]
    pub(crate) fn replace_track(this: &SenderExt, track: Option<&MediaStreamTrack>) -> Result<Promise, JsValue>;

    /// How it is encoded.
    #[wasm_bindgen(method, catch, js_name = getParameters)]
    pub(crate) fn get_parameters(this: &SenderExt) -> Result<RtcRtpParameters, JsValue>;

    /// Changes how it is encoded.
    #[wasm_bindgen(method, catch, js_name = setParameters)]
    pub(crate) fn set_parameters(this: &SenderExt, parameters: &RtcRtpParameters) -> Result<Promise, JsValue>;

    /// `RTCRtpTransceiver`, for its methods that web-sys lacks.
    pub(crate) type TransceiverExt;

    /// Which way it goes; throws for one that has ended.
    #[wasm_bindgen(method, setter, catch, js_name = direction)]
    pub(crate) fn set_direction(this: &TransceiverExt, direction: &str) -> Result<(), JsValue>;

    /// Ends both directions for good.
    #[wasm_bindgen(method, catch)]
    pub(crate) fn stop(this: &TransceiverExt) -> Result<(), JsValue>;

    /// `AnalyserNode`, for its methods.
    pub(crate) type AnalyserExt;

    /// How many samples it looks at.
    #[wasm_bindgen(method, setter, catch, js_name = fftSize)]
    pub(crate) fn set_fft_size(this: &AnalyserExt, samples: u32) -> Result<(), JsValue>;

    /// `Clipboard`, for its methods.
    pub(crate) type ClipboardExt;

    /// Copies a text.
    #[wasm_bindgen(method, catch, js_name = writeText)]
    pub(crate) fn write_text(this: &ClipboardExt, text: &str) -> Result<Promise, JsValue>;

    /// `HTMLMediaElement`, for its methods that web-sys lacks.
    pub(crate) type MediaElementExt;

    /// What it plays.
    #[wasm_bindgen(method, setter, catch, js_name = srcObject)]
    pub(crate) fn set_src_object(this: &MediaElementExt, stream: &MediaStream) -> Result<(), JsValue>;

    /// Plays through another speaker, where the browser can.
    #[wasm_bindgen(method, catch, js_name = setSinkId)]
    pub(crate) fn set_sink_id(this: &MediaElementExt, id: &str) -> Result<Promise, JsValue>;
}
