//! Hostile input: no text and no sequence of messages makes the core panic, or grow past its limits.
//!
//! A run prints nothing unless it fails; then the message names the seed or the file. `HOSTILE_RUNS=100000` is the long
//! form, and `scripts/fuzz` looks for inputs by what they reach.

mod feeding;
mod targets;

use feeding::{bytes_of, each_seed, replay};
use holdfast::wire::{ServerMsg, decode};
use std::path::Path;
use targets::{Bytes, From, TARGETS, pinned, plausible, seats_taken, tiles_shown};

/// Bytes of one run: enough for some sixty events of a machine.
const MOST_BYTES: u64 = 2_000;

#[test]
fn no_input_that_was_kept_fails() {
    replay(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz"), TARGETS);
}

#[test]
fn no_seed_fails() {
    for (name, target) in TARGETS.iter().filter(|(name, _)| !matches!(*name, "session" | "room")) {
        eprintln!("{name}"); // Shown if it fails.
        each_seed(2_000, MOST_BYTES, target);
    }
}

#[test]
fn a_session_survives_any_server_and_any_page() {
    let shown = each_seed(400, MOST_BYTES, tiles_shown);
    assert!(shown.iter().any(|tiles| *tiles > 0), "no session came into a call: this tries nothing");
}

#[test]
fn a_room_survives_any_clients_and_any_log() {
    let taken = each_seed(400, MOST_BYTES, seats_taken);
    assert!(taken.iter().any(|seats| *seats > 0), "nobody came in: this tries nothing");
}

#[test]
fn what_is_plausible_is_mostly_understood() {
    let server = |seed| plausible(&mut Bytes::new(&bytes_of(seed, MOST_BYTES)), From::Server);
    let understood = (0..1_000).filter(|seed| decode::<ServerMsg>(&server(*seed)).is_ok()).count();
    assert!(understood > 500, "the other targets would try little: {understood} of 1,000");
    assert!(pinned(From::Client).len() > 10 && pinned(From::Peer).len() > 10);
}
