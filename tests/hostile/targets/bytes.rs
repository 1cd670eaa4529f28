//! Choices read from bytes: whoever changes a byte changes one choice, which is what a fuzzer needs.

/// The bytes that were not read yet. Read to their end they choose 0 for ever.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A number from 0 to `bound` exclusive; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let number = match bound {
            0 | 1 => return 0,
            2..=256 => u64::from(self.byte()),
            257..=65_536 => u64::from(self.byte()) << 8 | u64::from(self.byte()),
            _ => self.number(),
        };
        number % bound
    }

    /// Any number: mostly a small one or one at an edge.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=199 => u64::from(small),
            200 => u64::MAX,
            near @ 201..=219 => u64::MAX - u64::from(near - 200),
            shift @ 220..=239 => 1 << (3 * (shift - 220)),
            _ => (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte())),
        }
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Whether something happens that happens once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == n - 1
    }

    /// The next bytes as they stand, up to 255 of them.
    pub(crate) fn text(&mut self) -> String {
        let length = usize::from(self.byte()).min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
}
