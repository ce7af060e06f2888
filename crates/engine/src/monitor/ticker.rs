//! Ticks at absolute times, every missed one counted, and a way to be woken between them.

use crate::clock::Clock;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::time::Timespec;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Ticks at multiples of a period from a beginning, however long the work between takes. One system call waits for both a
/// tick and a call: a timer with a descriptor would need one more at each tick.
pub(super) struct Ticker {
    next_ns: u64,
    period_ns: u64,
    wake: Arc<OwnedFd>,
}

/// Why the waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// A tick; so many before it came while nobody waited.
    Tick { missed: u64 },
    /// Somebody wrote to the eventfd.
    Called,
}

impl Ticker {
    /// The first tick comes one period after `begin_ns`, a time of the monotonic clock.
    pub fn start(begin_ns: u64, period_ns: u64) -> io::Result<Self> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let period_ns = period_ns.max(1);
        Ok(Self { next_ns: begin_ns.saturating_add(period_ns), period_ns, wake })
    }

    /// What to write eight bytes to in order to wake who waits.
    pub fn wake(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.wake)
    }

    /// Waits for the next tick or call. A call goes before a tick.
    pub fn wait(&mut self) -> io::Result<Woken> {
        loop {
            let left_ns = self.next_ns.saturating_sub(Clock.now().0);
            let mut fds = [PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN)];
            match poll(&mut fds, Some(&timespec(left_ns))) {
                Ok(0) => {}
                Ok(_) => {
                    rustix::io::read(&*self.wake, &mut [0_u8; 8])?;
                    return Ok(Woken::Called);
                }
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            if let Some(late_ns) = Clock.now().0.checked_sub(self.next_ns) {
                let missed = late_ns / self.period_ns;
                self.next_ns = self.next_ns.saturating_add((missed + 1).saturating_mul(self.period_ns));
                return Ok(Woken::Tick { missed });
            }
        }
    }
}

fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as _ }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stay_on_their_grid_and_missed_ones_are_counted() {
        const PERIOD_NS: u64 = 2_000_000;
        let begin = Clock.now().0;
        let mut ticker = Ticker::start(begin, PERIOD_NS).unwrap();
        let mut ticks = 0;
        for round in 0..10 {
            if round == 5 {
                std::thread::sleep(std::time::Duration::from_nanos(5 * PERIOD_NS));
            }
            let Woken::Tick { missed } = ticker.wait().unwrap() else { panic!("nobody called") };
            assert!(round != 5 || missed >= 4, "{missed}");
            ticks += 1 + missed;
            assert!(Clock.now().0 >= begin + ticks * PERIOD_NS);
        }
        rustix::io::write(&*ticker.wake(), &1_u64.to_ne_bytes()).unwrap();
        assert_eq!(ticker.wait().unwrap(), Woken::Called);
        assert!(matches!(ticker.wait().unwrap(), Woken::Tick { .. }));
    }
}
