//! Looking after a restore whether what came back is what was kept: the tasks, by their numbers and names inside, and the
//! first process's descriptors.
//!
//! What came back runs: a child that was about to end has ended by now, and one that was about to run another program has
//! another name, and a file that was just being written may be closed. So only the first process must be there under its name
//! with descriptors of its own; of the others it is counted how many run and how many have ended since.

use crate::checkpoint::CheckpointError;
use isodyne_core::checkpoint::CheckpointClass;
use isodyne_criu::{Checkpoint, Images};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Tasks of the checkpoint that run.
    pub running: usize,
    /// Tasks of the checkpoint that have ended since.
    pub ended_since: usize,
    /// Descriptors of the first process that are there as they were.
    pub descriptors: usize,
    /// Those that it has closed since.
    pub closed_since: usize,
}

/// A directory of images.
pub(super) struct Directory(pub(super) PathBuf);

impl Images for Directory {
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    fn length(&self, name: &str) -> Result<Option<u64>, String> {
        match self.0.join(name).metadata() {
            Ok(status) => Ok(Some(status.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<(), String> {
        let file = File::open(self.0.join(name));
        file.and_then(|file| file.read_exact_at(buffer, offset)).map_err(|error| error.to_string())
    }
}

/// The tasks in the pid namespace of a process, by their numbers in it, with their names.
fn tasks_of(pid: u32) -> BTreeMap<u32, String> {
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(own) = namespace(&pid.to_string()) else { return BTreeMap::new() };
    let mut tasks = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_digit()) || namespace(&name).as_ref() != Some(&own) {
            continue;
        }
        for task in std::fs::read_dir(entry.path().join("task")).into_iter().flatten().flatten() {
            let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key));
            let number = line("NSpid:").and_then(|line| line.split_whitespace().last()?.parse::<u32>().ok());
            tasks.extend(number.map(|number| (number, line("Name:").unwrap_or_default().trim().to_owned())));
        }
    }
    tasks
}

fn descriptors_of(pid: u32) -> BTreeSet<u32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Holds what runs to the images.
///
/// # Errors
/// Class `mismatch`.
pub(super) fn verify(images: &Path, pid: u32) -> Result<Verified, CheckpointError> {
    let mismatch = |why: String| {
        CheckpointError::new(CheckpointClass::Mismatch, format!("what came back is not what was kept: {why}"))
    };
    let kept = Checkpoint::read(&Directory(images.to_owned()))
        .map_err(|error| mismatch(format!("`{}` cannot be read: {}", error.file, error.reason)))?;
    let first = kept.processes.first().ok_or_else(|| mismatch("the images hold no process".to_owned()))?;
    let here = tasks_of(pid);
    let Some(name) = here.get(&first.pid) else {
        return Err(mismatch(format!("the first process, {} inside, does not run", first.pid)));
    };
    if let Some(was) = first.name.as_ref().filter(|was| *was != name) {
        return Err(mismatch(format!("the first process was `{was}`, and is `{name}`")));
    }
    let open = descriptors_of(pid);
    let descriptors = first.descriptors.iter().filter(|descriptor| open.contains(&descriptor.number)).count();
    let closed_since = first.descriptors.len() - descriptors;
    if descriptors == 0 && closed_since > 0 {
        return Err(mismatch(format!("the first process has none of its {closed_since} descriptors")));
    }
    let tasks: BTreeSet<u32> =
        kept.processes.iter().flat_map(|process| process.threads.iter().map(|thread| thread.id)).collect();
    let running = tasks.iter().filter(|task| here.contains_key(task)).count();
    Ok(Verified { running, ended_since: tasks.len() - running, descriptors, closed_since })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_are_none_are_a_mismatch() {
        let images = tempfile::tempdir().unwrap();
        assert_eq!(verify(images.path(), std::process::id()).unwrap_err().class, CheckpointClass::Mismatch);
    }

    #[test]
    fn tasks_and_descriptors_of_a_process_are_found() {
        let own = tasks_of(std::process::id());
        assert!(!own.is_empty() && own.values().all(|name| !name.is_empty()));
        assert!(descriptors_of(std::process::id()).len() >= 3);
        assert!(tasks_of(0).is_empty());
    }
}
