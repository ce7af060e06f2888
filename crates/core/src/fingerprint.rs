//! The host's fingerprint: everything that can change a number and that the host will tell.

use crate::schedule::stable_hash;
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
    /// Vendor, family, model and stepping (x86), or implementer, part, variant and revision (ARM).
    pub cpu_identity: Option<String>,
    /// The microcode revision.
    pub microcode: Option<String>,
    /// Number of processors online.
    pub cpu_count: u32,
    /// Number of processors that the lab may run on (its affinity), if that is told.
    #[serde(default)]
    pub cpu_allowed_count: Option<u32>,
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
    /// The machine's vendor and product, as its firmware tells them.
    #[serde(default)]
    pub platform: Option<String>,
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
        self.differences(other).is_empty()
    }

    /// A short name of everything that changes speed, in 16 hexadecimal digits: equal hosts have the same one.
    ///
    /// It covers what [`Fingerprint::differences`] looks at; memory is rounded to 256 MiB, since kernels keep a few pages
    /// more or less for themselves. FNV-1a over the fields, then one step of SplitMix64, the same in every version.
    pub fn id(&self) -> String {
        let flag = |value: Option<bool>| value.map(|value| value.to_string());
        let mut fields: Vec<Option<String>> = vec![
            Some(self.architecture.clone()),
            self.cpu_model.clone(),
            self.cpu_identity.clone(),
            self.microcode.clone(),
            Some(self.cpu_count.to_string()),
            self.kernel.clone(),
            self.hypervisor.clone(),
            self.governor.clone(),
            flag(self.smt),
            flag(self.turbo),
            self.clock_source.clone(),
            self.transparent_huge_pages.clone(),
            Some((self.memory_bytes.saturating_add(128 << 20) >> 28).to_string()),
        ];
        let mut mitigations = self.mitigations.clone();
        mitigations.sort();
        fields.extend(mitigations.into_iter().map(|(name, state)| Some(format!("{name}: {state}"))));
        // A field ends with a byte that is in no UTF-8 text, and an unknown one is another byte of that kind.
        let bytes = fields.iter().flat_map(|field| match field {
            Some(text) => [text.as_bytes(), &[0xff]].concat(),
            None => vec![0xfe],
        });
        format!("{:016x}", stable_hash(bytes))
    }

    /// What changes speed and is not the same, one line each: `governor: powersave here, performance there`.
    ///
    /// Not looked at: what differs between equal hosts (storage paths, kernel command line, a few pages of memory), the
    /// measured clock step, and processor flags, which follow from the processor and the kernel.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |name: &str, here: String, there: String| {
            if here != there {
                found.push(format!("{name}: {here} here, {there} there"));
            }
        };
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
        let flag = |value: Option<bool>| value.map_or("unknown", |value| if value { "on" } else { "off" }).to_owned();
        compare("architecture", self.architecture.clone(), other.architecture.clone());
        compare("processor", text(&self.cpu_model), text(&other.cpu_model));
        compare("processor identity", text(&self.cpu_identity), text(&other.cpu_identity));
        compare("microcode", text(&self.microcode), text(&other.microcode));
        compare("processors", self.cpu_count.to_string(), other.cpu_count.to_string());
        compare("kernel", text(&self.kernel), text(&other.kernel));
        compare("hypervisor", text(&self.hypervisor), text(&other.hypervisor));
        compare("governor", text(&self.governor), text(&other.governor));
        compare("SMT", flag(self.smt), flag(other.smt));
        compare("turbo", flag(self.turbo), flag(other.turbo));
        compare("clock source", text(&self.clock_source), text(&other.clock_source));
        let pages = (text(&self.transparent_huge_pages), text(&other.transparent_huge_pages));
        compare("transparent huge pages", pages.0, pages.1);
        for (name, state) in &self.mitigations {
            let there = other.mitigations.iter().find(|(known, _)| known == name);
            if let Some((_, there)) = there {
                compare(name, state.clone(), there.clone());
            }
        }
        if self.memory_bytes.abs_diff(other.memory_bytes) >= 64 << 20 {
            found.push(format!("memory: {} B here, {} B there", self.memory_bytes, other.memory_bytes));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_speed_is_named() {
        let here = Fingerprint {
            governor: Some("powersave".into()),
            memory_bytes: 8 << 30,
            mitigations: vec![("meltdown".into(), "Not affected".into())],
            ..Fingerprint::default()
        };
        let mut there = Fingerprint { memory_bytes: (8 << 30) + 4096, storage: Some("xfs".into()), ..here.clone() };
        assert!(here.comparable_with(&there));
        there.governor = Some("performance".into());
        there.mitigations[0].1 = "Mitigation: PTI".into();
        there.memory_bytes = 4 << 30;
        assert_eq!(
            here.differences(&there),
            [
                "governor: powersave here, performance there",
                "meltdown: Not affected here, Mitigation: PTI there",
                "memory: 8589934592 B here, 4294967296 B there",
            ]
        );
        assert!(!here.comparable_with(&there));
    }

    #[test]
    fn equal_hosts_have_one_id() {
        let here = Fingerprint { memory_bytes: 8 << 30, kernel: Some("6.18".into()), ..Fingerprint::default() };
        let again = Fingerprint { memory_bytes: (8 << 30) - 40_960, storage: Some("xfs".into()), ..here.clone() };
        assert_eq!(here.id(), again.id());
        assert_eq!(here.id().len(), 16);
        let others = [
            Fingerprint { kernel: Some("6.19".into()), ..here.clone() },
            Fingerprint { kernel: None, governor: Some("6.18".into()), ..here.clone() },
            Fingerprint { memory_bytes: 9 << 30, ..here.clone() },
            Fingerprint { smt: Some(false), ..here.clone() },
        ];
        assert!(others.iter().all(|other| other.id() != here.id()));
        // The id is part of files' names: it may not change between versions.
        assert_eq!(Fingerprint::default().id(), "3026d0b5ad771d80");
    }
}
