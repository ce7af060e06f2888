//! What of the kept files lies in the page cache: set, and looked at page by page.

use crate::backend::class_of;
use isodyne_core::failure::{Failure, FailureClass};
use rustix::fs::{Advice, fadvise};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the plan asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// As the keeping left them.
    AsIs,
    /// All of it there.
    Warm,
    /// None of it there.
    Cold,
}

/// What is a sample's share of the wrong pages at most, in percent: others use the cache as well.
const TOLERANCE_PERCENT: u64 = 1;
const PAGE: usize = 4096;

impl State {
    pub(super) fn parse(word: &str) -> Self {
        match word {
            "warm" => Self::Warm,
            "cold" => Self::Cold,
            _ => Self::AsIs,
        }
    }

    /// Makes it so, and says how many of how many bytes lie in the cache.
    ///
    /// # Errors
    /// `launch` if it cannot be made so (tmpfs is nothing but cache).
    pub(super) fn enforce(self, files: &[PathBuf]) -> Result<(u64, u64), Failure> {
        let failed = |path: &Path, error: &io::Error| {
            Failure::new(class_of(error), format!("the page cache of {}: {error}", path.display()))
        };
        let (mut cached, mut all) = (0, 0);
        for path in files {
            let (here, length) = self.enforce_one(path).map_err(|error| failed(path, &error))?;
            cached += here;
            all += length;
        }
        let wrong = match self {
            Self::AsIs => 0,
            Self::Warm => all - cached,
            Self::Cold => cached,
        };
        if wrong.saturating_mul(100) > all.saturating_mul(TOLERANCE_PERCENT) {
            let message = format!("{cached} of {all} B lie in the page cache, which is not {self:?}");
            return Err(Failure::new(FailureClass::Launch, message.to_lowercase()));
        }
        Ok((cached, all))
    }

    fn enforce_one(self, path: &Path) -> io::Result<(u64, u64)> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        match self {
            Self::AsIs => {}
            Self::Warm => drop(io::copy(&mut Read::by_ref(&mut file), &mut io::sink())?),
            // What has been synced can be dropped.
            Self::Cold => fadvise(&file, 0, None, Advice::DontNeed)?,
        }
        // A hole is in no cache and on no disk.
        let length = length.min(file.metadata()?.blocks() * 512);
        Ok((cached_bytes(&file, file.metadata()?.len())?.min(length), length))
    }
}

/// How many bytes of a file lie in the page cache.
fn cached_bytes(file: &File, length: u64) -> io::Result<u64> {
    let Ok(length @ 1..) = usize::try_from(length) else { return Ok(0) };
    // SAFETY: a fresh mapping, which nobody reads: only its pages are asked for.
    let map = unsafe { mmap(std::ptr::null_mut(), length, ProtFlags::READ, MapFlags::SHARED, file, 0) }?;
    let mut pages = vec![0_u8; length.div_ceil(PAGE)];
    // SAFETY: the mapping has this length, and the list a byte for each of its pages.
    let answer = unsafe { libc::mincore(map, length, pages.as_mut_ptr()) };
    let error = io::Error::last_os_error();
    // SAFETY: the mapping is ours, and nothing points into it.
    unsafe { munmap(map, length) }?;
    if answer != 0 {
        return Err(error);
    }
    let cached = pages.iter().filter(|page| **page & 1 == 1).count();
    Ok((cached * PAGE).min(length) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cached_is_seen_and_can_be_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pages");
        std::fs::write(&path, vec![7; 40 * PAGE + 1]).unwrap();
        File::open(&path).unwrap().sync_all().unwrap();
        let files = [path];
        assert_eq!(State::Warm.enforce(&files).unwrap(), (40 * PAGE as u64 + 1, 40 * PAGE as u64 + 1));
        // Where the temporary directory is a tmpfs, it must be said that it cannot be cold.
        match State::Cold.enforce(&files) {
            Ok((cached, _)) => assert_eq!(cached, 0),
            Err(failure) => assert!(failure.message.contains("is not cold"), "{failure}"),
        }
    }
}
