//! The processor, from the text of `/proc/cpuinfo`.

/// What `/proc/cpuinfo` says of the first processor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    /// The model's name for people.
    pub model: Option<String>,
    /// Vendor, family, model and stepping (x86); implementer, part, variant and revision (ARM).
    pub identity: Option<String>,
    /// The microcode revision.
    pub microcode: Option<String>,
    /// The feature flags, sorted.
    pub flags: Vec<String>,
}

impl Processor {
    /// Reads the first processor's block. The text may be cut anywhere after that block.
    pub fn parse(cpuinfo: &str) -> Self {
        // The last line of a cut text may be half a line; the blocks that matter end with an empty line anyway.
        let block = cpuinfo.split("\n\n").next().unwrap_or_default();
        let field = |wanted: &str| {
            block.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key.trim() == wanted && !value.trim().is_empty()).then(|| value.trim().to_owned())
            })
        };
        let mut flags: Vec<String> = field("flags")
            .or_else(|| field("Features"))
            .map(|flags| flags.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default();
        flags.sort();
        flags.dedup();
        let parts = |keys: &[(&str, &str)]| {
            let known: Vec<String> =
                keys.iter().filter_map(|(key, word)| Some(format!("{word}{}", field(key)?))).collect();
            (!known.is_empty()).then(|| known.join(" "))
        };
        let x86 = [("vendor_id", ""), ("cpu family", "family "), ("model", "model "), ("stepping", "stepping ")];
        let arm = [
            ("CPU implementer", "implementer "),
            ("CPU part", "part "),
            ("CPU variant", "variant "),
            ("CPU revision", "revision "),
        ];
        let model = field("model name").or_else(|| arm_core(&field("CPU implementer")?, &field("CPU part")?));
        Self { model, identity: parts(&arm).or_else(|| parts(&x86)), microcode: field("microcode"), flags }
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.binary_search_by(|known| known.as_str().cmp(flag)).is_ok()
    }
}

/// The names of the cores that servers and boards commonly have; arm64 kernels print only numbers.
fn arm_core(implementer: &str, part: &str) -> Option<String> {
    let name = match (implementer, part) {
        ("0x41", "0xd03") => "ARM Cortex-A53",
        ("0x41", "0xd05") => "ARM Cortex-A55",
        ("0x41", "0xd07") => "ARM Cortex-A57",
        ("0x41", "0xd08") => "ARM Cortex-A72",
        ("0x41", "0xd0b") => "ARM Cortex-A76",
        ("0x41", "0xd0c") => "ARM Neoverse-N1",
        ("0x41", "0xd40") => "ARM Neoverse-V1",
        ("0x41", "0xd49") => "ARM Neoverse-N2",
        ("0x41", "0xd4f") => "ARM Neoverse-V2",
        ("0xc0", "0xac3" | "0xac4") => "Ampere-1",
        _ => return None,
    };
    Some(name.to_owned())
}

/// The number of processors or nodes in a list such as `0-3,8,10-11`; `None` if it is not such a list.
pub fn count_in_list(list: &str) -> Option<u32> {
    let mut count = 0_u32;
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTEL: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 207\nmodel name\t: \
        Intel(R) Xeon(R) Processor\nstepping\t: 2\nmicrocode\t: 0x1\ncpu MHz\t\t: 2300.000\nflags\t\t: fpu vme hypervisor \
        avx\nvmx flags\t: vnmi\nbugs\t\t: spectre_v1\n\nprocessor\t: 1\nvendor_id\t: Other\n";
    const AMD: &str = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC \
        9654 96-Core Processor\nstepping\t: 1\nmicrocode\t: 0xa101148\nflags\t\t: fpu svm npt\n";
    const ARM: &str = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd evtstrm aes\nCPU implementer\t: 0x41\nCPU \
        architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n\n";

    #[test]
    fn intel_amd_and_arm_are_read() {
        let intel = Processor::parse(INTEL);
        assert_eq!(intel.model.as_deref(), Some("Intel(R) Xeon(R) Processor"));
        assert_eq!(intel.identity.as_deref(), Some("GenuineIntel family 6 model 207 stepping 2"));
        assert_eq!(intel.microcode.as_deref(), Some("0x1"));
        assert_eq!(intel.flags, ["avx", "fpu", "hypervisor", "vme"]);
        assert!(intel.has("hypervisor") && !intel.has("vmx"));

        let amd = Processor::parse(AMD);
        assert_eq!(amd.identity.as_deref(), Some("AuthenticAMD family 25 model 17 stepping 1"));
        assert!(amd.has("svm"));

        let arm = Processor::parse(ARM);
        assert_eq!(arm.model.as_deref(), Some("ARM Neoverse-N1"));
        assert_eq!(arm.identity.as_deref(), Some("implementer 0x41 part 0xd0c variant 0x3 revision 1"));
        assert_eq!(arm.microcode, None);
        assert_eq!(arm.flags, ["aes", "asimd", "evtstrm", "fp"]);
    }

    #[test]
    fn what_is_not_told_is_none() {
        assert_eq!(Processor::parse(""), Processor::default());
        assert_eq!(Processor::parse("garbage\n::::\nmodel name :\n"), Processor::default());
    }

    #[test]
    fn processor_lists_are_counted() {
        assert_eq!(count_in_list("0-1\n"), Some(2));
        assert_eq!(count_in_list("0-3,8,10-11"), Some(7));
        assert_eq!(count_in_list(""), None);
        assert_eq!(count_in_list("3-1"), None);
        assert_eq!(count_in_list("0-4294967295"), None);
    }
}
