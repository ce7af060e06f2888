//! Waiting for descriptors, and the guest's clock that bounds the waiting.

use super::file::Fd;
use super::{Errno, Result, call};
use linux_raw_sys::general as k;

/// A reading of the guest's monotonic clock. It never leaves the guest but as a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(clock_ns(k::CLOCK_MONOTONIC))
    }

    pub(crate) fn after_ms(milliseconds: u64) -> Self {
        Self(Self::now().0.saturating_add(milliseconds.saturating_mul(1_000_000)))
    }

    pub(crate) fn after_us(microseconds: u64) -> Self {
        Self(Self::now().0.saturating_add(microseconds.saturating_mul(1_000)))
    }

    /// A moment by the clock's own count.
    pub(crate) fn at_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// The clock's own count.
    pub(crate) fn ns(self) -> u64 {
        self.0
    }

    pub(crate) fn ns_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    pub(crate) fn has_passed(self) -> bool {
        Self::now() >= self
    }
}

/// Nanoseconds since the kernel began.
pub(crate) fn uptime_ns() -> u64 {
    clock_ns(k::CLOCK_BOOTTIME)
}

/// The wall clock in nanoseconds since 1970, as this sandbox has it.
pub(crate) fn realtime_ns() -> u64 {
    clock_ns(k::CLOCK_REALTIME)
}

/// Processor time that this process has used.
pub(crate) fn cpu_ns() -> u64 {
    clock_ns(k::CLOCK_PROCESS_CPUTIME_ID)
}

fn clock_ns(clock: u32) -> u64 {
    let mut time = k::__kernel_timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec. The clocks used here exist on every kernel; a refusal reads as zero.
    let _ = unsafe { call!(__NR_clock_gettime, clock, &raw mut time) };
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}

/// What to wait for on one descriptor, and what came.
pub(crate) type Interest = k::pollfd;

pub(crate) const READABLE: i16 = k::POLLIN as i16;
pub(crate) const WRITABLE: i16 = k::POLLOUT as i16;
pub(crate) const HUNG_UP: i16 = (k::POLLHUP | k::POLLERR | k::POLLNVAL | k::POLLRDHUP) as i16;
/// Asks to be told when the other end of a socket closed; pipes and devices say so unasked.
pub(crate) const CLOSING: i16 = k::POLLRDHUP as i16;

pub(crate) fn interest(fd: &Fd, events: i16) -> Interest {
    Interest { fd: fd.number(), events, revents: 0 }
}

/// An interest that never comes true, to keep a place in a list.
pub(crate) fn no_interest() -> Interest {
    Interest { fd: -1, events: 0, revents: 0 }
}

/// Waits until something comes or the moment has passed; false if it has.
pub(crate) fn wait(interests: &mut [Interest], until: Moment) -> Result<bool> {
    loop {
        let left = until.ns_since(Moment::now());
        let mut timeout =
            k::__kernel_timespec { tv_sec: (left / 1_000_000_000) as i64, tv_nsec: (left % 1_000_000_000) as i64 };
        // SAFETY: the kernel reads and writes the list and the timeout; there is no signal mask.
        let came =
            unsafe { call!(__NR_ppoll, interests.as_mut_ptr(), interests.len(), &raw mut timeout, 0_usize, 8_usize) };
        match came {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Lets a little time pass, where the kernel offers no event to wait for.
pub(crate) fn pause_us(microseconds: u64) {
    let _ = wait(&mut [], Moment::after_us(microseconds));
}
