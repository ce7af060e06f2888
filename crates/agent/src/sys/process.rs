//! Processes and signals.

use super::file::Fd;
use super::{Errno, Result, call};
use core::ffi::{CStr, c_char};
use linux_raw_sys::{general as k, prctl};

pub(crate) const SIGNAL_KILL: u32 = k::SIGKILL;
const SIGNAL_SET_BYTES: usize = 8;

pub(crate) fn pid() -> i32 {
    // SAFETY: no arguments.
    unsafe { call!(__NR_getpid) }.map_or(0, |pid| pid as i32)
}

pub(crate) fn parent_pid() -> i32 {
    // SAFETY: no arguments.
    unsafe { call!(__NR_getppid) }.map_or(0, |pid| pid as i32)
}

/// Ends this process.
pub(crate) fn exit(code: u8) -> ! {
    loop {
        // SAFETY: a plain number; the call does not return.
        let _ = unsafe { call!(__NR_exit_group, code) };
    }
}

/// Which side of a fork this is.
pub(crate) enum Fork {
    Child,
    Parent { child: i32 },
}

/// Forks.
///
/// # Safety
/// In a program with other threads the child may do no more than make system calls.
pub(crate) unsafe fn fork() -> Result<Fork> {
    // SAFETY: a clone without shared memory or a new stack is a fork.
    Ok(match unsafe { call!(__NR_clone, k::SIGCHLD, 0_usize, 0_usize, 0_usize, 0_usize) }? {
        0 => Fork::Child,
        child => Fork::Parent { child: child as i32 },
    })
}

/// Replaces this process's program; returns only if it cannot.
///
/// # Safety
/// Both lists must end in a null pointer and point to strings that end in a zero byte.
pub(crate) unsafe fn execute(path: &CStr, arguments: &[*const c_char], environment: &[*const c_char]) -> Errno {
    // SAFETY: the caller vouches for the lists.
    let answer = unsafe { call!(__NR_execve, path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    answer.err().unwrap_or(Errno::INVAL)
}

/// Puts a process into a group of its own.
pub(crate) fn lead_group(pid: i32) {
    // SAFETY: plain numbers. Parent and child both do it, so the one that comes late fails.
    let _ = unsafe { call!(__NR_setpgid, pid, pid) };
}

/// Leaves the session and the group that this process is in.
pub(crate) fn lead_session() {
    // SAFETY: no arguments. It fails for who leads a group already, and a new child does not.
    let _ = unsafe { call!(__NR_setsid) };
}

/// Has the kernel kill this process when its parent ends.
pub(crate) fn die_with_parent() {
    // SAFETY: plain numbers.
    let _ = unsafe { call!(__NR_prctl, prctl::PR_SET_PDEATHSIG, k::SIGKILL) };
}

pub(crate) fn kill_group(leader: i32) {
    // SAFETY: plain numbers; a group that is gone is no harm.
    let _ = unsafe { call!(__NR_kill, -(leader as isize), SIGNAL_KILL) };
}

/// Asks a process to do what the signal means.
pub(crate) fn signal(process: i32, signal: u32) {
    // SAFETY: plain numbers; a process that is gone is no harm.
    let _ = unsafe { call!(__NR_kill, process, signal) };
}

/// Makes a directory this process's root, and its working directory.
pub(crate) fn change_root(path: &CStr) -> Result<()> {
    // SAFETY: the path ends in a zero byte.
    unsafe { call!(__NR_chroot, path.as_ptr()) }?;
    change_directory(c"/")
}

pub(crate) fn change_directory(path: &CStr) -> Result<()> {
    // SAFETY: the path ends in a zero byte.
    unsafe { call!(__NR_chdir, path.as_ptr()) }.map(drop)
}

/// Becomes a user with one group. What this process is already is left alone: it need not be permitted.
pub(crate) fn become_user(user: u32, group: u32) -> Result<()> {
    let now = |answer: Result<usize>| answer.map_or(u32::MAX, |number| number as u32);
    let (own_user, own_group) =
        // SAFETY: no arguments.
        (now(unsafe { call!(__NR_getuid) }), now(unsafe { call!(__NR_getgid) }));
    if (own_user, own_group) == (user, group) {
        return Ok(());
    }
    // SAFETY: the kernel reads one number.
    unsafe { call!(__NR_setgroups, 1, &raw const group) }?;
    // SAFETY: plain numbers.
    unsafe { call!(__NR_setgid, group) }?;
    // SAFETY: plain numbers.
    unsafe { call!(__NR_setuid, user) }.map(drop)
}

/// How a child ended, and what it used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ended {
    pub(crate) pid: i32,
    pub(crate) status: i32,
    pub(crate) user_us: u64,
    pub(crate) system_us: u64,
    pub(crate) peak_rss_bytes: u64,
}

/// Reaps any one child that has ended.
pub(crate) fn reap() -> Option<Ended> {
    let mut status = 0_i32;
    // SAFETY: an all-zero rusage is a valid value of this plain structure.
    let mut usage: k::rusage = unsafe { core::mem::zeroed() };
    // SAFETY: the kernel writes a status and a usage.
    let pid = unsafe { call!(__NR_wait4, -1_isize, &raw mut status, k::WNOHANG, &raw mut usage) }.ok()?;
    let microseconds = |time: k::__kernel_old_timeval| {
        (time.tv_sec as u64).saturating_mul(1_000_000).saturating_add(time.tv_usec as u64)
    };
    (pid != 0).then(|| Ended {
        pid: pid as i32,
        status,
        user_us: microseconds(usage.ru_utime),
        system_us: microseconds(usage.ru_stime),
        peak_rss_bytes: (usage.ru_maxrss as u64).saturating_mul(1024),
    })
}

/// Waits until a child has ended; its status.
pub(crate) fn wait_for(child: i32) -> Result<i32> {
    let mut status = 0_i32;
    loop {
        // SAFETY: the kernel writes a status; no usage is asked for.
        match unsafe { call!(__NR_wait4, child, &raw mut status, 0, 0) } {
            Ok(_) => return Ok(status),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Page faults of this process so far: without and with input.
pub(crate) fn faults() -> (u64, u64) {
    // SAFETY: an all-zero rusage is a valid value of this plain structure.
    let mut usage: k::rusage = unsafe { core::mem::zeroed() };
    // SAFETY: the kernel writes a usage.
    let _ = unsafe { call!(__NR_getrusage, 0, &raw mut usage) };
    (usage.ru_minflt as u64, usage.ru_majflt as u64)
}

/// Lets this process open as many files as it may; how many that is.
pub(crate) fn raise_open_files() -> Result<u64> {
    let mut limit = k::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes the limit.
    unsafe { call!(__NR_prlimit64, 0, k::RLIMIT_NOFILE, 0, &raw mut limit) }?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads the limit.
    unsafe { call!(__NR_prlimit64, 0, k::RLIMIT_NOFILE, &raw const limit, 0) }?;
    Ok(limit.rlim_max)
}

/// Whether a child has ended; it stays to be reaped, so that its number stays its own.
pub(crate) fn has_ended(child: i32) -> bool {
    // The structure has 128 bytes; the child's number stands at 16 and is zero if none has ended.
    let mut information = [0_u32; 32];
    // SAFETY: the kernel writes at most the structure; no usage is asked for.
    let answer = unsafe {
        call!(__NR_waitid, k::P_PID, child, information.as_mut_ptr(), k::WEXITED | k::WNOHANG | k::WNOWAIT, 0_usize)
    };
    answer.is_ok() && information[4] == child as u32
}

/// What a signal means to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A child has ended.
    Child,
    /// Somebody wants the agent to end.
    Terminate,
}

/// The signals that the agent takes, as a descriptor.
pub(crate) struct Signals(Fd);

impl Signals {
    /// Blocks the signals and opens the descriptor. A broken pipe becomes an error of the write.
    pub(crate) fn take() -> Result<Self> {
        let set: u64 = [k::SIGCHLD, k::SIGTERM, k::SIGINT, k::SIGHUP].iter().map(|signal| 1 << (signal - 1)).sum();
        set_mask(set)?;
        set_pipe_signal(true)?;
        // SAFETY: the kernel reads the set.
        let fd =
            unsafe { call!(__NR_signalfd4, -1_isize, &raw const set, SIGNAL_SET_BYTES, k::O_CLOEXEC | k::O_NONBLOCK) }?;
        Ok(Self(Fd::from_answer(fd)))
    }

    pub(crate) fn fd(&self) -> &Fd {
        &self.0
    }

    /// The next signal that has come, if one has.
    pub(crate) fn next(&self) -> Option<Notice> {
        // The structure has 128 bytes; the signal's number stands first.
        let mut information = [0_u8; 128];
        let length = self.0.read(&mut information).ok()?;
        let number = u32::from_ne_bytes(*information.get(..length)?.first_chunk::<4>()?);
        Some(if number == k::SIGCHLD { Notice::Child } else { Notice::Terminate })
    }
}

/// Puts signals back to how a new program expects them.
pub(crate) fn default_signals() {
    let _ = set_pipe_signal(false);
    let _ = set_mask(0);
}

/// Makes a broken pipe or connection an error of the write.
pub(crate) fn survive_broken_pipes() {
    let _ = set_pipe_signal(true);
}

fn set_mask(set: u64) -> Result<()> {
    // SAFETY: the kernel reads the set.
    unsafe { call!(__NR_rt_sigprocmask, k::SIG_SETMASK, &raw const set, 0_usize, SIGNAL_SET_BYTES) }.map(drop)
}

fn set_pipe_signal(ignore: bool) -> Result<()> {
    // The kernel's sigaction: handler, flags, restorer, mask. 0 is the default, 1 is to ignore.
    let action = [usize::from(ignore), 0, 0, 0];
    // SAFETY: the kernel reads the structure; with these handlers it needs no restorer.
    unsafe { call!(__NR_rt_sigaction, k::SIGPIPE, action.as_ptr(), 0_usize, SIGNAL_SET_BYTES) }.map(drop)
}
