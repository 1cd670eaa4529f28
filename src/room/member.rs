//! Somebody with a seat, as one node knows them.

use super::passing::{Passed, Switches};
use crate::bucket::Bucket;
use crate::id::{ConnId, Offset, PeerId};
use crate::limits::Limits;
use crate::time::Millis;
use crate::wire::{MediaState, Name};
use std::collections::BTreeMap;

/// Whether a seat's link is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Up, on this socket; `heard` is when something last arrived.
    Here { conn: ConnId, heard: Millis },
    /// The socket is open but silent for too long.
    Silent { conn: ConnId, heard: Millis },
    /// No socket since then; it was last on this node.
    Away { since: Millis },
    /// On another node, which last heard of it then, and says whether it is there.
    Elsewhere { heard: Millis, here: bool },
}

/// Somebody with a seat.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: Name,
    pub(super) media: MediaState,
    pub(super) joined: Offset,
    /// The number its newest socket came with, or what that was cut down to.
    pub(super) claim: u64,
    /// What it was before, once: the node that gave it may have a clock that is ahead.
    pub(super) asked: Option<u64>,
    pub(super) link: Link,
    pub(super) chats: Bucket,
    /// What was passed on to each other seat.
    pub(super) passed: BTreeMap<PeerId, Passed>,
    pub(super) switches: Switches,
    /// Set while the log does not have this member because it began anew; when to sign them in again.
    pub(super) rejoin: Option<Millis>,
    /// Set while a `Left` entry for this seat is on its way; when to ask again.
    pub(super) leaving: Option<Millis>,
}

impl Member {
    pub(super) const fn conn(&self) -> Option<ConnId> {
        match self.link {
            Link::Here { conn, .. } | Link::Silent { conn, .. } => Some(conn),
            Link::Away { .. } | Link::Elsewhere { .. } => None,
        }
    }

    /// A socket comes with this number. One from far ahead would keep every later socket of the seat out.
    pub(super) fn claim(&mut self, now: Millis, asked: u64) {
        let most = now.plus(Limits::CLOCK_SLACK_MS).as_unix().max(self.claim.saturating_add(1));
        let ahead = most.saturating_add(1)..=most.saturating_add(Limits::CLOCKS_APART_MS);
        self.asked = ahead.contains(&asked).then_some(asked);
        self.claim = asked.min(most);
    }

    pub(super) const fn is_here(&self) -> bool {
        matches!(self.link, Link::Here { .. } | Link::Elsewhere { here: true, .. })
    }

    pub(super) fn last_sign(&self) -> Millis {
        match self.link {
            Link::Here { heard, .. } | Link::Silent { heard, .. } | Link::Elsewhere { heard, .. } => heard,
            Link::Away { since } => since,
        }
    }
}
