//! A transport over file descriptors: pipes, sockets, terminals, devices.

use super::Transport;
use crate::clock::Clock;
use crate::wait::ready;
use isodyne_core::unit::HostInstant;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::SendFlags;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A transport over one or two file descriptors.
pub struct FdTransport {
    reader: OwnedFd,
    /// Where to write, if that is another descriptor.
    writer: Option<OwnedFd>,
    writes_to_socket: bool,
    clock: Clock,
}

impl FdTransport {
    /// A transport that reads from one descriptor and writes to the other; both are made non-blocking.
    ///
    /// # Errors
    /// If a descriptor cannot be made non-blocking.
    pub fn new(reader: OwnedFd, writer: OwnedFd, clock: Clock) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&reader, true)?;
        rustix::io::ioctl_fionbio(&writer, true)?;
        Ok(Self { writes_to_socket: is_socket(writer.as_fd()), reader, writer: Some(writer), clock })
    }

    /// A transport over a connected socket, or anything else that is read and written by one descriptor.
    ///
    /// # Errors
    /// If the descriptor cannot be made non-blocking.
    pub fn from_socket(socket: OwnedFd, clock: Clock) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self { writes_to_socket: is_socket(socket.as_fd()), reader: socket, writer: None, clock })
    }
}

impl Transport for FdTransport {
    fn read(&mut self, buffer: &mut [u8], deadline: HostInstant) -> io::Result<usize> {
        loop {
            match rustix::io::read(&self.reader, &mut *buffer) {
                Ok(length) => return Ok(length),
                Err(Errno::AGAIN) => wait_ready(self.clock, self.reader.as_fd(), PollFlags::IN, deadline)?,
                Err(Errno::INTR) => {}
                // A terminal's other side closed, or a socket's was torn down: the end like any other.
                Err(Errno::IO | Errno::CONNRESET) => return Ok(0),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn write_all(&mut self, mut bytes: &[u8], deadline: HostInstant) -> io::Result<()> {
        let writer = self.writer.as_ref().unwrap_or(&self.reader);
        while !bytes.is_empty() {
            // Without a signal if the other end is gone: for sockets that can be said, and for pipes every Rust program
            // ignores it.
            let written = if self.writes_to_socket {
                rustix::net::send(writer, bytes, SendFlags::NOSIGNAL)
            } else {
                rustix::io::write(writer, bytes)
            };
            match written {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(Errno::AGAIN) => wait_ready(self.clock, writer.as_fd(), PollFlags::OUT, deadline)?,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

fn is_socket(fd: BorrowedFd<'_>) -> bool {
    rustix::net::sockopt::socket_type(fd).is_ok()
}

/// Waits until the descriptor is ready or has an end or error to show.
fn wait_ready(clock: Clock, fd: BorrowedFd<'_>, events: PollFlags, deadline: HostInstant) -> io::Result<()> {
    if ready(clock, fd, events, deadline)? { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
}
