//! Who is speaking, from sound levels: quick to light up, slow to go out.

use crate::time::Millis;

/// A level from 0 (silence) to 100 (full scale) that counts as speech.
const SPEECH_LEVEL: u8 = 6;
/// How long a voice counts as speaking after its last loud moment.
const HOLD_MS: u64 = 900;

/// Watches one voice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Speech {
    loud_at: Option<Millis>,
    speaking: bool,
}

impl Speech {
    /// Takes a level from 0 to 100; says whether the verdict changed.
    #[must_use]
    pub fn hear(&mut self, now: Millis, level: u8) -> bool {
        if level >= SPEECH_LEVEL {
            self.loud_at = Some(now);
        }
        let speaking = self.loud_at.is_some_and(|at| now.since(at) < HOLD_MS);
        let changed = speaking != self.speaking;
        self.speaking = speaking;
        changed
    }

    /// Whether this voice counts as speaking.
    #[must_use]
    pub const fn is_speaking(self) -> bool {
        self.speaking
    }

    /// When this voice was last loud.
    #[must_use]
    pub const fn last_loud(self) -> Option<Millis> {
        self.loud_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_between_words_does_not_flicker() {
        let mut voice = Speech::default();
        assert!(voice.hear(Millis::from_unix(0), 40));
        assert!(!voice.hear(Millis::from_unix(500), 0), "still speaking");
        assert!(voice.is_speaking());
        assert!(voice.hear(Millis::from_unix(1_000), 0));
        assert!(!voice.is_speaking());
    }
}
