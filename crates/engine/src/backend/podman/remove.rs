//! Clean-up by name: idempotent, and possible from another process.

use crate::backend::oci::sandbox::wait_for_orphan;
use crate::backend::oci::{command as call, group};
use crate::clock::Clock;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const CALL: Duration = Duration::from_secs(20);
const EMPTY: Duration = Duration::from_secs(2);

fn podman(command: &[String], rest: &[&str]) -> Command {
    let mut podman = Command::new(command.first().map_or("podman", String::as_str));
    podman.args(command.get(1..).unwrap_or_default()).args(rest);
    podman
}

/// Whether the store that the command's `--root` names is gone: then podman must not be asked, since it would make it
/// anew.
fn is_store_gone(command: &[String]) -> bool {
    let root = command.iter().position(|option| option == "--root").and_then(|at| command.get(at + 1));
    root.is_some_and(|root| !Path::new(root).is_dir())
}

/// Removes a container with everything of it. `command` is the program and its global options. Says what survives; being
/// gone already is success.
pub fn remove(command: &[String], name: &str) -> Vec<String> {
    let mut survivors = Vec::new();
    let monitors = monitors(name);
    // A lab that died as it kept the container may have left conmon held still.
    for (_, monitor) in &monitors {
        let _ = pidfd_send_signal(monitor, Signal::CONT);
    }
    if !is_store_gone(command) {
        match call::run(podman(command, &["rm", "--force", "--ignore", "--time", "0", name]), CALL) {
            Ok(finished) if finished.is_success() => {}
            Ok(finished) => survivors.push(format!("container {name} stays: {}", finished.complaint())),
            Err(error) => survivors.push(format!("container {name} may stay: podman: {error}")),
        }
    }
    survivors.extend(group::remove(name, EMPTY));
    // conmon ends after the clean-up that it starts itself.
    let deadline = Clock.after(CALL);
    for (pid, monitor) in monitors {
        if !wait_for_orphan(&monitor, deadline, Clock) {
            survivors.push(format!("process {pid} (conmon of {name}) stays"));
        }
    }
    survivors
}

/// Removes an image from a store; being gone already is success, with its store or without.
pub fn remove_image(command: &[String], tag: &str) -> Vec<String> {
    if is_store_gone(command) {
        return Vec::new();
    }
    match call::run(podman(command, &["rmi", "--force", tag]), CALL) {
        Ok(finished) if finished.is_success() || finished.complaint().contains("image not known") => Vec::new(),
        Ok(finished) => vec![format!("image {tag} stays: {}", finished.complaint())],
        Err(error) => vec![format!("image {tag} may stay: podman: {error}")],
    }
}

/// The conmon processes of a container, by their command lines.
pub(super) fn monitors(name: &str) -> Vec<(i32, OwnedFd)> {
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut arguments = command_line.split(|byte| *byte == 0);
            arguments.next().is_some_and(|program| program.ends_with(b"conmon"))
                && arguments.any(|argument| argument == name.as_bytes())
        })
        .filter_map(|pid| Some((pid, pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?)))
        .collect()
}

/// The containers of a store whose names begin with `prefix`.
pub fn list_with_prefix(command: &[String], prefix: &str) -> Vec<String> {
    if is_store_gone(command) {
        return Vec::new();
    }
    let listed = call::run(podman(command, &["ps", "--all", "--format", "{{.Names}}"]), CALL);
    let text = listed.map(|finished| finished.stdout).unwrap_or_default();
    text.lines().map(str::trim).filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_gone_is_not_made_anew() {
        let command = ["/does/not/exist", "--root", "/does/not/exist/root"].map(str::to_owned);
        assert_eq!(remove(&command, "isodyne-none-1"), Vec::<String>::new());
        assert_eq!(list_with_prefix(&command, "isodyne-"), Vec::<String>::new());
    }
}
