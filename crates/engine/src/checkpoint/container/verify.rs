//! Looking after a restore whether what came back is what was kept: the processes, by their numbers inside.

use crate::checkpoint::CheckpointError;
use isodyne_core::checkpoint::CheckpointClass;
use std::collections::BTreeSet;
use std::path::Path;

/// The numbers of the tasks in the images, as their own pid namespace has them: each has a file `core-N.img`.
pub(super) fn tasks_in(images: &Path) -> BTreeSet<u32> {
    let entries = std::fs::read_dir(images).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("core-")?.strip_suffix(".img")?.parse().ok())
        .collect()
}

/// The tasks in the pid namespace of a process, by their numbers in it.
fn tasks_of(pid: u32) -> BTreeSet<u32> {
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(own) = namespace(&pid.to_string()) else { return BTreeSet::new() };
    let mut tasks = BTreeSet::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_digit()) || namespace(&name).as_ref() != Some(&own) {
            continue;
        }
        for task in std::fs::read_dir(entry.path().join("task")).into_iter().flatten().flatten() {
            let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            tasks.extend(line.and_then(|line| line.split_whitespace().last()?.parse::<u32>().ok()));
        }
    }
    tasks
}

/// Holds the tasks that run to those in the images; how many there are. Tasks that the container has made since are none
/// of the checkpoint's.
///
/// # Errors
/// Class `mismatch` if one is missing.
pub(super) fn tasks(images: &Path, pid: u32) -> Result<usize, CheckpointError> {
    let (kept, here) = (tasks_in(images), tasks_of(pid));
    let missing: Vec<String> = kept.difference(&here).map(u32::to_string).collect();
    if kept.is_empty() || !missing.is_empty() {
        let what = if kept.is_empty() { "the images name no task".to_owned() } else { missing.join(", ") };
        let message = format!("what came back is not what was kept: of {} tasks these are missing: {what}", kept.len());
        return Err(CheckpointError::new(CheckpointClass::Mismatch, message));
    }
    Ok(kept.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_read_from_names_and_held_to_the_namespace() {
        let images = tempfile::tempdir().unwrap();
        assert_eq!(tasks(images.path(), std::process::id()).unwrap_err().class, CheckpointClass::Mismatch);
        let own = tasks_of(std::process::id()).into_iter().next().unwrap();
        std::fs::write(images.path().join(format!("core-{own}.img")), "").unwrap();
        std::fs::write(images.path().join("core-x.img"), "").unwrap();
        assert_eq!(tasks(images.path(), std::process::id()).unwrap(), 1);
        std::fs::write(images.path().join("core-4194304.img"), "").unwrap();
        assert!(tasks(images.path(), std::process::id()).unwrap_err().message.contains("4194304"));
    }
}
