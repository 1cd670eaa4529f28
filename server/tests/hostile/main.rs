//! Hostile input for the server: what the fuzzer kept, and seeds. `HOSTILE_RUNS=100000` is the long form.

#[path = "../../../tests/hostile/feeding.rs"]
mod feeding;
mod targets;

use std::path::Path;
use targets::TARGETS;

/// Bytes of one run.
const MOST_BYTES: u64 = 400;

#[test]
fn no_input_that_was_kept_fails() {
    feeding::replay(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz"), TARGETS);
}

#[test]
fn no_seed_fails() {
    for (name, target) in TARGETS {
        eprintln!("{name}"); // Shown if it fails.
        feeding::each_seed(2_000, MOST_BYTES, target);
    }
}

#[test]
fn some_requests_go_through_the_relay_s_guard() {
    let through = feeding::each_seed(200, MOST_BYTES, targets::lets_through);
    assert!(through.iter().any(|went| *went), "none did: this tries little");
}
