//! How much of what waits is on its way to the log: a window that answers open and a refusal closes.

use crate::bucket::Bucket;
use crate::limits::Limits;
use crate::time::Millis;

/// Counts what is on its way. After a refusal, or when answers stay away, one message goes first and the others follow as
/// answers come, as after a loss in TCP (slow start, RFC 5681, 3.1): what is repeated never grows with what waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    window: usize,
    /// What the server allows a seat, with room for messages that are late.
    allowed: Bucket,
    /// Nothing goes out before.
    not_before: Option<Millis>,
    /// If nothing is answered by then, what is on its way counts as lost.
    answer_by: Option<Millis>,
    /// How long an answer is waited for.
    patience_ms: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            window: Limits::CHAT_UNDER_WAY,
            allowed: Bucket::new(Millis::ZERO, Limits::CHAT_SENT_BURST, Limits::CHAT_PER_S),
            not_before: None,
            answer_by: None,
            patience_ms: Limits::CHAT_ANSWER_MS,
        }
    }
}

impl Pace {
    /// A new socket: nothing is on its way.
    pub(super) const fn start_over(&mut self) {
        self.window = Limits::CHAT_UNDER_WAY;
        (self.not_before, self.answer_by) = (None, None);
        self.patience_ms = Limits::CHAT_ANSWER_MS;
    }

    /// The server took one; others may still be on their way.
    pub(super) fn answered(&mut self, now: Millis, others: bool) {
        self.window = (self.window + 1).min(Limits::CHAT_UNDER_WAY);
        self.patience_ms = Limits::CHAT_ANSWER_MS;
        self.answer_by = others.then(|| now.plus(self.patience_ms));
    }

    /// The server refused one for now, and with it all behind it.
    pub(super) const fn refused(&mut self, now: Millis) {
        (self.window, self.answer_by) = (1, None);
        self.not_before = Some(now.plus(Limits::CHAT_AGAIN_MS));
    }

    /// Whether answers have stayed away for too long. Each time they get longer: the network may be slow.
    pub(super) fn is_lost(&mut self, now: Millis) -> bool {
        self.not_before = self.not_before.filter(|at| now < *at);
        if self.answer_by.is_none_or(|at| now < at) {
            return false;
        }
        (self.window, self.answer_by) = (1, None);
        self.patience_ms = (self.patience_ms * 2).min(Limits::CHAT_ANSWER_CAP_MS);
        true
    }

    /// Whether one more may go out, when so many messages and bytes are on their way.
    pub(super) fn may_send(&mut self, now: Millis, under_way: usize, bytes: usize) -> bool {
        if self.not_before.is_some() || under_way >= self.window || bytes > Limits::CHAT_UNDER_WAY_BYTES {
            return false;
        }
        if !self.allowed.take(now) {
            self.not_before = Some(now.plus(1_000 / u64::from(Limits::CHAT_PER_S)));
            return false;
        }
        self.answer_by.get_or_insert(now.plus(self.patience_ms));
        true
    }

    /// When to look again.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.not_before.into_iter().chain(self.answer_by).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis::from_unix(1_000_000);

    /// How many go out when all are under way that may be.
    fn burst(pace: &mut Pace, now: Millis) -> usize {
        (0..1_000).take_while(|n| pace.may_send(now, *n, 0)).count()
    }

    #[test]
    fn after_a_refusal_one_goes_first_and_answers_open_the_window_again() {
        let mut pace = Pace::default();
        assert_eq!(burst(&mut pace, NOW), Limits::CHAT_UNDER_WAY);
        pace.refused(NOW);
        assert_eq!(burst(&mut pace, NOW), 0);
        let again = NOW.plus(Limits::CHAT_AGAIN_MS);
        assert!(!pace.is_lost(again));
        assert_eq!(burst(&mut pace, again), 1);
        pace.answered(again, false);
        assert_eq!(burst(&mut pace, again), 2);
    }

    #[test]
    fn what_is_not_answered_is_sent_again_alone_and_later_each_time() {
        let mut pace = Pace::default();
        assert_eq!(burst(&mut pace, NOW), Limits::CHAT_UNDER_WAY);
        let late = NOW.plus(Limits::CHAT_ANSWER_MS);
        assert!(!pace.is_lost(NOW) && pace.is_lost(late));
        assert_eq!(burst(&mut pace, late), 1);
        assert_eq!(pace.next_deadline(), Some(late.plus(2 * Limits::CHAT_ANSWER_MS)));
    }

    #[test]
    fn a_large_message_goes_alone() {
        let mut pace = Pace::default();
        assert!(pace.may_send(NOW, 0, 0), "the first always goes");
        assert!(!pace.may_send(NOW, 1, Limits::CHAT_UNDER_WAY_BYTES + 1));
    }

    #[test]
    fn in_the_long_run_no_more_goes_out_than_a_seat_may_say() {
        let mut pace = Pace::default();
        let mut sent = 0;
        for ms in 0..60_000 {
            assert!(!pace.is_lost(NOW.plus(ms)));
            sent += usize::from(pace.may_send(NOW.plus(ms), 0, 0));
            pace.answered(NOW.plus(ms), false);
        }
        assert!(sent <= (Limits::CHAT_SENT_BURST + 60 * Limits::CHAT_PER_S) as usize, "{sent}");
    }
}
