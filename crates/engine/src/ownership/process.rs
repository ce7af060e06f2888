//! Processes: one spawn function, one way to wait, one way to kill.

use super::resource::{Resource, start_ticks};
use super::{Owned, Owner};
use crate::clock::Clock;
use crate::host::accounting;
use crate::wait::readable;
use isodyne_core::unit::HostInstant;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The children that an [`OwnedProcess`] will reap. Any other child that ends is an orphan that came to us.
static WAITED_FOR: Mutex<Vec<u32>> = Mutex::new(Vec::new());

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
    /// The largest resident set of any one process among it and the children it waited for, in bytes. A process begins
    /// in the lab's own memory, and the kernel counts that: what is not above the lab's peak is not told.
    pub peak_rss_bytes: Option<u64>,
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
    /// The peak of the lab itself: the kernel counts it for the process, which began in the lab's memory.
    lab_peak_bytes: u64,
    /// Kills what is left of the group; released once the group is known to be empty.
    group: Option<Owned>,
}

/// Starts a process. Nothing is added that runs between fork and exec: the standard library can then spawn without
/// copying the lab's page tables, which is a fifth of the time of a container's start on some hosts. A lab that is killed
/// before the journal's line is written is covered by the mark in the child's environment.
pub(super) fn spawn(owner: &Owner, clock: Clock, mut command: Command) -> Result<OwnedProcess, SpawnError> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.process_group(0);
    let error = |source| SpawnError { program: program.clone(), source };
    let lab_peak_bytes = accounting::peak_rss_bytes(std::process::id()).unwrap_or(0);
    // Held over the fork, so that the orphan reaper never takes a child that is about to be waited for.
    let mut waited_for = WAITED_FOR.lock().unwrap_or_else(PoisonError::into_inner);
    let forked_at = clock.now();
    let child = command.spawn().map_err(error)?;
    let spawned_at = clock.now();
    waited_for.push(child.id());
    drop(waited_for);
    let leader = child.id();
    let group = owner.own(Resource::ProcessGroup {
        leader,
        started_ticks: start_ticks(leader),
        run_id: owner.run_id().to_owned(),
    });
    let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).map_err(|errno| error(errno.into()))?;
    Ok(OwnedProcess {
        child,
        pidfd,
        clock,
        program,
        forked_at,
        spawned_at,
        exit: None,
        lab_peak_bytes,
        group: Some(group),
    })
}

/// Children that have ended and that no [`OwnedProcess`] waits for.
pub(super) fn ended_strangers() -> Vec<u32> {
    let waited_for = WAITED_FOR.lock().unwrap_or_else(PoisonError::into_inner);
    let own = std::process::id().to_string();
    super::leak::process_ids()
        .filter(|pid| !waited_for.contains(pid))
        .filter(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
            fields.next() == Some("Z") && fields.next() == Some(&own)
        })
        .collect()
}

/// Reaps an ended child and forgets how it ended.
pub(super) fn discard(pid: u32) {
    // SAFETY: a null status pointer is allowed; the pid is a zombie child of ours that nobody else waits for.
    unsafe { libc::waitpid(pid as libc::pid_t, std::ptr::null_mut(), libc::WNOHANG) };
}

impl OwnedProcess {
    /// The process id, which is also the id of its group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A descriptor that is readable once the process has ended.
    ///
    /// # Errors
    /// If this process may have no more descriptors.
    pub fn life(&self) -> io::Result<OwnedFd> {
        self.pidfd.try_clone()
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
        // A wait that the kernel refuses is one for the reaping, which blocks.
        if readable(self.clock, &self.pidfd, deadline) == Ok(false) {
            return None;
        }
        let at = self.clock.now();
        self.exit = Some(reap(self.child.id(), at, self.lab_peak_bytes));
        WAITED_FOR.lock().unwrap_or_else(PoisonError::into_inner).retain(|pid| *pid != self.child.id());
        self.exit
    }

    /// Kills the whole group and reaps the process, within one second.
    pub fn kill(&mut self) -> Option<ExitReport> {
        if self.exit.is_none() {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        self.wait(self.clock.after(Duration::from_secs(1)))
    }

    /// Kills what is left of the group after the process itself has ended.
    ///
    /// # Errors
    /// One line for people: which members survive.
    pub fn end_group(&mut self) -> Result<(), String> {
        self.group.take().map_or(Ok(()), Owned::remove)
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
        // The guard in `group` ends members that outlived their leader.
    }
}

/// Reaps a child that has ended. `wait4` is the only call that gives its resource usage.
fn reap(pid: u32, at: HostInstant, lab_peak_bytes: u64) -> ExitReport {
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
        peak_rss_bytes: Some(usage.ru_maxrss as u64 * 1024).filter(|peak| *peak > lab_peak_bytes),
    }
}
