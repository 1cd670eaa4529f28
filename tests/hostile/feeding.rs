//! How tests give targets their bytes: from the corpus that the fuzzer made, and from seeds.

use holdfast::rng::Rng;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An input that takes longer has found something: whoever sends it stops a page or a server.
const WITHIN: Duration = Duration::from_secs(5);

type Target = fn(&[u8]);

/// Gives each target every input that is kept for it, and names the file that fails.
pub(crate) fn replay(fuzz: &Path, targets: &[(&str, Target)]) {
    let mut failed = vec![];
    for (name, target) in targets {
        let kept = inputs(&fuzz.join("corpus").join(name));
        assert!(!kept.is_empty(), "fuzz/corpus/{name} is missing or empty: scripts/fuzz --keep makes it");
        for path in kept.into_iter().chain(inputs(&fuzz.join("found").join(name))) {
            let bytes = fs::read(&path).expect("a file that was listed just now");
            let began = Instant::now();
            let panicked = std::panic::catch_unwind(|| target(&bytes)).is_err();
            if panicked || began.elapsed() > WITHIN {
                failed.push(path);
            }
        }
    }
    assert!(failed.is_empty(), "these inputs fail: {failed:#?}");
}

/// Runs a target with as many seeds as were asked for, and names the one that fails.
pub(crate) fn each_seed<T>(usual: u64, most_bytes: u64, target: impl Fn(&[u8]) -> T) -> Vec<T> {
    let runs = std::env::var("HOSTILE_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let only = std::env::var("HOSTILE_SEED").ok().and_then(|text| text.parse().ok());
    let one = |seed| {
        let bytes = bytes_of(seed, most_bytes);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(&bytes))).unwrap_or_else(|panic| {
            eprintln!("HOSTILE_SEED={seed} replays this");
            std::panic::resume_unwind(panic)
        })
    };
    only.map_or(0..runs, |seed| seed..seed + 1).map(one).collect()
}

/// What follows from a seed.
pub(crate) fn bytes_of(seed: u64, most_bytes: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    (0..rng.below(most_bytes)).map(|_| rng.next_u64() as u8).collect()
}

/// The files of a folder, in the order of their names; none if there is no folder.
fn inputs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = entries.into_iter().flatten().filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}
