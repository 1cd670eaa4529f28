//! The ladder on a path that is looked at four times a second.

use super::*;

const START: Millis = Millis::from_unix(1_000_000);

/// A path that is looked at four times a second.
struct Path {
    ladder: Recovery,
    now: Millis,
    bytes: u64,
    done: Vec<(u64, RecoveryEffect)>,
    refreshed: usize,
    asked: usize,
}

impl Path {
    fn up() -> Self {
        let mut path = Self { ladder: Recovery::new(true), now: START, bytes: 0, done: vec![], refreshed: 0, asked: 0 };
        path.event(RecoveryEvent::Relays(true));
        path.event(RecoveryEvent::Opened);
        path.event(RecoveryEvent::Connected);
        path.run(2_000, true);
        path
    }

    fn event(&mut self, event: RecoveryEvent) {
        let at = self.now.since(START);
        let effects = self.ladder.handle(self.now, event);
        let pictures = [RecoveryEffect::Refresh, RecoveryEffect::AskPicture];
        let told = effects.iter().filter(|effect| !pictures.contains(effect));
        self.done.extend(told.map(|effect| (at, *effect)));
        self.refreshed += effects.iter().filter(|effect| **effect == RecoveryEffect::Refresh).count();
        self.asked += effects.iter().filter(|effect| **effect == RecoveryEffect::AskPicture).count();
        if effects.contains(&RecoveryEffect::Rebuild) {
            self.bytes = 0;
            self.event(RecoveryEvent::Opened);
        }
    }

    fn run(&mut self, ms: u64, flows: bool) {
        for _ in 0..ms / 250 {
            self.now = self.now.plus(250);
            self.bytes += u64::from(flows) * 1_000;
            let flow = Flow { bytes: self.bytes, frames: self.bytes, picture_bytes: self.bytes, relayed: Some(false) };
            self.event(RecoveryEvent::Flowed(flow));
            if self.ladder.next_deadline().is_some_and(|at| at <= self.now) {
                self.event(RecoveryEvent::Tick);
            }
        }
    }

    fn did(&mut self) -> Vec<RecoveryEffect> {
        self.done.drain(..).map(|(_, effect)| effect).collect()
    }
}

#[test]
fn four_seconds_of_silence_are_waited_out_and_shown() {
    let mut path = Path::up();
    path.run(2_000, false);
    assert_eq!((path.ladder.rung(), path.ladder.wrong_since().is_some()), (Rung::Wait, true));
    path.run(2_000, false);
    path.run(1_000, true);
    assert_eq!(path.did(), [], "no restart for what passes by itself");
    assert_eq!(path.refreshed, 1, "but a whole picture, once");
    assert!(path.ladder.is_healthy() && path.ladder.wrong_since().is_none());
}

#[test]
fn a_changed_network_is_not_waited_out() {
    let mut path = Path::up();
    path.event(RecoveryEvent::NetworkChanged);
    path.run(1_500, false);
    assert_eq!(path.did(), [RecoveryEffect::Restart]);
    path.run(1_000, true);
    assert!(path.ladder.is_healthy());
}

#[test]
fn the_ladder_climbs_rung_by_rung_until_something_helps() {
    let mut path = Path::up();
    let rungs: Vec<Rung> = (0..70)
        .map(|_| {
            path.run(1_000, false);
            path.ladder.rung()
        })
        .collect();
    assert!(rungs.is_sorted(), "it only climbs: {rungs:?}");
    let restarts = vec![RecoveryEffect::Restart; usize::from(Limits::ICE_RESTARTS)];
    let ladder = [
        RecoveryEffect::Rebuild,
        RecoveryEffect::Route(Route::Relay),
        RecoveryEffect::Rebuild,
        RecoveryEffect::Picture(false),
        RecoveryEffect::Rebuild,
        RecoveryEffect::Route(Route::Any),
        RecoveryEffect::Rebuild,
    ];
    let did = path.did();
    assert_eq!(did[..restarts.len()], restarts);
    assert_eq!(did[restarts.len()..][..ladder.len()], ladder);
}

#[test]
fn it_comes_down_after_a_while_and_goes_back_up_at_once() {
    let mut path = Path::up();
    while path.ladder.rung() < Rung::RelayOnly {
        path.run(1_000, false);
    }
    path.event(RecoveryEvent::Connected);
    let _ = path.did();
    path.run(Limits::STEP_DOWN_AFTER_MS - 500, true);
    assert_eq!(path.did(), [], "not before it was healthy for a while");
    path.run(1_000, true);
    assert_eq!(path.did(), [RecoveryEffect::Route(Route::Any), RecoveryEffect::Restart]);
    path.run(8_000, false);
    assert_eq!(path.did()[..2], [RecoveryEffect::Route(Route::Relay), RecoveryEffect::Rebuild], "back to what worked");
    path.event(RecoveryEvent::Connected);
    path.run(Limits::STEP_DOWN_AFTER_MS + 500, true);
    assert_eq!(path.did(), [], "and the next try comes later");
    path.run(Limits::STEP_DOWN_AFTER_MS, true);
    assert_eq!(path.did(), [RecoveryEffect::Route(Route::Any), RecoveryEffect::Restart]);
    path.run(Limits::SETTLED_AFTER_MS + 500, true);
    assert_eq!(path.ladder.rung(), Rung::Clear);
}

#[test]
fn nothing_is_missed_where_nothing_is_sent() {
    let mut path = Path::up();
    path.event(RecoveryEvent::Expect(false, false));
    path.run(60_000, false);
    assert_eq!((path.did(), path.ladder.rung()), (vec![], Rung::Clear));
    path.event(RecoveryEvent::Failed);
    assert_eq!(path.did(), [RecoveryEffect::Restart], "but the browser's word counts");
    path.event(RecoveryEvent::Connected);
    assert!(path.ladder.is_healthy());
}

#[test]
fn a_page_that_slept_does_not_take_its_own_sleep_for_a_stall() {
    let mut path = Path::up();
    path.now = path.now.plus(60_000);
    path.event(RecoveryEvent::Flowed(Flow { bytes: path.bytes, frames: 0, picture_bytes: 0, relayed: None }));
    assert!(path.ladder.is_healthy(), "one sample says nothing");
    path.run(1_000, true);
    assert_eq!(path.did(), []);
}

#[test]
fn pictures_that_stop_while_sound_goes_on_are_noticed() {
    let mut path = Path::up();
    for n in 1..=20 {
        path.now = path.now.plus(250);
        path.event(RecoveryEvent::Flowed(Flow {
            bytes: 1_000_000 + n,
            frames: 1_000_000,
            picture_bytes: 1_000_000 + n,
            relayed: None,
        }));
    }
    let blind = path.ladder.blind_since(path.now).expect("no picture for five seconds");
    assert!(path.now.since(blind) >= 4_500);
    assert!((3..=6).contains(&path.asked), "a whole one is asked for, once a second: {}", path.asked);
    path.event(RecoveryEvent::Expect(true, false));
    assert_eq!(path.ladder.blind_since(path.now), None, "a camera that is off sends none");
}

#[test]
fn the_other_side_gives_the_leading_one_time() {
    let at = |leads: bool| {
        let mut path = Path::up();
        path.ladder.leads = leads;
        while path.done.is_empty() {
            path.run(250, false);
        }
        path.done[0].0
    };
    assert_eq!(at(false) - at(true), Limits::PC_FOLLOWER_EXTRA_MS);
}

#[test]
fn one_side_restarts_for_a_renewed_relay() {
    for (leads, restarts) in [(true, vec![RecoveryEffect::Restart]), (false, vec![])] {
        let mut path = Path::up();
        path.ladder.leads = leads;
        path.ladder.flow.relayed = Some(true);
        path.event(RecoveryEvent::Renewed);
        assert_eq!(path.did(), restarts, "leads: {leads}");
    }
}
