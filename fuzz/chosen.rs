//! Which target this run is for: one program has them all, because linking takes longer than choosing.

use std::sync::OnceLock;

type Target = fn(&[u8]);
static CHOSEN: OnceLock<Target> = OnceLock::new();

/// Finds the target that `FUZZ_TARGET` names. Without it their names are printed, and that is all.
pub fn find(targets: &[(&str, Target)]) {
    let Ok(wanted) = std::env::var("FUZZ_TARGET") else {
        for (name, _) in targets {
            println!("{name}");
        }
        std::process::exit(0);
    };
    let found = targets.iter().find(|(name, _)| *name == wanted);
    let (_, target) = found.unwrap_or_else(|| panic!("no target is called {wanted}"));
    CHOSEN.get_or_init(|| *target);
}

/// Gives it one input.
pub fn run(bytes: &[u8]) {
    CHOSEN.get().expect("found before the first run")(bytes);
}
