//! A lab for one backend on KVM, for tests of microVMs.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::print_stderr,
    reason = "a test that is skipped says why, and one that takes minutes says how far it is"
)]

use crate::guest_support;
use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::failure::Failure;
use isodyne_core::ledger::MilestoneName as M;
use isodyne_core::probe::Probe;
use isodyne_engine::backend::snapshot::{MemoryBackend, SnapshotKind, SnapshotOptions};
use isodyne_engine::backend::{Launcher, Place, PrepareError, Sandbox, find};
use isodyne_engine::lab::{Lab, LabOptions};
use isodyne_engine::workload::{BootOptions, boot};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A nested machine whose processor is emulated boots in a minute when its host is busy.
pub const PATIENCE: Duration = Duration::from_secs(240);
pub const NONCE: &[u8] = b"a nonce that only this guest knows";

/// One machine at a time: they would only slow each other down.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static BENCHES: AtomicU32 = AtomicU32::new(0);

pub struct Bench {
    pub backend: BackendName,
    /// Taken when the bench is dropped, which checks that nothing is left.
    lab: Option<Lab>,
    pub directory: tempfile::TempDir,
    places: AtomicU32,
    _turn: MutexGuard<'static, ()>,
}

/// A lab for a backend on KVM; `None`, with the reason printed, where there is none.
pub fn bench(backend: BackendName) -> Option<Bench> {
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
        guest_support::close(self.lab.take());
    }
}

pub use crate::guest_support::says;

pub const YES: FactorValue = FactorValue::Flag(true);

impl Bench {
    pub fn lab(&self) -> &Lab {
        self.lab.as_ref().unwrap()
    }

    pub fn prepare(&self, stated: &[(&str, FactorValue)]) -> Result<Box<dyn Launcher>, PrepareError> {
        let factors: Factors = stated.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let id = CellId::new(BenchmarkName::Boot, self.backend, &factors);
        let cell = Cell { id, benchmark: BenchmarkName::Boot, backend: self.backend, factors, variant: None };
        find(self.backend).prepare(&cell, self.lab())
    }

    pub fn launcher(&self, stated: &[(&str, FactorValue)]) -> Box<dyn Launcher> {
        self.prepare(stated).unwrap()
    }

    /// The process of this run that lives.
    pub fn monitor(&self) -> Option<rustix::process::Pid> {
        let mark = format!("ISODYNE_RUN={}", self.lab().run_id);
        std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).find_map(|entry| {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
            rustix::process::Pid::from_raw(entry.file_name().to_str()?.parse().ok()?).filter(|_| marked)
        })
    }

    /// Where the threads of the monitor may run, by their names.
    pub fn affinities(&self) -> Vec<(String, String)> {
        guest_support::affinities(self.monitor().unwrap())
    }

    /// A new place, as the engine makes one for each sample.
    pub fn place(&self) -> Place {
        let number = self.places.fetch_add(1, Ordering::Relaxed);
        let directory = self.lab().scratch.join(number.to_string());
        std::fs::create_dir_all(&directory).unwrap();
        let log_prefix = self.lab().logs.join(format!("{number}-{}", self.backend));
        Place { name: format!("isodyne-{}-{number}", self.lab().run_id), directory, log_prefix, agent_patience_s: 200 }
    }

    /// A sample of `boot`, which must be valid; gives the milestones that were seen.
    pub fn boots(&self, stated: &[(&str, FactorValue)]) -> Vec<M> {
        let place = self.place();
        let options = BootOptions { timeout: PATIENCE, command: None, app: None };
        let attempt = boot(self.launcher(stated).as_ref(), &place, self.lab(), &options);
        assert!(attempt.failure.is_none(), "{:?}\n{}", attempt.failure, self.words(&place));
        assert!(!self.words(&place).contains("isodyne-agent: failed"), "{}", self.words(&place));
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

    pub fn words(&self, place: &Place) -> String {
        let kinds = ["console", &self.backend.to_string()];
        let read = |kind: &str| std::fs::read(place.log(kind)).unwrap_or_default();
        kinds.map(|kind| format!("-- {kind}\n{}", String::from_utf8_lossy(&read(kind)))).join("\n")
    }

    /// A machine whose agent has said hello.
    pub fn live(&self, launcher: &dyn Launcher, place: &Place) -> Box<dyn Sandbox> {
        let sandbox = launcher.launch(place, self.lab());
        let mut sandbox = sandbox.unwrap_or_else(|failure| panic!("{failure}\n{}", self.words(place)));
        self.greet(sandbox.as_mut(), place);
        sandbox
    }

    pub fn greet(&self, sandbox: &mut dyn Sandbox, place: &Place) {
        let hello = sandbox.agent().hello(self.lab().clock.after(PATIENCE));
        let at = hello.unwrap_or_else(|failure| panic!("{}\n{}", sandbox.diagnose(failure), self.words(place))).1;
        eprintln!("{} hello after {:.2} s", place.name, at.ns_since(sandbox.origin()) as f64 / 1e9);
    }

    pub fn stops(&self, mut sandbox: Box<dyn Sandbox>, place: &Place) {
        let stopped = sandbox.stop(self.lab().clock.after(Duration::from_secs(60)));
        assert!(stopped.gone.is_some() && stopped.survivors.is_empty(), "{stopped:?}");
        assert!(!stopped.killed && stopped.complaint.is_none(), "{stopped:?}\n{}", self.words(place));
        drop(sandbox);
        std::fs::remove_dir_all(&place.directory).unwrap();
    }

    /// Restores from a directory, and proves that the memory is the one that was kept, `recalls` requests later. The agent
    /// says hello again, or goes on as if nothing had happened.
    pub fn comes_back(&self, launcher: &dyn Launcher, directory: &Path, memory: MemoryBackend, recalls: u64) {
        self.comes_back_and(launcher, directory, memory, recalls, true);
    }

    /// As [`Bench::comes_back`], where the agent says no hello again.
    pub fn goes_on(&self, launcher: &dyn Launcher, directory: &Path, recalls: u64) {
        self.comes_back_and(launcher, directory, MemoryBackend::File, recalls, false);
    }

    fn comes_back_and(
        &self,
        launcher: &dyn Launcher,
        directory: &Path,
        memory: MemoryBackend,
        recalls: u64,
        hello_again: bool,
    ) {
        let place = self.place();
        let restorer = launcher.restorer().unwrap();
        let sandbox = restorer.restore(directory, memory, &place, self.lab());
        let mut sandbox = sandbox.unwrap_or_else(|failure| panic!("{failure}\n{}", self.words(&place)));
        if hello_again {
            self.greet(sandbox.as_mut(), &place);
        }
        let deadline = self.lab().clock.after(PATIENCE);
        let recalled = sandbox.agent().recall(deadline);
        let recalled =
            recalled.unwrap_or_else(|failure| panic!("{}\n{}", sandbox.diagnose(failure), self.words(&place)));
        eprintln!("{} back after {:.3} s", place.name, recalled.at.ns_since(sandbox.origin()) as f64 / 1e9);
        let recalled = recalled.reply;
        assert_eq!((recalled.bytes.as_slice(), recalled.recalls), (NONCE, recalls));
        if memory == MemoryBackend::Userfault {
            let served = sandbox.usage().into_iter().find(|(name, _)| name == "faults_served").unwrap().1;
            assert!(served > 100.0, "{served} pages");
            eprintln!("{served} pages were brought");
        }
        self.stops(sandbox, &place);
    }

    pub fn refuses(&self, stated: &[(&str, FactorValue)], timeout: Duration) -> Failure {
        let place = self.place();
        let options = BootOptions { timeout, command: None, app: None };
        let attempt = boot(self.launcher(stated).as_ref(), &place, self.lab(), &options);
        let failure = attempt.failure.unwrap_or_else(|| panic!("it booted with {stated:?}"));
        eprintln!("{} {stated:?}: {failure}", self.backend);
        failure
    }
}

pub fn snapshot(sandbox: &mut dyn Sandbox, directory: &Path, kind: SnapshotKind, lab: &Lab) {
    std::fs::create_dir_all(directory).unwrap();
    let options = SnapshotOptions::of(kind, true);
    let taken = sandbox.snapshots().unwrap().snapshot(directory, &options, lab.clock.after(PATIENCE)).unwrap();
    let paused = taken.paused.unwrap();
    assert!(taken.asked < paused && paused < taken.written && Some(taken.written) < taken.resumed);
    assert!(taken.files.len() >= 2, "{:?}", taken.files);
    let seconds = taken.resumed.unwrap().ns_since(taken.asked) as f64 / 1e9;
    let bytes: u64 = taken.files.iter().map(|(_, bytes)| bytes).sum();
    eprintln!("{kind:?} snapshot: {bytes} bytes, the guest stood still for {seconds:.2} s");
}
