//! Consoles: every byte that a guest prints goes to a bounded log file, and the first one is a milestone.

use crate::backend::Stamp;
use crate::watch::{Readiness, Source};
use isodyne_core::ledger::{MilestoneName, SignalName};
use isodyne_core::unit::HostInstant;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A guest that prints without end fills no disk.
const LOG_LIMIT: u64 = 4 << 20;

/// A console: logs what arrives and stamps the first byte.
pub struct ConsoleLog {
    from: OwnedFd,
    log: BoundedLog,
    milestone: Option<MilestoneName>,
}

/// A file that holds what it is given, up to a limit.
struct BoundedLog {
    file: File,
    written: u64,
}

impl BoundedLog {
    fn create(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        // A monitor's standard error may go to the same file: both append.
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Self { file, written: 0 })
    }

    /// Keeps what fits. A disk that is full does not end the sample: the stamp matters more than the log.
    fn keep(&mut self, bytes: &[u8]) {
        if self.written >= LOG_LIMIT {
            return;
        }
        let room = usize::try_from(LOG_LIMIT - self.written).unwrap_or(usize::MAX).min(bytes.len());
        self.written += room as u64;
        let _ = self.file.write_all(&bytes[..room]);
        if self.written >= LOG_LIMIT {
            let _ = write!(self.file, "\n[isodyne: the log is cut here, after {LOG_LIMIT} bytes]\n");
        }
    }
}

impl ConsoleLog {
    /// Reads from `from` (made non-blocking here) and writes to a new file at `path`.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn new(from: OwnedFd, path: &Path, milestone: MilestoneName) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&from, true)?;
        Ok(Self { from, log: BoundedLog::create(path)?, milestone: Some(milestone) })
    }
}

impl Source for ConsoleLog {
    fn fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }

    fn ready(&mut self, at: HostInstant) -> io::Result<Readiness> {
        let mut stamps = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(&self.from, &mut buffer) {
                Ok(0) if stamps.is_empty() => return Ok(Readiness::Closed),
                // What was read still counts; the next poll finds the end again.
                Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(Readiness::Open(stamps)),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
                Ok(count) => {
                    if let Some(name) = self.milestone.take() {
                        stamps.push(Stamp { name, at, asked: None, signal: SignalName::Console });
                    }
                    self.log.keep(&buffer[..count]);
                }
            }
        }
    }
}

/// A monitor's log, written into a pipe: kept in a file, and the first line that holds some text is a milestone.
pub struct LogLines {
    from: OwnedFd,
    log: BoundedLog,
    wanted: Option<(&'static [u8], MilestoneName)>,
    /// The end of what was read, which may hold the beginning of the text.
    carried: Vec<u8>,
}

impl LogLines {
    /// Reads from `from` (made non-blocking here), writes to a new file at `path`, and looks for `wanted`.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn new(from: OwnedFd, path: &Path, wanted: Option<(&'static [u8], MilestoneName)>) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&from, true)?;
        Ok(Self { from, log: BoundedLog::create(path)?, wanted, carried: Vec::new() })
    }

    fn look(&mut self, bytes: &[u8]) -> Option<MilestoneName> {
        let (text, name) = self.wanted?;
        self.carried.extend_from_slice(bytes);
        if self.carried.windows(text.len()).any(|part| part == text) {
            self.wanted = None;
            self.carried = Vec::new();
            return Some(name);
        }
        let surplus = self.carried.len().saturating_sub(text.len() - 1);
        self.carried.drain(..surplus);
        None
    }
}

impl Source for LogLines {
    fn fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }

    fn ready(&mut self, at: HostInstant) -> io::Result<Readiness> {
        let mut stamps = Vec::new();
        let mut buffer = [0; 4096];
        let mut anything = false;
        loop {
            match rustix::io::read(&self.from, &mut buffer) {
                Ok(0) if !anything => return Ok(Readiness::Closed),
                Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(Readiness::Open(stamps)),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
                Ok(count) => {
                    anything = true;
                    let found = self.look(&buffer[..count]);
                    stamps.extend(found.map(|name| Stamp { name, at, asked: None, signal: SignalName::LogLine }));
                    self.log.keep(&buffer[..count]);
                }
            }
        }
    }
}

/// A debug port: one byte of the guest is one event. After it nobody listens any more, so that what the guest writes
/// there later costs it nothing.
pub struct DebugPort {
    from: OwnedFd,
    milestone: Option<MilestoneName>,
    expected: Option<u8>,
}

impl DebugPort {
    /// Stamps the first byte that arrives, or the first `expected` one.
    ///
    /// # Errors
    /// If the host refuses to make the descriptor non-blocking.
    pub fn new(from: OwnedFd, milestone: MilestoneName, expected: Option<u8>) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&from, true)?;
        Ok(Self { from, milestone: Some(milestone), expected })
    }
}

impl Source for DebugPort {
    fn fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }

    fn ready(&mut self, at: HostInstant) -> io::Result<Readiness> {
        let Some(name) = self.milestone else { return Ok(Readiness::Closed) };
        let mut buffer = [0; 256];
        let count = match rustix::io::read(&self.from, &mut buffer) {
            Ok(0) => return Ok(Readiness::Closed),
            Ok(count) => count,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(Readiness::Open(Vec::new())),
            Err(errno) => return Err(errno.into()),
        };
        if self.expected.is_some_and(|expected| !buffer[..count].contains(&expected)) {
            return Ok(Readiness::Open(Vec::new()));
        }
        self.milestone = None;
        // Both directions are shut: the next poll reports the end, and the source is dropped.
        let _ = rustix::net::shutdown(&self.from, rustix::net::Shutdown::Both);
        Ok(Readiness::Open(vec![Stamp { name, at, asked: None, signal: SignalName::DebugPort }]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_first_byte_is_stamped_and_all_are_logged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("console.log");
        let (mut guest, host) = UnixStream::pair().unwrap();
        let mut console = ConsoleLog::new(host.into(), &path, MilestoneName::Kernel).unwrap();
        assert_eq!(console.ready(HostInstant(1)).unwrap(), Readiness::Open(Vec::new()));
        guest.write_all(b"Linux").unwrap();
        let stamp = Stamp { name: MilestoneName::Kernel, at: HostInstant(2), asked: None, signal: SignalName::Console };
        assert_eq!(console.ready(HostInstant(2)).unwrap(), Readiness::Open(vec![stamp]));
        guest.write_all(b" 6.1").unwrap();
        assert_eq!(console.ready(HostInstant(3)).unwrap(), Readiness::Open(Vec::new()));
        drop(guest);
        assert_eq!(console.ready(HostInstant(4)).unwrap(), Readiness::Closed);
        assert_eq!(std::fs::read(&path).unwrap(), b"Linux 6.1");
    }

    #[test]
    fn a_line_of_a_log_is_found_however_it_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("monitor.log");
        let (mut monitor, host) = UnixStream::pair().unwrap();
        let wanted = Some((b"Guest-boot-time".as_slice(), MilestoneName::Init));
        let mut log = LogLines::new(host.into(), &path, wanted).unwrap();
        monitor.write_all(b"Running\nxGuest-boo").unwrap();
        assert_eq!(log.ready(HostInstant(1)).unwrap(), Readiness::Open(Vec::new()));
        monitor.write_all(b"t-time = 5 us\nGuest-boot-time again\n").unwrap();
        let stamp = Stamp { name: MilestoneName::Init, at: HostInstant(2), asked: None, signal: SignalName::LogLine };
        assert_eq!(log.ready(HostInstant(2)).unwrap(), Readiness::Open(vec![stamp]));
        drop(monitor);
        assert_eq!(log.ready(HostInstant(3)).unwrap(), Readiness::Closed);
        assert!(std::fs::read(&path).unwrap().ends_with(b"again\n"));
    }

    #[test]
    fn the_log_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("console.log");
        let (_guest, host) = UnixStream::pair().unwrap();
        let mut console = ConsoleLog::new(host.into(), &path, MilestoneName::Kernel).unwrap();
        for _ in 0..5 {
            console.log.keep(&vec![b'x'; 1 << 20]);
        }
        let log = std::fs::read(&path).unwrap();
        assert!(log.len() < (4 << 20) + 100 && log.ends_with(b"after 4194304 bytes]\n"));
    }

    #[test]
    fn a_debug_port_is_heard_once() {
        let (mut guest, host) = UnixStream::pair().unwrap();
        let mut port = DebugPort::new(host.into(), MilestoneName::Init, Some(b'I')).unwrap();
        guest.write_all(b"x").unwrap();
        assert_eq!(port.ready(HostInstant(1)).unwrap(), Readiness::Open(Vec::new()));
        guest.write_all(b"I").unwrap();
        let Readiness::Open(stamps) = port.ready(HostInstant(2)).unwrap() else { panic!("closed too early") };
        assert_eq!((stamps[0].name, stamps[0].at), (MilestoneName::Init, HostInstant(2)));
        assert_eq!(port.ready(HostInstant(3)).unwrap(), Readiness::Closed);
        assert!(guest.write_all(b"more").is_err());
    }
}
