//! The cgroup of a container, which its runtime makes: found by name in every hierarchy, read, emptied and removed.
//!
//! Every container of ours gets `isodyne/<name>` as its cgroup (OCI runtimes) or as the parent of it (engines), in
//! whatever layout the host has. Nothing here needs more than the name, so that clean-up can run in another process.

use crate::host::mounts::Mount;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The directory in each hierarchy under which every cgroup of ours lies.
pub(crate) const PARENT: &str = "isodyne";

/// How deep a container's cgroup is looked into.
const DEPTH_LIMIT: usize = 6;

/// The path that runtimes are told.
pub(crate) fn path_of(name: &str) -> String {
    format!("/{PARENT}/{name}")
}

/// What a container's cgroup has counted. `None` is what the host does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupUsage {
    /// The most memory that was charged at one time.
    pub(crate) peak_memory_bytes: Option<u64>,
    /// CPU time of all processes.
    pub(crate) cpu_ns: Option<u64>,
    /// Processes that the kernel killed for want of memory.
    pub(crate) oom_kills: Option<u64>,
}

impl GroupUsage {
    /// As values of a sample.
    pub(crate) fn metrics(&self) -> Vec<(String, f64)> {
        let named = [("guest_peak_memory_bytes", self.peak_memory_bytes), ("guest_cpu_ns", self.cpu_ns)];
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value? as f64))).collect()
    }
}

/// The mount points of all hierarchies; `true` for v2.
fn hierarchies() -> Vec<(PathBuf, bool)> {
    let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    Mount::parse_all(&mountinfo)
        .into_iter()
        .filter(|mount| mount.kind == "cgroup" || mount.kind == "cgroup2")
        .map(|mount| (mount.point, mount.kind == "cgroup2"))
        .collect()
}

/// The directories of a container's cgroup that exist.
fn directories(name: &str) -> Vec<(PathBuf, bool)> {
    if !is_safe(name) {
        return Vec::new();
    }
    hierarchies()
        .into_iter()
        .map(|(mount, v2)| (mount.join(PARENT).join(name), v2))
        .filter(|(directory, _)| directory.is_dir())
        .collect()
}

/// A name that cannot lead out of the parent directory.
fn is_safe(name: &str) -> bool {
    !name.is_empty() && name != ".." && name != "." && !name.contains('/')
}

/// Whether any hierarchy still has the cgroup.
pub(crate) fn exists(name: &str) -> bool {
    !directories(name).is_empty()
}

/// Names under the parent that begin with `prefix`, over all hierarchies.
pub(crate) fn list_with_prefix(prefix: &str) -> Vec<String> {
    let mut names = BTreeSet::new();
    for (mount, _) in hierarchies() {
        let entries = std::fs::read_dir(mount.join(PARENT)).into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        names.extend(
            directories.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.starts_with(prefix)),
        );
    }
    names.into_iter().collect()
}

/// What the cgroup has counted so far.
pub(crate) fn usage(name: &str) -> GroupUsage {
    let mut usage = GroupUsage::default();
    for (directory, v2) in directories(name) {
        let seen = if v2 { usage_v2(&directory) } else { usage_v1(&directory) };
        usage.peak_memory_bytes = usage.peak_memory_bytes.or(seen.peak_memory_bytes);
        usage.cpu_ns = usage.cpu_ns.or(seen.cpu_ns);
        usage.oom_kills = usage.oom_kills.or(seen.oom_kills);
    }
    usage
}

fn usage_v1(directory: &Path) -> GroupUsage {
    GroupUsage {
        peak_memory_bytes: number(directory, "memory.max_usage_in_bytes"),
        cpu_ns: number(directory, "cpuacct.usage"),
        // Each cgroup counts its own kills only; an engine puts the container one level below.
        oom_kills: tree(directory).iter().filter_map(|group| field(group, "memory.oom_control", "oom_kill")).max(),
    }
}

fn usage_v2(directory: &Path) -> GroupUsage {
    GroupUsage {
        // `memory.peak` is there from Linux 5.19 on; the current value would be a different thing.
        peak_memory_bytes: number(directory, "memory.peak"),
        // A hybrid layout has `cpu.stat` here too, with the same meaning.
        cpu_ns: field(directory, "cpu.stat", "usage_usec").map(|us| us.saturating_mul(1000)),
        oom_kills: field(directory, "memory.events", "oom_kill"),
    }
}

fn number(directory: &Path, file: &str) -> Option<u64> {
    std::fs::read_to_string(directory.join(file)).ok()?.trim().parse().ok()
}

fn field(directory: &Path, file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(directory.join(file)).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// A cgroup and all below it, parents first.
fn tree(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    let mut level = 0..1;
    for _ in 0..DEPTH_LIMIT {
        let begin = found.len();
        for index in level.clone() {
            let entries = std::fs::read_dir(&found[index]).into_iter().flatten().flatten();
            let children: Vec<PathBuf> = entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path())
                .collect();
            found.extend(children);
        }
        level = begin..found.len();
    }
    found
}

/// The processes in the cgroup and below.
pub(crate) fn processes(name: &str) -> Vec<u32> {
    let mut found = BTreeSet::new();
    for (directory, _) in directories(name) {
        for group in tree(&directory) {
            let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid > 1));
        }
    }
    found.into_iter().collect()
}

/// Kills what is in the cgroup, waits until it is empty, and removes it from every hierarchy. Says what stays.
pub(crate) fn remove(name: &str, patience: Duration) -> Vec<String> {
    let deadline = Instant::now() + patience;
    loop {
        let processes = processes(name);
        kill_and_wait(&processes, deadline);
        let mut stays = Vec::new();
        for (directory, _) in directories(name) {
            for group in tree(&directory).iter().rev() {
                match std::fs::remove_dir(group) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        stays.push(format!("cgroup {} stays: {error}", group.display()));
                    }
                    _ => {}
                }
            }
        }
        if stays.is_empty() || Instant::now() >= deadline {
            return stays;
        }
        // Clean-up, not a measurement: a cgroup stays busy for a moment after its last process was reaped elsewhere.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Removes the parent directories if nothing is in them any more.
pub fn remove_empty_parent() {
    for (mount, _) in hierarchies() {
        // Fails, as it should, while another run has a cgroup in it.
        let _ = std::fs::remove_dir(mount.join(PARENT));
    }
}

/// Kills processes and waits for each to end; a pidfd tells that of a stranger's child too.
fn kill_and_wait(processes: &[u32], deadline: Instant) {
    let handles: Vec<OwnedFd> = processes
        .iter()
        .filter_map(|pid| pidfd_open(Pid::from_raw(i32::try_from(*pid).ok()?)?, PidfdFlags::empty()).ok())
        .collect();
    for handle in &handles {
        let _ = pidfd_send_signal(handle, Signal::KILL);
    }
    for handle in &handles {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let _ = poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&timeout));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_lead_out() {
        for name in ["", ".", "..", "../x", "a/b"] {
            assert!(!is_safe(name), "{name}");
            assert!(!exists(name));
        }
        assert_eq!(path_of("isodyne-1"), "/isodyne/isodyne-1");
    }

    #[test]
    fn both_layouts_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(directory.path().join(file), text).unwrap();
        assert_eq!(usage_v1(directory.path()), GroupUsage::default());
        write("memory.max_usage_in_bytes", "4096\n");
        write("cpuacct.usage", "123\n");
        write("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
        let expected =
            GroupUsage { peak_memory_bytes: Some(4096), cpu_ns: Some(123), oom_kills: Some(2) };
        assert_eq!(usage_v1(directory.path()), expected);
        write("memory.peak", "8192\n");
        write("cpu.stat", "usage_usec 5\nuser_usec 3\n");
        write("memory.events", "low 0\noom 1\noom_kill 1\noom_group_kill 0\n");
        let expected = GroupUsage { peak_memory_bytes: Some(8192), cpu_ns: Some(5000), oom_kills: Some(1) };
        assert_eq!(usage_v2(directory.path()), expected);
        let names: Vec<String> = expected.metrics().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["guest_peak_memory_bytes", "guest_cpu_ns"]);
    }

    #[test]
    fn the_whole_tree_is_seen_parents_first() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("a/b/c")).unwrap();
        std::fs::create_dir_all(directory.path().join("d")).unwrap();
        let found = tree(directory.path());
        assert_eq!(found.len(), 5);
        let position = |end: &str| found.iter().position(|path| path.ends_with(end)).unwrap();
        assert!(position("a") < position("b") && position("b") < position("c"));
    }
}
