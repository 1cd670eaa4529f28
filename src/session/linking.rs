//! The session's side of the link: what is said first, what a lost link means, and what is shown of it.

use super::{Effect, Session};
use crate::id::Offset;
use crate::limits::Limits;
use crate::link::{LinkEffect, LinkEvent, LinkState};
use crate::recovery::RecoveryEvent;
use crate::time::Millis;
use crate::view::{Cause, LinkView, Phase};
use crate::wire::{ClientMsg, CloseCode, Hello, Name, PROTOCOL_VERSION, Resume, encode};

impl Session {
    pub(super) fn link_view(&self) -> LinkView {
        let attempt = self.link.attempt();
        let cause = if self.people.values().any(|person| person.peer.recovery().is_healthy()) {
            Cause::Server
        } else if self.people.is_empty() {
            Cause::Unknown
        } else {
            Cause::Network
        };
        match self.link.state() {
            LinkState::Online { .. } => LinkView::Online,
            LinkState::Idle => LinkView::Connecting,
            LinkState::Opening { .. } | LinkState::Greeting { .. } if self.link.attempt() == 0 => LinkView::Connecting,
            LinkState::Waiting { until } => {
                LinkView::Offline { attempt, next_s: Some(until.since(self.now).div_ceil(1_000)), cause }
            }
            LinkState::Opening { .. } | LinkState::Greeting { .. } | LinkState::Stopped(_) => {
                LinkView::Offline { attempt, next_s: None, cause }
            }
        }
    }

    pub(super) fn link(&mut self, now: Millis, event: LinkEvent) -> Vec<Effect> {
        let was_online = self.link.is_online();
        let mut effects = vec![];
        for effect in self.link.handle(now, event) {
            match effect {
                LinkEffect::Open(epoch) => {
                    self.seat_by = None; // What was asked for on another socket is asked for again on this one.
                    effects.push(Effect::OpenSocket(epoch));
                }
                LinkEffect::Close(epoch) => effects.push(Effect::CloseSocket(epoch)),
                LinkEffect::Greet => effects.extend(self.greet(now)),
                LinkEffect::Ping => effects.extend(self.send(&ClientMsg::Ping { n: now.as_unix() })),
                LinkEffect::Lost => {
                    (self.asked_range, self.seat_by) = (false, None);
                    self.chat.history_failed();
                    // What took the link may have taken the network with it.
                    effects.extend(self.recover_all(now, RecoveryEvent::NetworkChanged));
                    effects.extend(self.without_server(now));
                    if self.plain {
                        effects.extend(self.kill_connections(now));
                    }
                    if self.phase == Phase::InCall {
                        self.announce("The connection to the server dropped. The call goes on.");
                    }
                }
            }
        }
        if let LinkState::Stopped(code) = self.link.state()
            && code != CloseCode::Normal
            && matches!(self.phase, Phase::Lobby | Phase::Joining | Phase::InCall)
        {
            effects.extend(self.stopped(now, code));
        }
        if !was_online && self.link.is_online() && self.phase == Phase::InCall {
            self.announce("Connected to the server again.");
        }
        effects
    }

    /// The first message of a socket: for a seat, or from the lobby.
    pub(super) fn greet(&mut self, now: Millis) -> Vec<Effect> {
        let Some(room) = self.room.clone() else { return vec![] };
        let msg = match (self.phase, Name::new(&self.name)) {
            (Phase::Joining | Phase::InCall, Ok(name)) => {
                self.greeted_for_seat = true;
                self.seat_by = Some(now.plus(Limits::SEAT_WITHIN_MS));
                let token = self.seat.as_ref().map(|seat| seat.token.clone()).or_else(|| self.kept_token.clone());
                let after = Offset { epoch: self.log.epoch, seq: self.inbox.last() };
                let resume = token.map(|token| Resume { token, after });
                // By the server's clock as far as it is known, so that a page which does not know the last number still
                // has a greater one.
                self.claim = self.server_time(now).as_unix().max(self.claim.saturating_add(1));
                let (media, claim) = (self.media.state(), self.claim);
                self.told = media;
                ClientMsg::Hello(Hello { version: PROTOCOL_VERSION, room, name, media, claim, resume })
            }
            _ => {
                self.greeted_for_seat = false;
                ClientMsg::Watch { version: PROTOCOL_VERSION, room }
            }
        };
        self.put_on_wire(&msg)
    }

    /// Sends a message if the link is up; whoever needs it delivered keeps it in an outbox.
    pub(super) fn send(&self, msg: &ClientMsg) -> Vec<Effect> {
        if self.link.is_online() { self.put_on_wire(msg) } else { vec![] }
    }

    pub(super) fn put_on_wire(&self, msg: &ClientMsg) -> Vec<Effect> {
        vec![Effect::SendText(self.link.epoch(), encode(msg))]
    }
}
