//! What the server says to a page, message by message.

use super::{Effect, Keepsake, OwnSeat, Session};
use crate::id::{PeerId, RoomId};
use crate::inbox::Inbox;
use crate::link::LinkEvent;
use crate::time::Millis;
use crate::view::{LobbyView, Phase};
use crate::wire::{ClientMsg, Name, ServerMsg, Welcome, decode};

impl Session {
    pub(super) fn text(&mut self, now: Millis, text: &str) -> Vec<Effect> {
        match decode::<ServerMsg>(text) {
            Ok(msg) => self.message(now, msg),
            // A server that is newer than this page: what we cannot read we cannot act on.
            Err(_) => vec![],
        }
    }

    fn message(&mut self, now: Millis, msg: ServerMsg) -> Vec<Effect> {
        match msg {
            ServerMsg::Lobby { people, full } => {
                self.lobby = Some(LobbyView { people, full });
                self.chat.store_is_back(); // Its log was read. Whether it can be written to, who joins is told.
                let mut effects = self.link(now, LinkEvent::Greeted);
                if self.phase == Phase::Joining && !self.greeted_for_seat {
                    effects.extend(self.greet(now)); // 'Join' was pressed while the socket was being opened.
                }
                effects
            }
            ServerMsg::Welcome(welcome) => self.welcome(now, *welcome),
            ServerMsg::Event { offset, entry } => self.entry(now, offset, entry),
            ServerMsg::CaughtUp { .. } => {
                self.asked_range = false;
                vec![]
            }
            ServerMsg::Resync { from, seats } => {
                let gone: Vec<PeerId> = self.people.keys().filter(|peer| !seats.contains(peer)).copied().collect();
                let mut effects: Vec<Effect> = gone.into_iter().flat_map(|peer| self.part(peer)).collect();
                if from.epoch != self.log.epoch || from.seq > self.log.seq {
                    self.log = from; // Behind a `welcome` the head it told stays: what follows is history.
                    self.history = from.seq;
                    self.read = self.read.max(from);
                }
                self.inbox = Inbox::after(from.seq);
                self.asked_range = false;
                if self.chat.is_asked_before(from.next()) {
                    return effects; // `welcome` told it already.
                }
                self.chat.forget_stored();
                effects.extend(self.ask_history(now, from.next()));
                effects
            }
            ServerMsg::History { before, messages, more } => self.history_came(now, before, messages, more),
            ServerMsg::Ack { id, offset } => {
                self.chat.store_is_back();
                self.chat.acknowledged(now, id, offset);
                vec![Effect::DropChat(id)]
            }
            ServerMsg::Refused { code, about } => self.refused(now, code, about),
            ServerMsg::Signal { from, stream, seq, signal } => self.signal(now, from, stream, seq, signal),
            ServerMsg::SignalAck { from, stream, seq } => {
                let Some(person) = self.people.get_mut(&from) else { return vec![] };
                let more = person.peer.acknowledged(now, stream, seq);
                self.run_peer(from, more)
            }
            ServerMsg::State { peer, media } => {
                if let Some(person) = self.people.get_mut(&peer) {
                    person.media = media;
                }
                self.expect(now, peer)
            }
            ServerMsg::Presence { peer, here } => self.presence(now, peer, here),
            ServerMsg::Ice { servers, token } => {
                let Some(seat) = &mut self.seat else { return vec![] };
                seat.ice = servers;
                let mut effects = self.renew_ice(now);
                if let (Some(token), Some(seat), Some(room)) = (token, &mut self.seat, self.room.clone()) {
                    seat.token = token;
                    effects.extend(self.save_seat(room));
                }
                effects
            }
            ServerMsg::Pong { n, head, away } => {
                let _ = self.link(now, LinkEvent::Ponged(now.since(Millis::from_unix(n))));
                let missed = head.epoch != self.log.epoch || head.seq > self.inbox.last();
                self.asked_range = false;
                let mut effects = self.set_away(now, &away);
                if missed && self.phase == Phase::InCall {
                    effects.extend(self.ask_range());
                }
                effects
            }
            ServerMsg::Ways { .. } => vec![], // An answer to a page that checks.
        }
    }

    fn welcome(&mut self, now: Millis, welcome: Welcome) -> Vec<Effect> {
        let mut effects = self.link(now, LinkEvent::Greeted);
        let Some(room) = self.room.clone().filter(|_| matches!(self.phase, Phase::Joining | Phase::InCall)) else {
            return effects; // Nobody here wants the seat any more.
        };
        let same_seat = self.seat.as_ref().is_some_and(|seat| seat.peer == welcome.peer);
        if !(welcome.resumed && same_seat) {
            effects.extend(self.drop_people());
        }
        let first = self.phase != Phase::InCall;
        self.phase = Phase::InCall;
        if !welcome.resumed {
            self.chat.store_is_back(); // The new seat is on disk.
        }
        self.server_ahead_ms = welcome.now.as_unix().cast_signed().wrapping_sub(now.as_unix().cast_signed());
        (self.lobby, self.seat_by) = (None, None);
        if self.inbox.last() == 0 || welcome.head.epoch != self.log.epoch {
            self.history = welcome.head.seq;
        }
        if welcome.head.epoch != self.read.epoch {
            self.read = welcome.head; // What was said before one came is not unread.
        }
        let log_is_other = welcome.from.epoch != self.log.epoch || welcome.from.seq > self.inbox.last();
        if !first && log_is_other {
            // What was read of the old one no longer joins what follows.
            self.chat.forget_stored();
            effects.extend(self.ask_history(now, welcome.from.next()));
        }
        if welcome.from.seq != self.inbox.last() || welcome.from.epoch != self.log.epoch {
            // What follows starts elsewhere than where we stopped: it comes in full, ids drop the doubles.
            self.inbox = Inbox::after(welcome.from.seq);
        }
        self.log = welcome.head;
        if first {
            effects.extend(self.first_history(now, welcome.from));
        }
        let old_ice = self.seat.as_ref().map(|seat| seat.ice.clone());
        self.seat = Some(OwnSeat { peer: welcome.peer, token: welcome.token, ice: welcome.ice });
        if self.seat.as_ref().map(|seat| &seat.ice) != old_ice.as_ref() {
            effects.extend(self.configure_all(now));
        }
        effects.extend(self.save_seat(room.clone()));
        if first {
            effects.push(Effect::TidyAddress(room)); // From now on a reload finds the seat, and needs no name in the address.
        }
        effects.extend(self.meet(now, welcome.now, welcome.roster));
        effects.extend(self.resend_everything(now));
        if self.media.state() != self.told {
            // Switched between our `hello` and its answer.
            self.told = self.media.state();
            effects.extend(self.send(&ClientMsg::State { media: self.told }));
        }
        if first && !self.has_relay() && self.room.as_ref().is_some_and(RoomId::hides_addresses) {
            let text = "This call hides addresses and needs a relay, but this server has none.";
            effects.extend(self.notify(now, text));
        }
        if first {
            let others = self.people.len();
            self.announce(&match others {
                0 => "You are in the call. Nobody else is here yet.".to_owned(),
                1 => "You are in the call with one other person.".to_owned(),
                n => format!("You are in the call with {n} other people."),
            });
        }
        effects
    }

    pub(super) fn save_seat(&mut self, room: RoomId) -> Option<Effect> {
        self.kept_wish = self.media.wanted();
        self.kept_else = (self.read, self.audio_only, self.keys_off);
        let seat = self.seat.as_ref()?;
        let keepsake = Keepsake {
            token: seat.token.clone(),
            name: Name::new(&self.name).ok()?,
            media: self.media.wanted(),
            claim: self.claim,
            read: self.read,
            audio_only: self.audio_only,
            keys_off: self.keys_off,
        };
        Some(Effect::SaveSeat(room, keepsake))
    }

    fn resend_everything(&mut self, now: Millis) -> Vec<Effect> {
        self.account.resent(u32::try_from(self.chat.sendable().len()).unwrap_or(u32::MAX));
        self.chat.start_over();
        let mut effects = vec![];
        let peers: Vec<PeerId> = self.people.keys().copied().collect();
        for peer in peers {
            let again = self.people.get_mut(&peer).map(|person| person.peer.resend(now)).unwrap_or_default();
            effects.extend(self.run_peer(peer, again));
        }
        effects
    }
}
