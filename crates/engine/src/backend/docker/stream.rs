//! The hijacked stream of `attach`: frames of standard output and error on one connection.
//!
//! A frame has a header of eight bytes: the stream (1 is output, 2 is error), three zeros, and the length in big endian.

use crate::channel::Transport;
use crate::clock::Clock;
use crate::http::{Upgraded, socket};
use isodyne_core::unit::HostInstant;
use std::fs::File;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

const HEADER: usize = 8;
/// The largest frame that is taken; daemons send at most 32 KiB at once.
const FRAME_LIMIT: u32 = 16 << 20;
/// The most of standard error that is kept.
const LOG_LIMIT: usize = 1 << 20;
const CHUNK: usize = 64 << 10;

/// A transport over an attached container.
pub(super) struct AttachedStream {
    stream: UnixStream,
    clock: Clock,
    frames: Frames<File>,
}

/// Takes frames apart: output comes out, error goes to the log.
pub(crate) struct Frames<L> {
    /// Bytes as received that have not been looked at.
    buffer: Vec<u8>,
    taken: usize,
    /// What is left of the frame that has begun.
    stream: u8,
    left: usize,
    log: L,
    log_left: usize,
}

impl AttachedStream {
    pub(super) fn new(upgraded: Upgraded, clock: Clock, log: File) -> Self {
        Self { stream: upgraded.stream, clock, frames: Frames::new(upgraded.leftover, log) }
    }
}

impl<L: Write> Frames<L> {
    pub(crate) fn new(buffer: Vec<u8>, log: L) -> Self {
        Self { buffer, taken: 0, stream: 0, left: 0, log, log_left: LOG_LIMIT }
    }

    fn available(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// Copies output into `target`; `None` if more has to be received first.
    pub(crate) fn next(&mut self, target: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            if self.left == 0 {
                let Some(header) = self.available().first_chunk::<HEADER>().copied() else { return Ok(None) };
                let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
                if !matches!(header[0], 1 | 2) || header[1..4] != [0; 3] || length > FRAME_LIMIT {
                    let message = format!("the daemon sent no valid frame header: {header:?}");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
                self.taken += HEADER;
                (self.stream, self.left) = (header[0], length as usize);
                continue;
            }
            let there = self.available().len().min(self.left);
            if there == 0 {
                return Ok(None);
            }
            let count = if self.stream == 1 { there.min(target.len()) } else { there };
            let bytes = &self.buffer[self.taken..self.taken + count];
            if self.stream == 1 {
                target[..count].copy_from_slice(bytes);
            } else {
                let kept = count.min(self.log_left);
                // A log that cannot be written does not stop the measurement.
                let _ = self.log.write_all(&bytes[..kept]);
                self.log_left -= kept;
            }
            self.taken += count;
            self.left -= count;
            if self.stream == 1 {
                return Ok(Some(count));
            }
        }
    }

    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }
}

impl Transport for AttachedStream {
    fn read(&mut self, target: &mut [u8], deadline: HostInstant) -> io::Result<usize> {
        if target.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(count) = self.frames.next(target)? {
                return Ok(count);
            }
            let mut chunk = [0_u8; CHUNK];
            let count = socket::read(&self.stream, &mut chunk, deadline, self.clock)?;
            if count == 0 {
                return Ok(0);
            }
            self.frames.receive(&chunk[..count]);
        }
    }

    fn write_all(&mut self, bytes: &[u8], deadline: HostInstant) -> io::Result<()> {
        socket::write_all(&self.stream, bytes, deadline, self.clock)
    }
}

impl Drop for AttachedStream {
    fn drop(&mut self) {
        // The end of standard input for the container; a connection that is gone already needs none.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn frame(stream: u8, bytes: &[u8]) -> Vec<u8> {
        let mut frame = vec![stream, 0, 0, 0];
        frame.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        frame.extend_from_slice(bytes);
        frame
    }

    fn pair(leftover: Vec<u8>) -> (AttachedStream, UnixStream, std::path::PathBuf, tempfile::TempDir) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let upgraded = Upgraded { stream: ours, leftover, asked: HostInstant(0), at: HostInstant(0) };
        (AttachedStream::new(upgraded, Clock, File::create(&path).unwrap()), theirs, path, directory)
    }

    fn soon() -> HostInstant {
        Clock.after(Duration::from_secs(5))
    }

    #[test]
    fn output_is_taken_out_of_frames_however_they_are_cut() {
        let mut bytes = frame(1, b"hello ");
        bytes.extend(frame(2, b"noise"));
        bytes.extend(frame(1, b""));
        bytes.extend(frame(1, b"world"));
        for cut in 0..bytes.len() {
            let (mut stream, mut theirs, log, _directory) = pair(bytes[..cut].to_vec());
            theirs.write_all(&bytes[cut..]).unwrap();
            drop(theirs);
            let mut text = Vec::new();
            let mut buffer = [0_u8; 4];
            loop {
                let count = stream.read(&mut buffer, soon()).unwrap();
                if count == 0 {
                    break;
                }
                text.extend_from_slice(&buffer[..count]);
            }
            assert_eq!(text, b"hello world", "cut at {cut}");
            assert_eq!(std::fs::read(&log).unwrap(), b"noise");
        }
    }

    #[test]
    fn a_foreign_header_is_refused() {
        for header in [[7, 0, 0, 0, 0, 0, 0, 1], [1, 9, 0, 0, 0, 0, 0, 1], [1, 0, 0, 0, 255, 255, 255, 255]] {
            let (mut stream, _theirs, _log, _directory) = pair(header.to_vec());
            let error = stream.read(&mut [0; 8], soon()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn silence_ends_at_the_deadline() {
        let (mut stream, _theirs, _log, _directory) = pair(Vec::new());
        let error = stream.read(&mut [0; 8], Clock.after(Duration::from_millis(10))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
