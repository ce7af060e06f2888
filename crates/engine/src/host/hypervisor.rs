//! Whether this host is itself virtual, and the machine's name.

use super::processor::Processor;
use super::root::HostRoot;

/// The hypervisor that this host runs under, or `None` if there is no sign of one.
pub fn detect(root: &HostRoot, processor: &Processor) -> Option<String> {
    if root.is_real()
        && processor.has("hypervisor")
        && let Some(name) = from_cpuid()
    {
        return Some(name);
    }
    let from_files = root
        .value("/sys/hypervisor/type")
        .or_else(|| device_tree(&root.read_at_most("/proc/device-tree/hypervisor/compatible", 256)?))
        .or_else(|| from_vendor(&root.value("/sys/class/dmi/id/sys_vendor")?).map(str::to_owned));
    match from_files {
        // A cloud's bare-metal machine carries the cloud's name too: without the flag, x86 is not virtual, and ARM is
        // not if the product says so.
        Some(_) if processor.has("fpu") && !processor.has("hypervisor") => None,
        Some(_) if !processor.has("hypervisor") && platform(root).is_some_and(|name| name.contains("metal")) => None,
        Some(name) => Some(name),
        None => processor.has("hypervisor").then(|| "unknown".to_owned()),
    }
}

/// Vendor and product as the firmware tells them (`QEMU Standard PC (Q35 + ICH9, 2009)`).
pub fn platform(root: &HostRoot) -> Option<String> {
    let parts: Vec<String> = ["sys_vendor", "product_name"]
        .iter()
        .filter_map(|name| root.value(format!("/sys/class/dmi/id/{name}")))
        .collect();
    if !parts.is_empty() {
        return Some(parts.join(" "));
    }
    let model = root.read_at_most("/proc/device-tree/model", 256)?;
    let model = model.trim_end_matches('\0').trim();
    (!model.is_empty()).then(|| model.to_owned())
}

#[cfg(target_arch = "x86_64")]
fn from_cpuid() -> Option<String> {
    #[allow(unused_unsafe, reason = "the intrinsic is unsafe in older compilers only")]
    // SAFETY: every x86_64 processor has the instruction, and it touches no memory.
    let leaf = unsafe { std::arch::x86_64::__cpuid(0x4000_0000) };
    let signature: Vec<u8> = [leaf.ebx, leaf.ecx, leaf.edx].iter().flat_map(|part| part.to_le_bytes()).collect();
    from_signature(&signature)
}

#[cfg(not(target_arch = "x86_64"))]
fn from_cpuid() -> Option<String> {
    None
}

/// The name behind the twelve bytes of leaf 0x40000000.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
fn from_signature(signature: &[u8]) -> Option<String> {
    let name = match signature {
        b"KVMKVMKVM\0\0\0" => "kvm",
        b"Linux KVM Hv" => "kvm (as hyper-v)",
        b"TCGTCGTCGTCG" => "tcg",
        b"Microsoft Hv" => "hyper-v",
        b"VMwareVMware" => "vmware",
        b"XenVMMXenVMM" => "xen",
        b"bhyve bhyve " => "bhyve",
        b"VBoxVBoxVBox" => "virtualbox",
        b" lrpepyh  vr" | b"prl hyperv  " => "parallels",
        b"ACRNACRNACRN" => "acrn",
        b"QNXQVMBSQG\0\0" => "qnx",
        other => {
            let text: String =
                other.iter().filter(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte)).collect();
            return (!text.is_empty()).then_some(text);
        }
    };
    Some(name.to_owned())
}

fn device_tree(compatible: &str) -> Option<String> {
    let first = compatible.split('\0').next()?.trim();
    (!first.is_empty()).then(|| first.trim_start_matches("linux,").to_owned())
}

fn from_vendor(vendor: &str) -> Option<&'static str> {
    const KNOWN: &[(&str, &str)] = &[
        ("QEMU", "qemu"),
        ("Amazon EC2", "amazon"),
        ("Google", "kvm"),
        ("VMware", "vmware"),
        ("innotek", "virtualbox"),
        ("Xen", "xen"),
        ("Microsoft Corporation", "hyper-v"),
        ("Parallels", "parallels"),
        ("BHYVE", "bhyve"),
        ("OpenStack", "openstack"),
        ("Apple Virtualization", "apple"),
    ];
    KNOWN.iter().find(|(prefix, _)| vendor.starts_with(prefix)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_have_names() {
        assert_eq!(from_signature(b"KVMKVMKVM\0\0\0").as_deref(), Some("kvm"));
        assert_eq!(from_signature(b"TCGTCGTCGTCG").as_deref(), Some("tcg"));
        assert_eq!(from_signature(b"Some\x01Other\0\0").as_deref(), Some("SomeOther"));
        assert_eq!(from_signature(&[0; 12]), None);
        assert_eq!(device_tree("linux,kvm\0other\0").as_deref(), Some("kvm"));
    }

    #[test]
    fn a_clouds_bare_metal_is_not_virtual_but_its_arm_guest_is() {
        let directory = tempfile::tempdir().unwrap();
        let dmi = directory.path().join("sys/class/dmi/id");
        std::fs::create_dir_all(&dmi).unwrap();
        std::fs::write(dmi.join("sys_vendor"), "Amazon EC2\n").unwrap();
        std::fs::write(dmi.join("product_name"), "m7i.metal-24xl\n").unwrap();
        let root = HostRoot::under(directory.path());
        let metal = Processor { flags: vec!["fpu".into()], ..Processor::default() };
        assert_eq!(detect(&root, &metal), None);
        let guest = Processor { flags: vec!["fpu".into(), "hypervisor".into()], ..Processor::default() };
        assert_eq!(detect(&root, &guest).as_deref(), Some("amazon"));
        let arm = Processor { flags: vec!["asimd".into()], ..Processor::default() };
        assert_eq!(detect(&root, &arm), None);
        assert_eq!(platform(&root).as_deref(), Some("Amazon EC2 m7i.metal-24xl"));
        std::fs::write(dmi.join("product_name"), "m7g.large\n").unwrap();
        assert_eq!(detect(&root, &arm).as_deref(), Some("amazon"));
        let nothing = HostRoot::under(directory.path().join("nothing"));
        assert_eq!(detect(&nothing, &guest).as_deref(), Some("unknown"));
        assert_eq!(detect(&nothing, &metal), None);
    }
}
