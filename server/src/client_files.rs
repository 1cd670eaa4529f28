//! The built client: without it pages are shown and do nothing, so it is looked for.

use leptos::config::LeptosOptions;
use std::path::{Path, PathBuf};

/// Where the client should be, and under which names pages ask for it.
pub struct ClientFiles {
    folder: PathBuf,
    names: Vec<String>,
}

impl ClientFiles {
    /// The files that pages rendered with these options name.
    #[must_use]
    pub fn new(options: &LeptosOptions) -> Self {
        let hashes = if options.hash_files { hashes(&options.hash_file) } else { String::new() };
        let name = |kind: &str| {
            let hash = hashes.lines().find_map(|line| line.trim().strip_prefix(kind)?.strip_prefix(':'));
            let hash = hash.map(|hash| format!(".{}", hash.trim())).unwrap_or_default();
            format!("{}{hash}.{kind}", options.output_name)
        };
        let folder = Path::new(options.site_root.as_ref()).join(options.site_pkg_dir.as_ref());
        Self { folder, names: vec![name("js"), name("css")] }
    }

    /// What is missing, in words for the operator.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let all = self.names.iter().all(|name| self.folder.join(name).is_file());
        let is_program = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.is_ok_and(|entry| entry.path().extension().is_some_and(|kind| kind == "wasm"))
        };
        let program = std::fs::read_dir(&self.folder).is_ok_and(|mut files| files.any(is_program));
        let folder = std::path::absolute(&self.folder).unwrap_or_else(|_| self.folder.clone());
        (!all || !program).then(|| format!("the built client is not in {}", folder.display()))
    }
}

/// What cargo-leptos wrote beside the program.
fn hashes(file: &str) -> String {
    let beside = std::env::current_exe().ok().and_then(|path| std::fs::read_to_string(path.with_file_name(file)).ok());
    beside.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_file_is_noticed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path().display().to_string();
        let options = LeptosOptions::builder().output_name("holdfast").site_root(root).site_pkg_dir("pkg").build();
        let client = ClientFiles::new(&options);
        assert!(client.missing().is_some_and(|why| why.contains("pkg")), "no folder");
        let pkg = dir.path().join("pkg");
        std::fs::create_dir(&pkg).expect("made");
        for name in ["holdfast.js", "holdfast.css", "holdfast.wasm"] {
            assert!(client.missing().is_some(), "before {name}");
            std::fs::write(pkg.join(name), "").expect("written");
        }
        assert_eq!(client.missing(), None);
    }
}
