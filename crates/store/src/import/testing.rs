//! Files for tests, from `tests/import/`.

use super::SourceFile;
use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

/// One file.
pub(super) fn fixture(name: &str) -> SourceFile {
    SourceFile { name: name.to_owned(), bytes: std::fs::read(directory().join(name)).unwrap() }
}

/// All files below a directory, by name.
pub(super) fn fixtures(name: &str) -> Vec<SourceFile> {
    let root = directory().join(name);
    let mut files = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.push(SourceFile { name, bytes: std::fs::read(path).unwrap() });
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}
