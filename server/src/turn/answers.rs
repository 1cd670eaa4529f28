//! How often a source that has proved nothing is answered: it may be forged, and the answer is longer than the question.

use crate::throttle::subscriber;
use holdfast::Millis;
use holdfast::bucket::Bucket;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Mutex;

/// Answers to one source at once: a hundred people behind one address who join a call at the same time.
const BURST: u32 = 1_000;
/// And a second in the long run: some 10 kB.
const PER_S: u32 = 100;
/// Accounts. A source has one by its hash, so that any number of forged ones needs no more memory.
const ACCOUNTS: usize = 4_096;

/// The accounts of all sources.
pub(super) struct Answers {
    hasher: RandomState,
    accounts: Mutex<Vec<Bucket>>,
}

impl Answers {
    pub(super) fn new() -> Self {
        let full = Bucket::new(Millis::ZERO, BURST, PER_S);
        Self { hasher: RandomState::new(), accounts: Mutex::new(vec![full; ACCOUNTS]) }
    }

    /// Whether one more answer may go to this source.
    pub(super) fn take(&self, source: IpAddr, now: Millis) -> bool {
        let at = self.hasher.hash_one(subscriber(source)) as usize % ACCOUNTS;
        self.accounts.lock().expect("no holder of this lock can panic")[at].take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_uses_up_its_own_account() {
        let (answers, now) = (Answers::new(), Millis::from_unix(1_000_000));
        let source = |n: u8| IpAddr::from([198, 51, 100, n]);
        assert_eq!((0..5_000).filter(|_| answers.take(source(1), now)).count(), BURST as usize);
        // Two of them may share an account by chance, four do not.
        assert!((2..6).any(|n| answers.take(source(n), now)), "others are answered");
        assert!(answers.take(source(1), Millis::from_unix(1_001_000)), "and it is again, later");
    }
}
