//! The leak check: looks on the host for anything that carries the run's name.

use super::resource::is_marked;
use super::{RUN_MARK, name_prefix};
use crate::host::cgroup::{self, CgroupLayout};
use crate::host::root::HostRoot;
use crate::network::uplink;
use std::path::Path;

/// Everything on the host that still belongs to the run, one line each; empty is good.
///
/// Processes (by their mark, their command line or their cgroup), cgroups, mounts, network namespaces, network devices,
/// tables of nftables, unix sockets and temporary files. `scratch` is looked for as well. Containers are asked for before the scratch directory
/// goes, since stores lie in it: see [`super::Owner::containers`].
pub fn survivors(run_id: &str, scratch: &Path) -> Vec<String> {
    reap_orphans();
    let prefix = name_prefix(run_id);
    let mut found = Vec::new();
    let own = [std::process::id(), parent_of_self()];
    for pid in process_ids().filter(|pid| !own.contains(pid)) {
        if (is_marked(pid, run_id) || is_named(pid, &prefix)) && !is_guardian(pid) {
            found.push(format!("process {pid} ({}, {RUN_MARK}={run_id})", command_of(pid)));
        }
    }
    let cgroups = cgroup::list_with_prefix(&CgroupLayout::detect(&HostRoot::default()), &prefix);
    found.extend(cgroups.iter().map(|directory| format!("cgroup {}", directory.display())));
    found.extend(lines_with("/proc/self/mountinfo", &prefix).map(|line| format!("mount {line}")));
    found.extend(lines_with("/proc/net/unix", &prefix).map(|line| format!("unix socket {line}")));
    for directory in ["/run/netns", "/sys/class/net", "/tmp", "/dev/shm", "/run"] {
        found.extend(entries_with(directory, &prefix).map(|name| format!("{directory}/{name}")));
    }
    found.extend(uplink::list(run_id));
    if scratch.exists() && !found.iter().any(|line| line.contains(&*scratch.to_string_lossy())) {
        found.push(format!("{} (scratch directory)", scratch.display()));
    }
    found
}

/// Reaps children that are not ours by birth: orphans that came to the lab because it is their sub-reaper.
///
/// Only children that have ended and that no [`super::OwnedProcess`] waits for are taken.
pub fn reap_orphans() {
    for pid in super::process::ended_strangers() {
        super::process::discard(pid);
    }
}

pub(super) fn process_ids() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
}

fn parent_of_self() -> u32 {
    rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs())
}

fn command_of(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

fn is_named(pid: u32, prefix: &str) -> bool {
    let file_has =
        |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).is_ok_and(|text| contains(&text, prefix.as_bytes()));
    // The environment as well: helpers that a tool leaves behind (podman's holder of a user namespace) lose the mark, but
    // keep the paths of their store.
    file_has("cmdline") || file_has("cgroup") || file_has("environ")
}

fn is_guardian(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|text| text.split(|byte| *byte == 0).nth(1) == Some(b"guardian".as_slice()))
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

fn lines_with(path: &str, needle: &str) -> impl Iterator<Item = String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<String> =
        text.lines().filter(|line| line.contains(needle)).map(|line| line.trim().to_owned()).collect();
    lines.into_iter()
}

fn entries_with(directory: &str, prefix: &str) -> impl Iterator<Item = String> {
    let prefix = prefix.to_owned();
    std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(move |name| name.starts_with(&prefix))
}
