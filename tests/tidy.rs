//! The rules of the house that a compiler does not know.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    let mut dirs = vec![root().join(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("a folder of the workspace") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn all_rust_files() -> Vec<PathBuf> {
    [
        "src",
        "tests",
        "app/src",
        "frontend/src",
        "frontend/tests",
        "server/src",
        "server/tests",
        "end2end/netlab/src",
        "fuzz/core",
        "fuzz/server",
    ]
    .iter()
    .flat_map(|dir| rust_files(dir))
    .collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a text file")
}

/// The code without its comments and its unit tests.
fn code(path: &Path) -> String {
    let text = read(path);
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_file_says_first_what_it_is() {
    for path in all_rust_files() {
        let first = read(&path).lines().next().unwrap_or_default().to_owned();
        assert!(first.starts_with("//! ") && first.len() > 20, "{}: the first line is no //! sentence", path.display());
    }
}

#[test]
fn no_code_depends_on_a_feature() {
    for path in all_rust_files() {
        let needle = ["cfg(", "feature"].concat();
        assert!(!code(&path).contains(&needle), "{}: if two builds differ, the difference is a crate", path.display());
    }
}

#[test]
fn files_stay_small() {
    for path in all_rust_files() {
        let lines = read(&path).lines().count();
        assert!(lines <= 480, "{}: {lines} lines hold two concepts", path.display());
    }
}

#[test]
fn the_core_has_no_clock_randomness_io_or_async() {
    let banned = [
        "std::time",
        "Instant",
        "SystemTime",
        "std::thread",
        "std::net",
        "std::fs",
        "std::io",
        "std::env",
        "async ",
        ".await",
        "rand::",
        "tokio",
        "web_sys",
        "js_sys",
        "wasm_bindgen",
        "leptos",
        "HashMap",
        "HashSet",
        "println!",
        "unsafe",
        "cfg(target",
    ];
    for path in rust_files("src") {
        let code = code(&path);
        for word in banned {
            assert!(!code.contains(word), "{}: '{word}' has no place in the core", path.display());
        }
    }
}

#[test]
fn adapters_keep_to_their_side() {
    for path in rust_files("app/src") {
        let code = code(&path);
        for word in ["web_sys", "js_sys", "wasm_bindgen", "MediaStream", "redb", "axum::"] {
            assert!(!code.contains(word), "{}: '{word}' has no place in the pages", path.display());
        }
    }
    for path in rust_files("frontend/src") {
        assert!(!code(&path).contains(".forget()"), "{}: listeners and timers are owned", path.display());
    }
    for path in rust_files("server/src/socket") {
        assert!(!code(&path).contains("holdfast::Room"), "{}: sockets know no rooms", path.display());
    }
}

/// What each module of the core may use, in layers: only what stands before it.
#[test]
fn the_layers_of_the_core_point_one_way() {
    let layers: &[&[&str]] = &[
        &["rng", "time", "limits", "secret"],
        &["id"],
        &["wire"],
        &["backoff", "bucket", "outbox", "inbox", "order"],
        &["breaker", "archiving"],
        &["link", "negotiation", "recovery", "speech"],
        &["peer", "view"],
        &["session"],
    ];
    let layer_of = |module: &str| layers.iter().position(|layer| layer.contains(&module));
    for path in rust_files("src") {
        let inside = path.strip_prefix(root().join("src")).expect("in src");
        let module = inside.components().next().and_then(|part| part.as_os_str().to_str()).unwrap_or_default();
        let module = module.trim_end_matches(".rs");
        let used: Vec<String> = code(&path)
            .split("crate::")
            .skip(1)
            .map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect())
            .collect();
        for other in used.iter().filter(|other| *other != module) {
            if module == "room" {
                let base = ["id", "time", "limits", "rng", "wire", "inbox", "outbox", "bucket"];
                assert!(base.contains(&other.as_str()), "{}: room may not use {other}", path.display());
            } else if let (Some(mine), Some(theirs)) = (layer_of(module), layer_of(other)) {
                assert!(theirs <= mine, "{}: {module} stands before {other}", path.display());
            } else {
                assert!(module == "lib", "{}: {module} may not use {other}", path.display());
            }
        }
    }
}

#[test]
fn the_core_depends_on_five_crates() {
    let manifest = read(&root().join("Cargo.toml"));
    let section =
        manifest.split("\n[dependencies]\n").nth(1).and_then(|rest| rest.split("\n[").next()).unwrap_or_default();
    let names: Vec<&str> =
        section.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|n| !n.is_empty()).collect();
    assert_eq!(names, ["serde", "serde_json", "serde-json-core", "siphasher", "thiserror"]);
}

#[test]
fn every_setting_is_in_the_example() {
    let example = read(&root().join(".env.example"));
    let config = read(&root().join("server/src/config.rs"));
    let names = config.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next());
    for name in names {
        assert!(example.contains(&format!("{name}=")), ".env.example does not name {name}");
    }
}

#[test]
fn every_message_and_close_code_is_documented() {
    let doc = read(&root().join("docs/protocol.md"));
    for code in holdfast::wire::CloseCode::ALL {
        assert!(doc.contains(&format!("| {} |", code.number())), "docs/protocol.md does not name {}", code.number());
    }
    for line in [
        "watch",
        "hello",
        "chat",
        "signal",
        "signal_ack",
        "state",
        "range",
        "history",
        "ping",
        "leave",
        "lobby",
        "welcome",
        "event",
        "caught_up",
        "resync",
        "ack",
        "refused",
        "presence",
        "ice",
        "pong",
    ] {
        assert!(doc.contains(&format!("`{line}`")), "docs/protocol.md does not name {line}");
    }
}

#[test]
fn the_corpus_is_small_and_all_of_it_is_used() {
    let lists =
        ["tests/hostile/targets/mod.rs", "server/tests/hostile/targets/mod.rs"].map(|path| read(&root().join(path)));
    let named = lists.iter().flat_map(|list| list.split("    (\"").skip(1).filter_map(|rest| rest.split('"').next()));
    let mut targets: Vec<&str> = named.collect();
    targets.sort_unstable();
    let files = |dir: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).expect("a folder of the corpus");
        entries.map(|entry| entry.expect("readable").path()).collect()
    };
    let mut folders = files(&root().join("fuzz/corpus"));
    folders.sort();
    for folder in &folders {
        let inputs = files(folder);
        let bytes: u64 = inputs.iter().map(|path| fs::metadata(path).expect("readable").len()).sum();
        assert!(inputs.len() <= 150 && bytes <= 200_000, "{}: {} files, {bytes} bytes", folder.display(), inputs.len());
    }
    let folders: Vec<_> = folders.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(folders, targets);
}

#[test]
fn every_browser_interface_was_looked_through_for_what_throws() {
    let manifest = read(&root().join("frontend/Cargo.toml"));
    let known = read(&root().join("frontend/clippy.toml"));
    let known: Vec<&str> =
        known.lines().filter_map(|line| line.strip_prefix("#   ")).flat_map(str::split_whitespace).collect();
    let features = manifest.split("web-sys = {").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
    let features: Vec<&str> = features.split('"').skip(1).step_by(2).collect();
    assert!(features.len() > 50);
    for feature in features {
        assert!(known.contains(&feature), "frontend/clippy.toml: which methods of {feature} can throw?");
    }
}
