//! How a page comes into its room, asks for a seat, and leaves.

use super::debug::Debug as DebugLog;
use super::names::problem;
use super::{Effect, Entrance, Opener, Session};
use crate::id::{Offset, RoomId};
use crate::inbox::Inbox;
use crate::link::{LinkEvent, LinkState};
use crate::time::Millis;
use crate::view::Phase;
use crate::wire::{ClientMsg, CloseCode, Name, PeerMsg};

impl Session {
    pub(super) fn entered(&mut self, now: Millis, room: RoomId, entrance: Entrance) -> Vec<Effect> {
        self.room = Some(room);
        self.name = entrance.name;
        self.media.set_barred(entrance.barred);
        self.chat.restore(entrance.unsent);
        self.plain = entrance.plain;
        self.reload.remember(entrance.reloaded_at);
        self.debug = entrance.debug.then(DebugLog::default);
        if self.plain {
            self.link.be_plain();
        }
        // Whoever comes back to their seat said yes before; a link of another site to it is not coming back.
        let back = entrance.returned && entrance.keepsake.is_some();
        let may_join = entrance.opener != Opener::Foreign || back;
        let mut held = entrance.opener != Opener::Own && !back;
        let mut effects = vec![];
        let mut join = false;
        if let Some(kept) = entrance.keepsake {
            // A reload comes back without a click, to the same seat, with what was switched off still off.
            self.name = kept.name.into();
            self.media.set_wanted(kept.media);
            self.kept_token = Some(kept.token);
            (self.claim, self.read) = (kept.claim, kept.read);
            (self.audio_only, self.keys_off) = (kept.audio_only, kept.keys_off);
            join = may_join;
        } else if self.hasty.is_none() && !self.name.is_empty() {
            match Name::new(&self.name) {
                Ok(name) => {
                    self.name = name.into();
                    join = entrance.join && may_join;
                    // A name that came with the link is the name of next time, too.
                    effects.extend(join.then(|| Effect::SaveName(self.name.clone())));
                }
                Err(error) => effects.extend(self.notify(now, problem(error))),
            }
        }
        if let Some(name) = self.hasty.take() {
            self.name = name.into();
            effects.push(Effect::SaveName(self.name.clone()));
            (join, held) = (true, false);
        }
        if held {
            self.media.hold();
        }
        self.phase = if join { Phase::Joining } else { Phase::Lobby };
        if join && held {
            effects.extend(self.notify(now, "Microphone and camera are off until you switch them on."));
        }
        effects.extend(self.media.start());
        effects.extend(self.link(now, LinkEvent::Start));
        effects
    }

    pub(super) fn join(&mut self, now: Millis, name: &str) -> Vec<Effect> {
        let name = match Name::new(name) {
            Ok(name) => name,
            Err(error) => return self.notify(now, problem(error)),
        };
        if self.room.is_none() {
            self.hasty = Some(name); // The page still looks up what it kept.
            return vec![];
        }
        if matches!(self.phase, Phase::Joining | Phase::InCall) {
            return vec![];
        }
        self.name = name.as_str().to_owned();
        let again = matches!(self.phase, Phase::Left | Phase::Ended(_));
        self.phase = Phase::Joining;
        let mut effects = vec![Effect::SaveName(self.name.clone())];
        if self.media.free() || again {
            effects.extend(self.media.start());
        }
        match self.link.state() {
            LinkState::Online { .. } => effects.extend(self.greet(now)),
            LinkState::Idle | LinkState::Stopped(_) => effects.extend(self.link(now, LinkEvent::Start)),
            // The first message on the socket that is being opened will ask for the seat.
            LinkState::Opening { .. } | LinkState::Greeting { .. } => {}
            LinkState::Waiting { .. } => effects.extend(self.link(now, LinkEvent::TryNow)),
        }
        effects
    }

    pub(super) fn leave(&mut self, now: Millis) -> Vec<Effect> {
        let mut effects = self.send(&ClientMsg::Leave);
        effects.extend(self.tell_unreached_pages(&PeerMsg::Leave));
        effects.extend(self.end(now, Phase::Left));
        self.announce("You left the call.");
        effects
    }

    /// Ends the call on this page: devices are freed, connections and the seat are dropped.
    pub(super) fn end(&mut self, now: Millis, phase: Phase) -> Vec<Effect> {
        self.settle(now);
        let mut effects = self.drop_people();
        effects.extend(self.link(now, LinkEvent::Stop));
        effects.extend(self.media.stop());
        // Whoever is to reload finds their seat again.
        if phase != Phase::Ended(CloseCode::Version) {
            effects.extend(self.room.clone().map(Effect::ForgetSeat));
        }
        self.reload.stop();
        (self.phase, self.seat, self.kept_token, self.lobby) = (phase, None, None, None);
        (self.seat_by, self.read) = (None, Offset::default());
        self.chat.forget_unread();
        (self.log, self.inbox, self.greeted_for_seat) = (Offset::default(), Inbox::default(), false);
        self.chat.forget_stored();
        effects
    }
}
