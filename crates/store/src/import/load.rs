//! Files for import: one file, or a directory walked without following links.

use super::{IMPORT_LIMIT_BYTES, ImportError, SourceFile};
use crate::file::open_regular;
use rustix::fs::OFlags;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No import has more files.
const FILES_LIMIT: usize = 10_000;
/// No directory is walked deeper.
const DEPTH_LIMIT: usize = 8;

/// The files to import: the one that is named, or all regular ones under the directory that is named, by name. Links in
/// a directory are not followed, and version control is not looked into.
///
/// # Errors
/// If there is nothing, or more than an import may have.
pub fn load(path: &Path) -> Result<Vec<SourceFile>, ImportError> {
    load_noting(path, &mut Vec::new())
}

/// As [`load`], and says what it passed over.
///
/// # Errors
/// As [`load`].
pub fn load_noting(path: &Path, notes: &mut Vec<String>) -> Result<Vec<SourceFile>, ImportError> {
    let shown = printable(path);
    let fail = |message: String| ImportError::new(&shown, message);
    let status = path.metadata().map_err(|error| fail(format!("cannot be read: {error}")))?;
    let mut room = IMPORT_LIMIT_BYTES;
    if !status.is_dir() {
        // The name is the user's own choice: a link there is followed.
        let resolved = path.canonicalize().map_err(|error| fail(format!("cannot be read: {error}")))?;
        return Ok(vec![SourceFile { bytes: read(&resolved, &shown, &mut room)?, name: shown }]);
    }
    let mut paths = Vec::new();
    walk(path, 0, &mut paths, notes)?;
    if paths.is_empty() {
        return Err(fail("there is no file in it".to_owned()));
    }
    let name = |path_of_file: &Path| printable(path_of_file.strip_prefix(path).unwrap_or(path_of_file));
    let mut files = Vec::with_capacity(paths.len());
    for path_of_file in paths {
        let bytes = read(&path_of_file, &printable(&path_of_file), &mut room)?;
        files.push(SourceFile { name: name(&path_of_file), bytes });
    }
    Ok(files)
}

/// A path as it may be shown: its names may be anybody's.
fn printable(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().any(char::is_control) { text.escape_debug().to_string() } else { text }
}

/// Finds the files, in the order of their names.
fn walk(directory: &Path, depth: usize, found: &mut Vec<PathBuf>, notes: &mut Vec<String>) -> Result<(), ImportError> {
    let fail = |message: String| ImportError::new(printable(directory), message);
    if depth > DEPTH_LIMIT {
        return Err(fail(format!("directories are nested more than {DEPTH_LIMIT} deep")));
    }
    let entries = std::fs::read_dir(directory).map_err(|error| fail(format!("cannot be read: {error}")))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|error| fail(format!("cannot be read: {error}")))?.path());
        if found.len() + paths.len() > FILES_LIMIT {
            return Err(fail(format!("more than {FILES_LIMIT} files: name a part of them")));
        }
    }
    paths.sort();
    for path in paths {
        let status = path.symlink_metadata().map_err(|error| fail(format!("cannot be read: {error}")))?;
        if status.is_dir() {
            if path.file_name().is_some_and(|name| name != ".git") {
                walk(&path, depth + 1, found, notes)?;
            }
        } else if status.is_file() {
            found.push(path);
        } else {
            notes.push(format!("{}: passed over, it is not a regular file", printable(&path)));
        }
    }
    Ok(())
}

fn read(path: &Path, shown: &str, room: &mut u64) -> Result<Vec<u8>, ImportError> {
    let file = open_regular(path, OFlags::RDONLY).map_err(|error| ImportError::new(shown, error.to_string()))?;
    let bytes = read_within(file, shown, *room)?;
    *room -= bytes.len() as u64;
    Ok(bytes)
}

fn read_within(file: File, shown: &str, room: u64) -> Result<Vec<u8>, ImportError> {
    let mut bytes = Vec::new();
    file.take(room + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| ImportError::new(shown, format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > room {
        return Err(ImportError::new(shown, format!("more than {} MiB to import", IMPORT_LIMIT_BYTES >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_directory_is_read_in_order_and_links_are_passed_over() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        std::fs::create_dir_all(path("b/c")).unwrap();
        std::fs::create_dir_all(path(".git")).unwrap();
        for name in ["b/c/2.json", "a.csv", ".git/config"] {
            std::fs::write(path(name), name).unwrap();
        }
        symlink("/etc/passwd", path("link")).unwrap();
        symlink("..", path("b/up")).unwrap();
        let mut notes = Vec::new();
        let files = load_noting(place.path(), &mut notes).unwrap();
        assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["a.csv", "b/c/2.json"]);
        assert_eq!(files[1].bytes, b"b/c/2.json");
        assert_eq!(notes.len(), 2);
    }

    #[test]
    fn what_is_named_may_be_a_link_but_no_device_and_not_absent() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        std::fs::write(path("a"), "x").unwrap();
        symlink("a", path("link")).unwrap();
        assert_eq!(load(&path("link")).unwrap()[0].bytes, b"x");
        assert!(load(Path::new("/dev/zero")).is_err());
        assert!(load(&path("none")).unwrap_err().to_string().contains("cannot be read"));
        std::fs::create_dir(path("empty")).unwrap();
        assert!(load(&path("empty")).unwrap_err().to_string().ends_with("there is no file in it"));
    }

    #[test]
    fn nesting_is_limited() {
        let place = tempfile::tempdir().unwrap();
        let deep = (0..12).fold(place.path().to_owned(), |path, _| path.join("d"));
        std::fs::create_dir_all(&deep).unwrap();
        assert!(load(place.path()).unwrap_err().message.contains("nested"));
    }
}
