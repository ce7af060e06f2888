//! The end of a process, as seen through a pidfd.

use crate::clock::Clock;
use isodyne_core::unit::HostInstant;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd};

const GIVE_UP: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
const SETTLE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000 };

/// Tries it: each child waits for a byte, stamps, and exits.
pub(super) fn exits(clock: Clock, trials: usize) -> Option<Vec<u64>> {
    (0..trials).map(|_| one(clock)).collect()
}

fn one(clock: Clock) -> Option<u64> {
    let (go_reader, mut go_writer) = io::pipe().ok()?;
    let (mut stamp_reader, stamp_writer) = io::pipe().ok()?;
    // SAFETY: the child calls nothing but read, clock_gettime, write and _exit, all of which may be called after a fork
    // of a program with threads; it allocates nothing and never returns.
    let pid = match unsafe { libc::fork() } {
        -1 => return None,
        0 => in_child(clock, &go_reader, &go_writer, &stamp_writer),
        pid => Pid::from_raw(pid)?,
    };
    drop(stamp_writer);
    drop(go_reader);
    let seen = release_and_watch(clock, pid, &mut go_writer);
    if seen.is_none() {
        let _ = kill_process(pid, Signal::KILL);
    }
    while let Err(rustix::io::Errno::INTR) = waitpid(Some(pid), WaitOptions::empty()) {}
    let mut bytes = [0; 8];
    stamp_reader.read_exact(&mut bytes).ok()?;
    Some(seen?.ns_since(HostInstant(u64::from_ne_bytes(bytes))))
}

fn release_and_watch(clock: Clock, pid: Pid, go: &mut PipeWriter) -> Option<HostInstant> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // The child goes to sleep in its read; then it is woken, and this thread sleeps in poll well before it has exited.
    let _ = poll(&mut [], Some(&SETTLE));
    go.write_all(b"x").ok()?;
    let ready = poll(&mut [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)], Some(&GIVE_UP));
    let at = clock.now();
    ready.ok().filter(|count| *count > 0).map(|_| at)
}

fn in_child(clock: Clock, go: &PipeReader, go_writer: &PipeWriter, stamp: &PipeWriter) -> ! {
    let mut byte = 0_u8;
    // SAFETY: the descriptors are open in the child, and the pointers are to live locals of the given lengths. Its copy of
    // the writing end is closed so that the lab's death ends the wait.
    unsafe {
        libc::close(go_writer.as_raw_fd());
        libc::read(go.as_raw_fd(), (&raw mut byte).cast(), 1);
        let bytes = clock.now().0.to_ne_bytes();
        libc::write(stamp.as_raw_fd(), bytes.as_ptr().cast(), bytes.len());
        libc::_exit(0)
    }
}
