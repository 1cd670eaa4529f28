//! Whose pictures go where: what a path carries, what each side wishes, and what the person wants.

use super::people::Person;
use super::{Effect, Session};
use crate::id::PeerId;
use crate::time::Millis;
use crate::wire::PeerMsg;

/// What is agreed with one person about pictures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pictures {
    /// They want ours.
    wanted: bool,
    /// What they said last while they switched too often; it counts once they may.
    wanted_next: Option<bool>,
    /// They send theirs, if their camera is on.
    pub(super) sent: bool,
    /// We send ours, if our camera is on.
    sending: bool,
}

impl Default for Pictures {
    fn default() -> Self {
        Self { wanted: true, wanted_next: None, sent: true, sending: true }
    }
}

impl Pictures {
    /// Whether a switch waits until it is allowed.
    pub(super) const fn waits(&self) -> bool {
        self.wanted_next.is_some()
    }
}

impl Person {
    fn should_send(&self, audio_only: bool) -> bool {
        !audio_only && self.pictures.wanted && self.peer.recovery().sends_picture()
    }
}

impl Session {
    /// The person wants to go on with sound alone, or to have pictures again.
    pub(super) fn toggle_audio_only(&mut self, now: Millis) -> Vec<Effect> {
        self.audio_only = !self.audio_only;
        self.announce(if self.audio_only { "Sound only." } else { "Pictures again." });
        let mut effects = self.tell_all_pages(&PeerMsg::Want { picture: !self.audio_only });
        effects.extend(self.update_pictures());
        let peers: Vec<PeerId> = self.people.keys().copied().collect();
        effects.extend(peers.into_iter().flat_map(|peer| self.expect(now, peer)));
        effects
    }

    /// Starts and stops our pictures where that is due, and says so.
    pub(super) fn update_pictures(&mut self) -> Vec<Effect> {
        let audio_only = self.audio_only;
        let mut changed = vec![];
        for (peer, person) in &mut self.people {
            let sends = person.should_send(audio_only);
            if std::mem::replace(&mut person.pictures.sending, sends) != sends {
                changed.push((*peer, person.peer.epoch(), sends));
            }
        }
        let mut effects = vec![];
        for (peer, epoch, sends) in changed {
            effects.push(Effect::SetPicture(peer, epoch, sends));
            effects.extend(self.tell_page(peer, &PeerMsg::Sends { picture: sends }));
        }
        effects
    }

    /// A connection was made: the adapter is told what goes out on it.
    pub(super) fn first_picture(&mut self, peer: PeerId) -> Option<Effect> {
        let audio_only = self.audio_only;
        let person = self.people.get_mut(&peer)?;
        let sends = person.should_send(audio_only);
        person.pictures.sending = sends;
        Some(Effect::SetPicture(peer, person.peer.epoch(), sends))
    }

    /// What a page that just met ours must know.
    pub(super) fn picture_state(&mut self, peer: PeerId) -> Vec<Effect> {
        let sending = self.people.get(&peer).is_none_or(|person| person.pictures.sending);
        let mut effects = self.tell_page(peer, &PeerMsg::Want { picture: !self.audio_only });
        effects.extend(self.tell_page(peer, &PeerMsg::Sends { picture: sending }));
        effects
    }

    pub(super) fn picture_wanted(&mut self, now: Millis, from: PeerId, wanted: bool) -> Vec<Effect> {
        let Some(person) = self.people.get_mut(&from) else { return vec![] };
        person.pictures.wanted_next = Some(wanted).filter(|wanted| *wanted != person.pictures.wanted);
        self.switch_pictures(now, from)
    }

    /// Does what this person last wanted, if they may switch again.
    pub(super) fn switch_pictures(&mut self, now: Millis, from: PeerId) -> Vec<Effect> {
        let Some(person) = self.people.get_mut(&from) else { return vec![] };
        if person.pictures.wanted_next.is_none() || !person.channel.may_switch(now) {
            return vec![];
        }
        person.pictures.wanted = person.pictures.wanted_next.take().unwrap_or(person.pictures.wanted);
        self.update_pictures()
    }

    pub(super) fn picture_sent(&mut self, now: Millis, from: PeerId, sent: bool) -> Vec<Effect> {
        if let Some(person) = self.people.get_mut(&from) {
            person.pictures.sent = sent;
        }
        self.expect(now, from)
    }
}
