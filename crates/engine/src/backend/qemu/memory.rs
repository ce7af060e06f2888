//! The guest's memory as a file of its own: what a template is made of, and what is mapped when one comes back.

use crate::backend::snapshot::copy_data;
use rustix::fs::{AtFlags, CWD, MemfdFlags, Mode, OFlags, linkat, memfd_create, open, statvfs};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Files in memory.
const TMPFS: &str = "/dev/shm";

/// A file that holds the guest's memory. It has no name, so that nothing of it can be left behind.
#[derive(Debug)]
pub(super) struct MemoryFile {
    file: File,
    /// Whether it can still be given a name.
    can_be_linked: bool,
}

impl MemoryFile {
    /// Makes it, without a page in it: on the host's tmpfs if that has room for it, else as anonymous memory.
    ///
    /// # Errors
    /// What the host says.
    pub fn new(bytes: u64) -> io::Result<Self> {
        let room = statvfs(TMPFS).map(|found| found.f_bavail.saturating_mul(found.f_frsize)).unwrap_or(0);
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let named = if room < bytes { None } else { open(TMPFS, flags, Mode::RUSR | Mode::WUSR).ok() };
        let can_be_linked = named.is_some();
        let file = match named {
            Some(file) => file,
            None => memfd_create("isodyne-memory", MemfdFlags::CLOEXEC)?,
        };
        let file = File::from(file);
        file.set_len(bytes)?;
        Ok(Self { file, can_be_linked })
    }

    /// The descriptor that QEMU opens it by.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Keeps what is in it as a file with this name. If the guest does not go on, its memory itself gets the name where
    /// that is on the same file system; else its data are copied, and its holes left out.
    ///
    /// # Errors
    /// What the host says.
    pub fn keep(&self, path: &Path, guest_goes_on: bool) -> io::Result<()> {
        if self.can_be_linked && !guest_goes_on {
            let descriptor = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            if linkat(CWD, descriptor, CWD, path, AtFlags::SYMLINK_FOLLOW).is_ok() {
                return Ok(());
            }
        }
        let kept = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        kept.set_len(self.file.metadata()?.len())?;
        copy_data(&self.file, &kept)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileExt, MetadataExt};

    fn with_data() -> MemoryFile {
        let memory = MemoryFile::new(8 << 20).unwrap();
        memory.file.write_all_at(b"data", 5 << 20).unwrap();
        memory
    }

    #[test]
    fn the_memory_of_a_guest_that_goes_on_is_copied() {
        let directory = tempfile::tempdir().unwrap();
        let (memory, path) = (with_data(), directory.path().join("memory"));
        memory.keep(&path, true).unwrap();
        memory.file.write_all_at(b"more", 5 << 20).unwrap();
        let kept = std::fs::read(&path).unwrap();
        assert_eq!((kept.len(), &kept[5 << 20..][..4]), (8 << 20, &b"data"[..]));
        assert!(std::fs::metadata(&path).unwrap().blocks() * 512 < 1 << 20, "holes are holes");
        assert_eq!(memory.keep(&path, true).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn the_memory_of_a_guest_that_has_ended_is_the_file() {
        let Ok(directory) = tempfile::Builder::new().prefix("isodyne-test").tempdir_in(TMPFS) else { return };
        let (memory, path) = (with_data(), directory.path().join("memory"));
        memory.keep(&path, false).unwrap();
        let same = std::fs::metadata(&path).unwrap().ino() == memory.file.metadata().unwrap().ino();
        assert!(same || !memory.can_be_linked);
        assert_eq!(&std::fs::read(&path).unwrap()[5 << 20..][..4], b"data");
    }
}
