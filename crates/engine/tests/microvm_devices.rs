//! What a Firecracker can be told beside the ordinary, on a real one: processors, their templates, pages and devices. What
//! the host's processor or its kernel does not give must be refused in Firecracker's words.
//!
//! Each test skips with its reason where the program or a working `/dev/kvm` is missing. `make nested` has both.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod guest_support;
mod microvm_support;

use isodyne_core::cell::BackendName;
use isodyne_core::factor::FactorValue;
use isodyne_core::failure::FailureClass;
use isodyne_core::ledger::MilestoneName as M;
use isodyne_engine::backend::PrepareError;
use isodyne_engine::backend::firecracker::version::{Feature, Version};
use isodyne_engine::workload::{BootOptions, boot};
use microvm_support::{Bench, PATIENCE, YES, bench, says};

const TWO: (&str, FactorValue) = ("cpus", FactorValue::Count(2));
const GUEST_MIB: u64 = 128;

fn meminfo(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn firecracker_boots_with_two_threads_of_a_core_and_every_device() {
    let Some(bench) = bench(BackendName::Firecracker) else { return };
    let devices = [TWO, ("smt", YES), ("entropy", YES), ("balloon", FactorValue::Bytes(8 << 20))];
    bench.boots(&devices);
    let launcher = bench.launcher(&[TWO, ("smt", YES), ("console", says("off"))]);
    let place = bench.place();
    let sandbox = bench.live(launcher.as_ref(), &place);
    let processors = bench.affinities().into_iter().filter(|(name, _)| name.starts_with("fc_vcpu")).count();
    assert_eq!(processors, 2);
    bench.stops(sandbox, &place);
}

#[test]
fn firecrackers_guest_has_huge_pages_where_they_are_reserved() {
    let Some(bench) = bench(BackendName::Firecracker) else { return };
    let wanted = GUEST_MIB * 1024 / meminfo("Hugepagesize").max(1);
    let free = meminfo("HugePages_Free");
    if free < wanted {
        eprintln!("{free} huge pages are free, not {wanted}: this must be refused");
        // Firecracker finds out when it maps them, or when it writes the kernel there.
        let failure = bench.refuses(&[("huge_pages", says("2M"))], PATIENCE);
        assert!(failure.class == FailureClass::Launch && failure.message.contains("emory"), "{failure}");
        return;
    }
    let launcher = bench.launcher(&[("huge_pages", says("2M"))]);
    let place = bench.place();
    let sandbox = bench.live(launcher.as_ref(), &place);
    let taken = free - meminfo("HugePages_Free");
    eprintln!("{taken} of {free} huge pages are taken");
    assert!((1..=wanted).contains(&taken), "{taken} pages");
    bench.stops(sandbox, &place);
    assert_eq!(meminfo("HugePages_Free"), free, "pages are left");
    bench.boots(&[("huge_pages", says("2M")), ("setup", says("file"))]);
}

#[test]
fn transparent_huge_pages_are_told_by_version() {
    let Some(bench) = bench(BackendName::Firecracker) else { return };
    let stated = [("huge_pages", says("transparent"))];
    let program = isodyne_engine::host::find_tool("firecracker").unwrap();
    let said = std::process::Command::new(program).arg("--version").output().unwrap().stdout;
    let version = Version::parse(String::from_utf8_lossy(&said).lines().next().unwrap()).unwrap();
    if version >= Feature::TransparentHugePages.since() {
        bench.boots(&stated);
        return;
    }
    let Some(PrepareError::Invalid { key, message, .. }) = bench.prepare(&stated).err() else { panic!("not refused") };
    assert_eq!(
        (key.as_str(), message),
        ("backend.firecracker.huge_pages", format!("Firecracker {version} does not have it"))
    );
}

/// Boots, or is refused by Firecracker with these words in its answer.
fn boots_or_is_refused(bench: &Bench, template: &str) -> bool {
    let place = bench.place();
    let options = BootOptions { timeout: PATIENCE, command: None, app: None };
    let attempt = boot(bench.launcher(&[("cpu_template", says(template))]).as_ref(), &place, bench.lab(), &options);
    let Some(failure) = attempt.failure else {
        eprintln!("{template}: boots");
        return true;
    };
    eprintln!("{template}: {failure}");
    assert_eq!(failure.class, FailureClass::Launch, "{failure}\n{}", bench.words(&place));
    assert!(failure.message.starts_with("Firecracker") && failure.message.contains("emplate"), "{failure}");
    std::fs::remove_dir_all(&place.directory).unwrap();
    false
}

#[test]
fn templates_for_other_processors_are_refused_in_firecrackers_words() {
    let Some(bench) = bench(BackendName::Firecracker) else { return };
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let (own, others) = if processor.contains("GenuineIntel") {
        (["C3", "T2", "T2S", "T2CL"].as_slice(), ["T2A"].as_slice())
    } else {
        (["T2A"].as_slice(), ["C3", "T2", "T2S", "T2CL"].as_slice())
    };
    for template in others {
        assert!(!boots_or_is_refused(&bench, template), "{template} is for other processors");
    }
    // Whether the processor has what its maker's templates need is known to Firecracker alone.
    for template in own {
        boots_or_is_refused(&bench, template);
    }
    assert!(boots_or_is_refused(&bench, "None"));
}

#[test]
fn virtual_processors_stay_where_they_are_pinned() {
    let cases = [
        (BackendName::Firecracker, "fc_vcpu", vec![("setup", says("api"))]),
        (BackendName::Firecracker, "fc_vcpu", vec![("setup", says("file"))]),
        (BackendName::CloudHypervisor, "vcpu", Vec::new()),
    ];
    for (backend, threads, mut stated) in cases {
        let Some(bench) = bench(backend) else { continue };
        if isodyne_engine::host::HostFacts::gather().fingerprint.cpu_count < 2 {
            eprintln!("SKIPPED: this host has one processor");
            return;
        }
        stated.extend([TWO, ("pin", says("1,0"))]);
        let launcher = bench.launcher(&stated);
        let place = bench.place();
        let mut sandbox = bench.live(launcher.as_ref(), &place);
        let mut found: Vec<_> = bench.affinities().into_iter().filter(|(name, _)| name.starts_with(threads)).collect();
        found.sort();
        let places: Vec<&str> = found.iter().map(|(_, place)| place.as_str()).collect();
        assert_eq!(places, ["1", "0"], "{found:?}");
        let free = bench.affinities().into_iter().filter(|(_, place)| place != "0" && place != "1").count();
        assert!(free > 0, "everything is pinned: {:?}", bench.affinities());
        let unpinned = sandbox.usage().into_iter().find(|(name, _)| name == "unpinned_ns").map(|(_, value)| value);
        eprintln!("{backend}: unpinned for {unpinned:?} ns");
        assert_eq!(unpinned.is_some(), backend == BackendName::Firecracker);
        bench.stops(sandbox, &place);
    }
    let Some(bench) = bench(BackendName::Qemu) else { return };
    let seen = bench.boots(&[("accel", says("kvm")), ("machine", says("microvm")), ("pin", says("0"))]);
    assert!(seen.contains(&M::Init), "{seen:?}");
}
