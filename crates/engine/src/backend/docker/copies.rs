//! What containerd leaves of a start from a checkpoint: a copy of all images in its temporary directory, which it makes for
//! the runtime and never removes.
//!
//! A copy is known by a file in it that names the container that it was made for. It goes as soon as the container has come
//! back, or has not.

use crate::ownership::{Owned, Owner, Resource};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The file beside the images that says for which container they are.
pub(crate) const MARK: &str = "restored-as";
/// What the names of copies begin with.
const PREFIX: &str = "ctrd-checkpoint";
/// Where programs put what they have no other place for.
const TEMPORARY: &str = "/tmp";
/// The most of a mark that is read: a name and an id of 64 characters.
const MARK_BYTES: u64 = 1024;

/// What a copy says of itself: the container's name, and its id, since the same images are never twice in containerd's store.
pub(crate) fn mark(name: &str, id: &str) -> String {
    format!("{name} {id}")
}

/// Takes ownership of the copy with this mark that a start is about to leave. Before the start.
pub(crate) fn own(owner: &Owner, mark: &str) -> Owned {
    owner.own(Resource::ContainerdCopy { mark: mark.to_owned(), directories: directories() })
}

/// The temporary directories of every containerd of this host, as this process sees them; the host's if there is none.
fn directories() -> Vec<PathBuf> {
    let daemons = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let is_containerd = |process: &PathBuf| {
        std::fs::read(process.join("comm")).is_ok_and(|name| name.trim_ascii_end() == b"containerd")
    };
    let mut directories: Vec<PathBuf> = daemons.filter(is_containerd).map(|process| directory_of(&process)).collect();
    directories.sort();
    directories.dedup();
    if directories.is_empty() {
        directories.push(PathBuf::from(TEMPORARY));
    }
    directories
}

/// The temporary directory of one, from its environment; through its own root where that is not ours.
fn directory_of(process: &Path) -> PathBuf {
    let environment = std::fs::read(process.join("environ")).unwrap_or_default();
    let inside = temporary_in(&environment);
    let mounts = |process: &Path| std::fs::read_link(process.join("ns/mnt")).ok();
    if mounts(process) == mounts(Path::new("/proc/self")) {
        return inside;
    }
    process.join("root").join(inside.strip_prefix("/").unwrap_or(&inside))
}

/// Where a Go program with this environment makes its temporary files, if containerd asks it to.
fn temporary_in(environment: &[u8]) -> PathBuf {
    let value = |name: &[u8]| {
        let entry = environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(name));
        entry.map(|value| Path::new(std::ffi::OsStr::from_bytes(value)).to_owned()).filter(|path| path.is_absolute())
    };
    value(b"XDG_RUNTIME_DIR=").or_else(|| value(b"TMPDIR=")).unwrap_or_else(|| TEMPORARY.into())
}

/// Every copy with a mark in it, and the mark.
fn marked(directories: &[PathBuf]) -> impl Iterator<Item = (PathBuf, String)> {
    let entries = directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| entry.path())
        .filter(|path| path.symlink_metadata().is_ok_and(|status| status.is_dir()))
        .filter_map(|path| {
            let mut mark = String::new();
            File::open(path.join(MARK)).and_then(|file| file.take(MARK_BYTES).read_to_string(&mut mark)).ok()?;
            Some((path, mark))
        })
}

/// The copies that are there for containers whose names begin with `prefix`, one line each.
pub fn list_with_prefix(prefix: &str) -> Vec<String> {
    let directories = directories();
    let copies = marked(&directories).filter(|(_, mark)| mark.starts_with(prefix));
    copies.map(|(copy, mark)| format!("{} (containerd's copy of the images of {mark})", copy.display())).collect()
}

/// Removes the copies with this mark. Says what survives; being gone already is success.
pub fn remove(mark: &str, directories: &[PathBuf]) -> Vec<String> {
    let copies = marked(directories).filter(|(_, found)| found == mark);
    copies
        .map(|(copy, _)| (std::fs::remove_dir_all(&copy), copy))
        .filter_map(|(removed, copy)| match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Some(format!("{} (containerd's copy of the images) stays: {error}", copy.display()))
            }
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_the_one_of_the_programs_environment() {
        let of = |environment: &[u8]| temporary_in(environment).display().to_string();
        assert_eq!(of(b"PATH=/bin\0TMPDIR=/var/tmp\0XDG_RUNTIME_DIR=/run/user/1\0"), "/run/user/1");
        assert_eq!(of(b"PATH=/bin\0TMPDIR=/var/tmp\0"), "/var/tmp");
        assert_eq!(of(b"XDG_RUNTIME_DIR=\0MYTMPDIR=/x\0"), "/tmp");
        assert_eq!(of(b""), "/tmp");
    }

    #[test]
    fn only_the_copies_of_one_container_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let place = [directory.path().to_owned()];
        let make = |name: &str, mark: Option<&str>| {
            let copy = directory.path().join(name);
            std::fs::create_dir(&copy).unwrap();
            std::fs::write(copy.join("pages-1.img"), "memory").unwrap();
            if let Some(mark) = mark {
                std::fs::write(copy.join(MARK), mark).unwrap();
            }
        };
        make("ctrd-checkpoint1", Some("web aa"));
        make("ctrd-checkpoint2", Some("web aab"));
        make("ctrd-checkpoint3", None);
        make("other", Some("web aa"));
        std::os::unix::fs::symlink(directory.path().join("other"), directory.path().join("ctrd-checkpoint4")).unwrap();
        let guard = Owner::new(crate::clock::Clock, "t")
            .own(Resource::ContainerdCopy { mark: "web aa".into(), directories: place.to_vec() });
        assert_eq!(marked(&place).count(), 2);
        assert_eq!(remove("web aa", &["/does/not/exist".into()]), Vec::<String>::new());
        guard.remove().unwrap();
        let mut left: Vec<String> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["ctrd-checkpoint2", "ctrd-checkpoint3", "ctrd-checkpoint4", "other"]);
    }
}
