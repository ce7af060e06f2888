//! The guardian: a small process that outlives a killed lab just long enough to clean up after it.

use super::journal::{self, GUARDIAN_LOCK};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Waits until standard input closes (the lab has ended, in whatever way), then removes what the journal in `scratch`
/// still holds, newest first, and `scratch` itself. Runs in a process of its own.
pub fn guard(scratch: &Path) {
    // Held until this process ends: a session that resumes the run waits for it.
    let lock = File::create(scratch.join(GUARDIAN_LOCK));
    let _held = lock.as_ref().map(|file| flock(file, FlockOperation::LockExclusive));
    let mut ignored = [0_u8; 64];
    let mut lifeline = std::io::stdin().lock();
    while matches!(lifeline.read(&mut ignored), Ok(count) if count > 0) {}
    // A scratch directory that is gone means that the lab has cleaned up by itself.
    let Ok(owned) = journal::still_owned(scratch) else { return };
    for resource in owned.iter().rev() {
        // Twice: a process may hold what another resource consists of until it has been killed.
        if resource.remove().is_err() {
            let _ = resource.remove();
        }
    }
    let _ = std::fs::remove_dir_all(scratch);
}
