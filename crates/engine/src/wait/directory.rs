//! Directories that change.

use super::readable;
use crate::clock::Clock;
use isodyne_core::unit::HostInstant;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The kernel's notifications of changes in directories.
#[derive(Debug)]
pub(crate) struct Changes(Option<OwnedFd>);

impl Changes {
    /// Of no directory yet.
    ///
    /// # Errors
    /// If the host gives no inotify instance.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Some(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?)))
    }

    /// Of the directory in which this path lies or will lie. What changed before is not announced: look after this.
    ///
    /// # Errors
    /// As [`Self::new`], and if the directory is not there.
    pub(crate) fn beside(path: &Path, changes: WatchFlags) -> io::Result<Self> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let new = Self::new()?;
        inotify::add_watch(&new, directory, changes | WatchFlags::ONLYDIR)?;
        Ok(new)
    }

    /// Waits for a change, and forgets all that there are by then; `false` once the deadline has passed.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn wait(&self, clock: Clock, deadline: HostInstant) -> io::Result<bool> {
        let changed = readable(clock, self, deadline)?;
        while rustix::io::read(self, &mut [0_u8; 4096]).is_ok() {}
        Ok(changed)
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // Only `drop` takes the descriptor out.
        self.0.as_ref().expect("there is a descriptor until the drop").as_fd()
    }
}

impl Drop for Changes {
    /// Closing an instance waits for a grace period of the kernel, some 15 ms. Nobody else need wait for that: within a
    /// sample it would be measured, and between two it would only let the processors go idle.
    fn drop(&mut self) {
        let fd = self.0.take();
        // Where no thread can be had, the descriptor is closed with the closure that was refused: here and now.
        drop(std::thread::Builder::new().name("inotify-close".to_owned()).spawn(move || drop(fd)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_change_is_seen_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let changes = Changes::beside(&path, WatchFlags::CREATE).unwrap();
        let soon = || Clock.after(Duration::from_millis(1));
        assert!(!changes.wait(Clock, soon()).unwrap());
        std::fs::write(&path, "x").unwrap();
        assert!(changes.wait(Clock, soon()).unwrap());
        assert!(!changes.wait(Clock, soon()).unwrap());
        assert_eq!(
            Changes::beside(&path.join("in"), WatchFlags::CREATE).unwrap_err().kind(),
            io::ErrorKind::NotADirectory
        );
    }
}
