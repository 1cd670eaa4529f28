//! What a developer sees with `?debug=1`: every state, what changed when, and faults on demand.

use super::{Effect, Session, SocketEvent};
use crate::recovery::RecoveryEvent;
use crate::session::Event;
use crate::time::Millis;
use crate::view::DebugView;
use crate::wire::CloseCode;
use std::collections::VecDeque;
use std::sync::Arc;

/// Changes kept.
const KEPT: usize = 100;

/// A fault that a developer causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The socket breaks.
    DropSocket,
    /// Every peer connection is closed without a word.
    KillConnections,
    /// The credentials of the relays are no longer good.
    ExpireRelays,
    /// Only relays carry anything.
    RelayOnly,
    /// Everything is negotiated once more, without need.
    OfferAgain,
    /// What the server says is not heard any more, until the link is given up.
    FreezeHeartbeat,
}

/// The states as they were and what changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Debug {
    states: Vec<String>,
    changes: VecDeque<String>,
    began: Option<Millis>,
}

impl Session {
    pub(super) fn debug_view(&self) -> Option<Arc<DebugView>> {
        let debug = self.debug.as_ref()?;
        let changes = debug.changes.iter().cloned().collect();
        Some(Arc::new(DebugView { states: debug.states.clone(), changes }))
    }

    pub(super) fn debug_text(&self) -> Option<String> {
        self.debug_view().map(|view| view.text())
    }

    /// Notes what is another than before. Called after every event.
    pub(super) fn note_changes(&mut self, now: Millis) {
        if self.debug.is_none() {
            return;
        }
        let states = self.states();
        let Some(debug) = &mut self.debug else { return };
        let passed_ms = now.since(*debug.began.get_or_insert(now));
        for state in states.iter().filter(|state| !debug.states.contains(state)) {
            if debug.changes.len() >= KEPT {
                debug.changes.pop_front();
            }
            debug.changes.push_back(format!("{:>4}.{:03} {state}", passed_ms / 1_000, passed_ms % 1_000));
        }
        debug.states = states;
    }

    fn states(&self) -> Vec<String> {
        let link = self.link_view().as_str();
        let mut states = vec![format!("link {link}, socket {}, attempt {}", self.link.epoch(), self.link.attempt())];
        states.push(format!("log {}.{}", self.log.epoch, self.inbox.last()));
        for person in self.people.values() {
            let (peer, recovery) = (&person.peer, person.peer.recovery());
            let health = if recovery.is_healthy() { "flows" } else { "does not flow" };
            let route = match recovery.relayed() {
                Some(true) => "relayed",
                Some(false) => "direct",
                None => "no pair",
            };
            let channel = if person.open_channel().is_some() { "channel" } else { "no channel" };
            let name = person.name.as_str();
            let rung = recovery.rung().as_str();
            states.push(format!("{name}: {health}, {rung}, {route}, {channel}, connection {}", peer.epoch()));
        }
        states
    }

    /// Closes every connection. Plain clients do so when they lose their socket.
    pub(super) fn kill_connections(&mut self, now: Millis) -> Vec<Effect> {
        let ends: Vec<_> = self.people.iter_mut().map(|(peer, person)| (*peer, person.peer.close())).collect();
        let mut effects: Vec<_> = ends.into_iter().flat_map(|(peer, end)| self.run_peer(peer, end)).collect();
        effects.extend(self.recover_all(now, RecoveryEvent::Broken));
        effects
    }

    pub(super) fn cause(&mut self, now: Millis, fault: Fault) -> Vec<Effect> {
        if self.debug.is_none() {
            return vec![];
        }
        match fault {
            Fault::DropSocket => {
                let epoch = self.link.epoch();
                let mut effects = vec![Effect::CloseSocket(epoch)];
                let closed = SocketEvent::Closed(CloseCode::Broken, String::new());
                effects.extend(self.handle(now, Event::Socket(epoch, closed)));
                effects
            }
            Fault::KillConnections => self.kill_connections(now),
            Fault::ExpireRelays => {
                for server in self.seat.iter_mut().flat_map(|seat| &mut seat.ice) {
                    server.credential = server.credential.as_ref().map(|_| "expired".into());
                }
                self.configure_all(now)
            }
            Fault::OfferAgain => {
                let again: Vec<_> =
                    self.people.iter_mut().map(|(peer, person)| (*peer, person.peer.offer_again(now))).collect();
                again.into_iter().flat_map(|(peer, effects)| self.run_peer(peer, effects)).collect()
            }
            Fault::RelayOnly => self.recover_all(now, RecoveryEvent::ForceRelay),
            Fault::FreezeHeartbeat => {
                self.link.freeze();
                vec![]
            }
        }
    }
}
