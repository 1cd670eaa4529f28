//! The link, step by step.

use super::*;

fn at(ms: u64) -> Millis {
    Millis::from_unix(ms)
}

fn online() -> Link {
    let mut link = Link::new(Rng::new(1));
    assert_eq!(link.handle(at(0), LinkEvent::Start), [LinkEffect::Open(SocketEpoch::from_number(1))]);
    assert_eq!(link.handle(at(10), LinkEvent::Opened(link.epoch())), [LinkEffect::Greet]);
    assert_eq!(link.handle(at(20), LinkEvent::Greeted), []);
    assert!(link.is_online());
    link
}

#[test]
fn an_old_sockets_words_are_dropped() {
    let mut link = online();
    let old = link.epoch();
    let _ = link.handle(at(30), LinkEvent::Closed(old, CloseCode::Broken, String::new()));
    let _ = link.handle(at(5_000), LinkEvent::Tick);
    assert_ne!(link.epoch(), old);
    let before = link.state();
    assert_eq!(link.handle(at(5_001), LinkEvent::Opened(old)), []);
    assert_eq!(link.handle(at(5_001), LinkEvent::Closed(old, CloseCode::Replaced, String::new())), []);
    assert_eq!(link.state(), before);
}

#[test]
fn silence_is_noticed_and_a_ping_goes_first() {
    let mut link = online();
    assert_eq!(link.next_deadline(), Some(at(2_020)));
    assert_eq!(link.handle(at(2_020), LinkEvent::Tick), [LinkEffect::Ping]);
    let effects = link.handle(at(6_020), LinkEvent::Tick);
    assert_eq!(effects, [LinkEffect::Close(link.epoch()), LinkEffect::Lost]);
    assert!(matches!(link.state(), LinkState::Waiting { until } if until.since(at(6_020)) <= 400));
}

#[test]
fn a_slow_link_is_given_more_time_and_a_doubted_one_less() {
    let mut link = online();
    for _ in 0..20 {
        let _ = link.handle(at(30), LinkEvent::Ponged(1_000));
    }
    assert_eq!(link.handle(at(7_000), LinkEvent::Tick), [LinkEffect::Ping], "an answer may still be on its way");
    let effects = link.handle(at(20_020), LinkEvent::Tick);
    assert_eq!(effects, [LinkEffect::Close(link.epoch()), LinkEffect::Lost], "but not for ever");
    let mut link = online();
    let _ = link.handle(at(30), LinkEvent::Ponged(40));
    assert_eq!(link.handle(at(100), LinkEvent::Doubt), [LinkEffect::Ping]);
    let _ = link.handle(at(150), LinkEvent::Heard(link.epoch()));
    assert_eq!(link.handle(at(1_900), LinkEvent::Tick), [], "it answered");
    assert_eq!(link.handle(at(2_000), LinkEvent::Doubt), [LinkEffect::Ping]);
    let old = link.epoch();
    let effects = link.handle(at(2_500), LinkEvent::Tick);
    assert_eq!(effects, [LinkEffect::Close(old), LinkEffect::Lost, LinkEffect::Open(link.epoch())]);
}

#[test]
fn a_stop_code_stops_and_a_hint_is_obeyed() {
    let mut link = online();
    let _ = link.handle(at(50), LinkEvent::Closed(link.epoch(), CloseCode::Restart, "restart retry=2000".into()));
    assert!(matches!(link.state(), LinkState::Waiting { until } if (2_000..2_400).contains(&until.since(at(50)))));
    let mut link = online();
    let _ = link.handle(at(50), LinkEvent::Closed(link.epoch(), CloseCode::Replaced, String::new()));
    assert_eq!(link.state(), LinkState::Stopped(CloseCode::Replaced));
    assert_eq!(link.next_deadline(), None);
}

#[test]
fn a_link_that_never_settles_keeps_backing_off() {
    let mut link = Link::new(Rng::new(4));
    let _ = link.handle(at(0), LinkEvent::Start);
    for n in 1..=6 {
        let _ = link.handle(at(n * 10_000), LinkEvent::Opened(link.epoch()));
        let _ = link.handle(at(n * 10_000), LinkEvent::Greeted);
        let _ = link.handle(at(n * 10_000), LinkEvent::Closed(link.epoch(), CloseCode::Broken, String::new()));
        assert_eq!(u64::from(link.attempt()), n);
        let _ = link.handle(at(n * 10_000 + 5_000), LinkEvent::Tick);
    }
}

#[test]
fn online_again_cuts_the_wait_short() {
    let mut link = online();
    let _ = link.handle(at(50), LinkEvent::Closed(link.epoch(), CloseCode::Later, String::new()));
    assert_eq!(link.handle(at(60), LinkEvent::TryNow), [LinkEffect::Open(link.epoch())]);
    assert_eq!(link.handle(at(61), LinkEvent::TryNow), [], "a connect that just began is not aborted");
    let hung = link.epoch();
    assert_eq!(link.handle(at(1_000), LinkEvent::TryNow), [LinkEffect::Close(hung), LinkEffect::Open(link.epoch())]);
}
