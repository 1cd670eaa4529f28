//! What has arrived already: drops duplicates, and notices gaps in a numbered stream or takes it out of order.

/// What a number means for a stream that counts 1, 2, 3, …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next one: deliver it.
    Next,
    /// Delivered before: drop it.
    Duplicate,
    /// Something before it is missing: do not deliver it, ask for what comes after `last`.
    Gap {
        /// The last number that was delivered.
        last: u64,
    },
}

/// Remembers the last number that was delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inbox {
    last: u64,
}

impl Inbox {
    /// A stream of which everything up to `last` was delivered.
    #[must_use]
    pub const fn after(last: u64) -> Self {
        Self { last }
    }

    /// The last number that was delivered; 0 if none.
    #[must_use]
    pub const fn last(self) -> u64 {
        self.last
    }

    /// Judges a number; only [`Arrival::Next`] moves the stream on.
    #[must_use]
    pub const fn accept(&mut self, number: u64) -> Arrival {
        if number <= self.last {
            Arrival::Duplicate
        } else if number == self.last + 1 {
            self.last = number;
            Arrival::Next
        } else {
            Arrival::Gap { last: self.last }
        }
    }
}

/// Remembers which of the newest 64 numbers have come, for what may come in another order (RFC 4303, 3.4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayWindow {
    highest: u64,
    /// Bit `n` is set if `highest - n` has come.
    seen: u64,
}

impl ReplayWindow {
    /// Whether this number comes for the first time; one that is too old to tell counts as known.
    #[must_use]
    pub const fn accept(&mut self, number: u64) -> bool {
        if number > self.highest {
            let ahead = number - self.highest;
            self.seen = if ahead < 64 { self.seen << ahead | 1 } else { 1 };
            self.highest = number;
            return true;
        }
        let behind = self.highest - number;
        if number == 0 || behind >= 64 || self.seen >> behind & 1 == 1 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_any_order_each_number_counts_once() {
        let mut window = ReplayWindow::default();
        let taken: Vec<bool> =
            [0, 2, 1, 2, 1, 3, 66, 3, 4, 66, u64::MAX, 5].into_iter().map(|n| window.accept(n)).collect();
        assert_eq!(taken, [false, true, true, false, false, true, true, false, true, false, true, false]);
    }

    #[test]
    fn only_the_next_number_is_delivered() {
        let mut inbox = Inbox::default();
        let seen: Vec<Arrival> = [1, 1, 3, 2, 3, u64::MAX].into_iter().map(|n| inbox.accept(n)).collect();
        assert_eq!(
            seen,
            [
                Arrival::Next,
                Arrival::Duplicate,
                Arrival::Gap { last: 1 },
                Arrival::Next,
                Arrival::Next,
                Arrival::Gap { last: 3 }
            ]
        );
    }

    #[test]
    fn the_last_number_of_all_does_not_overflow() {
        let mut inbox = Inbox::after(u64::MAX);
        assert_eq!(inbox.accept(u64::MAX), Arrival::Duplicate);
        assert_eq!(inbox.accept(0), Arrival::Duplicate);
    }
}
