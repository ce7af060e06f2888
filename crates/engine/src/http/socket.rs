//! Reading and writing a stream that does not block, with deadlines.

use crate::clock::Clock;
use crate::wait::ready;
use isodyne_core::unit::HostInstant;
use rustix::event::PollFlags;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Waits until `fd` is ready for one of `flags`.
///
/// # Errors
/// `TimedOut` once `deadline` has passed.
pub(crate) fn wait(fd: impl AsFd, flags: PollFlags, deadline: HostInstant, clock: Clock) -> io::Result<()> {
    match ready(clock, fd, flags, deadline)? {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::TimedOut, "the deadline has passed")),
    }
}

/// Reads what is there, waiting for the first byte; 0 at the end of the stream.
///
/// # Errors
/// `TimedOut` once `deadline` has passed, or the socket's error.
pub(crate) fn read(
    mut stream: &UnixStream,
    buffer: &mut [u8],
    deadline: HostInstant,
    clock: Clock,
) -> io::Result<usize> {
    loop {
        wait(stream, PollFlags::IN, deadline, clock)?;
        match stream.read(buffer) {
            Err(error) if is_transient(&error) => {}
            other => return other,
        }
    }
}

/// Writes everything.
///
/// # Errors
/// `TimedOut` once `deadline` has passed, or the socket's error.
pub(crate) fn write_all(
    mut stream: &UnixStream,
    mut bytes: &[u8],
    deadline: HostInstant,
    clock: Clock,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if is_transient(&error) => wait(stream, PollFlags::OUT, deadline, clock)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
