//! An interrupt on the host: an event counter.

use crate::clock::Clock;
use crate::wait::readable;
use isodyne_core::unit::HostInstant;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// An interrupt: something to ring, or to be woken by. Many rings before a wait are one. Another process of this host that
/// has it too could make it block again; a guest cannot.
#[derive(Clone, Debug)]
pub struct Bell(Arc<OwnedFd>);

impl Bell {
    /// Takes an eventfd. It is made not to block, whatever its maker chose.
    pub(super) fn new(descriptor: OwnedFd) -> Result<Self, Errno> {
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        Ok(Self(Arc::new(descriptor)))
    }

    /// Rings.
    ///
    /// # Errors
    /// If the descriptor is none that can be rung.
    pub fn ring(&self) -> io::Result<()> {
        match rustix::io::write(&*self.0, &1_u64.to_ne_bytes()) {
            // Full: it has been rung often enough.
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Blocks until it is rung; false once the deadline has passed.
    ///
    /// # Errors
    /// If the descriptor is none that can be waited for.
    pub fn wait(&self, deadline: HostInstant) -> io::Result<bool> {
        loop {
            if !readable(Clock, self, deadline)? {
                return Ok(false);
            }
            let mut counter = [0; 8];
            match rustix::io::read(&*self.0, &mut counter) {
                Ok(8) => return Ok(true),
                // Another process that shares the bell was faster.
                Err(Errno::AGAIN | Errno::INTR) => {}
                Ok(_) => return Err(io::Error::other("what came as an interrupt is no eventfd")),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
