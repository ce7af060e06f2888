//! The guardian: a small process that outlives a killed lab just long enough to clean up after it.

use super::journal::{self, GUARDIAN_LOCK};
use super::sweep;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Waits until standard input closes (the lab has ended, in whatever way), then removes what the journal in `scratch`
/// still holds, newest first, and `scratch` itself. Runs in a process of its own.
pub fn guard(scratch: &Path) {
    let mut ignored = [0_u8; 64];
    let mut lifeline = std::io::stdin().lock();
    if !lifeline.read(&mut ignored).is_ok_and(|count| count > 0) {
        // The lab has died before it said that its directory is there: it is not, or it is empty, or it is another's.
        let _ = std::fs::remove_dir(scratch);
        return;
    }
    // Held until this process ends: a session that resumes the run waits for it.
    let lock = File::open(scratch.join(GUARDIAN_LOCK));
    let _held = lock.as_ref().map(|file| flock(file, FlockOperation::LockExclusive));
    while matches!(lifeline.read(&mut ignored), Ok(count) if count > 0) {}
    // If the lab has cleaned up by itself, then the scratch directory is gone with its journal.
    if !scratch.exists() {
        return;
    }
    // A runtime that was forked in the lab's last moment goes on to make what is removed here: it carries the mark.
    let run_id = run_id_of(scratch);
    run_id.map(sweep::kill_marked);
    let owned = journal::still_owned(scratch).unwrap_or_default();
    for resource in owned.iter().rev() {
        // Twice: a process may hold what another resource consists of until it has been killed.
        if resource.remove().is_err() {
            let _ = resource.remove();
        }
    }
    let _ = std::fs::remove_dir_all(scratch);
    // What it had made by then is in no journal either. Nobody hears of what stays: the next session's sweep does.
    run_id.map(sweep::kill_marked);
    run_id.map(sweep::remove_cgroups);
}

/// The run's name in the name of a scratch directory (`isodyne-<run id>-s<session>`).
fn run_id_of(scratch: &Path) -> Option<&str> {
    scratch.file_name()?.to_str()?.strip_prefix("isodyne-")?.rsplit_once("-s").map(|(run_id, _)| run_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_is_named_by_its_scratch_directory() {
        assert_eq!(run_id_of(Path::new("/tmp/isodyne-7f3a00ff-s12")), Some("7f3a00ff"));
        assert_eq!(run_id_of(Path::new("/tmp/other")), None);
    }
}
