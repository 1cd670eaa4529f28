//! What everyone saw, and the proof that nothing acknowledged was lost, doubled, reordered or invented.

use holdfast::{ChatId, Offset};
use std::collections::{BTreeMap, BTreeSet};

/// What one observer, a page or the archive, saw as stored: in the order it saw it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Who.
    pub who: String,
    /// Messages at their places.
    pub messages: Vec<(Offset, ChatId)>,
}

/// What the authors did.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Every message that was sent, by author, in the order of writing.
    pub sent: BTreeMap<String, Vec<ChatId>>,
    /// Those that were acknowledged, with their place.
    pub acked: BTreeMap<ChatId, Offset>,
}

/// Something that must never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Acknowledged, and this observer does not have it.
    Lost(String, ChatId),
    /// This observer has it twice.
    Doubled(String, ChatId),
    /// This observer saw places that do not ascend.
    Reordered(String, Offset, Offset),
    /// Two observers have different messages at one place.
    Divergent(Offset, ChatId, ChatId),
    /// Nobody wrote it.
    Invented(String, ChatId),
    /// It is not where the acknowledgement said.
    Moved(ChatId, Offset, Offset),
    /// An author's messages stand in another order than they were written in.
    OutOfTurn(String, (ChatId, Offset), (ChatId, Offset)),
}

/// Checks everything that everyone saw. Empty when all is well.
#[must_use]
pub fn check(written: &Written, observers: &[Seen]) -> Vec<Broken> {
    let mut broken = vec![];
    let known: BTreeSet<ChatId> = written.sent.values().flatten().copied().collect();
    let mut places: BTreeMap<Offset, ChatId> = BTreeMap::new();
    for Seen { who, messages } in observers {
        let mut ids = BTreeSet::new();
        let mut last: Option<Offset> = None;
        for (at, id) in messages {
            if !ids.insert(*id) {
                broken.push(Broken::Doubled(who.clone(), *id));
            }
            if !known.contains(id) {
                broken.push(Broken::Invented(who.clone(), *id));
            }
            if let Some(last) = last.filter(|last| last >= at) {
                broken.push(Broken::Reordered(who.clone(), last, *at));
            }
            last = Some(*at);
            match places.insert(*at, *id) {
                Some(other) if other != *id => broken.push(Broken::Divergent(*at, other, *id)),
                _ => {}
            }
            match written.acked.get(id) {
                Some(promised) if promised != at => broken.push(Broken::Moved(*id, *promised, *at)),
                _ => {}
            }
        }
        broken.extend(written.acked.keys().filter(|id| !ids.contains(id)).map(|id| Broken::Lost(who.clone(), *id)));
    }
    let place_of: BTreeMap<ChatId, Offset> = places.iter().map(|(at, id)| (*id, *at)).collect();
    for (author, sent) in &written.sent {
        let stored: Vec<(ChatId, Offset)> = sent.iter().filter_map(|id| Some((*id, *place_of.get(id)?))).collect();
        for pair in stored.windows(2) {
            if pair[0].1 > pair[1].1 {
                broken.push(Broken::OutOfTurn(author.clone(), pair[0], pair[1]));
            }
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast::rng::Rng;
    use holdfast::{LogEpoch, Millis};

    fn at(seq: u64) -> Offset {
        Offset { epoch: LogEpoch::from_number(1), seq }
    }

    #[test]
    fn each_kind_of_break_is_found() {
        let mut rng = Rng::new(1);
        let [a, b, c, d] = std::array::from_fn(|_| ChatId::mint(Millis::ZERO, &mut rng));
        let written = Written {
            sent: BTreeMap::from([("ana".into(), vec![a, b, c])]),
            acked: BTreeMap::from([(a, at(1)), (b, at(2))]),
        };
        let seen = |messages: Vec<(Offset, ChatId)>| vec![Seen { who: "bo".into(), messages }];
        assert_eq!(check(&written, &seen(vec![(at(1), a), (at(2), b), (at(3), c)])), []);
        assert_eq!(check(&written, &seen(vec![(at(1), a)])), [Broken::Lost("bo".into(), b)]);
        assert!(
            check(&written, &seen(vec![(at(1), a), (at(1), a), (at(2), b)])).contains(&Broken::Doubled("bo".into(), a))
        );
        assert!(check(&written, &seen(vec![(at(2), b), (at(1), a)])).contains(&Broken::Reordered(
            "bo".into(),
            at(2),
            at(1)
        )));
        assert!(
            check(&written, &seen(vec![(at(1), a), (at(2), b), (at(3), d)]))
                .contains(&Broken::Invented("bo".into(), d))
        );
        assert!(check(&written, &seen(vec![(at(1), a), (at(4), b)])).contains(&Broken::Moved(b, at(2), at(4))));
        assert!(check(&written, &seen(vec![(at(1), a), (at(3), b), (at(2), c)])).contains(&Broken::OutOfTurn(
            "ana".into(),
            (b, at(3)),
            (c, at(2))
        )));
        let mut two = seen(vec![(at(1), a), (at(2), b)]);
        two.extend(seen(vec![(at(1), a), (at(2), b), (at(3), c)]));
        two.extend(seen(vec![(at(1), a), (at(2), b), (at(3), a)]));
        assert!(check(&written, &two).contains(&Broken::Divergent(at(3), c, a)));
    }
}
