//! Trees of cgroups: listing, killing and removing, whoever made them.

use super::layout::CgroupLayout;
use crate::clock::Clock;
use crate::wait::readable;
use isodyne_core::unit::HostInstant;
use rustix::event::{Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DEPTH_LIMIT: usize = 8;
const COUNT_LIMIT: usize = 20_000;
/// How long one round of killing waits for the processes it has seen; then it looks again.
const KILL_ROUND: Duration = Duration::from_millis(50);
/// How often a parent may vanish under the hands of one that makes a cgroup in it.
const HOLD_ATTEMPTS: u32 = 10;
/// A cgroup can stay busy for a moment after its last process has ended.
const REMOVE_PATIENCE: Duration = Duration::from_secs(2);

/// The cgroup and all below it, parents first.
pub(super) fn tree(top: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if top.is_dir() {
        descend(top, DEPTH_LIMIT, &mut found);
    }
    found
}

fn descend(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    if found.len() >= COUNT_LIMIT {
        return;
    }
    found.push(directory.to_owned());
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            descend(&entry.path(), depth - 1, found);
        }
    }
}

/// The processes in a cgroup and all below it, sorted, each once. Those that have ended and wait to be reaped are not in.
pub fn processes_of(directory: &Path) -> Vec<u32> {
    let pids: BTreeSet<u32> = tree(directory)
        .iter()
        .filter_map(|directory| std::fs::read_to_string(directory.join("cgroup.procs")).ok())
        .flat_map(|text| text.lines().filter_map(|line| line.trim().parse().ok()).collect::<Vec<u32>>())
        .filter(|pid| *pid != 0)
        .collect();
    pids.into_iter().collect()
}

/// Every cgroup whose own name begins with `prefix`, in every mounted hierarchy; what lies below a match is not listed.
pub fn list_with_prefix(layout: &CgroupLayout, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for hierarchy in layout.hierarchies() {
        for directory in tree(&hierarchy.mount) {
            let named = directory.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
            if named && directory != hierarchy.mount && !found.iter().any(|above| directory.starts_with(above)) {
                found.push(directory);
            }
        }
    }
    found
}

/// Kills every process in a cgroup and below it; true once none is left, false if some are at `deadline`.
pub fn kill_path(directory: &Path, deadline: HostInstant) -> bool {
    let clock = Clock;
    loop {
        let pids = processes_of(directory);
        if pids.is_empty() {
            return true;
        }
        // Descriptors first: each of them stands for the process that was listed, whatever happens to its number.
        let waiting: Vec<OwnedFd> = pids.iter().filter_map(|pid| open_process(*pid)).collect();
        if std::fs::write(directory.join("cgroup.kill"), "1").is_err() {
            kill_frozen(directory);
        }
        wait_for_all(&waiting, clock, deadline);
        if clock.until(deadline).is_zero() {
            return processes_of(directory).is_empty();
        }
    }
}

fn open_process(pid: u32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(i32::try_from(pid).ok()?)?, PidfdFlags::empty()).ok()
}

/// Kills without `cgroup.kill` (v1, and v2 before 5.14): frozen, so that nothing forks away while it is killed.
fn kill_frozen(directory: &Path) {
    let freeze = |state: bool| {
        let _ = std::fs::write(directory.join("cgroup.freeze"), if state { "1" } else { "0" });
        let _ = std::fs::write(directory.join("freezer.state"), if state { "FROZEN" } else { "THAWED" });
    };
    freeze(true);
    for pid in processes_of(directory) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // The list is read again while frozen; a process cannot have left it and given its number to another one.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    freeze(false);
}

/// Waits until all have ended, one round has passed, or the deadline has.
fn wait_for_all(processes: &[OwnedFd], clock: Clock, deadline: HostInstant) {
    let round = clock.after(KILL_ROUND).min(deadline);
    if processes.is_empty() {
        // Only processes that began between two looks: let them appear.
        pause(Duration::from_millis(1));
    }
    for process in processes {
        let _ = readable(clock, process, round);
    }
}

fn pause(time: Duration) {
    let _ = poll(&mut [], Some(&Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() }));
}

/// Makes an empty cgroup in the lab's parent directory, in every hierarchy where that is permitted, so that the parent
/// stays while a run goes on: another run that ends must not take it away between the two steps in which a runtime makes
/// a cgroup. It is removed like any other cgroup, by its name.
pub fn hold_parents(layout: &CgroupLayout, name: &str) {
    for hierarchy in layout.hierarchies() {
        let directory = hierarchy.mount.join(super::PARENT).join(name);
        // Again if another run has just removed the parent. Where it is not permitted, no runtime makes one there either.
        let vanished = |made: io::Result<()>| made.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        let _ = (0..HOLD_ATTEMPTS).find(|_| !vanished(std::fs::create_dir_all(&directory)));
    }
}

/// Removes the lab's own parent directory from every hierarchy where nothing is in it any more. Runtimes make it in
/// hierarchies that the lab itself does not use.
pub fn remove_empty_parents(layout: &CgroupLayout) {
    for hierarchy in layout.hierarchies() {
        // Only an empty one goes: the host refuses the others.
        let _ = std::fs::remove_dir(hierarchy.mount.join(super::PARENT));
    }
}

/// Removes a cgroup and all below it. Processes must have ended; one that ends just now is waited for.
///
/// # Errors
/// Names the directory and says what is still in it. Something that is not there is already removed.
pub fn remove_path(directory: &Path) -> io::Result<()> {
    let clock = Clock;
    let deadline = clock.after(REMOVE_PATIENCE);
    let mut seen_alive = false;
    loop {
        let mut outcome = Ok(());
        for directory in tree(directory).iter().rev() {
            match std::fs::remove_dir(directory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    outcome = Err((directory.clone(), error));
                    break;
                }
                _ => {}
            }
        }
        let Err((path, error)) = outcome else { return Ok(()) };
        let busy = error.kind() == io::ErrorKind::ResourceBusy;
        let pids = processes_of(directory);
        // The end of one can be what kills the next. Twice, since between the signal that was taken and the end that has
        // begun a process looks alive.
        let alive = !pids.is_empty() && pids.iter().all(|pid| !is_ending(*pid));
        if !busy || (alive && seen_alive) || clock.until(deadline).is_zero() {
            let shown: Vec<String> = pids.iter().take(8).map(u32::to_string).collect();
            let inside = if pids.is_empty() { String::new() } else { format!(" (processes {})", shown.join(", ")) };
            return Err(io::Error::new(
                error.kind(),
                format!("failed to remove cgroup `{}`{inside}: {error}", path.display()),
            ));
        }
        seen_alive = alive;
        pause(Duration::from_millis(1));
    }
}

/// Whether a process has been killed or is on its way out: its end comes without anybody doing anything more.
fn is_ending(pid: u32) -> bool {
    const EXITING: u64 = 4;
    const KILLED: u64 = 1 << (9 - 1);
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let is_dead = fields.first().is_some_and(|state| matches!(*state, "Z" | "X"));
    if is_dead || number(6) & EXITING != 0 {
        return true;
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pending = status.lines().filter_map(|line| {
        let mask = line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    pending.fold(0, |all, mask| all | mask) & KILLED != 0
}
