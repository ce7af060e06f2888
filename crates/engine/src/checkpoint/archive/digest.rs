//! Digests of files: XXH3-128, which finds damage and keeps up with the disk.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use twox_hash::XxHash3_128;

/// What is read at once: it stays in the cache while it is hashed.
const BLOCK: usize = 256 << 10;

/// A digest under work.
pub(super) struct Digester(XxHash3_128);

impl Default for Digester {
    fn default() -> Self {
        Self(XxHash3_128::new())
    }
}

impl Digester {
    /// Adds bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// The digest of all of them, in hexadecimal.
    pub(super) fn hex(&self) -> String {
        format!("{:032x}", self.0.finish_128())
    }
}

/// Length and digest, in hexadecimal.
///
/// # Errors
/// The host's.
pub fn digest_of(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut digester, mut length, mut block) = (Digester::default(), 0, vec![0; BLOCK]);
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok((length, digester.hex())),
            Ok(count) => {
                digester.add(&block[..count]);
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Does something with every file, the largest first, on as many threads as there are processors (at most eight).
pub(super) fn on_all<T: Send>(
    mut files: Vec<(PathBuf, u64)>,
    work: impl Fn(&Path) -> io::Result<T> + Sync,
) -> Vec<(PathBuf, io::Result<T>)> {
    files.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8).min(files.len().max(1));
    let queue: Mutex<VecDeque<PathBuf>> = Mutex::new(files.into_iter().map(|(path, _)| path).collect());
    let done = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let worker = || {
        while let Some(path) = next() {
            let result = work(&path);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((path, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(worker);
        }
        worker();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by(|(one, _), (other, _)| one.cmp(other));
    done
}

/// Has the kernel begin to write what is in its cache, and does not wait for it.
pub(super) fn begin_writing(file: &File) {
    use std::os::fd::AsRawFd;
    // SAFETY: a call with numbers only, on a descriptor that lives. Whether it helps does not matter: the sync waits.
    unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_reference() {
        // xxhsum 0.8.1: `printf %s … | xxhsum -H2`.
        let directory = tempfile::tempdir().unwrap();
        let digest = |bytes: &[u8]| {
            let path = directory.path().join("x");
            std::fs::write(&path, bytes).unwrap();
            digest_of(&path).unwrap()
        };
        assert_eq!(digest(b""), (0, "99aa06d3014798d86001c324468d497f".to_owned()));
        assert_eq!(digest(b"abc"), (3, "06b05ab6733a618578af5f94892f3950".to_owned()));
        assert!(digest_of(Path::new("/none")).is_err());
    }

    #[test]
    fn every_file_is_worked_on_once() {
        let files: Vec<_> = (0..100).map(|number| (PathBuf::from(format!("{number:03}")), number)).collect();
        let done = on_all(files, |path| Ok(path.to_string_lossy().into_owned()));
        assert_eq!(done.len(), 100);
        assert!(done.iter().all(|(path, name)| path.to_string_lossy() == name.as_ref().unwrap().as_str()));
    }
}
