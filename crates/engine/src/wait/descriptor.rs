//! Descriptors that become ready.

use crate::clock::Clock;
use isodyne_core::unit::HostInstant;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::AsFd;

/// The time until the deadline, as the kernel takes it; nothing once it has passed.
pub(crate) fn left(clock: Clock, deadline: HostInstant) -> Timespec {
    let left = clock.until(deadline);
    Timespec { tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() }
}

/// Waits until a descriptor is ready for one of these events, or has an end or an error to show; `false` once the deadline
/// has passed. What is ready already counts, however late it is.
///
/// # Errors
/// What the kernel says of a descriptor that cannot be waited for.
pub(crate) fn ready(
    clock: Clock,
    descriptor: impl AsFd,
    events: PollFlags,
    deadline: HostInstant,
) -> Result<bool, Errno> {
    loop {
        match poll(&mut [PollFd::new(&descriptor, events)], Some(&left(clock, deadline))) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// As [`ready`], for reading. A pidfd is readable once its process has ended.
///
/// # Errors
/// As [`ready`].
pub(crate) fn readable(clock: Clock, descriptor: impl AsFd, deadline: HostInstant) -> Result<bool, Errno> {
    ready(clock, descriptor, PollFlags::IN, deadline)
}

/// Waits until one of two descriptors can be read: `Some(true)` if the first one can, `None` once the deadline has passed.
///
/// # Errors
/// As [`ready`].
pub(crate) fn either_readable(
    clock: Clock,
    first: impl AsFd,
    second: impl AsFd,
    deadline: HostInstant,
) -> Result<Option<bool>, Errno> {
    loop {
        let mut both = [PollFd::new(&first, PollFlags::IN), PollFd::new(&second, PollFlags::IN)];
        match poll(&mut both, Some(&left(clock, deadline))) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(!both[0].revents().is_empty())),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Write, pipe};
    use std::time::Duration;

    #[test]
    fn a_byte_and_an_end_are_seen_and_a_deadline_is_kept() {
        let (reader, mut writer) = pipe().unwrap();
        let soon = Clock.after(Duration::from_millis(5));
        assert_eq!(readable(Clock, &reader, soon), Ok(false));
        assert!(Clock.now() >= soon);
        writer.write_all(b"x").unwrap();
        // The deadline is over, and the byte is there.
        assert_eq!(readable(Clock, &reader, soon), Ok(true));
        let (ending, end) = pipe().unwrap();
        drop(end);
        assert_eq!(readable(Clock, &ending, Clock.after(Duration::from_secs(60))), Ok(true));
    }

    #[test]
    fn the_first_of_two_comes_first() {
        let ((one, mut to_one), (other, mut to_other)) = (pipe().unwrap(), pipe().unwrap());
        let soon = || Clock.after(Duration::from_millis(1));
        assert_eq!(either_readable(Clock, &one, &other, soon()), Ok(None));
        to_other.write_all(b"x").unwrap();
        assert_eq!(either_readable(Clock, &one, &other, soon()), Ok(Some(false)));
        to_one.write_all(b"x").unwrap();
        assert_eq!(either_readable(Clock, &one, &other, soon()), Ok(Some(true)));
    }
}
