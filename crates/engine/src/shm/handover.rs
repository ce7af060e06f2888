//! Descriptors that one side hands to the other over a unix socket: two event counters, then the memory.

use crate::clock::Clock;
use isodyne_core::unit::HostInstant;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks for who comes.
const LOOK: Duration = Duration::from_millis(1);

/// A socket where the other side gets its descriptors. Dropped, the socket is removed.
#[derive(Debug)]
pub struct Handover {
    listener: UnixListener,
    path: PathBuf,
}

impl Handover {
    /// Listens; what another session has left at this path is removed.
    ///
    /// # Errors
    /// If the system refuses, or something else than a socket lies there.
    pub fn listen(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::FileTypeExt;
        match std::fs::symlink_metadata(path) {
            Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(path)?,
            Ok(_) => return Err(io::Error::other("there is something that is no socket")),
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Waits for one who comes, and gives them these descriptors.
    ///
    /// # Errors
    /// If nobody comes in time, or the system refuses.
    pub fn give(&self, descriptors: &[&dyn AsFd], clock: Clock, deadline: HostInstant) -> io::Result<()> {
        let stream = loop {
            match self.listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if clock.until(deadline).is_zero() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody came for the memory"));
            }
            std::thread::sleep(LOOK);
        };
        let borrowed: Vec<_> = descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
            return Err(io::Error::other("too many descriptors"));
        }
        sendmsg(&stream, &[IoSlice::new(&[1])], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What came.
#[derive(Debug)]
pub struct Received {
    /// The counters to ring and to sleep on, in this order.
    pub counters: [OwnedFd; 2],
    /// The memory.
    pub memory: Option<File>,
}

/// Gets the other side's descriptors, which may still be about to listen.
///
/// # Errors
/// If nothing comes in time, or not what should come.
pub fn receive(path: &Path, clock: Clock, deadline: HostInstant) -> io::Result<Received> {
    let stream = loop {
        match UnixStream::connect(path) {
            Ok(stream) => break stream,
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
                    && !clock.until(deadline).is_zero() =>
            {
                std::thread::sleep(LOOK);
            }
            Err(error) => return Err(error),
        }
    };
    stream.set_read_timeout(Some(clock.until(deadline).max(LOOK)))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(&stream, &mut [IoSliceMut::new(&mut [0])], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    let mut descriptors = descriptors.into_iter();
    match (descriptors.next(), descriptors.next()) {
        (Some(ring), Some(sleep)) => {
            Ok(Received { counters: [ring, sleep], memory: descriptors.next().map(File::from) })
        }
        _ => Err(io::Error::other("no descriptors came")),
    }
}
