//! The sweep: removes what dead sessions of a run left, for when the guardian did not come to it.

use super::journal::{self, GUARDIAN_LOCK};
use super::leak::process_ids;
use super::name_prefix;
use super::resource::{Resource, is_marked};
use crate::clock::Clock;
use crate::host::cgroup::{self, CgroupLayout};
use crate::host::root::HostRoot;
use crate::network::uplink;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a guardian that is still at work is waited for.
const GUARDIAN_PATIENCE: Duration = Duration::from_secs(20);

/// How long the processes in a cgroup may take to die.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// Removes what earlier sessions of the run left on the host. No live session of the run may exist (the caller holds the
/// run directory's lock). Returns what could not be removed, one line each.
pub fn sweep(run_id: &str) -> Vec<String> {
    let mut survivors = Vec::new();
    for scratch in leftover_directories(run_id) {
        wait_for_guardian(&scratch);
        let owned = journal::still_owned(&scratch).unwrap_or_default();
        survivors.extend(owned.iter().rev().filter_map(|resource| resource.remove().err()));
        // What no journal tells of (a full disk): nothing may be removed through a mount.
        survivors.extend(unmount_below(&scratch));
        if let Err(error) = std::fs::remove_dir_all(&scratch)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            survivors.push(format!("{} stays: {error}", scratch.display()));
        }
    }
    // What no journal knows (a full disk, a scratch directory that a person removed) is found by its name.
    kill_marked(run_id);
    survivors.extend(remove_cgroups(run_id));
    survivors.extend(uplink::sweep(run_id));
    survivors
}

/// Removes the run's cgroups by their names, with what lives in them; says what stays.
pub(super) fn remove_cgroups(run_id: &str) -> Vec<String> {
    let layout = CgroupLayout::detect(&HostRoot::default());
    let mut survivors = Vec::new();
    for directory in cgroup::list_with_prefix(&layout, &name_prefix(run_id)) {
        cgroup::kill_path(&directory, Clock.after(KILL_PATIENCE));
        survivors.extend(cgroup::remove_path(&directory).err().map(|error| error.to_string()));
    }
    cgroup::remove_empty_parents(&layout);
    survivors
}

/// Takes away what is mounted in a directory, the deepest first; says what stays.
fn unmount_below(scratch: &Path) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // A place with a character that the table escapes is not one of ours.
    let places = table.lines().filter_map(|line| line.split_ascii_whitespace().nth(4)).map(PathBuf::from);
    let mut ours: Vec<PathBuf> = places.filter(|place| place.starts_with(scratch)).collect();
    ours.sort_by_key(|place| std::cmp::Reverse(place.components().count()));
    ours.into_iter().filter_map(|place| Resource::Mount(place).remove().err()).collect()
}

/// Kills every process that carries the run's mark.
pub(super) fn kill_marked(run_id: &str) {
    // Somebody who goes on with a run from inside of it would kill themselves.
    if is_marked(std::process::id(), run_id) {
        return;
    }
    for pid in process_ids().filter(|pid| is_marked(*pid, run_id)) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn leftover_directories(run_id: &str) -> Vec<PathBuf> {
    let prefix = format!("{}-s", name_prefix(run_id));
    std::fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))
        .collect()
}

/// Waits until the guardian of a dead session has ended; it holds a lock as long as it lives.
fn wait_for_guardian(scratch: &Path) {
    let Ok(lock) = File::open(scratch.join(GUARDIAN_LOCK)) else { return };
    let deadline = Instant::now() + GUARDIAN_PATIENCE;
    while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() && Instant::now() < deadline {
        // Nothing is measured here, and a lock that another process holds can only be asked for again.
        std::thread::sleep(Duration::from_millis(10));
    }
}
