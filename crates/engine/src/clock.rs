//! The one clock: every stamp of a run comes from here.

use isodyne_core::unit::HostInstant;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Duration;

/// The host's monotonic clock (`CLOCK_MONOTONIC`), in nanoseconds.
///
/// It does not count suspended time and is slewed, never stepped. Other processes of the same boot read the same values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Takes a stamp.
    pub fn now(self) -> HostInstant {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Monotonic);
        HostInstant(tv_sec as u64 * 1_000_000_000 + tv_nsec as u64)
    }

    /// The stamp that lies `duration` from now.
    pub fn after(self, duration: Duration) -> HostInstant {
        HostInstant(self.now().0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The time left until `deadline`; zero once it has passed.
    pub fn until(self, deadline: HostInstant) -> Duration {
        Duration::from_nanos(deadline.ns_since(self.now()))
    }
}

/// Processor time of the calling thread, in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}

/// Processor time of this program so far, all threads and the time before its `main` included, in nanoseconds.
pub fn program_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}
