//! Glare under a magnifying glass: two negotiations that both offer, at random moments, over a slow line.

use crate::fake_pc::{FakePc, Signaling};
use crate::seeds;
use holdfast::negotiation::{Manners, Negotiation, NegotiationEffect, NegotiationEvent};
use holdfast::recovery::Route;
use holdfast::rng::Rng;
use std::collections::BTreeMap;

/// Two ends; each message and each browser operation takes a random time, messages keep their order.
struct Pair {
    rng: Rng,
    now: u64,
    ends: [(Negotiation, FakePc); 2],
    due: BTreeMap<(u64, u64), (usize, NegotiationEvent)>,
    line: [u64; 2],
    n: u64,
    both_ignored: bool,
}

impl Pair {
    fn post(&mut self, at: u64, end: usize, event: NegotiationEvent) {
        self.n += 1;
        self.due.insert((at, self.n), (end, event));
    }

    fn send(&mut self, from: usize, event: NegotiationEvent) {
        let at = (self.now + 1 + self.rng.below(60)).max(self.line[from]);
        self.line[from] = at;
        self.post(at, 1 - from, event);
    }

    fn step(&mut self, end: usize, event: NegotiationEvent) {
        for effect in self.ends[end].0.handle(event) {
            let done = self.now + 1 + self.rng.below(20);
            let pc = &mut self.ends[end].1;
            match effect {
                NegotiationEffect::CreateOffer { restart } => {
                    let sdp = pc.create_offer(restart).expect("state rules are kept");
                    self.post(done, end, NegotiationEvent::OfferReady(sdp));
                }
                NegotiationEffect::ApplyOffer(sdp) => {
                    let answer = pc.apply_offer(&sdp).expect("state rules are kept");
                    self.post(done, end, NegotiationEvent::AnswerReady(answer));
                }
                NegotiationEffect::ApplyAnswer(sdp) => {
                    pc.apply_answer(&sdp).expect("state rules are kept");
                    self.post(done, end, NegotiationEvent::AnswerApplied);
                }
                NegotiationEffect::AddCandidate(_) => pc.add_candidate().expect("candidates wait"),
                NegotiationEffect::SendOffer(round, sdp) => self.send(end, NegotiationEvent::RemoteOffer(round, sdp)),
                NegotiationEffect::SendAnswer(round, sdp) => self.send(end, NegotiationEvent::RemoteAnswer(round, sdp)),
                NegotiationEffect::Broken => self.both_ignored = true,
            }
        }
    }
}

#[test]
fn glare_always_has_exactly_one_winner() {
    for seed in seeds(1_000) {
        let mut pair = Pair {
            rng: Rng::new(seed),
            now: 0,
            ends: [
                (Negotiation::new(Manners::Polite), FakePc::new("p".into(), Route::Any, true)),
                (Negotiation::new(Manners::Impolite), FakePc::new("i".into(), Route::Any, true)),
            ],
            due: BTreeMap::new(),
            line: [0, 0],
            n: 0,
            both_ignored: false,
        };
        for _ in 0..12 {
            let (at, end) = (pair.rng.below(300), pair.rng.below(2) as usize);
            let event = if pair.rng.one_in(2) { NegotiationEvent::Offer } else { NegotiationEvent::Restart };
            pair.post(at, end, event);
        }
        while let Some(((at, _), (end, event))) = pair.due.pop_first() {
            pair.now = at;
            assert!(pair.n < 5_000, "seed {seed}: the two never come to an end");
            pair.step(end, event);
        }
        let [a, b] = &pair.ends;
        assert!(!pair.both_ignored && a.0.is_settled() && b.0.is_settled(), "seed {seed}: stuck");
        let newest = (a.1.session(), b.1.session());
        assert_eq!(a.1.agreed(&b.1).next(), Some(newest), "seed {seed}");
        assert_eq!((a.1.signaling, b.1.signaling), (Signaling::Stable, Signaling::Stable), "seed {seed}");
    }
}
