//! Processes: one spawn function, one way to wait, one way to kill.

use crate::clock::Clock;
use isodyne_core::unit::HostInstant;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// Why a program did not start.
#[derive(Debug, thiserror::Error)]
#[error("failed to start `{program}`")]
pub struct SpawnError {
    /// The program.
    pub program: String,
    /// The host's answer.
    #[source]
    pub source: io::Error,
}

/// A process that ended, and what it used (itself and the children it waited for).
#[derive(Clone, Copy, Debug)]
pub struct ExitReport {
    /// How it ended.
    pub status: ExitStatus,
    /// When that was seen.
    pub at: HostInstant,
    /// CPU time in user mode, in nanoseconds.
    pub user_ns: u64,
    /// CPU time in the kernel, in nanoseconds.
    pub system_ns: u64,
    /// The largest resident set of any one process among it and the children it waited for, in bytes.
    pub peak_rss_bytes: u64,
}

/// A process that the lab started and will end.
#[derive(Debug)]
pub struct OwnedProcess {
    child: Child,
    pidfd: OwnedFd,
    clock: Clock,
    program: String,
    /// The stamp right before the fork.
    pub forked_at: HostInstant,
    /// The stamp when fork and exec had succeeded.
    pub spawned_at: HostInstant,
    exit: Option<ExitReport>,
}

pub(super) fn spawn(clock: Clock, mut command: Command) -> Result<OwnedProcess, SpawnError> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.process_group(0);
    let error = |source| SpawnError { program: program.clone(), source };
    let forked_at = clock.now();
    let child = command.spawn().map_err(error)?;
    let spawned_at = clock.now();
    let pid = Pid::from_child(&child);
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => fd,
        Err(errno) => {
            let _ = kill_process_group(pid, Signal::KILL);
            return Err(error(errno.into()));
        }
    };
    Ok(OwnedProcess { child, pidfd, clock, program, forked_at, spawned_at, exit: None })
}

impl OwnedProcess {
    /// The process id, which is also the id of its group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The standard streams that the command asked to be piped.
    pub fn take_stdio(
        &mut self,
    ) -> (Option<std::process::ChildStdin>, Option<std::process::ChildStdout>, Option<std::process::ChildStderr>) {
        (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take())
    }

    /// Waits for the end until `deadline`; `None` if it still runs then. May be called again after the end.
    pub fn wait(&mut self, deadline: HostInstant) -> Option<ExitReport> {
        if self.exit.is_some() {
            return self.exit;
        }
        loop {
            let left = self.clock.until(deadline);
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            let mut fds = [PollFd::from_borrowed_fd(self.pidfd.as_fd(), PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) => return None,
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        let at = self.clock.now();
        self.exit = Some(reap(self.child.id(), at));
        self.exit
    }

    /// Kills the whole group and reaps the process, within one second.
    pub fn kill(&mut self) -> Option<ExitReport> {
        if self.exit.is_none() {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        self.wait(self.clock.after(Duration::from_secs(1)))
    }

    /// Sends a signal to the process (not its group); nothing happens if it has ended.
    pub fn signal(&self, signal: Signal) {
        if self.exit.is_none() {
            let _ = rustix::process::pidfd_send_signal(&self.pidfd, signal);
        }
    }

    /// The program's name, for messages.
    pub fn program(&self) -> &str {
        &self.program
    }
}

impl Drop for OwnedProcess {
    fn drop(&mut self) {
        if self.exit.is_none() {
            self.kill();
        }
    }
}

/// Reaps a child that has ended. `wait4` is the only call that gives its resource usage.
fn reap(pid: u32, at: HostInstant) -> ExitReport {
    let mut status = 0;
    // SAFETY: an all-zero rusage is a valid value of this plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live, writable locals; the pid is a child of ours that nobody else waits for.
    unsafe { libc::wait4(pid as libc::pid_t, &raw mut status, 0, &raw mut usage) };
    let ns = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000;
    ExitReport {
        status: ExitStatus::from_raw(status),
        at,
        user_ns: ns(usage.ru_utime),
        system_ns: ns(usage.ru_stime),
        peak_rss_bytes: usage.ru_maxrss as u64 * 1024,
    }
}
