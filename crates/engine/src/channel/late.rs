//! Transports whose connection comes later: the other side connects to us, or makes the socket that we connect to.

use super::Transport;
use super::fd::FdTransport;
use crate::clock::Clock;
use crate::wait::{Changes, either_readable, readable};
use isodyne_core::unit::HostInstant;
use rustix::fs::inotify::WatchFlags;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait between two attempts to connect where nothing announces the right moment.
const RETRY: Duration = Duration::from_millis(1);

/// Accepts one connection on first use, and carries bytes on it from then on.
pub struct ListeningTransport {
    listener: Listener,
    connection: Option<FdTransport>,
    life: Option<OwnedFd>,
    clock: Clock,
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl ListeningTransport {
    /// For whoever connects to this unix socket.
    ///
    /// # Errors
    /// If the listener cannot be made non-blocking.
    pub fn unix(listener: UnixListener, clock: Clock) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener: Listener::Unix(listener), connection: None, life: None, clock })
    }

    /// For whoever connects to this TCP port.
    ///
    /// # Errors
    /// If the listener cannot be made non-blocking.
    pub fn tcp(listener: TcpListener, clock: Clock) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener: Listener::Tcp(listener), connection: None, life: None, clock })
    }

    /// Gives up waiting once this descriptor is readable: the pidfd of the process without which nobody will connect.
    #[must_use]
    pub fn while_alive(self, life: OwnedFd) -> Self {
        Self { life: Some(life), ..self }
    }

    fn connection(&mut self, deadline: HostInstant) -> io::Result<&mut FdTransport> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let accepted = self.listener.accept(self.clock, self.life.as_ref(), deadline)?;
                FdTransport::from_socket(accepted, self.clock)?
            }
        };
        Ok(self.connection.insert(connection))
    }
}

impl Listener {
    fn accept(&self, clock: Clock, life: Option<&OwnedFd>, deadline: HostInstant) -> io::Result<OwnedFd> {
        loop {
            let accepted = match self {
                Self::Unix(listener) => listener.accept().map(|(stream, _)| OwnedFd::from(stream)),
                Self::Tcp(listener) => listener.accept().and_then(|(stream, _)| {
                    // Frames are whole messages: nothing is gained by holding one back.
                    stream.set_nodelay(true)?;
                    Ok(OwnedFd::from(stream))
                }),
            };
            match accepted {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let fd = match self {
                        Self::Unix(listener) => listener.as_fd(),
                        Self::Tcp(listener) => listener.as_fd(),
                    };
                    let came = match life {
                        Some(life) => either_readable(clock, fd, life, deadline)?,
                        None => readable(clock, fd, deadline)?.then_some(true),
                    };
                    match came {
                        Some(true) => {}
                        Some(false) => return Err(io::ErrorKind::BrokenPipe.into()),
                        None => return Err(io::ErrorKind::TimedOut.into()),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl Transport for ListeningTransport {
    fn read(&mut self, buffer: &mut [u8], deadline: HostInstant) -> io::Result<usize> {
        self.connection(deadline)?.read(buffer, deadline)
    }

    fn write_all(&mut self, bytes: &[u8], deadline: HostInstant) -> io::Result<()> {
        self.connection(deadline)?.write_all(bytes, deadline)
    }

    fn again(&mut self) -> bool {
        self.connection = None;
        true
    }
}

/// Connects on first use to a unix socket that the other side makes, and carries bytes on it from then on.
pub struct ConnectingTransport {
    path: PathBuf,
    connection: Option<FdTransport>,
    clock: Clock,
}

impl ConnectingTransport {
    /// For the socket at this path, which need not be there yet; its directory must.
    pub fn new(path: impl Into<PathBuf>, clock: Clock) -> Self {
        Self { path: path.into(), connection: None, clock }
    }

    fn connection(&mut self, deadline: HostInstant) -> io::Result<&mut FdTransport> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => FdTransport::from_socket(connect(&self.path, self.clock, deadline)?.into(), self.clock)?,
        };
        Ok(self.connection.insert(connection))
    }
}

impl Transport for ConnectingTransport {
    fn read(&mut self, buffer: &mut [u8], deadline: HostInstant) -> io::Result<usize> {
        self.connection(deadline)?.read(buffer, deadline)
    }

    fn write_all(&mut self, bytes: &[u8], deadline: HostInstant) -> io::Result<()> {
        self.connection(deadline)?.write_all(bytes, deadline)
    }
}

/// Connects as soon as the socket is there. A change in its directory wakes the attempt; between the making of a socket
/// and its owner's `listen` nothing is announced, so that gap is polled.
pub(crate) fn connect(path: &Path, clock: Clock, deadline: HostInstant) -> io::Result<UnixStream> {
    let changes = Changes::beside(path, WatchFlags::CREATE | WatchFlags::MOVED_TO)?;
    loop {
        let until = match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::NotFound => deadline,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => clock.after(RETRY).min(deadline),
            Err(error) => return Err(error),
        };
        if !changes.wait(clock, until)? && until >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}
