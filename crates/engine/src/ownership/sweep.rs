//! The sweep: removes what dead sessions of a run left, for when the guardian did not come to it.

use super::journal::{self, GUARDIAN_LOCK};
use super::name_prefix;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a guardian that is still at work is waited for.
const GUARDIAN_PATIENCE: Duration = Duration::from_secs(20);

/// Removes what earlier sessions of the run left on the host. No live session of the run may exist (the caller holds the
/// run directory's lock). Returns what could not be removed, one line each.
pub fn sweep(run_id: &str) -> Vec<String> {
    let mut survivors = Vec::new();
    for scratch in leftover_directories(run_id) {
        wait_for_guardian(&scratch);
        let owned = journal::still_owned(&scratch).unwrap_or_default();
        survivors.extend(owned.iter().rev().filter_map(|resource| resource.remove().err()));
        if let Err(error) = std::fs::remove_dir_all(&scratch)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            survivors.push(format!("{} stays: {error}", scratch.display()));
        }
    }
    survivors
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
