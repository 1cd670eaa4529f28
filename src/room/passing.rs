//! What one seat may have passed on to another: whoever sends more pays for it, and nobody who receives it.

use super::{Link, Room, RoomEffect};
use crate::bucket::Bucket;
use crate::id::{ConnId, PeerId};
use crate::limits::Limits;
use crate::time::Millis;
use crate::wire::{MediaState, NodeMsg, Refusal, ServerMsg, encode};
use std::collections::VecDeque;

/// How often somebody switches their microphone and camera.
#[derive(Clone, Copy, Debug)]
pub(super) struct Switches {
    allowed: Bucket,
    /// What is told later, and when.
    later: Option<(MediaState, Millis)>,
}

impl Switches {
    pub(super) fn new(now: Millis) -> Self {
        Self { allowed: Bucket::new(now, Limits::SWITCHES_BURST, Limits::SWITCHES_PER_S), later: None }
    }

    /// When something is to be told.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.later.map(|(_, at)| at)
    }
}

/// Seats whose people left by themselves.
#[derive(Debug, Default)]
pub(super) struct Departed(VecDeque<PeerId>);

impl Departed {
    pub(super) fn note(&mut self, peer: PeerId) {
        if self.0.len() >= Limits::DEPARTED {
            self.0.pop_front();
        }
        self.0.push_back(peer);
    }

    pub(super) fn has(&self, peer: PeerId) -> bool {
        self.0.contains(&peer)
    }
}

/// The budget of one pair in one direction. It is the seat's: a new socket does not renew it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    messages: Bucket,
    bytes: Bucket,
}

impl Passed {
    fn new(now: Millis) -> Self {
        Self {
            messages: Bucket::new(now, Limits::PASSED_BURST, Limits::PASSED_PER_S),
            bytes: Bucket::new(now, Limits::PASSED_BYTES_BURST, Limits::PASSED_BYTES_PER_S),
        }
    }

    fn takes(&mut self, now: Millis, len: usize) -> bool {
        self.messages.take(now) && self.bytes.take_many(now, u32::try_from(len).unwrap_or(u32::MAX))
    }
}

impl Room {
    /// A signal reaches nobody but the seat it names, in this room, under the sender's true seat. What is over the pair's
    /// budget is dropped, and its sender is told so: they send it again.
    pub(super) fn pass_on(
        &mut self,
        now: Millis,
        conn: ConnId,
        from: PeerId,
        to: PeerId,
        msg: ServerMsg,
    ) -> Option<RoomEffect> {
        let link = self.members.get(&to).filter(|_| from != to)?.link;
        if matches!(link, Link::Away { .. }) {
            return None;
        }
        let sender = self.members.get_mut(&from)?;
        if !sender.passed.entry(to).or_insert_with(|| Passed::new(now)).takes(now, encode(&msg).len()) {
            let msg = ServerMsg::Refused { code: Refusal::TooFast, about: None };
            return Some(RoomEffect::Pass { to: vec![conn], msg });
        }
        match link {
            Link::Here { conn, .. } | Link::Silent { conn, .. } => Some(RoomEffect::Pass { to: vec![conn], msg }),
            Link::Elsewhere { .. } => Some(RoomEffect::Tell { msg: NodeMsg::Forward { to, msg: Box::new(msg) } }),
            Link::Away { .. } => None,
        }
    }

    /// Somebody switched microphone or camera. Everybody is told, but not of each of many switches.
    pub(super) fn set_media(&mut self, now: Millis, peer: PeerId, media: MediaState) -> Option<RoomEffect> {
        let member = self.members.get_mut(&peer).expect("a seated socket has a member");
        if member.switches.later.is_some() || !member.switches.allowed.take(now) {
            let at = member.switches.next_deadline().unwrap_or(now.plus(Limits::SWITCH_LATER_MS));
            member.switches.later = Some((media, at));
            return None;
        }
        member.media = media;
        self.to_others(peer, ServerMsg::State { peer, media })
    }

    /// Tells what was put off.
    pub(super) fn tell_switches(&mut self, now: Millis) -> Vec<RoomEffect> {
        let mut due = vec![];
        for (peer, member) in &mut self.members {
            if let Some((media, _)) = member.switches.later.take_if(|(_, at)| now >= *at) {
                member.media = media;
                due.push((*peer, media));
            }
        }
        due.into_iter().filter_map(|(peer, media)| self.to_others(peer, ServerMsg::State { peer, media })).collect()
    }
}
