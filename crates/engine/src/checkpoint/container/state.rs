//! What the runtime keeps of a container in its state directory: read as a file, which takes no process.

use crate::checkpoint::CheckpointError;
use isodyne_core::checkpoint::CheckpointClass;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most that is read of a state or a configuration.
const LIMIT: u64 = 16 << 20;

/// A container as its runtime knows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) id: String,
    pub(crate) pid: u32,
    pub(crate) bundle: PathBuf,
    pub(crate) rootfs: PathBuf,
    pub(crate) readonly: bool,
    pub(crate) rootless: bool,
}

/// A JSON file within its limit.
pub(crate) fn json(path: &Path) -> Result<Value, CheckpointError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT).read_to_end(&mut bytes))
        .map_err(|error| CheckpointError::host("read", path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        CheckpointError::new(CheckpointClass::Host, format!("{} is not what a runtime writes: {error}", path.display()))
    })
}

/// The clock ticks at which a process started.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Reads the state of a container below a runtime's root.
///
/// # Errors
/// Class `not_found` if it does not run.
pub(crate) fn read(root: &Path, id: &str) -> Result<State, CheckpointError> {
    let value = json(&root.join(id).join("state.json"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let labels = value["config"]["labels"].as_array().cloned().unwrap_or_default();
    let bundle = labels.iter().filter_map(Value::as_str).find_map(|label| label.strip_prefix("bundle="));
    let pid = value["init_process_pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
    let stopped = || {
        CheckpointError::new(CheckpointClass::NotFound, format!("the container `{id}` does not run"))
            .hint("only a running container has a state to keep")
    };
    if pid == 0 || started(pid).is_none() || started(pid) != value["init_process_start"].as_u64() {
        return Err(stopped());
    }
    Ok(State {
        id: text(&value["id"]),
        pid,
        bundle: PathBuf::from(bundle.unwrap_or_default()),
        rootfs: PathBuf::from(text(&value["config"]["rootfs"])),
        readonly: value["config"]["readonlyfs"] == true,
        rootless: value["config"]["rootless_euid"] == true,
    })
}

/// The ids of the containers below a runtime's root.
pub(crate) fn ids(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut ids: Vec<String> = entries
        .filter(|entry| entry.path().join("state.json").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    ids.sort();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    #[test]
    fn a_state_names_a_process_that_lives() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("web");
        std::fs::create_dir(&directory).unwrap();
        let write = |start: u64| {
            let state = value!({
                "id": "web", "init_process_pid": std::process::id(), "init_process_start": start,
                "config": { "rootfs": "/r", "readonlyfs": true, "labels": ["x=y", "bundle=/b"] },
            });
            std::fs::write(directory.join("state.json"), state.to_string()).unwrap();
        };
        write(started(std::process::id()).unwrap());
        let state = read(root.path(), "web").unwrap();
        assert_eq!((state.bundle, state.rootfs, state.readonly), ("/b".into(), "/r".into(), true));
        assert_eq!(ids(root.path()), ["web"]);
        // A later process with the same number is another one.
        write(1);
        assert_eq!(read(root.path(), "web").unwrap_err().class, CheckpointClass::NotFound);
        std::fs::write(directory.join("state.json"), "{").unwrap();
        assert_eq!(read(root.path(), "web").unwrap_err().class, CheckpointClass::Host);
    }
}
