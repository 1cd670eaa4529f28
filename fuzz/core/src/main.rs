//! The core's targets under libFuzzer. `FUZZ_TARGET` says which one; without it their names are printed.

#![no_main]
#![allow(dead_code, unused_imports)] // The tests use more of the targets than is used here.

#[path = "../../chosen.rs"]
mod chosen;
#[path = "../../../tests/hostile/targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(init: chosen::find(targets::TARGETS), |bytes: &[u8]| chosen::run(bytes));
