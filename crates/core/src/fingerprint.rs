//! The host's fingerprint: everything that can change a number and that the host will tell.

use serde::{Deserialize, Serialize};

/// What a host is. Every field that the host does not tell is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The distribution's name and version (`Debian GNU/Linux 12`).
    pub os: Option<String>,
    /// The kernel's release and version.
    pub kernel: Option<String>,
    /// The machine architecture (`x86_64`).
    pub architecture: String,
    /// The processor's model name.
    pub cpu_model: Option<String>,
    /// Vendor, family, model and stepping, and the microcode revision.
    pub cpu_identity: Option<String>,
    /// The microcode revision.
    pub microcode: Option<String>,
    /// Number of processors online.
    pub cpu_count: u32,
    /// The processor's feature flags, sorted.
    pub cpu_flags: Vec<String>,
    /// Whether simultaneous multithreading is on.
    pub smt: Option<bool>,
    /// The frequency governor.
    pub governor: Option<String>,
    /// Whether turbo or boost is on.
    pub turbo: Option<bool>,
    /// Number of NUMA nodes.
    pub numa_nodes: Option<u32>,
    /// Main memory in bytes.
    pub memory_bytes: u64,
    /// Swap in bytes.
    pub swap_bytes: u64,
    /// The setting of transparent huge pages.
    pub transparent_huge_pages: Option<String>,
    /// Whether same-page merging runs.
    pub ksm: Option<bool>,
    /// Mitigations by vulnerability (`meltdown: Not affected`).
    pub mitigations: Vec<(String, String)>,
    /// The hypervisor this host runs under, if it does (`kvm`).
    pub hypervisor: Option<String>,
    /// What /dev/kvm is here.
    pub kvm: KvmState,
    /// The clock source.
    pub clock_source: Option<String>,
    /// The smallest step of the monotonic clock that was seen, in nanoseconds.
    pub clock_step_ns: Option<u64>,
    /// The layout of cgroups: `v1`, `hybrid` or `v2`.
    pub cgroup_layout: Option<String>,
    /// The file system and device under the run directory.
    pub storage: Option<String>,
    /// The kernel's command line.
    pub kernel_command_line: Option<String>,
}

/// What /dev/kvm is on a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KvmState {
    /// There is none.
    #[default]
    Absent,
    /// It is there, but this user may not open it.
    Forbidden,
    /// It opens, but has no hardware behind it (a paravirtual KVM): it runs only kernels made for it.
    Paravirtual,
    /// It opens and creates a VM on hardware.
    Works,
}

impl Fingerprint {
    /// Whether numbers of two hosts may be compared: everything agrees that changes speed.
    pub fn comparable_with(&self, other: &Self) -> bool {
        self.cpu_model == other.cpu_model
            && self.cpu_identity == other.cpu_identity
            && self.cpu_count == other.cpu_count
            && self.kernel == other.kernel
            && self.memory_bytes.abs_diff(other.memory_bytes) < 64 << 20
            && self.hypervisor == other.hypervisor
            && self.governor == other.governor
    }
}
