//! Real microVMs under Firecracker and Cloud Hypervisor, and QEMU on KVM: from launch to gone, and back from a snapshot.
//!
//! Each test skips with its reason where the program or a working `/dev/kvm` is missing. `make nested` has both.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod guest_support;
mod microvm_support;

use isodyne_core::cell::BackendName;
use isodyne_core::factor::FactorValue;
use isodyne_core::failure::FailureClass;
use isodyne_core::ledger::MilestoneName as M;
use isodyne_engine::backend::snapshot::{MemoryBackend, SnapshotKind, lay_over};
use microvm_support::{NONCE, PATIENCE, YES, bench, says, snapshot};
use std::path::Path;
use std::time::Duration;

#[test]
fn firecracker_boots_with_every_milestone() {
    let Some(bench) = bench(BackendName::Firecracker) else { return };
    let seen = bench.boots(&[]);
    for name in
        [M::Spawned, M::ApiReady, M::Configured, M::Started, M::Kernel, M::Init, M::Agent, M::FirstExec, M::Gone]
    {
        assert!(seen.contains(&name), "{name:?} in {seen:?}");
    }
}

#[test]
fn firecracker_boots_however_it_is_told() {
    let Some(bench) = bench(BackendName::Firecracker) else { return };
    let devices = [("pci", YES), ("entropy", YES), ("balloon", FactorValue::Bytes(8 << 20))];
    let seen = bench.boots(&[("setup", says("file"))]);
    assert!(seen.contains(&M::Init) && !seen.contains(&M::Configured), "{seen:?}");
    bench.boots(&devices);
    bench.boots(&[("channel", says("serial"))]);
    let seen = bench.boots(&[("console", says("off")), ("cpus", FactorValue::Count(2))]);
    assert!(!seen.contains(&M::Kernel), "{seen:?}");
}

#[test]
fn firecracker_boots_in_its_jail_and_nothing_of_it_is_left() {
    let Some(bench) = bench(BackendName::Firecracker) else { return };
    if isodyne_engine::host::find_tool("jailer").is_none() || !bench.lab().host.root {
        eprintln!("SKIPPED: there is no jailer, or this is not root");
        return;
    }
    let seen = bench.boots(&[("jailer", YES)]);
    assert!(seen.contains(&M::Init) && seen.contains(&M::Kernel), "{seen:?}");
    bench.boots(&[("jailer", YES), ("setup", says("file"))]);
    assert!(!Path::new("/sys/fs/cgroup/firecracker").exists(), "a group is left");
}

#[test]
fn firecracker_comes_back_from_full_and_partial_snapshots() {
    let Some(bench) = bench(BackendName::Firecracker) else { return };
    let launcher = bench.launcher(&[("track_dirty_pages", YES)]);
    let place = bench.place();
    let mut sandbox = bench.live(launcher.as_ref(), &place);
    let deadline = || bench.lab().clock.after(PATIENCE);
    assert_eq!(sandbox.agent().remember(b"something else", deadline()).unwrap().reply.recalls, 0);
    let (full, changes) = (bench.directory.path().join("full"), bench.directory.path().join("changes"));
    snapshot(sandbox.as_mut(), &full, SnapshotKind::Full, bench.lab());
    // A snapshot resets the connection, and the agent comes back by a new one.
    bench.greet(sandbox.as_mut(), &place);
    assert_eq!(sandbox.agent().remember(NONCE, deadline()).unwrap().reply.recalls, 1);
    snapshot(sandbox.as_mut(), &changes, SnapshotKind::Difference, bench.lab());
    drop(sandbox);
    std::fs::remove_dir_all(&place.directory).unwrap();

    let copied = lay_over(&full.join("memory"), &changes.join("memory")).unwrap();
    assert!(copied > 0 && copied < 64 << 20, "{copied} bytes have changed");
    std::fs::copy(changes.join("state"), full.join("state")).unwrap();
    bench.comes_back(launcher.as_ref(), &full, MemoryBackend::File, 2);
    bench.comes_back(launcher.as_ref(), &full, MemoryBackend::Userfault, 2);
}

#[test]
fn a_guest_that_cannot_live_is_told_from_its_console() {
    // Firecracker ends with its guest; Cloud Hypervisor's stays where it panicked.
    for (backend, timeout) in
        [(BackendName::Firecracker, PATIENCE), (BackendName::CloudHypervisor, Duration::from_secs(60))]
    {
        let Some(bench) = bench(backend) else { continue };
        let begin = std::time::Instant::now();
        let failure = bench.refuses(&[("cmdline", says("rdinit=/nonexistent"))], timeout);
        assert_eq!(failure.class, FailureClass::Crash, "{failure}");
        assert!(failure.message.contains("Kernel panic"), "{failure}");
        let waited = begin.elapsed();
        assert!(backend != BackendName::Firecracker || waited < PATIENCE, "its end was not seen: {waited:?}");
    }
}

#[test]
fn cloud_hypervisor_boots_with_every_milestone() {
    let Some(bench) = bench(BackendName::CloudHypervisor) else { return };
    let seen = bench.boots(&[]);
    for name in
        [M::Spawned, M::ApiReady, M::Configured, M::Started, M::Kernel, M::Init, M::Agent, M::FirstExec, M::Gone]
    {
        assert!(seen.contains(&name), "{name:?} in {seen:?}");
    }
    bench.boots(&[("channel", says("serial")), ("entropy", YES)]);
    let seen = bench.boots(&[("console", says("off")), ("prefault", YES), ("cpus", FactorValue::Count(2))]);
    assert!(!seen.contains(&M::Kernel), "{seen:?}");
}

#[test]
fn cloud_hypervisor_comes_back_from_a_snapshot() {
    let Some(bench) = bench(BackendName::CloudHypervisor) else { return };
    let launcher = bench.launcher(&[]);
    let place = bench.place();
    let mut sandbox = bench.live(launcher.as_ref(), &place);
    assert_eq!(sandbox.agent().remember(NONCE, bench.lab().clock.after(PATIENCE)).unwrap().reply.recalls, 0);
    let directory = bench.directory.path().join("snapshot");
    snapshot(sandbox.as_mut(), &directory, SnapshotKind::Full, bench.lab());
    drop(sandbox);
    std::fs::remove_dir_all(&place.directory).unwrap();
    bench.comes_back(launcher.as_ref(), &directory, MemoryBackend::File, 1);
}

#[test]
fn qemu_comes_back_on_kvm() {
    let Some(bench) = bench(BackendName::Qemu) else { return };
    for (kind, memory_file) in [(SnapshotKind::Full, false), (SnapshotKind::Template, true)] {
        let stated = [("accel", says("kvm")), ("machine", says("microvm"))];
        let file = memory_file.then_some(("memory_file", YES));
        let launcher = bench.launcher(&stated.into_iter().chain(file).collect::<Vec<_>>());
        let place = bench.place();
        let mut sandbox = bench.live(launcher.as_ref(), &place);
        assert_eq!(sandbox.agent().remember(NONCE, bench.lab().clock.after(PATIENCE)).unwrap().reply.recalls, 0);
        let directory = bench.directory.path().join(format!("{kind:?}"));
        snapshot(sandbox.as_mut(), &directory, kind, bench.lab());
        bench.stops(sandbox, &place);
        bench.goes_on(launcher.as_ref(), &directory, 1);
        bench.goes_on(launcher.as_ref(), &directory, 1);
    }
}

#[test]
fn qemu_boots_on_kvm() {
    let Some(bench) = bench(BackendName::Qemu) else { return };
    for machine in ["q35", "microvm"] {
        let seen = bench.boots(&[("accel", says("kvm")), ("machine", says(machine))]);
        assert!(seen.contains(&M::Kernel) && seen.contains(&M::Agent), "{seen:?}");
        // Where KVM's own processor is emulated, q35's guest is granted the port and may not write to it, and the cloud kernel
        // has no device for ports.
        assert!(seen.contains(&M::Init) || machine == "q35", "{seen:?}");
    }
}
