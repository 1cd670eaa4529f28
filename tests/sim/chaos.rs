//! Which faults a seed has.

use crate::network::Weather;
use holdfast::rng::Rng;

/// Which faults a run has, derived from its seed.
#[derive(Clone, Copy, Debug)]
pub struct Chaos {
    pub clients: usize,
    pub events: u32,
    pub weather: Weather,
    pub nodes: usize,
    pub crashes: bool,
    pub cuts: bool,
    pub wipes: bool,
    pub bus_loss_one_in: u64,
    pub append_fails_one_in: u64,
    pub cut_media: bool,
    pub sleeps: bool,
}

impl Chaos {
    pub fn for_seed(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0xC4A0);
        let weather = Weather {
            delay_ms: 1 + rng.below(400),
            loss_one_in: [0, 0, 40, 15][rng.below(4) as usize],
            double_one_in: [0, 0, 20][rng.below(3) as usize],
            reorder_one_in: [0, 0, 20][rng.below(3) as usize],
        };
        Self {
            clients: 2 + rng.below(4) as usize,
            events: 25 + rng.below(25) as u32,
            weather,
            nodes: 1 + rng.below(3) as usize,
            crashes: rng.one_in(2),
            cuts: rng.one_in(3),
            wipes: rng.one_in(4),
            bus_loss_one_in: [0, 5, 1][rng.below(3) as usize],
            append_fails_one_in: [0, 0, 10][rng.below(3) as usize],
            cut_media: rng.one_in(2),
            sleeps: rng.one_in(3),
        }
    }
}
