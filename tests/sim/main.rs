//! The seeded simulator: whole calls on a virtual clock, faults and all, checked after every event.
//!
//! `SIM_SEEDS=n` sets how many seeds run, `SIM_SEED=n` replays one and prints its trace.

mod asleep;
mod browser;
mod chaos;
mod checkers;
mod client;
mod fake_pc;
mod glare;
mod lab;
mod log;
mod network;
mod no_way;
mod nodes;
mod paths;
mod scenarios;
mod server;
mod stores;
mod world;

use chaos::Chaos;
use world::World;

/// Seeds beyond the usual ones that once found a bug.
const ONCE_BROKEN: [u64; 1] = [1_234];

fn seeds(default: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<u64>().ok());
    match (number("SIM_SEED"), number("SIM_SEEDS")) {
        (Some(one), _) => vec![one],
        (None, count) => (0..count.unwrap_or(default)).chain(ONCE_BROKEN).collect(),
    }
}

#[test]
fn calls_survive_any_mix_of_faults() {
    let trace = std::env::var("SIM_SEED").is_ok();
    for seed in seeds(1_000) {
        let outcome = std::panic::catch_unwind(|| {
            let chaos = Chaos::for_seed(seed);
            let mut world = World::new(seed, trace, chaos.nodes);
            world.run_chaos(chaos);
            world.heal_and_check();
        });
        assert!(
            outcome.is_ok(),
            "seed {seed} failed; replay it with: SIM_SEED={seed} cargo test --test sim calls_survive"
        );
    }
}
