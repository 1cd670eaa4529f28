//! The own microphone and camera, and the devices there are.

use crate::clock;
use crate::inbox::Inbox;
use crate::js;
use crate::listener::Listener;
use holdfast::session::{Capture, Event, MediaEvent};
use holdfast::view::{Device, Devices, MediaKind, MediaProblem};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{MediaDeviceInfo, MediaDeviceKind, MediaDevices, MediaStream, MediaStreamConstraints, MediaStreamTrack};

/// A refusal that took longer than this came from a person and not from a setting.
const ANSWERED_MS: u64 = 500;

/// A running track and the listener that says when it ends.
struct Running {
    track: MediaStreamTrack,
    _listeners: [Listener; 3],
}

impl Drop for Running {
    fn drop(&mut self) {
        self.track.stop();
    }
}

#[derive(Default)]
struct Tracks {
    audio: Option<Running>,
    video: Option<Running>,
    muted: bool,
    covered: bool,
}

/// Called when a track of ours was replaced: every peer connection sends the new one.
pub(crate) type OnTrack = Rc<dyn Fn(MediaKind, Option<&MediaStreamTrack>)>;

/// Both inputs.
#[derive(Clone)]
pub(crate) struct Media {
    inbox: Inbox,
    tracks: Rc<RefCell<Tracks>>,
    /// The own picture, without sound.
    preview: MediaStream,
    on_track: OnTrack,
    _changes: Rc<Option<Listener>>,
}

fn media_devices() -> Option<MediaDevices> {
    let navigator = web_sys::window()?.navigator();
    if js::has(&navigator, "mediaDevices") { navigator.media_devices().ok() } else { None }
}

impl Media {
    pub(crate) fn new(inbox: Inbox, preview: MediaStream, on_track: OnTrack) -> Self {
        let changes = media_devices().map(|devices| {
            let inbox = inbox.clone();
            Listener::new(&devices, "devicechange", move |_| wasm_bindgen_futures::spawn_local(list(inbox.clone())))
        });
        Self { inbox, tracks: Rc::default(), preview, on_track, _changes: Rc::new(changes) }
    }

    pub(crate) const fn preview(&self) -> &MediaStream {
        &self.preview
    }

    /// The running track of a kind.
    pub(crate) fn track(&self, kind: MediaKind) -> Option<MediaStreamTrack> {
        let tracks = self.tracks.borrow();
        let running = match kind {
            MediaKind::Audio => &tracks.audio,
            MediaKind::Video => &tracks.video,
        };
        running.as_ref().map(|running| Clone::clone(&running.track))
    }

    /// Starts what is asked for and reports each kind.
    pub(crate) fn capture(&self, capture: Capture) {
        let media = self.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let Capture { audio, video } = capture;
            let both = audio.is_some() && video.is_some();
            let began = clock::now();
            let asked = get_user_media(audio.as_ref(), video.as_ref()).await;
            match asked {
                Ok(stream) => media.take(&stream),
                // It took a person's time: they answered for both, and are not asked twice more.
                Err(MediaProblem::Denied) if both && clock::now().since(began) > ANSWERED_MS => {
                    for kind in [MediaKind::Audio, MediaKind::Video] {
                        media.inbox.post(Event::Media(MediaEvent::Failed(kind, MediaProblem::Denied)));
                    }
                }
                // A failure of both names neither: ask for each, so that one may work without the other.
                Err(_) if both => {
                    media.capture_one(MediaKind::Audio, audio.as_ref(), None).await;
                    media.capture_one(MediaKind::Video, None, video.as_ref()).await;
                }
                Err(problem) => {
                    let kind = if audio.is_some() { MediaKind::Audio } else { MediaKind::Video };
                    media.inbox.post(Event::Media(MediaEvent::Failed(kind, problem)));
                }
            }
            list(media.inbox).await;
        });
    }

    async fn capture_one(&self, kind: MediaKind, audio: Option<&Option<String>>, video: Option<&Option<String>>) {
        match get_user_media(audio, video).await {
            Ok(stream) => self.take(&stream),
            Err(problem) => self.inbox.post(Event::Media(MediaEvent::Failed(kind, problem))),
        }
    }

    fn take(&self, stream: &MediaStream) {
        for track in stream.get_tracks().iter().filter_map(|track| track.dyn_into::<MediaStreamTrack>().ok()) {
            let kind = if track.kind() == "audio" { MediaKind::Audio } else { MediaKind::Video };
            self.put(kind, track);
        }
    }

    fn put(&self, kind: MediaKind, track: MediaStreamTrack) {
        let listen = |name, event: MediaEvent| {
            let inbox = self.inbox.clone();
            Listener::new(&track, name, move |_| inbox.post(Event::Media(event.clone())))
        };
        let listeners = [
            listen("ended", MediaEvent::Ended(kind)),
            listen("mute", MediaEvent::Interrupted(kind, true)),
            listen("unmute", MediaEvent::Interrupted(kind, false)),
        ];
        let starts_silent = track.muted();
        let id = js::get(&track.get_settings(), "deviceId").as_string().unwrap_or_default();
        // Not track.clone(), which is the browser's: a copy that would keep the camera running.
        let running = Running { track: Clone::clone(&track), _listeners: listeners };
        let old = {
            let mut tracks = self.tracks.borrow_mut();
            match kind {
                MediaKind::Audio => {
                    track.set_enabled(!tracks.muted);
                    tracks.audio.replace(running)
                }
                MediaKind::Video => {
                    track.set_enabled(!tracks.covered);
                    tracks.video.replace(running)
                }
            }
        };
        if kind == MediaKind::Video {
            self.preview.get_tracks().iter().for_each(|old| self.preview.remove_track(old.unchecked_ref()));
            self.preview.add_track(&track);
        }
        (self.on_track)(kind, Some(&track));
        drop(old);
        self.inbox.post(Event::Media(MediaEvent::Started(kind, id)));
        if starts_silent {
            self.inbox.post(Event::Media(MediaEvent::Interrupted(kind, true)));
        }
    }

    /// Stops a device and frees it.
    pub(crate) fn release(&self, kind: MediaKind) {
        let old = {
            let mut tracks = self.tracks.borrow_mut();
            match kind {
                MediaKind::Audio => tracks.audio.take(),
                MediaKind::Video => tracks.video.take(),
            }
        };
        if let Some(old) = old {
            self.preview.remove_track(&old.track);
            (self.on_track)(kind, None);
        }
    }

    /// Sends darkness, or pictures.
    pub(crate) fn set_covered(&self, covered: bool) {
        let mut tracks = self.tracks.borrow_mut();
        tracks.covered = covered;
        if let Some(running) = &tracks.video {
            running.track.set_enabled(!covered);
        }
    }

    /// Lets the microphone through, or sends silence.
    pub(crate) fn set_muted(&self, muted: bool) {
        let mut tracks = self.tracks.borrow_mut();
        tracks.muted = muted;
        if let Some(running) = &tracks.audio {
            running.track.set_enabled(!muted);
        }
    }
}

async fn get_user_media(
    audio: Option<&Option<String>>,
    video: Option<&Option<String>>,
) -> Result<MediaStream, MediaProblem> {
    let devices = media_devices().ok_or(MediaProblem::Unsupported)?;
    let constraints = MediaStreamConstraints::new();
    if let Some(device) = audio {
        constraints.set_audio(&with_device(device.as_deref(), &[]));
    }
    if let Some(device) = video {
        let ideal = |n: u32| js::object(&[("ideal", n.into())]);
        let size = [("width", ideal(960)), ("height", ideal(540)), ("frameRate", ideal(24))];
        constraints.set_video(&with_device(device.as_deref(), &size));
    }
    let asked = devices.get_user_media_with_constraints(&constraints).map_err(|error| problem(&error))?;
    let stream = JsFuture::from(asked).await.map_err(|error| problem(&error))?;
    stream.dyn_into().map_err(|_| MediaProblem::Other)
}

fn with_device(device: Option<&str>, more: &[(&str, JsValue)]) -> JsValue {
    let mut entries = more.to_vec();
    if let Some(id) = device {
        entries.push(("deviceId", js::object(&[("exact", id.into())])));
    }
    if entries.is_empty() { JsValue::TRUE } else { js::object(&entries) }
}

fn problem(error: &JsValue) -> MediaProblem {
    match js::error_name(error).as_str() {
        "NotAllowedError" | "SecurityError" => MediaProblem::Denied,
        "NotFoundError" | "OverconstrainedError" | "DevicesNotFoundError" => MediaProblem::Missing,
        "NotReadableError" | "AbortError" | "TrackStartError" => MediaProblem::Busy,
        "TypeError" => MediaProblem::Insecure,
        _ => MediaProblem::Other,
    }
}

/// Lists the devices and reports them.
async fn list(inbox: Inbox) {
    let Some(asked) = media_devices().and_then(|devices| devices.enumerate_devices().ok()) else { return };
    let Ok(found) = JsFuture::from(asked).await else { return };
    let mut devices = Devices::default();
    for info in js_sys::Array::from(&found).iter().filter_map(|one| one.dyn_into::<MediaDeviceInfo>().ok()) {
        let kind = info.kind();
        let places = match kind {
            MediaDeviceKind::Audioinput => &mut devices.microphones,
            MediaDeviceKind::Videoinput => &mut devices.cameras,
            MediaDeviceKind::Audiooutput => &mut devices.speakers,
            _ => continue,
        };
        let label = if info.label().is_empty() { format!("Device {}", places.len() + 1) } else { info.label() };
        if !info.device_id().is_empty() {
            places.push(Device { id: info.device_id(), label });
        }
    }
    inbox.post(Event::Media(MediaEvent::Devices(devices)));
}
