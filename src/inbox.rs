//! What has arrived already: drops duplicates and notices gaps in a numbered stream.

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

#[cfg(test)]
mod tests {
    use super::*;

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
