//! Perfect negotiation for one peer connection: glare has exactly one winner, candidates wait for a description.
//!
//! After the pattern of the W3C WebRTC recommendation (section 10.7), with one difference: every step of the browser
//! is an effect that ends in an event, so there is never a moment in which a flag and the connection disagree.

use crate::limits::Limits;
use crate::wire::{Candidate, Sdp};
use std::collections::VecDeque;

/// Which side gives way when both offer at once. Both sides derive it from the order of their seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// Takes its own offer back.
    Polite,
    /// Ignores the other's offer.
    Impolite,
}

/// A remote description that waits for the step in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HeldOffer {
    round: u32,
    sdp: Sdp,
}

/// The step in progress. Exactly one browser operation runs at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing in progress.
    Stable,
    /// The browser makes our offer.
    Offering { round: u32 },
    /// Our offer is sent, the answer is awaited.
    AwaitingAnswer { round: u32 },
    /// The browser applies their offer and makes our answer.
    Answering { round: u32 },
    /// The browser applies their answer.
    Applying,
    /// An operation failed; only a new connection helps.
    Broken,
}

/// What happens to a negotiation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NegotiationEvent {
    /// We want to negotiate.
    Offer,
    /// We want to negotiate with new ICE credentials.
    Restart,
    /// The browser made our offer and set it as local description.
    OfferReady(Sdp),
    /// The browser applied their offer and set our answer as local description.
    AnswerReady(Sdp),
    /// The browser applied their answer.
    AnswerApplied,
    /// A browser operation other than adding a candidate failed.
    Failed,
    /// Their offer arrived.
    RemoteOffer(u32, Sdp),
    /// Their answer arrived.
    RemoteAnswer(u32, Sdp),
    /// Their candidate arrived.
    RemoteCandidate(Candidate),
}

/// What must be done for a negotiation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NegotiationEffect {
    /// Make an offer, with new ICE credentials if `restart`, and set it as local description.
    CreateOffer {
        /// Whether ICE starts anew.
        restart: bool,
    },
    /// Apply their offer (taking our own back if one is out), make an answer and set it.
    ApplyOffer(Sdp),
    /// Apply their answer.
    ApplyAnswer(Sdp),
    /// Add their candidate.
    AddCandidate(Candidate),
    /// Send our offer of this round.
    SendOffer(u32, Sdp),
    /// Send our answer to their offer of this round.
    SendAnswer(u32, Sdp),
    /// Only a new connection helps.
    Broken,
}

/// What we still want to offer when the step in progress ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Nothing,
    Offer,
    Restart,
}

/// The state machine of one connection's descriptions.
#[derive(Clone, Debug)]
pub struct Negotiation {
    manners: Manners,
    step: Step,
    wish: Wish,
    /// What the offer in progress asked for, to ask again if it is taken back.
    asked: Wish,
    round: u32,
    held_offer: Option<HeldOffer>,
    /// The last offer of theirs that we took up: the same one again is a repetition.
    taken_up: Option<u32>,
    has_remote: bool,
    held_candidates: VecDeque<Candidate>,
}

impl Negotiation {
    /// A connection without descriptions.
    #[must_use]
    pub const fn new(manners: Manners) -> Self {
        Self {
            manners,
            step: Step::Stable,
            wish: Wish::Nothing,
            asked: Wish::Nothing,
            round: 0,
            held_offer: None,
            taken_up: None,
            has_remote: false,
            held_candidates: VecDeque::new(),
        }
    }

    /// Whether no step is in progress and nothing waits.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.step == Step::Stable && self.wish == Wish::Nothing && self.held_offer.is_none()
    }

    /// Applies one event.
    #[must_use]
    pub fn handle(&mut self, event: NegotiationEvent) -> Vec<NegotiationEffect> {
        if self.step == Step::Broken {
            return vec![];
        }
        match event {
            NegotiationEvent::Offer => {
                if self.wish == Wish::Nothing {
                    self.wish = Wish::Offer;
                }
                self.go_on()
            }
            NegotiationEvent::Restart => {
                self.wish = Wish::Restart;
                self.go_on()
            }
            NegotiationEvent::OfferReady(sdp) => self.offer_ready(sdp),
            NegotiationEvent::AnswerReady(sdp) => match self.step {
                Step::Answering { round } => {
                    self.step = Step::Stable;
                    let mut effects = vec![NegotiationEffect::SendAnswer(round, sdp)];
                    effects.extend(self.remote_is_set());
                    effects.extend(self.go_on());
                    effects
                }
                _ => vec![], // An operation of a step that failed meanwhile.
            },
            NegotiationEvent::AnswerApplied => match self.step {
                Step::Applying => {
                    self.step = Step::Stable;
                    self.asked = Wish::Nothing;
                    let mut effects = self.remote_is_set();
                    effects.extend(self.go_on());
                    effects
                }
                _ => vec![],
            },
            NegotiationEvent::Failed => {
                self.step = Step::Broken;
                vec![NegotiationEffect::Broken]
            }
            NegotiationEvent::RemoteOffer(round, sdp) => self.remote_offer(HeldOffer { round, sdp }),
            NegotiationEvent::RemoteAnswer(round, sdp) => match self.step {
                Step::AwaitingAnswer { round: ours } if ours == round => {
                    self.step = Step::Applying;
                    vec![NegotiationEffect::ApplyAnswer(sdp)]
                }
                _ => vec![], // A late answer to an offer that was taken back.
            },
            NegotiationEvent::RemoteCandidate(candidate) => self.remote_candidate(candidate),
        }
    }

    fn offer_ready(&mut self, sdp: Sdp) -> Vec<NegotiationEffect> {
        let Step::Offering { round } = self.step else { return vec![] };
        if let Some(theirs) = self.held_offer.take() {
            // We are polite: impolite offers are never held while we offer.
            return self.yield_to(theirs);
        }
        self.step = Step::AwaitingAnswer { round };
        vec![NegotiationEffect::SendOffer(round, sdp)]
    }

    fn remote_offer(&mut self, theirs: HeldOffer) -> Vec<NegotiationEffect> {
        if self.taken_up == Some(theirs.round) {
            return vec![];
        }
        match (&self.step, self.manners) {
            (Step::Stable, _) => self.answer(theirs),
            (Step::AwaitingAnswer { .. }, Manners::Polite) => self.yield_to(theirs),
            // Theirs will be taken back when ours arrives.
            (Step::Offering { .. } | Step::AwaitingAnswer { .. }, Manners::Impolite) => vec![],
            (Step::Offering { .. }, Manners::Polite) | (Step::Answering { .. } | Step::Applying, _) => {
                self.held_offer = Some(theirs); // The newest offer is the only one that still counts.
                vec![]
            }
            (Step::Broken, _) => vec![],
        }
    }

    /// Takes our own offer back. What a plain offer asked for is covered by answering theirs; a restart is not.
    fn yield_to(&mut self, theirs: HeldOffer) -> Vec<NegotiationEffect> {
        if self.asked == Wish::Restart {
            self.wish = Wish::Restart;
        }
        self.asked = Wish::Nothing;
        self.answer(theirs)
    }

    fn answer(&mut self, theirs: HeldOffer) -> Vec<NegotiationEffect> {
        self.step = Step::Answering { round: theirs.round };
        self.taken_up = Some(theirs.round);
        vec![NegotiationEffect::ApplyOffer(theirs.sdp)]
    }

    fn remote_candidate(&mut self, candidate: Candidate) -> Vec<NegotiationEffect> {
        if self.has_remote && !matches!(self.step, Step::Answering { .. } | Step::Applying) {
            return vec![NegotiationEffect::AddCandidate(candidate)];
        }
        if self.held_candidates.len() < Limits::HELD_CANDIDATES {
            self.held_candidates.push_back(candidate);
        }
        vec![]
    }

    fn remote_is_set(&mut self) -> Vec<NegotiationEffect> {
        self.has_remote = true;
        self.held_candidates.drain(..).map(NegotiationEffect::AddCandidate).collect()
    }

    /// Starts what waits, if nothing is in progress.
    fn go_on(&mut self) -> Vec<NegotiationEffect> {
        if self.step != Step::Stable {
            return vec![];
        }
        if let Some(theirs) = self.held_offer.take() {
            return self.answer(theirs);
        }
        if self.wish == Wish::Nothing {
            return vec![];
        }
        let restart = self.wish == Wish::Restart;
        self.asked = std::mem::replace(&mut self.wish, Wish::Nothing);
        self.round = self.round.wrapping_add(1);
        self.step = Step::Offering { round: self.round };
        vec![NegotiationEffect::CreateOffer { restart }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NegotiationEffect as Do;
    use NegotiationEvent as On;

    fn sdp(text: &str) -> Sdp {
        Sdp::new(text).expect("short")
    }

    fn candidate(n: usize) -> Candidate {
        Candidate::new(format!("candidate:{n}"), "0".into(), 0).expect("short")
    }

    #[test]
    fn an_offer_is_answered() {
        let mut a = Negotiation::new(Manners::Impolite);
        assert_eq!(a.handle(On::Offer), [Do::CreateOffer { restart: false }]);
        assert_eq!(a.handle(On::OfferReady(sdp("o"))), [Do::SendOffer(1, sdp("o"))]);
        assert_eq!(a.handle(On::RemoteAnswer(1, sdp("a"))), [Do::ApplyAnswer(sdp("a"))]);
        assert_eq!(a.handle(On::AnswerApplied), []);
        assert!(a.is_settled());
    }

    #[test]
    fn on_glare_the_polite_side_yields_and_the_impolite_side_goes_on() {
        for early in [true, false] {
            let (mut polite, mut impolite) = (Negotiation::new(Manners::Polite), Negotiation::new(Manners::Impolite));
            let _ = polite.handle(On::Offer);
            let _ = impolite.handle(On::Offer);
            let _ = impolite.handle(On::OfferReady(sdp("i")));
            if early {
                assert_eq!(polite.handle(On::RemoteOffer(1, sdp("i"))), [], "held while the browser makes our offer");
                assert_eq!(polite.handle(On::OfferReady(sdp("p"))), [Do::ApplyOffer(sdp("i"))]);
            } else {
                assert_eq!(polite.handle(On::OfferReady(sdp("p"))), [Do::SendOffer(1, sdp("p"))]);
                assert_eq!(impolite.handle(On::RemoteOffer(1, sdp("p"))), []);
                assert_eq!(polite.handle(On::RemoteOffer(1, sdp("i"))), [Do::ApplyOffer(sdp("i"))]);
            }
            assert_eq!(polite.handle(On::AnswerReady(sdp("a"))), [Do::SendAnswer(1, sdp("a"))]);
            assert_eq!(impolite.handle(On::RemoteAnswer(1, sdp("a"))), [Do::ApplyAnswer(sdp("a"))]);
            let _ = impolite.handle(On::AnswerApplied);
            assert!(polite.is_settled() && impolite.is_settled());
        }
    }

    #[test]
    fn a_restart_that_yields_is_asked_again() {
        let mut polite = Negotiation::new(Manners::Polite);
        let _ = polite.handle(On::Restart);
        let _ = polite.handle(On::OfferReady(sdp("p")));
        let _ = polite.handle(On::RemoteOffer(7, sdp("i")));
        let effects = polite.handle(On::AnswerReady(sdp("a")));
        assert_eq!(effects, [Do::SendAnswer(7, sdp("a")), Do::CreateOffer { restart: true }]);
    }

    #[test]
    fn late_answer_after_yielding_is_ignored() {
        let mut polite = Negotiation::new(Manners::Polite);
        let _ = polite.handle(On::Offer);
        let _ = polite.handle(On::OfferReady(sdp("p")));
        let _ = polite.handle(On::RemoteOffer(1, sdp("i")));
        assert_eq!(polite.handle(On::RemoteAnswer(1, sdp("late"))), []);
    }

    #[test]
    fn candidates_wait_for_a_description_and_are_bounded() {
        let mut n = Negotiation::new(Manners::Polite);
        for i in 0..Limits::HELD_CANDIDATES + 10 {
            assert_eq!(n.handle(On::RemoteCandidate(candidate(i))), []);
        }
        let _ = n.handle(On::RemoteOffer(1, sdp("o")));
        let effects = n.handle(On::AnswerReady(sdp("a")));
        assert_eq!(effects.len(), 1 + Limits::HELD_CANDIDATES);
        assert_eq!(effects[1], Do::AddCandidate(candidate(0)));
        assert_eq!(n.handle(On::RemoteCandidate(candidate(1))), [Do::AddCandidate(candidate(1))]);
    }

    #[test]
    fn a_failed_operation_breaks_the_connection_once() {
        let mut n = Negotiation::new(Manners::Polite);
        let _ = n.handle(On::Offer);
        assert_eq!(n.handle(On::Failed), [Do::Broken]);
        assert_eq!(n.handle(On::Failed), []);
        assert_eq!(n.handle(On::RemoteOffer(1, sdp("o"))), []);
    }
}
