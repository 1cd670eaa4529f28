//! One person we are connected to: their connection's epoch, its negotiation, its signals, and when to repair it.

use crate::id::{PcEpoch, PeerId};
use crate::inbox::{Arrival, Inbox};
use crate::limits::Limits;
use crate::negotiation::{Manners, Negotiation, NegotiationEffect, NegotiationEvent};
use crate::outbox::Outbox;
use crate::time::Millis;
use crate::wire::{Candidate, Sdp, Signal};

/// Where the media path stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// We wait for their first offer until then.
    Awaiting {
        /// When we offer ourselves.
        until: Millis,
    },
    /// The connection is being set up or repaired.
    Connecting {
        /// When it is rebuilt.
        until: Millis,
    },
    /// Media can flow.
    Connected,
    /// The browser lost contact a moment ago.
    Disconnected {
        /// When it is restarted.
        until: Millis,
    },
}

/// What the browser says of a peer connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RtcEvent {
    /// Our offer is made and set.
    OfferReady(Sdp),
    /// Their offer is applied, our answer is made and set.
    AnswerReady(Sdp),
    /// Their answer is applied.
    AnswerApplied,
    /// An operation failed. A candidate that cannot be added is not reported.
    OperationFailed,
    /// A way to reach us was found.
    LocalCandidate(Candidate),
    /// Media can flow.
    Connected,
    /// Contact is lost, perhaps for a moment.
    Disconnected,
    /// The browser gave the connection up.
    Failed,
}

/// What must be done for a person's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEffect {
    /// Make the connection of this epoch.
    Open(PcEpoch),
    /// Drop the connection of this epoch.
    Close(PcEpoch),
    /// A step of the negotiation of the connection of this epoch.
    CreateOffer(PcEpoch, bool),
    /// Apply their offer and answer it.
    ApplyOffer(PcEpoch, Sdp),
    /// Apply their answer.
    ApplyAnswer(PcEpoch, Sdp),
    /// Add their candidate.
    AddCandidate(PcEpoch, Candidate),
    /// Send a signal under this stream and number.
    Send {
        /// Our numbering.
        stream: u64,
        /// Its number.
        seq: u64,
        /// What to send.
        signal: Signal,
    },
    /// Acknowledge their signals up to `seq`.
    Acknowledge {
        /// Their numbering.
        stream: u64,
        /// The last number delivered.
        seq: u64,
    },
}

/// The state machine of one person's connection.
#[derive(Debug)]
pub struct Peer {
    manners: Manners,
    epoch: PcEpoch,
    negotiation: Negotiation,
    path: Path,
    restarts: u8,
    /// Whether the browser says that media can flow.
    up: bool,
    /// Which numbering both directions use: both sides take up the higher one, and then count from 1.
    stream: u64,
    sent: u64,
    outbox: Outbox<u64, Signal>,
    resend_at: Option<Millis>,
    inbox: Inbox,
}

impl Peer {
    /// A person we know of and have no connection to. `base` is the server's time when the later of us two took
    /// their seat: whatever knows less (an older page, a time before somebody left and came back) numbered its
    /// connections and streams lower.
    #[must_use]
    pub fn new(now: Millis, me: PeerId, them: PeerId, base: Millis) -> Self {
        let manners = if me < them { Manners::Impolite } else { Manners::Polite };
        Self {
            manners,
            epoch: PcEpoch::from_number(base.as_unix()),
            negotiation: Negotiation::new(manners),
            path: Path::Awaiting { until: now.plus(Limits::PC_FOLLOWER_EXTRA_MS) },
            restarts: 0,
            up: false,
            stream: base.as_unix(),
            sent: 0,
            outbox: Outbox::new(Limits::SIGNALS_UNACKED),
            resend_at: None,
            inbox: Inbox::default(),
        }
    }

    /// Where the media path stands.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.path
    }

    /// The epoch of the newest connection.
    #[must_use]
    pub const fn epoch(&self) -> PcEpoch {
        self.epoch
    }

    /// Signals that wait for their acknowledgement.
    #[must_use]
    pub fn unacked(&self) -> usize {
        self.outbox.len()
    }

    /// When to call [`Peer::tick`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let path = match self.path {
            Path::Awaiting { until } | Path::Connecting { until } | Path::Disconnected { until } => Some(until),
            Path::Connected => None,
        };
        path.into_iter().chain(self.resend_at).min()
    }

    /// Makes the first connection and offers.
    #[must_use]
    pub fn call(&mut self, now: Millis) -> Vec<PeerEffect> {
        let mut effects = self.renew(now, self.epoch.next(), false);
        effects.extend(self.negotiate(now, NegotiationEvent::Offer));
        effects
    }

    /// Applies what the browser says of the connection of `epoch`.
    #[must_use]
    pub fn rtc(&mut self, now: Millis, epoch: PcEpoch, event: RtcEvent) -> Vec<PeerEffect> {
        if epoch != self.epoch {
            return vec![]; // From a connection we already replaced.
        }
        match event {
            RtcEvent::OfferReady(sdp) => self.negotiate(now, NegotiationEvent::OfferReady(sdp)),
            RtcEvent::AnswerReady(sdp) => self.negotiate(now, NegotiationEvent::AnswerReady(sdp)),
            RtcEvent::AnswerApplied => {
                let effects = self.negotiate(now, NegotiationEvent::AnswerApplied);
                if self.up && self.negotiation.is_settled() {
                    // A restart on our side alone: the browser never left 'connected' and will not say so again.
                    (self.path, self.restarts) = (Path::Connected, 0);
                }
                effects
            }
            RtcEvent::OperationFailed => self.negotiate(now, NegotiationEvent::Failed),
            RtcEvent::LocalCandidate(candidate) => self.send(now, Signal::Candidate { epoch, candidate }),
            RtcEvent::Connected => {
                self.up = true;
                self.path = Path::Connected;
                self.restarts = 0;
                vec![]
            }
            RtcEvent::Disconnected => {
                self.up = false;
                if self.path == Path::Connected {
                    self.path = Path::Disconnected { until: now.plus(Limits::PC_DISCONNECTED_MS + self.patience_ms()) };
                }
                vec![]
            }
            RtcEvent::Failed => {
                self.up = false;
                self.repair(now)
            }
        }
    }

    /// Applies a signal of theirs.
    #[must_use]
    pub fn signal(&mut self, now: Millis, stream: u64, seq: u64, signal: Signal) -> Vec<PeerEffect> {
        if stream < self.stream {
            return vec![]; // From a page of theirs that is gone, or from before they heard of ours.
        }
        let mut effects = vec![];
        if stream > self.stream {
            // Their page is a new one and expects our first number: what waits is numbered from 1 again.
            let waiting: Vec<Signal> = self.outbox.pending().map(|(_, signal)| signal.clone()).collect();
            self.start_stream(stream);
            effects.extend(waiting.into_iter().flat_map(|signal| self.send(now, signal)));
        }
        effects.extend(match self.inbox.accept(seq) {
            Arrival::Next => self.deliver(now, signal),
            Arrival::Duplicate | Arrival::Gap { .. } => vec![],
        });
        effects.push(PeerEffect::Acknowledge { stream, seq: self.inbox.last() });
        effects
    }

    /// They have our signals of this stream up to `seq`.
    pub fn acknowledged(&mut self, now: Millis, stream: u64, seq: u64) {
        if stream != self.stream {
            return;
        }
        let arrived: Vec<u64> = self.outbox.pending().map(|(n, _)| *n).take_while(|n| *n <= seq).collect();
        if arrived.is_empty() {
            return;
        }
        for number in arrived {
            let _ = self.outbox.ack(number);
        }
        self.resend_at = if self.outbox.is_empty() { None } else { Some(now.plus(Limits::SIGNAL_RESEND_MS)) };
    }

    /// Sends again what was not acknowledged, after the link came back or time has passed.
    #[must_use]
    pub fn resend(&mut self, now: Millis) -> Vec<PeerEffect> {
        self.resend_at = if self.outbox.is_empty() { None } else { Some(now.plus(Limits::SIGNAL_RESEND_MS)) };
        let stream = self.stream;
        self.outbox
            .pending()
            .map(|(seq, signal)| PeerEffect::Send { stream, seq: *seq, signal: signal.clone() })
            .collect()
    }

    /// Time has passed.
    #[must_use]
    pub fn tick(&mut self, now: Millis) -> Vec<PeerEffect> {
        let mut effects = vec![];
        if self.resend_at.is_some_and(|at| now >= at) {
            effects.extend(self.resend(now));
        }
        match self.path {
            Path::Awaiting { until } if now >= until => effects.extend(self.call(now)),
            Path::Connecting { until } if now >= until => effects.extend(self.rebuild(now)),
            Path::Disconnected { until } if now >= until => effects.extend(self.repair(now)),
            Path::Awaiting { .. } | Path::Connecting { .. } | Path::Disconnected { .. } | Path::Connected => {}
        }
        effects
    }

    /// Drops the connection, because the person left.
    #[must_use]
    pub fn close(&mut self) -> Vec<PeerEffect> {
        match self.path {
            Path::Awaiting { .. } => vec![],
            Path::Connecting { .. } | Path::Connected | Path::Disconnected { .. } => {
                vec![PeerEffect::Close(self.epoch)]
            }
        }
    }

    fn leads(&self) -> bool {
        self.manners == Manners::Impolite
    }

    /// One side repairs, the other gives it time and steps in only if nothing happens.
    fn patience_ms(&self) -> u64 {
        if self.leads() { 0 } else { Limits::PC_FOLLOWER_EXTRA_MS }
    }

    fn repair(&mut self, now: Millis) -> Vec<PeerEffect> {
        if self.restarts >= Limits::ICE_RESTARTS {
            return self.rebuild(now);
        }
        self.restarts += 1;
        self.path = Path::Connecting { until: now.plus(Limits::PC_CONNECT_WITHIN_MS + self.patience_ms()) };
        if self.leads() {
            self.negotiate(now, NegotiationEvent::Restart)
        } else {
            self.send(now, Signal::Renew { epoch: self.epoch })
        }
    }

    fn rebuild(&mut self, now: Millis) -> Vec<PeerEffect> {
        // What waits is about the connection we give up.
        self.start_stream(self.stream.saturating_add(1));
        let mut effects = self.renew(now, self.epoch.next(), true);
        effects.extend(self.negotiate(now, NegotiationEvent::Offer));
        effects
    }

    /// Replaces the connection by one of a higher epoch.
    fn renew(&mut self, now: Millis, epoch: PcEpoch, close_old: bool) -> Vec<PeerEffect> {
        let mut effects = if close_old { self.close() } else { vec![] };
        (self.epoch, self.up) = (epoch, false);
        self.negotiation = Negotiation::new(self.manners);
        self.path = Path::Connecting { until: now.plus(Limits::PC_CONNECT_WITHIN_MS + self.patience_ms()) };
        self.restarts = 0;
        effects.push(PeerEffect::Open(epoch));
        effects
    }

    fn deliver(&mut self, now: Millis, signal: Signal) -> Vec<PeerEffect> {
        let epoch = signal.epoch();
        if epoch < self.epoch {
            return vec![]; // About a connection we already replaced.
        }
        match signal {
            Signal::Offer { round, sdp, .. } => {
                let mut effects = vec![];
                if epoch > self.epoch || matches!(self.path, Path::Awaiting { .. }) {
                    effects.extend(self.renew(now, epoch, true));
                }
                effects.extend(self.negotiate(now, NegotiationEvent::RemoteOffer(round, sdp)));
                effects
            }
            Signal::Answer { round, sdp, .. } if epoch == self.epoch => {
                self.negotiate(now, NegotiationEvent::RemoteAnswer(round, sdp))
            }
            Signal::Candidate { candidate, .. } if epoch == self.epoch => {
                self.negotiate(now, NegotiationEvent::RemoteCandidate(candidate))
            }
            Signal::Renew { .. } if epoch == self.epoch && self.leads() && !self.is_repairing() => self.repair(now),
            // Ahead of its offer, which would have come first: a peer that does not keep to the protocol.
            Signal::Answer { .. } | Signal::Candidate { .. } | Signal::Renew { .. } => vec![],
        }
    }

    fn is_repairing(&self) -> bool {
        matches!(self.path, Path::Connecting { .. } | Path::Awaiting { .. })
    }

    fn negotiate(&mut self, now: Millis, event: NegotiationEvent) -> Vec<PeerEffect> {
        let epoch = self.epoch;
        let mut effects = vec![];
        for effect in self.negotiation.handle(event) {
            match effect {
                NegotiationEffect::CreateOffer { restart } => effects.push(PeerEffect::CreateOffer(epoch, restart)),
                NegotiationEffect::ApplyOffer(sdp) => effects.push(PeerEffect::ApplyOffer(epoch, sdp)),
                NegotiationEffect::ApplyAnswer(sdp) => effects.push(PeerEffect::ApplyAnswer(epoch, sdp)),
                NegotiationEffect::AddCandidate(candidate) => {
                    effects.push(PeerEffect::AddCandidate(epoch, candidate));
                }
                NegotiationEffect::SendOffer(round, sdp) => {
                    effects.extend(self.send(now, Signal::Offer { epoch, round, sdp }));
                }
                NegotiationEffect::SendAnswer(round, sdp) => {
                    effects.extend(self.send(now, Signal::Answer { epoch, round, sdp }));
                }
                NegotiationEffect::Broken => {
                    // Rebuilding at once could spin if the browser keeps failing; the watchdog's pace cannot.
                    self.path = Path::Connecting { until: now.plus(1_000 + self.patience_ms()) };
                }
            }
        }
        effects
    }

    fn start_stream(&mut self, stream: u64) {
        self.stream = stream;
        (self.sent, self.inbox) = (0, Inbox::default());
        self.outbox.clear();
    }

    fn send(&mut self, now: Millis, signal: Signal) -> Vec<PeerEffect> {
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
