//! Ticks at absolute times, every missed one counted, and a way to be woken between them.

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// A timer that fires at multiples of its period from its beginning, however long the work between takes.
pub(super) struct Ticker {
    timer: OwnedFd,
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
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let first = begin_ns.saturating_add(period_ns);
        let times = Itimerspec { it_interval: timespec(period_ns), it_value: timespec(first) };
        timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &times)?;
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        Ok(Self { timer, wake })
    }

    /// What to write eight bytes to in order to wake who waits.
    pub fn wake(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.wake)
    }

    /// Waits for the next tick or call. A call goes before a tick.
    pub fn wait(&self) -> io::Result<Woken> {
        loop {
            let mut fds = [
                PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.timer.as_fd(), PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let mut count = [0_u8; 8];
            if !fds[0].revents().is_empty() {
                rustix::io::read(&*self.wake, &mut count)?;
                return Ok(Woken::Called);
            }
            match rustix::io::read(&self.timer, &mut count) {
                Ok(_) => return Ok(Woken::Tick { missed: u64::from_ne_bytes(count).saturating_sub(1) }),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
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
    use crate::clock::Clock;

    #[test]
    fn ticks_stay_on_their_grid_and_missed_ones_are_counted() {
        const PERIOD_NS: u64 = 2_000_000;
        let begin = Clock.now().0;
        let ticker = Ticker::start(begin, PERIOD_NS).unwrap();
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
