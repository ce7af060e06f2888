//! The owner's socket: others of the same user connect to it.

use super::{LiveError, is_name};
use crate::channel::FdTransport;
use crate::clock::Clock;
use crate::wait::readable;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A socket with a sandbox's name. Dropped, it is removed.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// The path of a sandbox's socket.
pub(super) fn path(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.socket"))
}

/// Whether somebody listens on a sandbox's socket.
pub fn has_socket(directory: &Path, name: &str) -> bool {
    is_name(name) && UnixStream::connect(path(directory, name)).is_ok()
}

impl ControlSocket {
    /// Takes a name. What an owner that was killed has left is removed.
    ///
    /// # Errors
    /// [`LiveError::InUse`] if somebody listens there.
    pub fn bind(directory: &Path, name: &str) -> Result<Self, LiveError> {
        if !is_name(name) {
            return Err(LiveError::Name(name.to_owned()));
        }
        // Two that find the same leftover must not remove each other's socket.
        let turn = File::open(directory)?;
        flock(&turn, FlockOperation::LockExclusive).map_err(io::Error::from)?;
        let path = path(directory, name);
        match UnixStream::connect(&path) {
            Ok(_) => return Err(LiveError::InUse(name.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => std::fs::remove_file(&path)?,
        }
        let listener = UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next who connects, if one does within the time and may: a process of this user or of root.
    pub(super) fn next(&self, within: Duration, clock: Clock) -> io::Result<Option<FdTransport>> {
        if !readable(clock, &self.listener, clock.after(within))? {
            return Ok(None);
        }
        match self.listener.accept() {
            Ok((stream, _)) if may(&stream)? => Ok(Some(FdTransport::from_socket(stream.into(), clock)?)),
            // Who may not is not answered; who has gone again needs none.
            Ok(_) => Ok(None),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The user on the other end.
pub(super) fn peer(stream: &UnixStream) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(stream)?.uid.as_raw())
}

/// Whether the other end is a process of this user, or of root.
fn may(stream: &UnixStream) -> io::Result<bool> {
    let user = peer(stream)?;
    Ok(user == 0 || user == rustix::process::geteuid().as_raw())
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // One that stays is found by the next of the same name.
        let _ = std::fs::remove_file(&self.path);
    }
}
