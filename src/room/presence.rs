//! Who is silent for how long, and what follows: shown as away, then given up.

use super::{Link, Room, RoomEffect};
use crate::id::PeerId;
use crate::limits::Limits;
use crate::time::Millis;
use crate::wire::LeaveReason;

impl Room {
    pub(super) fn tick(&mut self, now: Millis) -> Vec<RoomEffect> {
        if !self.loaded {
            return vec![];
        }
        let mut effects = self.tell_switches(now);
        let due: Vec<PeerId> = self.members.keys().copied().collect();
        for peer in due {
            let member = &self.members[&peer];
            let silent_ms = now.since(member.last_sign());
            if let Some(at) = member.rejoin {
                if now >= at {
                    effects.push(self.rejoin(now, peer));
                }
                continue;
            }
            match (member.leaving, member.link) {
                (Some(again), _) if now < again => {}
                // While this node hears nobody, they may be on another one by now.
                (Some(_), _) if !self.hears() => {}
                (Some(_), _) => effects.push(self.give_up(now, peer, LeaveReason::Lost)),
                (None, Link::Here { conn, heard }) if silent_ms >= Limits::AWAY_AFTER_MS => {
                    self.members.get_mut(&peer).expect("listed above").link = Link::Silent { conn, heard };
                    effects.extend(self.announce(peer, false));
                }
                (None, Link::Silent { .. } | Link::Away { .. })
                    if silent_ms >= Limits::LEFT_AFTER_MS && self.hears() =>
                {
                    effects.push(self.give_up(now, peer, LeaveReason::Lost));
                }
                (None, Link::Elsewhere { here, .. }) => effects.extend(self.age_elsewhere(now, peer, here, silent_ms)),
                (None, Link::Here { .. } | Link::Silent { .. } | Link::Away { .. }) => {}
            }
        }
        effects
    }
}
