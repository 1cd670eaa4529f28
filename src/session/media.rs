//! The own microphone and camera: what the person wants, what runs, and what to do when a device fails.

use super::people::Person;
use super::{Capture, Effect, MediaEvent, Session};
use crate::id::PeerId;
use crate::limits::Limits;
use crate::time::Millis;
use crate::view::{DeviceState, Devices, MediaKind, MediaProblem, Phase, SelfView, UNHEARD, question};
use crate::wire::{ClientMsg, MediaState, PeerMsg};
use std::sync::Arc;

/// One input: what is wanted and what runs.
#[derive(Clone, Debug)]
struct Input {
    /// The person's intent. Nothing but the person changes it.
    wanted: bool,
    running: bool,
    starting: bool,
    /// Not started before the person does something.
    held: bool,
    problem: Option<MediaProblem>,
    device: Option<String>,
    /// The device that ran last: where the chosen one fails, this one goes on.
    ran: Option<String>,
    /// Since when the browser has not answered.
    asked: Option<Millis>,
    /// It takes so long that the browser must be asking the person.
    asks: bool,
    /// A press of the button has said so.
    said: bool,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            wanted: true,
            running: false,
            starting: false,
            held: false,
            problem: None,
            device: None,
            ran: None,
            asked: None,
            asks: false,
            said: false,
        }
    }
}

impl Input {
    const fn state(&self) -> DeviceState {
        match (self.wanted, self.running, self.problem) {
            (false, _, _) => DeviceState::Off,
            (true, true, Some(MediaProblem::Interrupted)) => DeviceState::Failed(MediaProblem::Interrupted),
            (true, true, _) => DeviceState::On,
            (true, false, Some(problem)) => DeviceState::Failed(problem),
            (true, false, None) if self.held => DeviceState::Held,
            (true, false, None) if self.asks => DeviceState::Asking,
            (true, false, None) => DeviceState::Starting,
        }
    }

    const fn flows(&self) -> bool {
        self.wanted && self.running
    }

    /// Notes the time of a question to the browser; true when it has just become one to the person.
    fn wait(&mut self, now: Millis) -> bool {
        if !self.starting {
            (self.asked, self.asks, self.said) = (None, false, false);
            return false;
        }
        let since = *self.asked.get_or_insert(now);
        let asked = std::mem::replace(&mut self.asks, now.since(since) >= Limits::ASKS_AFTER_MS);
        self.asks && !asked && self.wanted
    }

    /// The first press while the browser asks explains; only the next one switches off.
    const fn explains(&mut self) -> bool {
        let explains = self.asks && self.wanted && !self.said;
        self.said = self.asks;
        explains
    }
}

/// Both inputs and the speaker.
#[derive(Debug, Default)]
pub(super) struct Media {
    microphone: Input,
    camera: Input,
    devices: Arc<Devices>,
    barred: Option<MediaProblem>,
    /// Nothing of ours goes out, whatever is wanted: the person cannot see that they are in a call.
    paused: bool,
    /// The browser plays no sound before a click or key.
    unheard: bool,
}

impl Media {
    pub(super) fn set_barred(&mut self, barred: Option<MediaProblem>) {
        self.barred = barred;
        if barred.is_some() {
            (self.microphone.problem, self.camera.problem) = (barred, barred);
        }
    }

    pub(super) fn set_wanted(&mut self, media: MediaState) {
        (self.microphone.wanted, self.camera.wanted) = (media.audio, media.video);
    }

    /// What the others are told: what they can expect to hear and see now.
    pub(super) const fn state(&self) -> MediaState {
        MediaState {
            audio: self.microphone.flows() && self.microphone.problem.is_none(),
            video: self.camera.flows() && self.camera.problem.is_none(),
        }
    }

    /// What the person wants, whatever the devices do.
    pub(super) const fn wanted(&self) -> MediaState {
        MediaState { audio: self.microphone.wanted, video: self.camera.wanted }
    }

    /// Whether the others cannot be heard before a click or key.
    pub(super) const fn is_unheard(&self) -> bool {
        self.unheard
    }

    /// When a question that has no answer yet must be one to the person.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        let waits = [&self.microphone, &self.camera].into_iter().filter(|input| !input.asks);
        waits.filter_map(|input| input.asked).map(|at| at.plus(Limits::ASKS_AFTER_MS)).min()
    }

    /// What the browser asks the person, if it has just begun to.
    pub(super) fn wait(&mut self, now: Millis) -> Option<&'static str> {
        let (microphone, camera) = (self.microphone.wait(now), self.camera.wait(now));
        if microphone || camera { question(self.microphone.state(), self.camera.state()) } else { None }
    }

    pub(super) fn devices(&self) -> Arc<Devices> {
        Arc::clone(&self.devices)
    }

    pub(super) fn view(&self, name: &str, peer: Option<PeerId>, speaking: bool) -> SelfView {
        SelfView {
            name: name.to_owned(),
            peer,
            microphone: self.microphone.state(),
            camera: self.camera.state(),
            speaking: speaking && self.microphone.flows(),
            paused: self.paused,
        }
    }

    /// Starts nothing before the person does something.
    pub(super) const fn hold(&mut self) {
        (self.microphone.held, self.camera.held) = (true, true);
    }

    /// The person did something; whether that was waited for.
    pub(super) const fn free(&mut self) -> bool {
        let held = self.microphone.held || self.camera.held;
        (self.microphone.held, self.camera.held) = (false, false);
        held
    }

    /// Starts what is wanted and does not run, with one question to the person for both.
    pub(super) fn start(&mut self) -> Vec<Effect> {
        if self.barred.is_some() {
            return vec![];
        }
        let mut capture = Capture::default();
        for (input, slot) in [(&mut self.microphone, &mut capture.audio), (&mut self.camera, &mut capture.video)] {
            if input.wanted && !input.running && !input.starting && !input.held {
                input.starting = true;
                *slot = Some(input.device.clone());
            }
        }
        if capture == Capture::default() { vec![] } else { vec![Effect::Capture(capture)] }
    }

    /// Frees both devices; what is wanted stays.
    pub(super) fn stop(&mut self) -> Vec<Effect> {
        for input in [&mut self.microphone, &mut self.camera] {
            (input.running, input.starting) = (false, false);
        }
        vec![Effect::Release(MediaKind::Audio), Effect::Release(MediaKind::Video)]
    }

    /// Sends silence and darkness while `paused`; what is wanted stays.
    fn set_paused(&mut self, paused: bool) -> Vec<Effect> {
        self.paused = paused;
        // Also where nothing runs: a device may be on its way, and the one before it still sends.
        let mut effects = vec![Effect::Cover(paused)];
        if paused {
            effects.push(Effect::Mute);
        } else if self.microphone.wanted {
            effects.push(Effect::Unmute);
        }
        effects
    }

    const fn input(&mut self, kind: MediaKind) -> &mut Input {
        match kind {
            MediaKind::Audio => &mut self.microphone,
            MediaKind::Video => &mut self.camera,
        }
    }

    fn restart(&mut self, kind: MediaKind) -> Vec<Effect> {
        if self.barred.is_some() {
            return vec![];
        }
        let input = self.input(kind);
        (input.running, input.starting, input.held) = (false, true, false);
        (input.problem, input.asked) = (None, None);
        let device = Some(input.device.clone());
        let capture = match kind {
            MediaKind::Audio => Capture { audio: device, video: None },
            MediaKind::Video => Capture { audio: None, video: device },
        };
        vec![Effect::Capture(capture)]
    }

    pub(super) fn choose(&mut self, kind: MediaKind, id: String) -> Vec<Effect> {
        // Shown as chosen until it fails: then the list has something to go back from.
        self.show(kind, id.clone());
        self.input(kind).device = Some(id).filter(|id| !id.is_empty());
        let input = self.input(kind);
        if input.wanted || input.running { self.restart(kind) } else { vec![] } // A muted one stays muted.
    }

    pub(super) fn choose_speaker(&mut self, id: String) -> Vec<Effect> {
        Arc::make_mut(&mut self.devices).speaker.clone_from(&id);
        vec![Effect::SetSpeaker(id)]
    }

    fn speaker_failed(&mut self) -> Option<Effect> {
        let speaker = std::mem::take(&mut Arc::make_mut(&mut self.devices).speaker);
        (!speaker.is_empty()).then(|| Effect::SetSpeaker(String::new()))
    }

    fn show(&mut self, kind: MediaKind, id: String) {
        let devices = Arc::make_mut(&mut self.devices);
        match kind {
            MediaKind::Audio => devices.microphone = id,
            MediaKind::Video => devices.camera = id,
        }
    }

    fn started(&mut self, kind: MediaKind, id: String) -> Vec<Effect> {
        let input = self.input(kind);
        input.ran = Some(id.clone()).filter(|id| !id.is_empty());
        (input.running, input.starting, input.problem) = (true, false, None);
        let wanted = input.wanted;
        self.show(kind, id);
        match (kind, wanted) {
            (MediaKind::Audio, true) if !self.paused => vec![Effect::Unmute],
            // Switched off while it was starting.
            (MediaKind::Audio, false | true) => vec![Effect::Mute],
            (MediaKind::Video, true) => vec![Effect::Cover(self.paused)],
            (MediaKind::Video, false) => {
                self.camera.running = false;
                vec![Effect::Release(MediaKind::Video)]
            }
        }
    }
}

impl Session {
    /// Whoever cannot see that they are in a call is neither heard nor seen in it.
    pub(super) fn pause_unseen(&mut self, now: Millis) -> Vec<Effect> {
        let paused = self.phase == Phase::InCall && (self.frozen || self.is_cut_off(now));
        if paused == self.media.paused {
            return vec![];
        }
        let mut effects = self.media.set_paused(paused);
        match (paused, self.phase) {
            (true, _) => self.announce("Nobody hears or sees you until you are back."),
            (false, Phase::InCall) => {
                effects.extend(self.notify(now, "You are back in the call."));
            }
            (false, _) => {}
        }
        effects
    }

    /// For a while now neither the server nor anybody else has been heard of.
    fn is_cut_off(&self, now: Millis) -> bool {
        let lost = |person: &Person| {
            let since = person.peer.recovery().wrong_since();
            since.is_some_and(|at| now.since(at) >= Limits::PAUSE_AFTER_MS)
        };
        !self.link.is_online() && !self.people.is_empty() && self.people.values().all(lost)
    }

    pub(super) fn media_event(&mut self, now: Millis, event: MediaEvent) -> Vec<Effect> {
        match &event {
            // An answer to a question asked before the person left.
            MediaEvent::Started(kind, _) if !self.wants_devices() => return vec![Effect::Release(*kind)],
            MediaEvent::Failed(..) | MediaEvent::Ended(_) | MediaEvent::Interrupted(..) if !self.wants_devices() => {
                return vec![];
            }
            _ => {}
        }
        let before = self.media.state();
        let mut effects = match event {
            MediaEvent::Started(kind, id) => self.media.started(kind, id),
            MediaEvent::Failed(kind, problem) => self.device_failed(now, kind, problem),
            MediaEvent::Ended(kind) => self.device_ended(now, kind),
            MediaEvent::Interrupted(kind, now_is) => self.device_interrupted(now, kind, now_is),
            MediaEvent::Devices(found) => {
                let known = &self.media.devices;
                let (camera, microphone, speaker) =
                    (known.camera.clone(), known.microphone.clone(), known.speaker.clone());
                self.media.devices = Arc::new(Devices { camera, microphone, speaker, ..found });
                vec![]
            }
            MediaEvent::Level(who, level) => {
                self.hear(now, who, level);
                vec![]
            }
            MediaEvent::Unheard(unheard) => {
                if unheard && !std::mem::replace(&mut self.media.unheard, unheard) {
                    self.announce(UNHEARD);
                }
                self.media.unheard = unheard;
                vec![]
            }
            MediaEvent::SpeakerFailed => match self.media.speaker_failed() {
                Some(usual) => {
                    let _ = self.notify(now, "That speaker cannot be used. The usual one plays on.");
                    vec![usual]
                }
                None => vec![], // The usual one: there is no other to go to.
            },
        };
        effects.extend(self.tell_media(before));
        effects
    }

    fn device_failed(&mut self, now: Millis, kind: MediaKind, problem: MediaProblem) -> Vec<Effect> {
        let input = self.media.input(kind);
        (input.running, input.starting) = (false, false);
        let chosen = input.device.take();
        if chosen.is_some() && problem != MediaProblem::Denied {
            // The chosen one does not start: the one before it goes on, or else the usual one.
            input.device = input.ran.take().filter(|ran| chosen.as_ref() != Some(ran));
            let text = match kind {
                MediaKind::Audio => "That microphone did not start. Using another one.",
                MediaKind::Video => "That camera did not start. Using another one.",
            };
            let mut effects = self.notify(now, text);
            effects.extend(self.media.restart(kind));
            return effects;
        }
        input.problem = Some(problem);
        let wanted = input.wanted;
        // What is said to be off is off: the device used before must not go on.
        let mut effects = vec![Effect::Release(kind)];
        if wanted {
            effects.extend(self.notify(now, problem.advice(kind)));
        }
        effects
    }

    /// Nothing is restarted: the same device gives sound or picture again when the system lets it.
    fn device_interrupted(&mut self, now: Millis, kind: MediaKind, interrupted: bool) -> Vec<Effect> {
        let input = self.media.input(kind);
        let was = input.problem == Some(MediaProblem::Interrupted);
        if !input.running || was == interrupted || (interrupted && input.problem.is_some()) {
            return vec![];
        }
        input.problem = interrupted.then_some(MediaProblem::Interrupted);
        let wanted = input.wanted;
        if interrupted && wanted { self.notify(now, MediaProblem::Interrupted.advice(kind)) } else { vec![] }
    }

    fn device_ended(&mut self, now: Millis, kind: MediaKind) -> Vec<Effect> {
        let input = self.media.input(kind);
        if !input.running {
            return vec![];
        }
        (input.running, input.device, input.ran) = (false, None, None);
        input.problem = input.problem.filter(|problem| *problem != MediaProblem::Interrupted);
        if !input.wanted {
            return vec![];
        }
        let text = match kind {
            MediaKind::Audio => "The microphone is gone. Switching to another one.",
            MediaKind::Video => "The camera is gone. Switching to another one.",
        };
        let mut effects = self.notify(now, text);
        effects.extend(self.media.restart(kind));
        effects
    }

    /// Says what the browser waits for.
    fn explain(&mut self, now: Millis) -> Vec<Effect> {
        let asks = question(self.media.microphone.state(), self.media.camera.state());
        asks.map(|text| self.notify(now, text)).unwrap_or_default()
    }

    pub(super) fn toggle_microphone(&mut self, now: Millis) -> Vec<Effect> {
        if self.media.microphone.explains() {
            return self.explain(now);
        }
        let before = self.media.state();
        let input = &mut self.media.microphone;
        input.wanted = !input.wanted || input.held || (input.problem.is_some() && !input.running);
        let mut effects = match (input.wanted, input.running) {
            (true, true) if self.media.paused => vec![],
            (true, true) => vec![Effect::Unmute],
            (false, _) => vec![Effect::Mute],
            (true, false) if input.starting => vec![], // It is on its way.
            (true, false) => self.media.restart(MediaKind::Audio),
        };
        let text = self.media.microphone.state().words(MediaKind::Audio);
        self.announce(text);
        effects.extend(self.tell_media(before));
        effects
    }

    pub(super) fn toggle_camera(&mut self, now: Millis) -> Vec<Effect> {
        if self.media.camera.explains() {
            return self.explain(now);
        }
        let before = self.media.state();
        let input = &mut self.media.camera;
        input.wanted = !input.wanted || input.held || (input.problem.is_some() && !input.running);
        let mut effects = if input.wanted && input.starting {
            vec![] // It is on its way.
        } else if input.wanted {
            self.media.restart(MediaKind::Video)
        } else {
            input.running = false;
            vec![Effect::Release(MediaKind::Video)]
        };
        let text = self.media.camera.state().words(MediaKind::Video);
        self.announce(text);
        effects.extend(self.tell_media(before));
        effects
    }

    /// Tells the others, and this tab's memory, what changed.
    fn tell_media(&mut self, before: MediaState) -> Vec<Effect> {
        let media = self.media.state();
        let mut effects = vec![];
        if media != before && self.seat.is_some() {
            self.told = media;
            effects.extend(self.send(&ClientMsg::State { media }));
            effects.extend(self.tell_unreached_pages(&PeerMsg::State { media }));
        }
        if self.seat.is_some() && self.media.wanted() != self.kept_wish {
            effects.extend(self.room.clone().and_then(|room| self.save_seat(room)));
        }
        effects
    }
}
