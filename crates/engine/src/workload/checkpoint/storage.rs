//! Where a state is kept, when it is durable, and what it takes.

use crate::backend::{Place, class_of};
use crate::lab::Lab;
use crate::ownership::{Owned, Resource};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_subject::{PAGE_BYTES, PAGE_WORDS, Page, digest};
use std::collections::HashSet;
use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The kernel's number of tmpfs.
const TMPFS: u64 = 0x0102_1994;
/// What is looked through for pages that are zero or there twice.
const LOOK_BYTES: u64 = 8 << 30;
/// Files shorter than this hold no memory.
const SHORT_BYTES: u64 = 64 << 10;
/// How deep a kept state's directories go at most.
const DEPTH: usize = 8;

/// A directory for one kept state; removed by its owner.
pub(super) struct Storage {
    pub(super) directory: PathBuf,
    guard: Owned,
}

impl Storage {
    /// An empty directory on a disk or on tmpfs, whichever was asked for; which it is, is looked at.
    /// `what` becomes part of its name.
    pub(super) fn make(what: &str, tmpfs: bool, place: &Place, lab: &Lab) -> Result<Self, Failure> {
        let candidates = candidates(tmpfs, place);
        let fits = |path: &PathBuf| is_tmpfs(path).is_ok_and(|found| found == tmpfs);
        let Some(parent) = candidates.iter().find(|path| fits(path)) else {
            let kind = if tmpfs { "a tmpfs" } else { "a disk" };
            let message = format!("none of {candidates:?} is {kind} where the state could be kept");
            return Err(Failure::new(FailureClass::Launch, message));
        };
        let directory = parent.join(format!("{}-{what}", place.name));
        let guard = lab.owner.own(Resource::Directory(directory.clone()));
        DirBuilder::new().mode(0o700).create(&directory).map_err(|error| failed("make", &directory, &error))?;
        Ok(Self { directory, guard })
    }

    /// Has every file and directory written to stable storage.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        let unsynced = |error: io::Error| failed("sync", &self.directory, &error);
        let (files, directories) = below(&self.directory).map_err(unsynced)?;
        for path in files.iter().chain(directories.iter().rev()) {
            File::open(path).and_then(|file| file.sync_all()).map_err(unsynced)?;
        }
        let parent = self.directory.parent().unwrap_or(Path::new("/"));
        File::open(parent).and_then(|file| file.sync_all()).map_err(unsynced)
    }

    /// What the kept files take, and what of it need not be there.
    pub(super) fn census(&self) -> Result<Census, Failure> {
        let unread = |error: io::Error| failed("read", &self.directory, &error);
        let (files, _) = below(&self.directory).map_err(unread)?;
        let mut census = Census::default();
        let (mut seen, mut left) = (HashSet::new(), LOOK_BYTES);
        for path in &files {
            let metadata = path.symlink_metadata().map_err(unread)?;
            census.apparent_bytes += metadata.len();
            census.allocated_bytes += metadata.blocks() * 512;
            if metadata.len() >= SHORT_BYTES {
                census.looked_bytes += look(path, &mut left, &mut seen, &mut census).map_err(unread)?;
            }
        }
        census.is_whole = left > 0;
        Ok(census)
    }

    /// The kept files.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        below(&self.directory).map(|(files, _)| files).map_err(|error| failed("read", &self.directory, &error))
    }

    /// Removes it all; what stays is a leak.
    pub(super) fn remove(self) -> Result<(), Failure> {
        self.guard.remove().map_err(|survivor| Failure::new(FailureClass::Leak, survivor))
    }
}

/// Where a state can be kept, the best place first.
fn candidates(tmpfs: bool, place: &Place) -> Vec<PathBuf> {
    if tmpfs {
        return vec![PathBuf::from("/dev/shm"), std::env::temp_dir()];
    }
    let mut disks = vec![place.directory.clone(), PathBuf::from("/var/tmp")];
    disks.extend(place.log_prefix.parent().and_then(Path::parent).map(Path::to_owned));
    disks
}

/// Whether a state can be kept on a disk here.
#[cfg(test)]
pub(super) fn has_disk(place: &Place) -> bool {
    candidates(false, place).iter().any(|path| is_tmpfs(path).is_ok_and(|found| !found))
}

/// What a kept state takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// As the lengths of the files say.
    pub(super) apparent_bytes: u64,
    /// As the file system has given out.
    pub(super) allocated_bytes: u64,
    /// Of pages of zero bytes that are written out.
    pub(super) zero_bytes: u64,
    /// Of pages that were there before, zero pages left out.
    pub(super) duplicate_bytes: u64,
    /// What was looked through.
    pub(super) looked_bytes: u64,
    /// Whether nothing was left out for its size.
    pub(super) is_whole: bool,
}

/// Reads a file page by page; holes are not read.
fn look(path: &Path, left: &mut u64, seen: &mut HashSet<u64>, census: &mut Census) -> io::Result<u64> {
    use rustix::fs::{SeekFrom, seek};
    let mut file = File::open(path)?;
    let (mut at, mut looked) = (0, 0);
    let mut buffer = vec![0; 256 * PAGE_BYTES];
    while *left > 0 {
        at = match seek(&file, SeekFrom::Data(at)) {
            Ok(begin) => begin / PAGE_BYTES as u64 * PAGE_BYTES as u64,
            Err(_) => break,
        };
        seek(&file, SeekFrom::Start(at))?;
        let end = seek(&file, SeekFrom::Hole(at))?.next_multiple_of(PAGE_BYTES as u64);
        seek(&file, SeekFrom::Start(at))?;
        while at < end && *left > 0 {
            let wanted = usize::try_from(end - at).unwrap_or(buffer.len()).min(buffer.len());
            let length = fill(&mut file, buffer.get_mut(..wanted).unwrap_or_default())?;
            for bytes in buffer.get(..length).unwrap_or_default().as_chunks::<PAGE_BYTES>().0 {
                note(bytes, seen, census);
            }
            at += wanted as u64;
            looked += length as u64;
            *left = left.saturating_sub(wanted as u64);
            if length < wanted {
                return Ok(looked);
            }
        }
    }
    Ok(looked)
}

fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(buffer.get_mut(filled..).unwrap_or_default())? {
            0 => break,
            length => filled += length,
        }
    }
    Ok(filled)
}

fn note(bytes: &[u8; PAGE_BYTES], seen: &mut HashSet<u64>, census: &mut Census) {
    let mut page: Page = [0; PAGE_WORDS];
    for (to, from) in page.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *to = u64::from_le_bytes(*from);
    }
    if page == [0; PAGE_WORDS] {
        census.zero_bytes += PAGE_BYTES as u64;
    } else if !seen.insert(digest::page(0, &page)) {
        census.duplicate_bytes += PAGE_BYTES as u64;
    }
}

/// Files and directories below a directory, itself among them; symbolic links are neither.
fn below(directory: &Path) -> io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut files, mut directories) = (Vec::new(), vec![(directory.to_owned(), 0)]);
    let mut next = 0;
    while let Some((path, depth)) = directories.get(next).cloned() {
        for entry in std::fs::read_dir(&path)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && depth < DEPTH {
                directories.push((entry.path(), depth + 1));
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
        next += 1;
    }
    files.sort();
    Ok((files, directories.into_iter().map(|(path, _)| path).collect()))
}

fn is_tmpfs(path: &Path) -> io::Result<bool> {
    Ok(rustix::fs::statfs(path)?.f_type as u64 == TMPFS)
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(class_of(error), format!("failed to {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn zero_and_duplicate_pages_are_counted_and_holes_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let page = |byte| [byte; PAGE_BYTES];
        let memory = File::create(directory.path().join("memory")).unwrap();
        memory.set_len(1 << 20).unwrap();
        for (at, byte) in [(0, 1), (1, 2), (2, 1), (3, 0), (100, 2)] {
            memory.write_all_at(&page(byte), at * PAGE_BYTES as u64).unwrap();
        }
        let mut census = Census::default();
        let mut left = LOOK_BYTES;
        look(&directory.path().join("memory"), &mut left, &mut HashSet::new(), &mut census).unwrap();
        assert_eq!(census.duplicate_bytes, 2 * PAGE_BYTES as u64);
        // What the file system gives out around data in larger pieces is zero bytes that can be read.
        assert!(census.zero_bytes >= PAGE_BYTES as u64 && census.zero_bytes < 1 << 19, "{census:?}");
    }

    #[test]
    fn links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("images")).unwrap();
        std::fs::write(directory.path().join("images/pages"), b"x").unwrap();
        std::os::unix::fs::symlink("/", directory.path().join("out")).unwrap();
        let (files, directories) = below(directory.path()).unwrap();
        assert_eq!(files, [directory.path().join("images/pages")]);
        assert_eq!(directories.len(), 2);
    }
}
