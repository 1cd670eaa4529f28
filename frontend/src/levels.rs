//! How loud everyone is and how their pictures fit, a few times a second.

use crate::externs::{AnalyserExt, ReceiverExt};
use crate::inbox::Inbox;
use crate::js;
use crate::pc::Connections;
use crate::screen::Screen;
use gloo_timers::callback::Interval;
use holdfast::PeerId;
use holdfast::session::{Event, MediaEvent};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use web_sys::{
    AnalyserNode, AudioContext, AudioContextState, MediaStream, MediaStreamAudioSourceNode, MediaStreamTrack,
    RtcRtpReceiver,
};

/// How often levels are read.
const EVERY_MS: u32 = 150;

/// The own microphone, listened to.
struct Ear {
    context: AudioContext,
    analyser: AnalyserNode,
    _source: MediaStreamAudioSourceNode,
}

impl Drop for Ear {
    fn drop(&mut self) {
        let _ = self.context.close();
    }
}

/// Reads levels until it is dropped.
pub(crate) struct Levels {
    ear: Rc<RefCell<Option<Ear>>>,
    _timer: Interval,
}

impl Levels {
    pub(crate) fn new(inbox: Inbox, connections: Connections) -> Self {
        let ear = Rc::<RefCell<Option<Ear>>>::default();
        let listening = Rc::clone(&ear);
        let timer = Interval::new(EVERY_MS, move || {
            Screen::fit();
            let post = |who: Option<PeerId>, level| inbox.post(Event::Media(MediaEvent::Level(who, level)));
            if let Some(ear) = &*listening.borrow() {
                if ear.context.state() == AudioContextState::Suspended {
                    let _ = ear.context.resume(); // Granted with the first click or key on the page.
                }
                let level = loudness(&ear.analyser);
                Screen::show_level(level);
                post(None, level);
            }
            for (peer, receiver) in connections.audio_receivers() {
                post(Some(peer), heard(&receiver));
            }
        });
        Self { ear, _timer: timer }
    }

    /// Listens to this microphone from now on, or to none.
    pub(crate) fn listen(&self, track: Option<&MediaStreamTrack>) {
        *self.ear.borrow_mut() = track.and_then(open);
        if track.is_none() {
            Screen::show_level(0);
        }
    }
}

fn open(track: &MediaStreamTrack) -> Option<Ear> {
    let context = AudioContext::new().ok()?;
    let stream = MediaStream::new().ok()?;
    stream.add_track(track);
    let source = context.create_media_stream_source(&stream).ok()?;
    let analyser = context.create_analyser().ok()?;
    let _ = analyser.unchecked_ref::<AnalyserExt>().set_fft_size(512); // Else it looks at 2,048.
    source.connect_with_audio_node(&analyser).ok()?;
    Some(Ear { context, analyser, _source: source })
}

/// The highest swing of the last samples, 0 to 100.
fn loudness(analyser: &AnalyserNode) -> u8 {
    let mut samples = [128_u8; 512];
    analyser.get_byte_time_domain_data(&mut samples);
    let swing = samples.iter().map(|sample| sample.abs_diff(128)).max().unwrap_or(0);
    u8::try_from(u16::from(swing) * 100 / 128).unwrap_or(100)
}

fn heard(receiver: &RtcRtpReceiver) -> u8 {
    let sources = receiver.unchecked_ref::<ReceiverExt>().synchronization_sources();
    let level = sources.ok().and_then(|sources| js::get(&sources.get(0), "audioLevel").as_f64()).unwrap_or(0.0);
    (level.clamp(0.0, 1.0) * 100.0) as u8
}
