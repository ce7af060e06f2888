//! An output stream of a command: all of it is read, the beginning is kept.

use crate::sys::Errno;
use crate::sys::file::Fd;
use crate::sys::poll::{Interest, READABLE, interest, no_interest};
use alloc::vec::Vec;

/// One of the command's output streams.
pub(crate) struct Output {
    fd: Option<Fd>,
    /// The first bytes that came.
    pub(crate) kept: Vec<u8>,
    limit: usize,
    /// Whether more came than was kept.
    pub(crate) truncated: bool,
}

impl Output {
    pub(crate) fn new(fd: Fd, limit: usize) -> Self {
        Self { fd: Some(fd), kept: Vec::new(), limit, truncated: false }
    }

    /// The line among what was kept that holds these bytes.
    pub(crate) fn line_with(&self, wanted: &[u8]) -> Option<&[u8]> {
        if wanted.is_empty() {
            return None;
        }
        self.kept.split(|byte| *byte == b'\n').find(|line| line.windows(wanted.len()).any(|part| part == wanted))
    }

    /// What to poll.
    pub(crate) fn interest(&self) -> Interest {
        self.fd.as_ref().map_or_else(no_interest, |fd| interest(fd, READABLE))
    }

    /// Reads once if something came.
    pub(crate) fn take(&mut self, came: i16) {
        if came != 0 {
            self.read_once();
        }
    }

    /// Reads once; false if there is nothing more for now or for ever.
    fn read_once(&mut self) -> bool {
        let Some(fd) = &self.fd else { return false };
        let mut buffer = [0; 16 << 10];
        match fd.read(&mut buffer) {
            Err(Errno::AGAIN) => false,
            Ok(0) | Err(_) => {
                self.fd = None;
                false
            }
            Ok(length) => {
                let room = self.limit - self.kept.len();
                let bytes = buffer.get(..length).unwrap_or_default();
                self.truncated |= length > room;
                self.kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                true
            }
        }
    }

    /// Reads what is left in the pipe. A descendant that got away may go on to write, so the amount is bounded by more
    /// than a pipe holds.
    pub(crate) fn drain(&mut self) {
        for _ in 0..128 {
            if !self.read_once() {
                return;
            }
        }
    }
}
