//! What the host is and does: fingerprint, tools, cgroups, contamination, accounting.
//!
//! Texts of `/proc` and `/sys` are read by pure functions that are tested on captured examples; a [`root::HostRoot`]
//! says where the files are. What the host does not tell is `None`, never 0.

pub mod accounting;
pub mod cgroup;
pub mod contamination;
pub mod fingerprint;
pub mod hypervisor;
pub mod kvm;
pub mod mounts;
pub mod processor;
pub mod root;
pub mod signals;
pub mod storage;
pub mod tools;

pub use cgroup::{CgroupKind, CgroupLayout};
pub use tools::{find_tool, inspect_tool};

use isodyne_core::fingerprint::{Fingerprint, KvmState};
use root::HostRoot;
use std::path::Path;

/// What this host is, as found once at the beginning of a run.
#[derive(Clone, Debug, Default)]
pub struct HostFacts {
    /// Everything that can change a number and that the host tells.
    pub fingerprint: Fingerprint,
    /// How cgroups are mounted, and where this program is in them.
    pub cgroups: CgroupLayout,
    /// Whether this program runs as root.
    pub root: bool,
    /// The user that this program runs as.
    pub user_id: u32,
    /// Whether this program itself runs in a container.
    pub in_container: bool,
    /// One line on `/dev/kvm`, for people.
    pub kvm_note: String,
}

impl HostFacts {
    /// Looks at the host. Never fails and takes milliseconds.
    pub fn gather() -> Self {
        Self::gather_under(&HostRoot::default())
    }

    /// As [`HostFacts::gather`], with the host's files under another root.
    pub fn gather_under(root: &HostRoot) -> Self {
        let cgroups = CgroupLayout::detect(root);
        let (fingerprint, kvm_note) = fingerprint::gather(root, &cgroups);
        let user = rustix::process::geteuid();
        Self {
            fingerprint,
            cgroups,
            root: user.is_root(),
            user_id: user.as_raw(),
            in_container: in_container(root),
            kvm_note,
        }
    }

    /// Adds what is under the directory that the run will write to.
    pub fn with_storage(mut self, directory: &Path) -> Self {
        self.fingerprint.storage = storage::describe(&HostRoot::default(), directory);
        self
    }

    /// What `/dev/kvm` is.
    pub fn kvm(&self) -> KvmState {
        self.fingerprint.kvm
    }
}

/// The length of one tick in which the kernel counts CPU time in texts, in nanoseconds.
pub(crate) fn tick_ns() -> u64 {
    // SAFETY: sysconf touches no memory of ours.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    1_000_000_000 / u64::try_from(per_second).unwrap_or(100).max(1)
}

/// Whether there is a sign that this program runs in a container: the files that engines leave, or init's environment.
fn in_container(root: &HostRoot) -> bool {
    ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"].iter().any(|path| root.path(path).exists())
        || root
            .read_at_most("/proc/1/environ", 64 << 10)
            .is_some_and(|text| text.split('\0').any(|entry| entry.starts_with("container=")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn this_host_is_described_quickly() {
        let begin = Instant::now();
        let facts = HostFacts::gather().with_storage(Path::new("/tmp"));
        let took = begin.elapsed();
        assert!(facts.fingerprint.cpu_count > 0);
        assert!(facts.fingerprint.memory_bytes > 0);
        assert!(facts.fingerprint.kernel.is_some());
        assert!(facts.fingerprint.clock_step_ns.is_some_and(|step| step > 0));
        assert!(facts.fingerprint.storage.is_some());
        assert!(!facts.kvm_note.is_empty());
        // The goal is 50 ms; a busy machine with unoptimised code gets more room.
        assert!(took < Duration::from_millis(500), "{took:?}");
    }

    #[test]
    fn containers_are_recognised() {
        let directory = tempfile::tempdir().unwrap();
        let root = HostRoot::under(directory.path());
        assert!(!in_container(&root));
        std::fs::create_dir_all(directory.path().join("proc/1")).unwrap();
        std::fs::write(directory.path().join("proc/1/environ"), "HOME=/\0container=lxc\0").unwrap();
        assert!(in_container(&root));
    }
}
