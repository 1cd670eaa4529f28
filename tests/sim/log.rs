//! What outlives every crash: the log, its queue and the archive.

use holdfast::archiving::{Archiver, ArchiverEffect, ArchiverEvent, Given};
use holdfast::rng::Rng;
use holdfast::room::AppendOutcome;
use holdfast::wire::{ClientMsg, Entry, Past, ServerMsg};
use holdfast::{ChatId, Limits, LogEpoch, Millis, Offset};
use std::collections::{BTreeMap, VecDeque};

/// One room's log, as Redis would keep it, with the archive behind it.
#[derive(Debug)]
pub struct Log {
    pub epoch: LogEpoch,
    /// Entries up to here were trimmed.
    pub oldest: u64,
    entries: BTreeMap<u64, Entry>,
    head: u64,
    keys: BTreeMap<String, Offset>,
    queue: VecDeque<Offset>,
    /// Taken from the queue by a worker and not acknowledged.
    claimed: Vec<Offset>,
    archiver: Archiver<Offset>,
    archive: BTreeMap<Offset, Entry>,
    pub archive_away: bool,
    /// Every entry that was ever acknowledged, by its place.
    pub ever: BTreeMap<Offset, Entry>,
}

impl Log {
    pub fn new(now: Millis) -> Self {
        Self {
            epoch: LogEpoch::from_number(now.as_unix()),
            oldest: 0,
            entries: BTreeMap::new(),
            head: 0,
            keys: BTreeMap::new(),
            queue: VecDeque::new(),
            claimed: vec![],
            archiver: Archiver::new(Rng::new(1)),
            archive: BTreeMap::new(),
            archive_away: false,
            ever: BTreeMap::new(),
        }
    }

    pub fn start(&self) -> Offset {
        Offset { epoch: self.epoch, seq: self.oldest }
    }

    /// `meant_for`: the life of the log that whoever appends knows.
    pub fn append(&mut self, entry: Entry, ask_archive: bool, meant_for: LogEpoch) -> AppendOutcome {
        if let (true, Entry::Chat { id, .. }) = (ask_archive, &entry) {
            if self.archive_away {
                return AppendOutcome::Away;
            }
            if let Some(offset) = self.archived(*id) {
                return AppendOutcome::Stored(offset);
            }
        }
        if entry.is_of_one_life() && meant_for != self.epoch {
            return AppendOutcome::Moved;
        }
        if let Some(offset) = entry.key().and_then(|key| self.keys.get(&key)) {
            return AppendOutcome::Stored(*offset);
        }
        self.head += 1;
        let offset = Offset { epoch: self.epoch, seq: self.head };
        if let Some(key) = entry.key() {
            self.keys.insert(key, offset);
        }
        self.entries.insert(self.head, entry.clone());
        self.ever.insert(offset, entry);
        self.queue.push_back(offset);
        AppendOutcome::Stored(offset)
    }

    pub fn page(&self, after: u64) -> Vec<(Offset, Entry)> {
        let epoch = self.epoch;
        let rest = self.entries.range(after + 1..).take(Limits::PAGE_ENTRIES);
        rest.map(|(seq, entry)| (Offset { epoch, seq: *seq }, entry.clone())).collect()
    }

    /// The newest messages before a place: from the log what it has, from the archive what lies before.
    pub fn history(&self, msg: &ClientMsg) -> ServerMsg {
        let ClientMsg::History { before } = msg else { panic!("not a question for history") };
        let live = self.entries.iter().map(|(seq, entry)| (Offset { epoch: self.epoch, seq: *seq }, entry));
        let old = self.archive.iter().filter(|(offset, _)| **offset <= self.start()).map(|(o, entry)| (*o, entry));
        let mut all: Vec<(Offset, &Entry)> = old.chain(live).collect();
        all.retain(|(offset, entry)| offset < before && matches!(entry, Entry::Chat { .. }));
        let more = all.len() > 20;
        let page = all.split_off(all.len().saturating_sub(20));
        let messages = page.into_iter().map(|(offset, entry)| Past { offset, entry: entry.clone() }).collect();
        ServerMsg::History { before: *before, messages, more }
    }

    fn archived(&self, id: ChatId) -> Option<Offset> {
        let same = |entry: &Entry| matches!(entry, Entry::Chat { id: known, .. } if *known == id);
        self.archive.iter().find(|(_, entry)| same(entry)).map(|(offset, _)| *offset)
    }

    /// A worker's turn. `dies` kills it somewhere in the middle.
    pub fn archive_some(&mut self, now: Millis, mut dies: bool) {
        let mut events = VecDeque::from([ArchiverEvent::Tick]);
        let mut takes = 0;
        while let Some(event) = events.pop_front() {
            for effect in self.archiver.handle(now, event) {
                match effect {
                    ArchiverEffect::Take(_) => {
                        takes += 1;
                        let taken: Vec<Offset> = self.queue.drain(..self.queue.len().min(7)).collect();
                        self.claimed.extend(&taken);
                        if takes < 50 && !taken.is_empty() {
                            let given = |key| Given { key, attempts: 0, bytes: 100, room: None };
                            events.push_back(ArchiverEvent::Took(taken.into_iter().map(given).collect()));
                        }
                    }
                    ArchiverEffect::Write(_) if self.archive_away => events.push_back(ArchiverEvent::Away),
                    ArchiverEffect::Write(batch) => {
                        for offset in batch {
                            let known = self.archive.insert(offset, self.ever[&offset].clone());
                            assert!(known.is_none_or(|known| known == self.ever[&offset]), "two entries at one place");
                            if std::mem::take(&mut dies) {
                                // Half a batch is stored, nothing is acknowledged; another worker claims it all again.
                                self.queue = self.claimed.drain(..).chain(self.queue.drain(..)).collect();
                                self.archiver = Archiver::new(Rng::new(2));
                                return;
                            }
                        }
                        events.push_back(ArchiverEvent::Stored);
                    }
                    ArchiverEffect::Acknowledge(batch) => self.claimed.retain(|offset| !batch.contains(offset)),
                    ArchiverEffect::Note(..) | ArchiverEffect::Bury(..) => panic!("the archive refuses nothing"),
                }
            }
        }
    }

    pub fn all_archived(&self) -> bool {
        self.queue.is_empty() && self.claimed.is_empty()
    }

    /// Takes archived entries out of the log; never one that a seat in use began with.
    pub fn trim(&mut self, keep_from: u64) {
        let unsaved = self.queue.iter().chain(&self.claimed).filter(|o| o.epoch == self.epoch).map(|o| o.seq).min();
        let until = unsaved.unwrap_or(self.head + 1).min(keep_from).saturating_sub(1);
        self.oldest = self.oldest.max(until);
        self.entries = self.entries.split_off(&(self.oldest + 1));
    }

    /// Somebody empties the log. What is in the archive stays.
    pub fn wipe(&mut self, now: Millis) {
        self.epoch = LogEpoch::from_number(now.as_unix().max(self.epoch.number() + 1));
        (self.oldest, self.head) = (0, 0);
        self.entries.clear();
        self.keys.clear();
    }
}
