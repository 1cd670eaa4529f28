//! How entries get from the queue into the archive: batches, patience in an outage, and what an archive refuses.
//!
//! A batch has few enough entries, bytes and rooms for the time an answer may take. An outage is not an attempt: while the
//! archive does not answer, the batch waits, and is halved, because it may still have been too large. The same goes for
//! what is asked of the queue. A refused batch is halved until the
//! entry it is refused for stands alone; that one is tried again a few times and then laid aside as a dead letter, while
//! its neighbours pass.

use crate::backoff::Backoff;
use crate::id::RoomId;
use crate::rng::Rng;
use crate::time::Millis;
use std::collections::{BTreeMap, BTreeSet};

/// How often an entry may be refused before it is a dead letter.
pub const ATTEMPTS: u32 = 5;
/// Entries of one batch.
pub const BATCH: usize = 200;
/// Bytes of one batch. One entry alone may have more.
const BATCH_BYTES: usize = 512 * 1024;
/// Rooms of one batch: an archive looks each of them up.
const BATCH_ROOMS: usize = 100;
/// Refused entries that wait for another try; past that no new ones are taken.
const REFUSED: usize = 1_000;
const OUTAGE: Backoff = Backoff { first_ms: 200, cap_ms: 5_000 };
const REFUSAL: Backoff = Backoff { first_ms: 1_000, cap_ms: 8_000 };

/// An entry that the queue gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<K> {
    /// The queue's name for it.
    pub key: K,
    /// How often it was refused before.
    pub attempts: u32,
    /// Its size, about.
    pub bytes: usize,
    /// Its room; none if it cannot be read.
    pub room: Option<RoomId>,
}

/// What happens to the archiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiverEvent<K> {
    /// The queue gave these entries, in order.
    Took(Vec<Given<K>>),
    /// The queue did not answer.
    NothingTaken,
    /// The batch is in the archive.
    Stored,
    /// The archive did not answer; the batch may be in it or not.
    Away,
    /// The archive answered that it will not have this batch.
    Refused(String),
    /// Time has passed.
    Tick,
}

/// What must be done for the archiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiverEffect<K> {
    /// Take up to so many more entries from the queue.
    Take(usize),
    /// Write these, and report how that ended.
    Write(Vec<K>),
    /// These are in the archive: the queue may forget them.
    Acknowledge(Vec<K>),
    /// Note that this one was refused so often, and why.
    Note(K, u32, String),
    /// This one was refused too often: lay it aside, with the reason.
    Bury(K, u32, String),
}

/// The state machine of one archive worker. `K` is the queue's name for an entry.
#[derive(Debug)]
pub struct Archiver<K> {
    /// Batches to write; the last one is being written.
    batches: Vec<Vec<K>>,
    refused: BTreeMap<K, (u32, Millis)>,
    attempts: BTreeMap<K, u32>,
    /// Set while the archive does not answer: how often it did not, and when to try again.
    outage: Option<(u32, Millis)>,
    /// Entries of one batch: halved when the archive is late with them, more again while it is not.
    fits: usize,
    /// Entries asked of the queue at once, likewise.
    takes: usize,
    rng: Rng,
}

/// Cuts entries into batches, in order.
fn cut<K>(entries: Vec<Given<K>>, most: usize) -> Vec<Vec<K>> {
    let mut batches: Vec<Vec<K>> = vec![];
    let (mut bytes, mut rooms) = (0, BTreeSet::new());
    for Given { key, bytes: size, room, .. } in entries {
        let is_new = !rooms.contains(&room);
        match batches.last_mut() {
            Some(batch)
                if batch.len() < most && bytes + size <= BATCH_BYTES && (!is_new || rooms.len() < BATCH_ROOMS) =>
            {
                batch.push(key);
            }
            _ => {
                batches.push(vec![key]);
                (bytes, rooms) = (0, BTreeSet::new());
            }
        }
        bytes += size;
        rooms.insert(room);
    }
    batches
}

impl<K: Clone + Ord> Archiver<K> {
    /// One with nothing to do; `rng` is used for jitter only.
    #[must_use]
    pub fn new(rng: Rng) -> Self {
        let (refused, attempts) = (BTreeMap::new(), BTreeMap::new());
        Self { batches: vec![], refused, attempts, outage: None, fits: BATCH, takes: BATCH, rng }
    }

    /// When to call [`Archiver::handle`] with [`ArchiverEvent::Tick`]; none while it waits for an answer.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let refused = self.refused.values().map(|(_, at)| *at).min();
        self.outage.map(|(_, at)| at).or(refused)
    }

    /// What this worker holds, so that the queue does not give it to another one.
    pub fn held(&self) -> impl Iterator<Item = &K> {
        self.batches.iter().flatten().chain(self.refused.keys())
    }

    /// Applies one event and says what must happen next.
    #[must_use]
    pub fn handle(&mut self, now: Millis, event: ArchiverEvent<K>) -> Vec<ArchiverEffect<K>> {
        let mut effects = vec![];
        match event {
            ArchiverEvent::Took(entries) => {
                let known: BTreeSet<K> = self.held().cloned().collect();
                let fresh: Vec<Given<K>> = entries.into_iter().filter(|one| !known.contains(&one.key)).collect();
                let tried = fresh.iter().filter(|one| one.attempts > 0);
                self.attempts.extend(tried.map(|one| (one.key.clone(), one.attempts)));
                self.takes = (self.takes + self.takes.div_ceil(4)).min(BATCH);
                // The last batch is written first, and what was taken first is in it.
                self.batches.splice(0..0, cut(fresh, self.fits).into_iter().rev());
            }
            ArchiverEvent::NothingTaken => self.takes = (self.takes / 2).max(1),
            ArchiverEvent::Stored => {
                self.outage = None;
                self.fits = (self.fits + self.fits.div_ceil(4)).min(BATCH);
                if let Some(batch) = self.batches.pop() {
                    self.attempts.retain(|key, _| !batch.contains(key));
                    effects.push(ArchiverEffect::Acknowledge(batch));
                }
            }
            ArchiverEvent::Away => {
                let times = self.outage.map_or(0, |(times, _)| times + 1);
                // It may only have been too much for the time it had: the next try is with half of it.
                if let Some(mut batch) = self.batches.pop() {
                    if batch.len() > 1 {
                        let rest = batch.split_off(batch.len().div_ceil(2));
                        self.batches.push(rest);
                    }
                    self.fits = batch.len().max(1);
                    self.batches.push(batch);
                }
                let bound = OUTAGE.bound_ms(times);
                self.outage = Some((times, now.plus(bound / 2 + self.rng.below(bound / 2 + 1))));
                return effects;
            }
            ArchiverEvent::Refused(reason) => {
                self.outage = None;
                effects.extend(self.refuse(now, reason));
            }
            ArchiverEvent::Tick => {
                if self.outage.is_some_and(|(_, at)| now < at) {
                    return effects;
                }
            }
        }
        effects.extend(self.go_on(now));
        effects
    }

    /// Halves the batch, or counts against the one entry it is.
    fn refuse(&mut self, now: Millis, reason: String) -> Option<ArchiverEffect<K>> {
        let mut batch = self.batches.pop()?;
        if batch.len() > 1 {
            let rest = batch.split_off(batch.len() / 2);
            self.batches.extend([rest, batch]);
            return None;
        }
        let key = batch.pop()?;
        let attempt = self.attempts.remove(&key).unwrap_or(0) + 1;
        if attempt >= ATTEMPTS {
            return Some(ArchiverEffect::Bury(key, attempt, reason));
        }
        let bound = REFUSAL.bound_ms(attempt - 1);
        self.refused.insert(key.clone(), (attempt, now.plus(bound / 2 + self.rng.below(bound / 2 + 1))));
        Some(ArchiverEffect::Note(key, attempt, reason))
    }

    fn go_on(&mut self, now: Millis) -> Option<ArchiverEffect<K>> {
        if self.outage.is_some_and(|(_, at)| now < at) {
            return None;
        }
        if self.batches.is_empty() {
            let due: Vec<K> =
                self.refused.iter().filter(|(_, (_, at))| now >= *at).map(|(key, _)| key.clone()).collect();
            for key in due {
                if let Some((attempt, _)) = self.refused.remove(&key) {
                    self.attempts.insert(key.clone(), attempt);
                    self.batches.push(vec![key]); // Alone, so that it holds nobody up.
                }
            }
        }
        match self.batches.last() {
            Some(batch) => Some(ArchiverEffect::Write(batch.clone())),
            None if self.refused.len() < REFUSED => Some(ArchiverEffect::Take(self.takes)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given<K>(key: K, attempts: u32) -> Given<K> {
        Given { key, attempts, bytes: 100, room: None }
    }

    /// Drives an archiver against an archive that refuses some entries and is away now and then.
    fn drive(entries: u32, poison: &[u32], away_one_in: u64) -> (BTreeSet<u32>, Vec<(u32, u32)>, u64) {
        let (mut stored, mut buried) = (BTreeSet::new(), vec![]);
        let mut archiver = Archiver::new(Rng::new(7));
        let mut rng = Rng::new(3);
        let mut now = Millis::from_unix(1_000);
        let mut events = vec![ArchiverEvent::Took((0..entries).map(|n| given(n, 0)).collect())];
        for _ in 0..10_000 {
            let event = events.pop().unwrap_or_else(|| {
                now = archiver.next_deadline().unwrap_or(now).max(now);
                ArchiverEvent::Tick
            });
            for effect in archiver.handle(now, event) {
                match effect {
                    ArchiverEffect::Write(batch) if rng.one_in(away_one_in) => {
                        stored.extend(batch.iter().filter(|n| !poison.contains(n)).take(1)); // Some of it got through.
                        events.push(ArchiverEvent::Away);
                    }
                    ArchiverEffect::Write(batch) if batch.iter().any(|n| poison.contains(n)) => {
                        events.push(ArchiverEvent::Refused("no".into()));
                    }
                    ArchiverEffect::Write(batch) => {
                        stored.extend(batch);
                        events.push(ArchiverEvent::Stored);
                    }
                    ArchiverEffect::Bury(key, attempt, _) => buried.push((key, attempt)),
                    ArchiverEffect::Take(_) | ArchiverEffect::Acknowledge(_) | ArchiverEffect::Note(..) => {}
                }
            }
            if stored.len() + buried.len() == entries as usize && archiver.held().next().is_none() {
                break;
            }
        }
        assert_eq!(archiver.held().count(), 0, "something still waits");
        (stored, buried, now.as_unix() - 1_000)
    }

    #[test]
    fn neighbours_of_a_poisoned_entry_pass_and_it_is_buried_after_five_attempts() {
        let (stored, buried, ms) = drive(100, &[13, 77], 0);
        assert_eq!(stored.len(), 98);
        assert_eq!(buried.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([(13, ATTEMPTS), (77, ATTEMPTS)]));
        assert!(ms <= 60_000, "within a minute: {ms} ms");
    }

    #[test]
    fn an_outage_is_not_an_attempt() {
        let (stored, buried, _) = drive(50, &[], 2);
        assert_eq!((stored.len(), buried.len()), (50, 0));
        let (stored, buried, _) = drive(50, &[7], 2);
        assert_eq!((stored.len(), buried), (49, vec![(7, ATTEMPTS)]));
    }

    #[test]
    fn attempts_of_an_earlier_worker_count() {
        let mut archiver = Archiver::new(Rng::new(1));
        let now = Millis::ZERO;
        let effects = archiver.handle(now, ArchiverEvent::Took(vec![given(1, ATTEMPTS - 1)]));
        assert_eq!(effects, [ArchiverEffect::Write(vec![1])]);
        let effects = archiver.handle(now, ArchiverEvent::Refused("no".into()));
        assert_eq!(effects[0], ArchiverEffect::Bury(1, ATTEMPTS, "no".into()));
    }

    #[test]
    fn in_an_outage_nothing_more_is_taken() {
        let mut archiver = Archiver::new(Rng::new(1));
        let _ = archiver.handle(Millis::ZERO, ArchiverEvent::Took(vec![given(1, 0)]));
        assert_eq!(archiver.handle(Millis::ZERO, ArchiverEvent::Away), []);
        assert_eq!(archiver.handle(Millis::ZERO, ArchiverEvent::Tick), []);
        assert_eq!(archiver.handle(Millis::from_unix(200), ArchiverEvent::Tick), [ArchiverEffect::Write(vec![1])]);
    }

    #[test]
    fn a_batch_that_is_late_is_halved_until_it_fits_and_grows_again() {
        let mut archiver = Archiver::new(Rng::new(1));
        let (mut now, mut next, mut sizes) = (Millis::from_unix(1_000), 0..2_000, vec![]);
        let mut event = ArchiverEvent::Tick;
        for _ in 0..500 {
            let effects = archiver.handle(now, event);
            let take = effects.contains(&ArchiverEffect::Take(BATCH));
            let written = effects.into_iter().find_map(|effect| match effect {
                ArchiverEffect::Write(batch) => Some(batch.len()),
                _ => None,
            });
            sizes.extend(written);
            event = match written {
                Some(size) if size > 30 && sizes.len() < 50 => ArchiverEvent::Away, // Slow at first.
                Some(_) => ArchiverEvent::Stored,
                None if take => ArchiverEvent::Took(next.by_ref().take(BATCH).map(|n| given(n, 0)).collect()),
                None => ArchiverEvent::Tick,
            };
            now = archiver.next_deadline().unwrap_or(now).max(now);
        }
        assert_eq!((next.len(), archiver.held().count()), (0, 0), "all of it passed: {sizes:?}");
        assert_eq!(sizes[..4], [200, 100, 50, 25]);
        assert_eq!(sizes.iter().skip(50).max(), Some(&BATCH), "as large as ever once it fits: {sizes:?}");
    }

    #[test]
    fn a_batch_has_few_enough_entries_bytes_and_rooms() {
        let room = |n: u32| format!("room-{n}").parse::<RoomId>().ok();
        let of = |bytes, rooms: u32| {
            (0..1_000).map(|n| Given { key: n, attempts: 0, bytes, room: room(n % rooms) }).collect::<Vec<_>>()
        };
        let sizes = |entries| cut(entries, BATCH).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(of(100, 10)), [200; 5]);
        assert_eq!(sizes(of(100, 500)), [BATCH_ROOMS; 10]);
        assert_eq!(sizes(of(16 * 1024, 10)), [vec![32; 31], vec![8]].concat());
        assert_eq!(sizes(of(2 * BATCH_BYTES, 10)), [1; 1_000], "however large one is");
        let batches = cut(of(16 * 1024, 500), BATCH);
        assert!(batches.concat().into_iter().eq(0..1_000), "in order, and none is left out");
    }

    #[test]
    fn what_is_asked_of_the_queue_is_halved_until_it_comes_in_time_and_grows_again() {
        let mut archiver = Archiver::<u32>::new(Rng::new(1));
        let (mut event, mut asked) = (ArchiverEvent::Tick, vec![]);
        for _ in 0..40 {
            let effects = archiver.handle(Millis::ZERO, event);
            let [ArchiverEffect::Take(most)] = effects[..] else { panic!("{effects:?}") };
            asked.push(most);
            event =
                if most > 30 && asked.len() < 20 { ArchiverEvent::NothingTaken } else { ArchiverEvent::Took(vec![]) };
        }
        assert_eq!(asked[..4], [200, 100, 50, 25]);
        assert_eq!(asked.last(), Some(&BATCH), "{asked:?}");
    }
}
