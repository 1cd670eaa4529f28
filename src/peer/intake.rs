//! How much of what one person signals is taken: whoever sends more than a call needs waits, and nobody else pays for it.

use crate::bucket::Bucket;
use crate::limits::Limits;
use crate::time::Millis;
use crate::wire::Signal;

/// The budgets of one person's signals. What is over them is not acknowledged, so that its sender repeats it later.
#[derive(Debug)]
pub(super) struct Intake {
    signals: Bucket,
    /// What makes the browser negotiate.
    offers: Bucket,
    /// What makes a new connection.
    connections: Bucket,
    /// What makes us send again all that waits.
    streams: Bucket,
    /// When acknowledgements were last sent, and whether one is due.
    acknowledged_at: Option<Millis>,
    owes: bool,
}

impl Intake {
    /// Full budgets.
    pub(super) fn new(now: Millis) -> Self {
        Self {
            signals: Bucket::new(now, Limits::SIGNALS_BURST, Limits::SIGNALS_PER_S),
            offers: Bucket::new(now, Limits::OFFERS_BURST, Limits::OFFERS_PER_S),
            connections: Bucket::new(now, Limits::CONNECTIONS_BURST, Limits::CONNECTIONS_PER_S),
            streams: Bucket::new(now, Limits::CONNECTIONS_BURST, Limits::CONNECTIONS_PER_S),
            acknowledged_at: None,
            owes: false,
        }
    }

    /// Whether a signal is looked at.
    pub(super) fn takes(&mut self, now: Millis) -> bool {
        self.signals.take(now)
    }

    /// Whether their numbering may begin anew.
    pub(super) fn takes_stream(&mut self, now: Millis) -> bool {
        self.streams.take(now)
    }

    /// Whether a signal that would be delivered may be acted on; `is_new` if it makes a new connection.
    pub(super) fn takes_delivery(&mut self, now: Millis, signal: &Signal, is_new: bool) -> bool {
        match signal {
            Signal::Offer { .. } if is_new && !self.connections.take(now) => false,
            Signal::Offer { .. } | Signal::Renew { .. } => self.offers.take(now),
            Signal::Answer { .. } | Signal::Candidate { .. } => true,
        }
    }

    /// A signal came: whether it is acknowledged now, or a little later together with others.
    pub(super) fn acknowledges(&mut self, now: Millis) -> bool {
        self.owes = true;
        self.takes_acknowledgement(now)
    }

    /// Whether the acknowledgement that is due is sent now.
    pub(super) fn takes_acknowledgement(&mut self, now: Millis) -> bool {
        let due = self.owes && self.acknowledge_at().is_none_or(|at| now >= at);
        if due {
            (self.owes, self.acknowledged_at) = (false, Some(now));
        }
        due
    }

    /// When an acknowledgement is due.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.acknowledge_at().filter(|_| self.owes)
    }

    fn acknowledge_at(&self) -> Option<Millis> {
        self.acknowledged_at.map(|at| at.plus(Limits::ACKNOWLEDGE_EVERY_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PcEpoch;
    use crate::wire::Sdp;

    const NOW: Millis = Millis::from_unix(1_000_000);

    #[test]
    fn new_connections_are_made_at_most_one_a_second_in_the_long_run() {
        let mut intake = Intake::new(NOW);
        let offer = Signal::Offer { epoch: PcEpoch::from_number(1), round: 1, sdp: Sdp::new("v=0").expect("short") };
        let made = (0..10_000).filter(|ms| intake.takes_delivery(NOW.plus(*ms), &offer, true)).count();
        assert!(made <= 10 + Limits::CONNECTIONS_BURST as usize, "{made}");
    }

    #[test]
    fn a_flood_is_acknowledged_now_and_then_and_at_its_end() {
        let mut intake = Intake::new(NOW);
        let at_once = (0..1_000).filter(|ms| intake.acknowledges(NOW.plus(*ms))).count();
        assert!((19..=21).contains(&at_once), "{at_once}");
        let due = intake.next_deadline().expect("the last one is owed");
        assert!(intake.takes_acknowledgement(due) && intake.next_deadline().is_none());
    }
}
