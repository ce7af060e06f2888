//! Real microVMs under Firecracker and Cloud Hypervisor, and QEMU on KVM: from launch to gone, and back from a snapshot.
//!
//! Each test skips with its reason where the program or a working `/dev/kvm` is missing. `make nested` has both.

#![allow(
    clippy::print_stderr,
    reason = "a test that is skipped says why, and one that takes minutes says how far it is"
)]

mod guest_support;

use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::MilestoneName as M;
use isodyne_core::probe::Probe;
use isodyne_engine::backend::snapshot::{MemoryBackend, SnapshotKind, lay_over};
use isodyne_engine::backend::{Launcher, Place, Sandbox, find};
use isodyne_engine::lab::{Lab, LabOptions};
use isodyne_engine::workload::{BootOptions, boot};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A nested machine whose processor is emulated boots in a minute when its host is busy.
const PATIENCE: Duration = Duration::from_secs(240);
const NONCE: &[u8] = b"a nonce that only this guest knows";

/// One machine at a time: they would only slow each other down.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static BENCHES: AtomicU32 = AtomicU32::new(0);

struct Bench {
    backend: BackendName,
    /// Taken when the bench is dropped, which checks that nothing is left.
    lab: Option<Lab>,
    directory: tempfile::TempDir,
    places: AtomicU32,
    _turn: MutexGuard<'static, ()>,
}

/// A lab for a backend on KVM; `None`, with the reason printed, where there is none.
fn bench(backend: BackendName) -> Option<Bench> {
    let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::Builder::new().prefix("iso").tempdir().unwrap();
    let cache = guest_support::cache();
    let logs = directory.path().join("run/logs");
    std::fs::create_dir_all(&logs).unwrap();
    let number = BENCHES.fetch_add(1, Ordering::Relaxed);
    let run_id = format!("{:x}{number:02x}", std::process::id());
    let options = LabOptions { run_id: &run_id, session: 0, logs: &logs, cache: &cache, guardian: None };
    let lab = Lab::open(options).unwrap();
    let reason = match find(backend).probe(&lab) {
        Probe::Unavailable { reason, .. } => Some(reason),
        Probe::Available(found) if found.notes.iter().all(|note| note != "runs on /dev/kvm") => {
            Some("there is no KVM here".to_owned())
        }
        Probe::Available(_) => guest_support::cache_with_guest().is_none().then(|| "there is no guest".to_owned()),
    };
    if let Some(reason) = reason {
        eprintln!("SKIPPED: {backend}: {reason}");
        lab.close();
        return None;
    }
    Some(Bench { backend, lab: Some(lab), directory, places: AtomicU32::new(1), _turn: turn })
}

impl Drop for Bench {
    fn drop(&mut self) {
        let survivors = self.lab.take().map(Lab::close).unwrap_or_default();
        assert!(survivors.is_empty() || std::thread::panicking(), "{survivors:?}");
    }
}

fn says(text: &str) -> FactorValue {
    FactorValue::Text(text.to_owned())
}

const YES: FactorValue = FactorValue::Flag(true);

impl Bench {
    fn lab(&self) -> &Lab {
        self.lab.as_ref().unwrap()
    }

    fn launcher(&self, stated: &[(&str, FactorValue)]) -> Box<dyn Launcher> {
        let factors: Factors = stated.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let id = CellId::new(BenchmarkName::Boot, self.backend, &factors);
        let cell = Cell { id, benchmark: BenchmarkName::Boot, backend: self.backend, factors, variant: None };
        find(self.backend).prepare(&cell, self.lab()).unwrap()
    }

    /// A new place, as the engine makes one for each sample.
    fn place(&self) -> Place {
        let number = self.places.fetch_add(1, Ordering::Relaxed);
        let directory = self.lab().scratch.join(number.to_string());
        std::fs::create_dir_all(&directory).unwrap();
        let log_prefix = self.lab().logs.join(format!("{number}-{}", self.backend));
        Place { name: format!("isodyne-{}-{number}", self.lab().run_id), directory, log_prefix, agent_patience_s: 200 }
    }

    /// A sample of `boot`, which must be valid; gives the milestones that were seen.
    fn boots(&self, stated: &[(&str, FactorValue)]) -> Vec<M> {
        let place = self.place();
        let options = BootOptions { timeout: PATIENCE, command: None, app: None };
        let attempt = boot(self.launcher(stated).as_ref(), &place, self.lab(), &options);
        assert!(attempt.failure.is_none(), "{:?}\n{}", attempt.failure, self.words(&place));
        std::fs::remove_dir_all(&place.directory).unwrap();
        let value = |name: &str| attempt.metrics.get(name).copied().unwrap_or_else(|| panic!("no {name}"));
        let (total, residue) = (value("total_ns"), value("residue_ns"));
        assert!(residue >= 0.0 && residue < 0.2 * total, "{residue} of {total}");
        for name in ["guest_cpu_ns", "vmm_cpu_ns", "guest_memory_bytes", "peak_memory_bytes", "stop_ns"] {
            assert!(value(name) > 0.0, "{name}");
        }
        let milestones: Vec<_> =
            attempt.ledger.milestones.iter().map(|milestone| (milestone.name, milestone.at_ns)).collect();
        eprintln!("{} {stated:?}: total {:.2} s, {milestones:?}", self.backend, total / 1e9);
        milestones.into_iter().map(|(name, _)| name).collect()
    }

    fn words(&self, place: &Place) -> String {
        let kinds = ["console", &self.backend.to_string()];
        let read = |kind: &str| std::fs::read(place.log(kind)).unwrap_or_default();
        kinds.map(|kind| format!("-- {kind}\n{}", String::from_utf8_lossy(&read(kind)))).join("\n")
    }

    /// A machine whose agent has said hello.
    fn live(&self, launcher: &dyn Launcher, place: &Place) -> Box<dyn Sandbox> {
        let sandbox = launcher.launch(place, self.lab());
        let mut sandbox = sandbox.unwrap_or_else(|failure| panic!("{failure}\n{}", self.words(place)));
        self.greet(sandbox.as_mut(), place);
        sandbox
    }

    fn greet(&self, sandbox: &mut dyn Sandbox, place: &Place) {
        let hello = sandbox.agent().hello(self.lab().clock.after(PATIENCE));
        let at = hello.unwrap_or_else(|failure| panic!("{}\n{}", sandbox.diagnose(failure), self.words(place))).1;
        eprintln!("{} hello after {:.2} s", place.name, at.ns_since(sandbox.origin()) as f64 / 1e9);
    }

    fn stops(&self, mut sandbox: Box<dyn Sandbox>, place: &Place) {
        let stopped = sandbox.stop(self.lab().clock.after(Duration::from_secs(60)));
        assert!(stopped.gone.is_some() && stopped.survivors.is_empty(), "{stopped:?}");
        assert!(!stopped.killed && stopped.complaint.is_none(), "{stopped:?}\n{}", self.words(place));
        drop(sandbox);
        std::fs::remove_dir_all(&place.directory).unwrap();
    }

    /// Restores from a directory, and proves that the memory is the one that was kept, `recalls` requests later.
    fn comes_back(&self, launcher: &dyn Launcher, directory: &Path, memory: MemoryBackend, recalls: u64) {
        let place = self.place();
        let restorer = launcher.restorer().unwrap();
        let sandbox = restorer.restore(directory, memory, &place, self.lab());
        let mut sandbox = sandbox.unwrap_or_else(|failure| panic!("{failure}\n{}", self.words(&place)));
        self.greet(sandbox.as_mut(), &place);
        let deadline = self.lab().clock.after(PATIENCE);
        let recalled = sandbox.agent().recall(deadline).unwrap().reply;
        assert_eq!((recalled.bytes.as_slice(), recalled.recalls), (NONCE, recalls));
        if memory == MemoryBackend::Userfault {
            let served = sandbox.usage().into_iter().find(|(name, _)| name == "faults_served").unwrap().1;
            assert!(served > 100.0, "{served} pages");
            eprintln!("{served} pages were brought");
        }
        self.stops(sandbox, &place);
    }

    fn refuses(&self, stated: &[(&str, FactorValue)], timeout: Duration) -> Failure {
        let place = self.place();
        let options = BootOptions { timeout, command: None, app: None };
        let attempt = boot(self.launcher(stated).as_ref(), &place, self.lab(), &options);
        let failure = attempt.failure.unwrap_or_else(|| panic!("it booted with {stated:?}"));
        eprintln!("{} {stated:?}: {failure}", self.backend);
        failure
    }
}

fn snapshot(sandbox: &mut dyn Sandbox, directory: &Path, kind: SnapshotKind, lab: &Lab) {
    std::fs::create_dir_all(directory).unwrap();
    let taken = sandbox.snapshots().unwrap().snapshot(directory, kind, true, lab.clock.after(PATIENCE)).unwrap();
    assert!(taken.asked < taken.paused && taken.paused < taken.written && Some(taken.written) < taken.resumed);
    assert!(taken.files.len() >= 2, "{:?}", taken.files);
    let seconds = taken.resumed.unwrap().ns_since(taken.asked) as f64 / 1e9;
    let bytes: u64 = taken.files.iter().map(|(_, bytes)| bytes).sum();
    eprintln!("{kind:?} snapshot: {bytes} bytes, the guest stood still for {seconds:.2} s");
}

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
fn what_firecracker_refuses_is_told_in_its_own_words() {
    let Some(bench) = bench(BackendName::Firecracker) else { return };
    let reserved = std::fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap_or_default();
    if reserved.trim() == "0" {
        // Reserved pages that are not there are missed when the kernel is loaded into them.
        let failure = bench.refuses(&[("huge_pages", says("2M"))], PATIENCE);
        assert!(failure.class == FailureClass::Launch && failure.message.contains("memory"), "{failure}");
    }
    // A template for Intel's processors, on AMD's.
    let failure = bench.refuses(&[("cpu_template", says("T2S"))], PATIENCE);
    assert!(failure.class == FailureClass::Launch && failure.message.contains("emplate"), "{failure}");
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
fn qemu_boots_on_kvm() {
    let Some(bench) = bench(BackendName::Qemu) else { return };
    for machine in ["q35", "microvm"] {
        let seen = bench.boots(&[("accel", says("kvm")), ("machine", says(machine))]);
        // No `init` here: where KVM's own processor is emulated, QEMU's guest may not write to the port it was granted.
        assert!(seen.contains(&M::Kernel) && seen.contains(&M::Agent), "{seen:?}");
    }
}
