//! One person we are connected to: their connection's epoch, its negotiation, its signals, and when to repair it.

mod intake;
mod signals;

use crate::id::{PcEpoch, PeerId};
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::negotiation::{Manners, Negotiation, NegotiationEffect, NegotiationEvent};
use crate::outbox::Outbox;
use crate::recovery::{Flow, Recovery, RecoveryEffect, RecoveryEvent, Route};
use crate::time::Millis;
use crate::wire::{Candidate, Sdp, Signal, without_addresses};
use intake::Intake;

/// Where the media path stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// We wait for their first offer.
    Awaiting,
    /// The connection is being set up.
    Connecting,
    /// Media can flow.
    Connected,
    /// Media does not flow; it is waited for or repaired.
    Troubled,
}

/// Whether a relay could carry the media if nothing else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayReach {
    /// One answered, or still has time to.
    Open,
    /// None answers.
    Silent,
    /// The server names none.
    Missing,
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
    /// What arrived on it so far.
    Flowed(Flow),
}

/// What must be done for a person's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEffect {
    /// Make the connection of this epoch, with these routes.
    Open(PcEpoch, Route),
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
    /// Use these routes from the next gathering on.
    SetRoute(PcEpoch, Route),
    /// Whether pictures go out has changed.
    SetPicture,
    /// Send a whole picture now.
    Refresh(PcEpoch),
    /// Ask them for one.
    AskPicture,
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

/// How far above a numbering that an older page had a new one begins: past every connection it may have opened.
const RISE: u64 = 1_000;

/// The state machine of one person's connection.
#[derive(Debug)]
pub struct Peer {
    manners: Manners,
    hides: bool,
    epoch: PcEpoch,
    negotiation: Negotiation,
    /// Until then their first offer is waited for; none once there is a connection.
    offer_by: Option<Millis>,
    recovery: Recovery,
    /// Since when the browser looks for addresses, and whether it found a relay's.
    gathers_since: Millis,
    relay_found: bool,
    /// Which numbering both directions use: both sides take up the higher one, and then count from 1.
    stream: u64,
    sent: u64,
    outbox: Outbox<u64, Signal>,
    resend_at: Option<Millis>,
    /// How often what waits was sent again without an answer.
    resends: u32,
    /// Set while what waits is being sent again, part by part: up to here it was.
    resent: Option<u64>,
    inbox: Inbox,
    intake: Intake,
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
            hides: false,
            epoch: PcEpoch::from_number(base.as_unix()),
            negotiation: Negotiation::new(manners),
            offer_by: Some(now.plus(Limits::PC_FOLLOWER_EXTRA_MS)),
            recovery: Recovery::new(manners == Manners::Impolite),
            gathers_since: now,
            relay_found: false,
            stream: base.as_unix(),
            sent: 0,
            outbox: Outbox::new(Limits::SIGNALS_UNACKED),
            resend_at: None,
            resends: 0,
            resent: None,
            inbox: Inbox::default(),
            intake: Intake::new(now),
        }
    }

    /// Where the media path stands.
    #[must_use]
    pub const fn path(&self) -> Path {
        match (self.offer_by.is_some(), self.recovery.is_healthy(), self.recovery.wrong_since()) {
            (true, ..) => Path::Awaiting,
            (false, true, _) => Path::Connected,
            (false, false, Some(_)) => Path::Troubled,
            (false, false, None) => Path::Connecting,
        }
    }

    /// The ladder of its repairs.
    #[must_use]
    pub const fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Whether a relay could carry the media.
    #[must_use]
    pub fn relay_reach(&self, now: Millis) -> RelayReach {
        match (self.recovery.has_relays(), self.relay_found) {
            (false, _) => RelayReach::Missing,
            (true, false) if now.since(self.gathers_since) >= Limits::RELAY_WITHIN_MS => RelayReach::Silent,
            (true, _) => RelayReach::Open,
        }
    }

    /// Shows them no address but relays'.
    pub const fn hide_addresses(&mut self) {
        self.hides = true;
        self.recovery.hide_addresses();
    }

    /// Repairs nothing before the browser gives up, as clients without a ladder do.
    pub const fn be_plain(&mut self) {
        self.recovery.be_plain();
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
        let acknowledge = self.intake.next_deadline();
        self.offer_by.into_iter().chain(self.recovery.next_deadline()).chain(self.resend_at).chain(acknowledge).min()
    }

    /// Makes the first connection and offers.
    #[must_use]
    pub fn call(&mut self, now: Millis) -> Vec<PeerEffect> {
        let mut effects = self.renew(now, self.epoch.next(), false);
        effects.extend(self.negotiate(now, NegotiationEvent::Offer));
        effects
    }

    /// Negotiates the newest connection once more. Only one side offers on a connection that lives: where both did, one
    /// would have to take its offer back, and browsers have lost a stream over that.
    #[must_use]
    pub fn offer_again(&mut self, now: Millis) -> Vec<PeerEffect> {
        match (self.offer_by, self.leads()) {
            (Some(_), _) => vec![],
            (None, true) => self.negotiate(now, NegotiationEvent::Offer),
            (None, false) => self.send(now, Signal::Renew { epoch: self.epoch }),
        }
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
                let mut effects = self.negotiate(now, NegotiationEvent::AnswerApplied);
                if self.negotiation.is_settled() {
                    effects.extend(self.recover(now, RecoveryEvent::Agreed));
                }
                effects
            }
            RtcEvent::OperationFailed => self.negotiate(now, NegotiationEvent::Failed),
            RtcEvent::LocalCandidate(candidate) if self.hides && candidate.shows_address() => vec![],
            RtcEvent::LocalCandidate(candidate) => {
                let is_relay = candidate.is_relay();
                self.relay_found |= is_relay;
                let mut effects = self.send(now, Signal::Candidate { epoch, candidate });
                if is_relay {
                    effects.extend(self.recover(now, RecoveryEvent::RelaysAnswer(true)));
                }
                effects
            }
            RtcEvent::Connected => self.recover(now, RecoveryEvent::Connected),
            RtcEvent::Disconnected => self.recover(now, RecoveryEvent::Disconnected),
            RtcEvent::Failed => self.recover(now, RecoveryEvent::Failed),
            RtcEvent::Flowed(flow) => self.recover(now, RecoveryEvent::Flowed(flow)),
        }
    }

    /// Something happens to the media path that the browser does not say.
    #[must_use]
    pub fn recover(&mut self, now: Millis, event: RecoveryEvent) -> Vec<PeerEffect> {
        let mut effects = vec![];
        for effect in self.recovery.handle(now, event) {
            match effect {
                RecoveryEffect::Restart if self.leads() => {
                    effects.extend(self.negotiate(now, NegotiationEvent::Restart));
                }
                RecoveryEffect::Restart => effects.extend(self.send(now, Signal::Renew { epoch: self.epoch })),
                RecoveryEffect::Rebuild => effects.extend(self.rebuild(now)),
                RecoveryEffect::Route(route) => effects.push(PeerEffect::SetRoute(self.epoch, route)),
                RecoveryEffect::Picture(_) => effects.push(PeerEffect::SetPicture),
                RecoveryEffect::Refresh => effects.push(PeerEffect::Refresh(self.epoch)),
                RecoveryEffect::AskPicture => effects.push(PeerEffect::AskPicture),
            }
        }
        effects
    }

    /// Time has passed.
    #[must_use]
    pub fn tick(&mut self, now: Millis) -> Vec<PeerEffect> {
        let mut effects = vec![];
        if self.resend_at.is_some_and(|at| now >= at) {
            self.resends += 1;
            effects.extend(self.resend(now));
        }
        if self.intake.takes_acknowledgement(now) {
            effects.push(self.acknowledge());
        }
        if self.offer_by.is_some_and(|until| now >= until) {
            effects.extend(self.call(now));
        }
        if self.relay_reach(now) == RelayReach::Silent {
            effects.extend(self.recover(now, RecoveryEvent::RelaysAnswer(false)));
        }
        effects.extend(self.recover(now, RecoveryEvent::Tick));
        effects
    }

    /// Drops the connection, because the person left.
    #[must_use]
    pub fn close(&mut self) -> Vec<PeerEffect> {
        if self.offer_by.is_some() { vec![] } else { vec![PeerEffect::Close(self.epoch)] }
    }

    fn leads(&self) -> bool {
        self.manners == Manners::Impolite
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
        (self.epoch, self.offer_by) = (epoch, None);
        self.negotiation = Negotiation::new(self.manners);
        self.gathers_anew(now);
        let opened = self.recover(now, RecoveryEvent::Opened); // It may take another route.
        effects.push(PeerEffect::Open(epoch, self.recovery.route()));
        effects.extend(opened);
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
                if epoch > self.epoch || self.offer_by.is_some() {
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
            Signal::Renew { .. } if epoch == self.epoch && self.leads() => self.recover(now, RecoveryEvent::Asked),
            // Ahead of its offer, which would have come first: a peer that does not keep to the protocol.
            Signal::Answer { .. } | Signal::Candidate { .. } | Signal::Renew { .. } => vec![],
        }
    }

    fn negotiate(&mut self, now: Millis, event: NegotiationEvent) -> Vec<PeerEffect> {
        let epoch = self.epoch;
        let mut effects = vec![];
        for effect in self.negotiation.handle(event) {
            match effect {
                NegotiationEffect::CreateOffer { restart } => {
                    if restart {
                        self.gathers_anew(now);
                    }
                    effects.push(PeerEffect::CreateOffer(epoch, restart));
                }
                NegotiationEffect::ApplyOffer(sdp) => {
                    if !self.recovery.is_healthy() {
                        self.gathers_anew(now); // The first, or a restart: another one finds nothing new.
                    }
                    effects.push(PeerEffect::ApplyOffer(epoch, sdp));
                }
                NegotiationEffect::ApplyAnswer(sdp) => effects.push(PeerEffect::ApplyAnswer(epoch, sdp)),
                NegotiationEffect::AddCandidate(candidate) => {
                    effects.push(PeerEffect::AddCandidate(epoch, candidate));
                }
                NegotiationEffect::SendOffer(round, sdp) => {
                    let sdp = if self.hides { without_addresses(&sdp) } else { sdp };
                    effects.extend(self.send(now, Signal::Offer { epoch, round, sdp }));
                }
                NegotiationEffect::SendAnswer(round, sdp) => {
                    let sdp = if self.hides { without_addresses(&sdp) } else { sdp };
                    effects.extend(self.send(now, Signal::Answer { epoch, round, sdp }));
                }
                NegotiationEffect::Broken => effects.extend(self.recover(now, RecoveryEvent::Broken)),
            }
        }
        effects
    }

    /// Addresses are looked for once more. A relay that did not answer the last time does not get its time again.
    const fn gathers_anew(&mut self, now: Millis) {
        if std::mem::replace(&mut self.relay_found, false) {
            self.gathers_since = now;
        }
    }
}
