//! Shared memory of this host: a memfd, or a file on tmpfs.

use super::guard::{self, Guarded};
use crate::clock::Clock;
use crate::wait::Changes;
use isodyne_core::unit::HostInstant;
use isodyne_shm::region::Region;
use rustix::fs::inotify::WatchFlags;
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Between two looks for a file that the other side has yet to make. A change is announced and needs no look, but where
/// another kernel makes it (a directory that a host and its guest share).
const LOOK: Duration = Duration::from_millis(100);

/// A shared mapping. Dropped, it is unmapped; a file stays.
#[derive(Debug)]
pub struct Memory {
    file: File,
    base: *mut c_void,
    length: usize,
    /// Where the file could be cut short.
    guard: Option<Guarded>,
}

// SAFETY: the mapping is reached through regions only, which are for any thread.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Memory without a name, whose length nobody can change any more: a peer that cuts it cannot end this program.
    ///
    /// # Errors
    /// If the system has not so much, or refuses.
    pub fn anonymous(length: usize) -> io::Result<Self> {
        let file = File::from(memfd_create("isodyne-shm", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        fallocate(&file, FallocateFlags::empty(), 0, length as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Self::map(file, length)
    }

    /// Makes or takes a file and gives it this length, if it is shorter.
    ///
    /// # Errors
    /// If the file cannot be made, opened or mapped.
    pub fn create(path: &Path, length: usize) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true).mode(0o600);
        let file = options.custom_flags(libc::O_NOFOLLOW).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no ordinary file"));
        }
        // What is not there yet is taken now: a full tmpfs would end a program that touches it later.
        fallocate(&file, FallocateFlags::empty(), 0, length as u64)?;
        Self::map(file, length)
    }

    /// Waits for a file of at least this length that the other side makes, in a directory that is there.
    ///
    /// # Errors
    /// If it is not there in time, or cannot be opened or mapped.
    pub fn open(path: &Path, length: usize, clock: Clock, deadline: HostInstant) -> io::Result<Self> {
        // Made when it is first needed: what was there before it is found by the look after it.
        let mut changes = None;
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).custom_flags(libc::O_NOFOLLOW);
            let found = match options.open(path) {
                Ok(file) => {
                    let metadata = file.metadata()?;
                    if !metadata.is_file() {
                        return Err(io::Error::other("it is no ordinary file"));
                    }
                    if metadata.len() >= length as u64 {
                        return Self::map(file, length);
                    }
                    let message = format!("it has {} B, and the task takes {length} B", metadata.len());
                    io::Error::new(io::ErrorKind::UnexpectedEof, message)
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => error,
                Err(error) => return Err(error),
            };
            if clock.until(deadline).is_zero() {
                return Err(found);
            }
            match &changes {
                None => {
                    let wanted = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MODIFY;
                    changes = Some(Changes::beside(path, wanted)?);
                }
                Some(changes) => drop(changes.wait(clock, clock.after(LOOK).min(deadline))?),
            }
        }
    }

    /// Maps memory that came from elsewhere, all of it. It must have this length at least.
    ///
    /// # Errors
    /// If it is shorter, or cannot be mapped.
    pub fn received(file: File, length: usize) -> io::Result<Self> {
        let found = file.metadata()?.len();
        if found < length as u64 {
            return Err(io::Error::other(format!("it has {found} B, and the task takes {length} B")));
        }
        Self::map(file, length)
    }

    fn map(file: File, length: usize) -> io::Result<Self> {
        // SAFETY: a fresh mapping touches nothing that exists.
        let base = unsafe {
            mmap(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::POPULATE,
                &file,
                0,
            )
        }?;
        let mut memory = Self { file, base, length, guard: None };
        // SAFETY: the mapping is this value's own, which is reached through regions only.
        memory.guard = unsafe { Guarded::over(&memory.file, base, length) }?;
        Ok(memory)
    }

    /// Whether another program can cut it short.
    pub fn can_be_cut(&self) -> bool {
        self.guard.is_some()
    }

    /// Whether a page of it was found missing, so that all of it is zeros of this program's own since; or is missing, which
    /// only the kernel may have found, as it looked at a futex.
    pub fn is_cut(&self) -> bool {
        let is_shorter = || self.file.metadata().is_ok_and(|metadata| metadata.len() < self.length as u64);
        guard::is_cut(self.base.addr()) || self.can_be_cut() && is_shorter()
    }

    /// The memory, as long as it is mapped.
    ///
    /// # Errors
    /// If the system mapped it where no mapping can be.
    pub fn region(&self) -> io::Result<Region<'_>> {
        // SAFETY: mapped as long as `self`, and reached through regions only.
        unsafe { Region::from_raw(self.base.cast(), self.length) }.ok_or_else(|| io::Error::other("no aligned mapping"))
    }
}

impl AsFd for Memory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        drop(self.guard.take());
        // SAFETY: the mapping is ours, and no region outlives `self`.
        let _ = unsafe { munmap(self.base, self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_cut_memory_without_a_name() {
        let memory = Memory::anonymous(8192).unwrap();
        assert!(memory.file.set_len(0).is_err());
        memory.region().unwrap().store_u32(8188, 5).unwrap();
        let again = Memory::received(memory.file.try_clone().unwrap(), 8192).unwrap();
        assert_eq!(again.region().unwrap().load_u32(8188), Some(5));
        let error = Memory::received(memory.file.try_clone().unwrap(), 8193).unwrap_err().to_string();
        assert_eq!(error, "it has 8192 B, and the task takes 8193 B");
    }

    #[test]
    fn a_file_is_waited_for_and_must_be_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("region");
        let soon = || Clock.after(Duration::from_millis(20));
        assert_eq!(Memory::open(&path, 10, Clock, soon()).unwrap_err().kind(), io::ErrorKind::NotFound);
        let made = Memory::create(&path, 4096).unwrap();
        made.region().unwrap().store_u32(0, 9).unwrap();
        let opened = Memory::open(&path, 4096, Clock, soon()).unwrap();
        assert_eq!(opened.region().unwrap().load_u32(0), Some(9));
        assert!(Memory::open(&path, 4097, Clock, soon()).unwrap_err().to_string().contains("takes 4097 B"));
        assert!(Memory::create(directory.path(), 10).is_err());
    }

    #[test]
    fn a_file_that_comes_late_and_grows_is_taken_when_it_is_long_enough() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("region");
        std::thread::scope(|scope| {
            let opened =
                scope.spawn(|| Memory::open(&path, 8192, Clock, Clock.after(Duration::from_secs(30))).unwrap());
            let short = Memory::create(&path, 4096).unwrap();
            let long = Memory::create(&path, 8192).unwrap();
            long.region().unwrap().store_u32(8188, 3).unwrap();
            assert_eq!(short.region().unwrap().load_u32(0), Some(0));
            assert_eq!(opened.join().unwrap().region().unwrap().load_u32(8188), Some(3));
        });
    }
}
