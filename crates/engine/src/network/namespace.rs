//! Network namespaces: made by a thread of their own, held by a descriptor, gone with the last who holds them.
//!
//! A namespace has no name on the host and needs no mount: descriptors of the lab and the processes inside are all that
//! keeps it. Whatever ends the lab closes its descriptors, so that nothing is left to be removed. Everything in it
//! (cards, addresses, routes, rules) goes with it. `nsenter --net=/proc/PID/fd/N` looks inside while a sandbox lives.

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// The namespace of the thread that reads it.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace.
#[derive(Debug)]
pub struct Namespace(OwnedFd);

impl Namespace {
    /// Makes an empty one, in which only the loopback interface is up.
    ///
    /// # Errors
    /// The host's; without the rights it says which.
    pub fn create() -> io::Result<Self> {
        Self::make().map_err(explain)
    }

    fn make() -> io::Result<Self> {
        let namespace = in_thread(|| {
            // SAFETY: only the network namespace of this thread changes; it shares no file table by this, and it ends
            // with this closure.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
            Ok(Self(File::open(OWN)?.into()))
        })?;
        namespace.loopback_up()?;
        Ok(namespace)
    }

    /// That of another process; `None` if it is ours as well.
    ///
    /// # Errors
    /// The host's.
    pub fn of(pid: u32) -> io::Result<Option<Self>> {
        let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
        if std::fs::read_link(&path)? == std::fs::read_link(OWN)? {
            return Ok(None);
        }
        Ok(Some(Self(File::open(path)?.into())))
    }

    /// Brings its loopback interface up.
    ///
    /// # Errors
    /// The host's.
    pub fn loopback_up(&self) -> io::Result<()> {
        self.within(|| super::netlink::Netlink::open()?.up("lo"))
    }

    /// Does something in a thread that is inside. Sockets that it opens stay inside.
    ///
    /// # Errors
    /// The host's, or what the work returns.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        in_thread(|| {
            move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))?;
            work()
        })
    }

    /// Its path, as long as the lab holds it: what a runtime is told.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }
}

/// Root in a container may do less than root.
fn explain(error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error;
    }
    let rights = "this takes CAP_SYS_ADMIN and CAP_NET_ADMIN, which root in a container has not by itself";
    io::Error::new(error.kind(), format!("no network namespace: {error}; {rights}"))
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Runs in a thread that ends afterwards, so that no other work finds itself in another namespace.
fn in_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("network".to_owned()).spawn_scoped(scope, work)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread in a network namespace panicked")))
    })
}
