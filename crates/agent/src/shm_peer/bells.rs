//! Bells of the kernel: futexes in the memory itself, and event counters.

use crate::sys::file::Fd;
use crate::sys::poll::Moment;
use crate::sys::shared;
use core::sync::atomic::{AtomicU32, Ordering};
use isodyne_shm::layout::{ANSWER_BELL, ASK_BELL};
use isodyne_shm::region::Region;
use isodyne_shm::wait::{Bell, Woken};

fn woken(result: crate::sys::Result<bool>) -> Woken {
    match result {
        Ok(true) => Woken::Rung,
        Ok(false) => Woken::TimedOut,
        Err(errno) => Woken::Failed(errno.0),
    }
}

/// Two words of the memory that both sides count up and sleep on.
pub(super) struct FutexBell {
    own: &'static AtomicU32,
    other: &'static AtomicU32,
}

impl FutexBell {
    pub(super) fn new(region: Region<'static>) -> Option<Self> {
        Some(Self { own: region.u32(ASK_BELL)?, other: region.u32(ANSWER_BELL)? })
    }
}

impl Bell for FutexBell {
    fn ring(&self) -> Result<(), u32> {
        self.other.fetch_add(1, Ordering::Release);
        shared::futex_wake(self.other).map_err(|errno| errno.0)
    }

    fn arm(&self) -> u32 {
        self.own.load(Ordering::Acquire)
    }

    fn wait(&self, armed: u32, deadline_ns: u64) -> Woken {
        woken(shared::futex_wait(self.own, armed, Moment::at_ns(deadline_ns)))
    }
}

/// Two event counters.
pub(super) struct EventBell {
    pub(super) own: Fd,
    pub(super) other: Fd,
}

impl Bell for EventBell {
    fn ring(&self) -> Result<(), u32> {
        shared::signal_event(&self.other).map_err(|errno| errno.0)
    }

    fn wait(&self, _: u32, deadline_ns: u64) -> Woken {
        woken(shared::take_event(&self.own, Moment::at_ns(deadline_ns)))
    }
}
