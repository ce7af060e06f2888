//! The host's fingerprint, gathered from its files and a few calls.

use super::cgroup::CgroupLayout;
use super::processor::{Processor, count_in_list};
use super::root::HostRoot;
use super::{hypervisor, kvm};
use crate::clock::Clock;
use isodyne_core::fingerprint::Fingerprint;
use std::collections::BTreeSet;

/// Everything that the host tells, and one line on `/dev/kvm`.
pub fn gather(root: &HostRoot, cgroups: &CgroupLayout) -> (Fingerprint, String) {
    // The first processor's block is enough, and the whole file takes long to make on a large host.
    let cpuinfo = root.read_at_most("/proc/cpuinfo", 16 << 10).unwrap_or_default();
    let processor = Processor::parse(&cpuinfo);
    let (kvm, kvm_note) = kvm::detect(root, &processor);
    let meminfo = root.read("/proc/meminfo").unwrap_or_default();
    let uname = rustix::system::uname();
    let online = root.value("/sys/devices/system/cpu/online").and_then(|list| count_in_list(&list));
    let fingerprint = Fingerprint {
        os: os_name(&root.read_at_most("/etc/os-release", 64 << 10).unwrap_or_default()),
        kernel: Some(format!("{} {}", uname.release().to_string_lossy(), uname.version().to_string_lossy())),
        architecture: uname.machine().to_string_lossy().into_owned(),
        cpu_count: online.or_else(allowed_count).unwrap_or_default(),
        cpu_allowed_count: allowed_count(),
        smt: switch(root, "/sys/devices/system/cpu/smt/active"),
        governor: governors(root),
        turbo: turbo(root),
        numa_nodes: root.value("/sys/devices/system/node/online").and_then(|list| count_in_list(&list)),
        memory_bytes: meminfo_bytes(&meminfo, "MemTotal").unwrap_or_default(),
        swap_bytes: meminfo_bytes(&meminfo, "SwapTotal").unwrap_or_default(),
        transparent_huge_pages: root.value("/sys/kernel/mm/transparent_hugepage/enabled").and_then(|it| choice(&it)),
        ksm: switch(root, "/sys/kernel/mm/ksm/run"),
        mitigations: mitigations(root),
        hypervisor: hypervisor::detect(root, &processor),
        platform: hypervisor::platform(root),
        kvm,
        clock_source: root.value("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        clock_step_ns: clock_step_ns(Clock),
        cgroup_layout: Some(cgroups.kind.to_string()),
        storage: None,
        kernel_command_line: root.value("/proc/cmdline"),
        cpu_model: processor.model,
        cpu_identity: processor.identity,
        microcode: processor.microcode,
        cpu_flags: processor.flags,
    };
    (fingerprint, kvm_note)
}

/// The smallest difference that the clock shows over many readings; `None` if it never moved.
pub fn clock_step_ns(clock: Clock) -> Option<u64> {
    let mut before = clock.now();
    let mut smallest: Option<u64> = None;
    for _ in 0..4000 {
        let now = clock.now();
        let step = now.ns_since(before);
        if step > 0 {
            smallest = Some(smallest.map_or(step, |known| known.min(step)));
        }
        before = now;
    }
    smallest
}

fn allowed_count() -> Option<u32> {
    let set = rustix::thread::sched_getaffinity(None).ok()?;
    Some(set.count())
}

fn os_name(os_release: &str) -> Option<String> {
    let name = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim().trim_matches('"').to_owned())
}

fn meminfo_bytes(meminfo: &str, key: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The word in brackets of `always [madvise] never`.
fn choice(text: &str) -> Option<String> {
    let (_, after) = text.split_once('[')?;
    Some(after.split_once(']')?.0.to_owned())
}

fn switch(root: &HostRoot, path: &str) -> Option<bool> {
    match root.value(path)?.as_str() {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// The governors of all frequency domains, each once.
fn governors(root: &HostRoot) -> Option<String> {
    let policies = "/sys/devices/system/cpu/cpufreq";
    let found: BTreeSet<String> = root
        .names(policies)
        .iter()
        .filter(|name| name.starts_with("policy"))
        .filter_map(|name| root.value(format!("{policies}/{name}/scaling_governor")))
        .collect();
    (!found.is_empty()).then(|| found.into_iter().collect::<Vec<_>>().join(", "))
}

fn turbo(root: &HostRoot) -> Option<bool> {
    switch(root, "/sys/devices/system/cpu/intel_pstate/no_turbo")
        .map(|off| !off)
        .or_else(|| switch(root, "/sys/devices/system/cpu/cpufreq/boost"))
}

fn mitigations(root: &HostRoot) -> Vec<(String, String)> {
    let directory = "/sys/devices/system/cpu/vulnerabilities";
    root.names(directory)
        .into_iter()
        .filter_map(|name| {
            let value = root.value(format!("{directory}/{name}"))?;
            Some((name, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read() {
        assert_eq!(
            os_name("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n").unwrap(),
            "Debian GNU/Linux 12 (bookworm)"
        );
        assert_eq!(meminfo_bytes("MemTotal:       24669084 kB\nSwapTotal:             0 kB\n", "SwapTotal"), Some(0));
        assert_eq!(meminfo_bytes("MemTotal:       24669084 kB\n", "MemTotal"), Some(24_669_084 * 1024));
        assert_eq!(meminfo_bytes("MemTotal: 99999999999999999999 kB\n", "MemTotal"), None);
        assert_eq!(choice("always [madvise] never").as_deref(), Some("madvise"));
        assert_eq!(choice("never"), None);
    }

    #[test]
    fn a_host_that_tells_nothing_gives_none_and_never_fails() {
        let directory = tempfile::tempdir().unwrap();
        let (found, _) = gather(&HostRoot::under(directory.path()), &CgroupLayout::default());
        assert_eq!(found.os, None);
        assert_eq!(found.cpu_model, None);
        assert_eq!(found.smt, None);
        assert_eq!(found.governor, None);
        assert_eq!(found.hypervisor, None);
        assert_eq!(found.memory_bytes, 0);
        assert_eq!(found.cgroup_layout.as_deref(), Some("absent"));
        assert!(found.mitigations.is_empty());
        assert!(found.cpu_count > 0);
    }

    #[test]
    fn governors_turbo_and_mitigations_come_from_sysfs() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let cpu = "sys/devices/system/cpu";
        write(&format!("{cpu}/cpufreq/policy0/scaling_governor"), "performance\n");
        write(&format!("{cpu}/cpufreq/policy1/scaling_governor"), "powersave\n");
        write(&format!("{cpu}/intel_pstate/no_turbo"), "1\n");
        write(&format!("{cpu}/vulnerabilities/meltdown"), "Not affected\n");
        write(&format!("{cpu}/smt/active"), "1\n");
        write(&format!("{cpu}/online"), "0-7\n");
        let (found, _) = gather(&HostRoot::under(directory.path()), &CgroupLayout::default());
        assert_eq!(found.governor.as_deref(), Some("performance, powersave"));
        assert_eq!(found.turbo, Some(false));
        assert_eq!(found.smt, Some(true));
        assert_eq!(found.cpu_count, 8);
        assert_eq!(found.mitigations, [("meltdown".to_owned(), "Not affected".to_owned())]);
    }
}
