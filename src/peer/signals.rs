//! The signals of a pair: one numbering for both directions, kept until they are acknowledged, taken within a budget.

use super::{Peer, PeerEffect, RISE};
use crate::id::PcEpoch;
use crate::inbox::{Arrival, Inbox};
use crate::limits::Limits;
use crate::negotiation::NegotiationEvent;
use crate::time::Millis;
use crate::wire::Signal;

impl Peer {
    /// Applies a signal of theirs. What is over their budget is dropped and not acknowledged: they send it again.
    #[must_use]
    pub fn signal(&mut self, now: Millis, stream: u64, seq: u64, signal: Signal) -> Vec<PeerEffect> {
        if stream < self.stream {
            // From a page of theirs that is gone, or from before they heard of ours. Where they knew ours, it is a new page
            // that numbers lower, because its server's clock is behind: it must hear of the higher one.
            let knew_ours = self.outbox.is_empty() && (self.sent > 0 || self.inbox.last() > 0);
            let told = knew_ours && self.intake.takes(now) && self.intake.acknowledges(now);
            return if told { vec![self.acknowledge()] } else { vec![] };
        }
        if stream > self.stream && seq > 1 {
            return vec![]; // The middle of something: its beginning comes again, unless an older page of ours had it.
        }
        if !self.intake.takes(now) {
            return vec![];
        }
        let mut effects = vec![];
        if stream > self.stream {
            if !self.intake.takes_stream(now) {
                return vec![];
            }
            // Their page is a new one and expects our first number: what waits is numbered from 1 again.
            let waiting: Vec<Signal> = self.outbox.pending().map(|(_, signal)| signal.clone()).collect();
            self.start_stream(stream);
            for signal in waiting {
                self.sent += 1;
                self.outbox.push(self.sent, signal).expect("as many as were there before");
            }
            effects.extend(self.resend(now));
        }
        let is_new = signal.epoch() > self.epoch || self.offer_by.is_some();
        if seq == self.inbox.last() + 1 && !self.intake.takes_delivery(now, &signal, is_new) {
            return effects;
        }
        effects.extend(match self.inbox.accept(seq) {
            Arrival::Next => self.deliver(now, signal),
            Arrival::Duplicate | Arrival::Gap { .. } => vec![],
        });
        if self.intake.acknowledges(now) {
            effects.push(self.acknowledge());
        }
        effects
    }

    pub(super) const fn acknowledge(&self) -> PeerEffect {
        PeerEffect::Acknowledge { stream: self.stream, seq: self.inbox.last() }
    }

    /// They have our signals of this stream up to `seq`. A higher stream than ours is one that an older page of ours
    /// knew: we call them anew, above it.
    #[must_use]
    pub fn acknowledged(&mut self, now: Millis, stream: u64, seq: u64) -> Vec<PeerEffect> {
        if stream > self.stream && self.intake.takes_stream(now) {
            let above = stream.saturating_add(RISE);
            self.start_stream(above);
            let epoch = PcEpoch::from_number(above.max(self.epoch.next().number()));
            let mut effects = self.renew(now, epoch, true);
            effects.extend(self.negotiate(now, NegotiationEvent::Offer));
            return effects;
        }
        if stream != self.stream {
            return vec![];
        }
        let arrived: Vec<u64> = self.outbox.pending().map(|(n, _)| *n).take_while(|n| *n <= seq).collect();
        if arrived.is_empty() {
            return vec![];
        }
        for number in arrived {
            let _ = self.outbox.ack(number);
        }
        self.resends = 0;
        self.plan_resend(now);
        match self.resent {
            Some(upto) if seq >= upto => self.resend_after(upto),
            Some(_) | None => vec![],
        }
    }

    /// Sends again what was not acknowledged, after the link came back or time has passed.
    #[must_use]
    pub fn resend(&mut self, now: Millis) -> Vec<PeerEffect> {
        self.plan_resend(now);
        self.resend_after(0)
    }

    fn plan_resend(&mut self, now: Millis) {
        let wait_ms = Limits::SIGNAL_RESEND_MS << self.resends.min(8);
        let at = now.plus(wait_ms.min(Limits::SIGNAL_RESEND_CAP_MS));
        self.resend_at = if self.outbox.is_empty() { None } else { Some(at) };
    }

    /// The next part of what waits, after this number. Each part follows when the one before is acknowledged, so that
    /// repeating costs little however much waits.
    fn resend_after(&mut self, number: u64) -> Vec<PeerEffect> {
        let stream = self.stream;
        let waiting = self.outbox.pending().filter(|(seq, _)| *seq > number).take(Limits::SIGNALS_RESENT);
        let part: Vec<PeerEffect> =
            waiting.map(|(seq, signal)| PeerEffect::Send { stream, seq: *seq, signal: signal.clone() }).collect();
        self.resent = match part.last() {
            Some(PeerEffect::Send { seq, .. }) if *seq < self.sent => Some(*seq),
            _ => None,
        };
        part
    }

    pub(super) fn start_stream(&mut self, stream: u64) {
        self.stream = stream;
        (self.sent, self.inbox) = (0, Inbox::default());
        (self.resends, self.resent) = (0, None);
        self.outbox.clear();
    }

    pub(super) fn send(&mut self, now: Millis, signal: Signal) -> Vec<PeerEffect> {
        if self.outbox.push(self.sent + 1, signal.clone()).is_err() {
            // They have not acknowledged for long: what waits is out of date, only this still counts.
            self.start_stream(self.stream.saturating_add(1));
            self.outbox.push(1, signal.clone()).expect("an outbox that was just cleared has room");
        }
        self.sent += 1;
        self.resend_at.get_or_insert(now.plus(Limits::SIGNAL_RESEND_MS));
        vec![PeerEffect::Send { stream: self.stream, seq: self.sent, signal }]
    }
}
