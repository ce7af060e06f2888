//! Clean-up by name: idempotent, and possible from another process.

use super::{command, group};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long one call of the runtime may take.
const CALL: Duration = Duration::from_secs(10);
/// How long a cgroup may take to become empty after its processes were killed.
const EMPTY: Duration = Duration::from_secs(2);

/// Removes a container with everything of it: its processes, its state and its cgroup. Says what survives; being gone
/// already is success.
pub fn remove(program: &Path, root: &Path, name: &str) -> Vec<String> {
    let mut survivors = Vec::new();
    if !states(root, name).is_empty() {
        // Killed and reaped here first: orphans of the container have come to the lab, and a runtime that waits for a
        // process to vanish would wait for its zombie.
        group::kill(name, EMPTY);
        crate::ownership::leak::reap_orphans();
        let mut delete = Command::new(program);
        delete.arg("--root").arg(root).args(["delete", "--force", name]);
        // Whether it worked is seen below, by what is left.
        let complaint = match command::run(delete, CALL) {
            Ok(finished) if finished.is_success() => None,
            Ok(finished) => Some(finished.complaint()),
            Err(error) => Some(error.to_string()),
        };
        survivors.extend(group::remove(name, EMPTY));
        for state in states(root, name) {
            // With its processes gone, what is left of the container is a file that nobody reads any more.
            let removed = if state.is_dir() { std::fs::remove_dir_all(&state) } else { std::fs::remove_file(&state) };
            if let Err(error) = removed
                && error.kind() != std::io::ErrorKind::NotFound
            {
                let why = complaint.clone().unwrap_or_else(|| error.to_string());
                survivors.push(format!("container {name} stays in {}: {why}", state.display()));
            }
        }
    }
    survivors.extend(group::remove(name, EMPTY));
    survivors
}

/// Whether the runtime's state or the cgroup of a container is still there.
pub(super) fn is_left(root: &Path, name: &str) -> bool {
    !states(root, name).is_empty() || group::exists(name)
}

/// The files and directories in which a runtime keeps a container: `<name>` (runc, crun), `<name>_sandbox:<name>.*`
/// (runsc).
fn states(root: &Path, name: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let of_runsc = format!("{name}_sandbox:");
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|file| file == name || file.starts_with(&of_runsc)))
        .map(|entry| entry.path())
        .collect()
}

/// The containers in a runtime's state directory whose names begin with `prefix`.
pub fn list(root: &Path, prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .map(|file| file.split_once("_sandbox:").map_or(file.clone(), |(name, _)| name.to_owned()))
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The cgroups of containers whose names begin with `prefix`, wherever their state is. Every container of ours that runs
/// with a cgroup is among them, those of engines included.
pub fn list_with_prefix(prefix: &str) -> Vec<String> {
    group::list_with_prefix(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_remove_is_success_and_needs_no_program() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(remove(Path::new("/does/not/exist"), root.path(), "isodyne-none-1"), Vec::<String>::new());
        assert_eq!(remove(Path::new("/does/not/exist"), &root.path().join("none"), "isodyne-none-1").len(), 0);
    }

    #[test]
    fn states_of_all_runtimes_are_found_and_removed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("isodyne-x-1")).unwrap();
        std::fs::write(root.path().join("isodyne-x-2_sandbox:isodyne-x-2.state"), "{}").unwrap();
        std::fs::write(root.path().join("isodyne-x-2_sandbox:isodyne-x-2.lock"), "").unwrap();
        std::fs::write(root.path().join("isodyne-x-22_sandbox:isodyne-x-22.lock"), "").unwrap();
        assert_eq!(list(root.path(), "isodyne-x-"), ["isodyne-x-1", "isodyne-x-2", "isodyne-x-22"]);
        assert_eq!(remove(Path::new("/bin/false"), root.path(), "isodyne-x-2"), Vec::<String>::new());
        assert_eq!(list(root.path(), "isodyne-x-"), ["isodyne-x-1", "isodyne-x-22"]);
        assert_eq!(remove(Path::new("/bin/false"), root.path(), "isodyne-x-1"), Vec::<String>::new());
        assert!(!is_left(root.path(), "isodyne-x-1"));
    }
}
