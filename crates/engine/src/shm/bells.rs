//! Bells of this host's kernel: futexes in the memory itself, and event counters.

use super::WaitingMode;
use crate::clock::Clock;
use crate::wait::{left, readable};
use isodyne_core::unit::HostInstant;
use isodyne_shm::layout::{ANSWER_BELL, ASK_BELL};
use isodyne_shm::region::Region;
use isodyne_shm::wait::{Bell, Waiting, Woken};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::thread::futex;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

fn number(errno: Errno) -> u32 {
    errno.raw_os_error().unsigned_abs()
}

/// Two words of the memory that both sides count up and sleep on.
#[derive(Debug)]
pub struct FutexBell<'m> {
    own: &'m AtomicU32,
    other: &'m AtomicU32,
}

impl<'m> FutexBell<'m> {
    /// The bell of one side; `None` if the memory is too small.
    pub fn new(region: Region<'m>, asks: bool) -> Option<Self> {
        let (of_asking, of_answering) = (region.u32(ANSWER_BELL)?, region.u32(ASK_BELL)?);
        Some(if asks {
            Self { own: of_asking, other: of_answering }
        } else {
            Self { own: of_answering, other: of_asking }
        })
    }
}

impl Bell for FutexBell<'_> {
    fn ring(&self) -> Result<(), u32> {
        self.other.fetch_add(1, Ordering::Release);
        futex::wake(self.other, futex::Flags::empty(), 1).map(drop).map_err(number)
    }

    fn arm(&self) -> u32 {
        self.own.load(Ordering::Acquire)
    }

    fn wait(&self, armed: u32, deadline_ns: u64) -> Woken {
        match futex::wait(self.own, futex::Flags::empty(), armed, Some(&left(Clock, HostInstant(deadline_ns)))) {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR) => Woken::Rung,
            Err(Errno::TIMEDOUT) => Woken::TimedOut,
            Err(errno) => Woken::Failed(number(errno)),
        }
    }
}

/// Two event counters: one to sleep on, one to ring for the other side.
#[derive(Debug)]
pub struct EventBell {
    own: OwnedFd,
    other: OwnedFd,
}

impl EventBell {
    /// From two counters.
    pub fn new(own: OwnedFd, other: OwnedFd) -> Self {
        Self { own, other }
    }

    /// Two counters of one's own, and the same two for the other side: first the one it rings, then the one it sleeps on.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn pair() -> io::Result<(Self, [OwnedFd; 2])> {
        let make = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let (own, other) = (make()?, make()?);
        let given = [own.try_clone()?, other.try_clone()?];
        Ok((Self { own, other }, given))
    }
}

impl Bell for EventBell {
    fn ring(&self) -> Result<(), u32> {
        match rustix::io::write(&self.other, &1_u64.to_ne_bytes()) {
            // A full counter rings as well.
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(errno) => Err(number(errno)),
        }
    }

    fn wait(&self, _: u32, deadline_ns: u64) -> Woken {
        let mut count = [0; 8];
        let deadline = HostInstant(deadline_ns);
        loop {
            match rustix::io::read(&self.own, &mut count) {
                Ok(_) => return Woken::Rung,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => match readable(Clock, &self.own, deadline) {
                    Ok(true) => {}
                    Ok(false) => return Woken::TimedOut,
                    Err(errno) => return Woken::Failed(number(errno)),
                },
                Err(errno) => return Woken::Failed(number(errno)),
            }
            // The other side has the same counter: it could ring and read it away for ever.
            if Clock.now() >= deadline {
                return Woken::TimedOut;
            }
        }
    }
}

/// What a side can sleep on.
#[derive(Default)]
pub struct Bells<'m> {
    futex: Option<FutexBell<'m>>,
    /// Event counters, or the device's interrupt and doorbell.
    pub event: Option<Box<dyn Bell + Send + Sync + 'm>>,
}

impl<'m> Bells<'m> {
    /// The bells of one side of this memory.
    pub fn new(region: Region<'m>, asks: bool, event: Option<Box<dyn Bell + Send + Sync + 'm>>) -> Self {
        Self { futex: FutexBell::new(region, asks), event }
    }

    /// How to wait in this mode.
    ///
    /// # Errors
    /// In words, if there is no such bell.
    pub fn waiting(&self, mode: WaitingMode) -> Result<Waiting<'_>, String> {
        if let Some(waiting) = mode.looking() {
            return Ok(waiting);
        }
        if mode == WaitingMode::Futex {
            let bell = self.futex.as_ref().ok_or("the memory has no room for a futex")?;
            return Ok(Waiting::Bell(bell));
        }
        let bell = self.event.as_deref().ok_or_else(|| format!("this memory has no bell for `{}`", mode.word()))?;
        Ok(Waiting::Bell(bell))
    }
}
