//! Stretches of a log in which nobody said anything: people come and go, and whoever reads back looks only once.

use holdfast::wire::Entry;
use holdfast::{LogEpoch, Offset, RoomId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use tokio::sync::Semaphore;

/// Rooms whose stretches are remembered; past that one of them is forgotten.
const ROOMS: usize = 256;
/// Stretches of one room; past that they are forgotten.
const STRETCHES: usize = 1_024;
/// Shorter ones are read again.
const WORTH: u64 = 16;
/// Long looks at the same time.
const LOOKS: usize = 2;

/// What is known of one life of a room's log: for the place before each stretch the last entry of it. An entry never
/// becomes a message, so what is known stays so.
#[derive(Default)]
struct Stretches {
    epoch: LogEpoch,
    until: BTreeMap<u64, u64>,
}

impl Stretches {
    fn learn(&mut self, mut after: u64, mut until: u64) {
        // What touches it becomes one with it.
        while let Some((known, end)) = self.until.range(..=until).next_back().map(|(known, end)| (*known, *end))
            && end >= after
        {
            self.until.remove(&known);
            (after, until) = (after.min(known), until.max(end));
        }
        if until - after >= WORTH {
            if self.until.len() >= STRETCHES {
                self.until.clear();
            }
            self.until.insert(after, until);
        }
    }

    fn around(&self, seq: u64) -> Option<(u64, u64)> {
        let (after, until) = self.until.range(..seq).next_back()?;
        (seq <= *until).then_some((*after, *until))
    }
}

/// What is known of every room.
pub struct Quiet {
    rooms: Mutex<HashMap<RoomId, Stretches>>,
    /// Who looks through much of a log waits for those who do so already: the second finds what the first learned.
    looks: Semaphore,
}

impl Default for Quiet {
    fn default() -> Self {
        Self { rooms: Mutex::default(), looks: Semaphore::new(LOOKS) }
    }
}

impl Quiet {
    /// Learns from entries that follow each other.
    pub fn learn(&self, room: &RoomId, entries: &[(Offset, Entry)]) {
        let Some((first, _)) = entries.first() else { return };
        let mut rooms = self.rooms.lock().expect("no holder of this lock can panic");
        if rooms.len() >= ROOMS && !rooms.contains_key(room) {
            let other = rooms.keys().next().cloned();
            other.map(|other| rooms.remove(&other));
        }
        let known = rooms.entry(room.clone()).or_default();
        if known.epoch != first.epoch {
            *known = Stretches { epoch: first.epoch, until: BTreeMap::new() };
        }
        let mut after = first.seq.saturating_sub(1);
        let mut last = after;
        for (at, entry) in entries {
            if matches!(entry, Entry::Chat { .. }) {
                if last > after {
                    known.learn(after, last);
                }
                after = at.seq;
            }
            last = at.seq;
        }
        if last > after {
            known.learn(after, last);
        }
    }

    /// The stretch that this entry is in: the place before it, and its last entry.
    pub fn around(&self, room: &RoomId, at: Offset) -> Option<(u64, u64)> {
        let rooms = self.rooms.lock().expect("no holder of this lock can panic");
        rooms.get(room).filter(|known| known.epoch == at.epoch)?.around(at.seq)
    }

    /// A turn to look through much of a log.
    pub async fn turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.looks.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(from: u64, until: u64, chats: &[u64]) -> Vec<(Offset, Entry)> {
        let epoch = LogEpoch::from_number(1);
        let body = holdfast::wire::Body::new("x").expect("valid");
        let name = holdfast::wire::Name::new("Ana").expect("valid");
        let (peer, at) = (holdfast::PeerId::from_bits(1), holdfast::Millis::ZERO);
        let id = holdfast::ChatId::mint(at, &mut holdfast::rng::Rng::new(1));
        let entry = |seq: u64| match chats.contains(&seq) {
            true => Entry::Chat { id, peer, name: name.clone(), body: body.clone(), at },
            false => Entry::Redacted,
        };
        (from..=until).map(|seq| (Offset { epoch, seq }, entry(seq))).collect()
    }

    #[test]
    fn stretches_grow_together_in_any_order_and_end_at_messages() {
        let (quiet, room) = (Quiet::default(), "quiet".parse().expect("valid"));
        let around = |seq| quiet.around(&room, Offset { epoch: LogEpoch::from_number(1), seq });
        quiet.learn(&room, &page(201, 400, &[390]));
        quiet.learn(&room, &page(1, 100, &[]));
        assert_eq!((around(50), around(100), around(101)), (Some((0, 100)), Some((0, 100)), None));
        quiet.learn(&room, &page(101, 200, &[150]));
        assert_eq!(around(1), Some((0, 149)));
        assert_eq!((around(150), around(151), around(389)), (None, Some((150, 389)), Some((150, 389))));
        assert_eq!((around(390), around(395)), (None, None), "ten entries are read again");
        let other = Offset { epoch: LogEpoch::from_number(2), seq: 50 };
        assert_eq!(quiet.around(&room, other), None, "another life of the log");
    }
}
