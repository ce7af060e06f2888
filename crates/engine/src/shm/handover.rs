//! Descriptors that one side hands to the other over a unix socket: two event counters, then the memory.

use crate::channel::connect_unix;
use crate::clock::Clock;
use crate::wait::readable;
use isodyne_core::unit::HostInstant;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

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
            if !readable(clock, &self.listener, deadline)? {
                return Err(io::Error::new(ErrorKind::TimedOut, "nobody came for the memory"));
            }
            match self.listener.accept() {
                Ok((stream, _)) => break stream,
                // Who came has gone again.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
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

/// Gets the descriptors of the other side, which may still be about to listen in a directory that is there.
///
/// # Errors
/// If nothing comes in time, or not what should come.
pub fn receive(path: &Path, clock: Clock, deadline: HostInstant) -> io::Result<Received> {
    let stream = connect_unix(path, clock, deadline)?;
    if !readable(clock, &stream, deadline)? {
        return Err(io::Error::new(ErrorKind::TimedOut, "the other side listens, and hands nothing over"));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_who_comes_early_waits_and_gets_what_is_given() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let deadline = Clock.after(Duration::from_secs(30));
        std::thread::scope(|scope| {
            let early = scope.spawn(|| receive(&path, Clock, deadline).unwrap());
            let handover = Handover::listen(&path).unwrap();
            let files = [1, 2, 3].map(|_| tempfile::tempfile().unwrap());
            files[2].set_len(7).unwrap();
            handover.give(&[&files[0], &files[1], &files[2]], Clock, deadline).unwrap();
            let memory = early.join().unwrap().memory.unwrap();
            assert_eq!(memory.metadata().unwrap().len(), 7);
        });
    }

    #[test]
    fn nobody_is_waited_for_beyond_the_deadline() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let soon = || Clock.after(Duration::from_millis(5));
        assert_eq!(receive(&path, Clock, soon()).unwrap_err().kind(), ErrorKind::TimedOut);
        let handover = Handover::listen(&path).unwrap();
        assert_eq!(handover.give(&[], Clock, soon()).unwrap_err().to_string(), "nobody came for the memory");
        // It is listened, and nobody hands anything over.
        assert_eq!(receive(&path, Clock, soon()).unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
