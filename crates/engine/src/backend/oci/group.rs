//! The cgroup of a container, which its runtime makes: found by name in every hierarchy, read, emptied and removed.
//!
//! Every container of ours gets `isodyne/<name>` as its cgroup (OCI runtimes) or as the parent of it (engines), in
//! whatever layout the host has. Runtimes make it in named v1 hierarchies (`name=systemd`) as well, so all that are mounted
//! are looked at. Nothing here needs more than the name, so that clean-up can run in another process.

use crate::clock::Clock;
use crate::host::cgroup::{self, CgroupLayout, CgroupUsage, PARENT};
use crate::host::mounts::Mount;
use crate::host::root::HostRoot;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// The path that runtimes are told.
pub(crate) fn path_of(name: &str) -> String {
    format!("/{PARENT}/{name}")
}

/// What the host tells of a cgroup, as values of a sample.
pub(crate) fn metrics(usage: &CgroupUsage) -> Vec<(String, f64)> {
    // The runtime's own processes are not in the cgroup: what is charged here is the sandbox and its guest at once.
    let named = [
        ("peak_memory_bytes", usage.peak_memory_bytes),
        ("guest_peak_memory_bytes", usage.peak_memory_bytes),
        ("guest_cpu_ns", usage.cpu_ns),
    ];
    named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value? as f64))).collect()
}

/// The parent directory in every mounted hierarchy.
fn parents() -> Vec<PathBuf> {
    let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    Mount::parse_all(&mountinfo)
        .into_iter()
        .filter(|mount| mount.kind == "cgroup" || mount.kind == "cgroup2")
        .map(|mount| mount.point.join(PARENT))
        .collect()
}

/// The directories of a container's cgroup that exist.
fn directories(name: &str) -> Vec<PathBuf> {
    if !is_safe(name) {
        return Vec::new();
    }
    parents().into_iter().map(|parent| parent.join(name)).filter(|directory| directory.is_dir()).collect()
}

/// A name, or that of a cgroup right below it, that cannot lead out of the parent directory.
fn is_safe(name: &str) -> bool {
    let mut parts = name.splitn(3, '/');
    parts.clone().count() <= 2 && parts.all(|part| !part.is_empty() && part != ".." && part != ".")
}

/// Whether any hierarchy still has the cgroup.
pub(crate) fn exists(name: &str) -> bool {
    !directories(name).is_empty()
}

/// Names under the parent that begin with `prefix`, over all hierarchies.
pub(crate) fn list_with_prefix(prefix: &str) -> Vec<String> {
    let mut names = BTreeSet::new();
    for parent in parents() {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        names.extend(
            directories
                .filter_map(|entry| entry.file_name().into_string().ok())
                .filter(|name| name.starts_with(prefix)),
        );
    }
    names.into_iter().collect()
}

/// What the cgroup has counted so far. Read between the answer and the stop of every sample, so it is kept short: the
/// layout is looked up once.
pub(crate) fn usage(name: &str) -> CgroupUsage {
    static LAYOUT: OnceLock<CgroupLayout> = OnceLock::new();
    let layout = LAYOUT.get_or_init(|| CgroupLayout::detect(&HostRoot::default()));
    cgroup::usage_of_path(layout, &path_of(name))
}

/// As [`usage`], with the kills below: what is asked for after a failure.
pub(crate) fn usage_with_kills_below(name: &str) -> CgroupUsage {
    let usage = usage(name);
    let layout = CgroupLayout::detect(&HostRoot::default());
    // A v1 cgroup counts its own kills only, and an engine puts the container one level below.
    let children = children(name);
    let below = children
        .iter()
        .filter_map(|child| cgroup::usage_of_path(&layout, &format!("{}/{child}", path_of(name))).oom_kills);
    let oom_kills = usage.oom_kills.into_iter().chain(below).max();
    CgroupUsage { oom_kills, ..usage }
}

/// The cgroups right below a container's.
fn children(name: &str) -> BTreeSet<String> {
    let entries = directories(name).into_iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten();
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// The processes in the cgroup and below.
pub(crate) fn processes(name: &str) -> Vec<u32> {
    let all: BTreeSet<u32> = directories(name).iter().flat_map(|directory| cgroup::processes_of(directory)).collect();
    all.into_iter().collect()
}

/// Handles on the processes in the cgroup and below.
pub(crate) fn handles(name: &str) -> Vec<OwnedFd> {
    let open = |pid: u32| pidfd_open(Pid::from_raw(i32::try_from(pid).ok()?)?, PidfdFlags::empty()).ok();
    processes(name).into_iter().filter_map(open).collect()
}

/// Kills what is in the cgroup and waits until nothing runs in it any more.
pub(crate) fn kill(name: &str, patience: Duration) {
    let deadline = Clock.after(patience);
    for directory in directories(name) {
        cgroup::kill_path(&directory, deadline);
    }
}

/// Kills what is in the cgroup, waits until it is empty, and removes it from every hierarchy. Says what stays.
pub(crate) fn remove(name: &str, patience: Duration) -> Vec<String> {
    let deadline = Clock.after(patience);
    let mut stays = Vec::new();
    for directory in directories(name) {
        // Whether it is empty shows in whether it can be removed.
        cgroup::kill_path(&directory, deadline);
        if let Err(error) = cgroup::remove_path(&directory)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            stays.push(format!("cgroup {} stays: {error}", directory.display()));
        }
    }
    stays
}

/// Removes a cgroup that nothing is in any more from every hierarchy, and leaves any other alone.
pub(crate) fn remove_if_empty(name: &str) {
    for directory in directories(name) {
        // It is refused as long as there are processes in it, or cgroups below.
        let _ = std::fs::remove_dir(directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_lead_out() {
        for name in ["", ".", "..", "../x", "a/..", "/a", "a/", "a/b/c"] {
            assert!(!is_safe(name), "{name}");
            assert!(!exists(name));
            assert!(remove(name, Duration::ZERO).is_empty());
        }
        assert_eq!(path_of("isodyne-1"), "/isodyne/isodyne-1");
    }

    #[test]
    fn a_value_that_is_not_told_is_absent() {
        let usage = CgroupUsage { cpu_ns: Some(5), ..CgroupUsage::default() };
        assert_eq!(metrics(&usage), [("guest_cpu_ns".to_owned(), 5.0)]);
        assert_eq!(super::usage("isodyne-none-0"), CgroupUsage::default());
    }
}
