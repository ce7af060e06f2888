//! Whole samples with a double of a backend that keeps states: honest ones, and every lie that must be found.
//!
//! The double's sandbox is a real process with the real agent and subject in it. What it "keeps" is the live sandbox
//! itself, which it gives back on restore: as it was, changed in one thing, or another one in its place.

use super::*;
use crate::backend::snapshot::{MemoryBackend, Restorer, SnapshotOptions, Snapshots};
use crate::backend::{Description, Sandbox, Stamp, Stopped, find};
use crate::channel::AgentChannel;
use crate::clock::Clock;
use crate::lab::LabOptions;
use crate::ownership::leak;
use isodyne_core::cell::{BackendName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::probe::Tool;
use isodyne_core::record::Asset;
use isodyne_core::sample::Accuracy;
use std::path::Path;
use std::sync::Mutex;

/// What the restore does.
#[derive(Clone, Copy, Debug)]
enum How {
    /// Gives back what was kept.
    Honest,
    /// Gives back what was kept, after work that lies before its sandbox's t0.
    Slow(Duration),
    /// Gives back what was kept, changed in one thing.
    Lie(&'static str),
    /// Boots another one.
    Reboot,
    /// Refuses.
    Refuse,
}

struct Double {
    inner: Box<dyn Launcher>,
    how: How,
    shelf: Arc<Mutex<Option<Box<dyn Sandbox>>>>,
    name: Mutex<String>,
}

struct DoubleSandbox {
    inner: Option<Box<dyn Sandbox>>,
    origin: HostInstant,
    shelf: Arc<Mutex<Option<Box<dyn Sandbox>>>>,
    kept: bool,
    /// What it had seen when it was put on the shelf.
    seen: Vec<Stamp>,
}

impl DoubleSandbox {
    fn live(&mut self) -> &mut Box<dyn Sandbox> {
        self.inner.as_mut().expect("it lives")
    }
}

impl Launcher for Double {
    fn describe(&self, place: &Place) -> Description {
        self.inner.describe(place)
    }

    fn launch(&self, place: &Place, lab: &Lab) -> Result<Box<dyn Sandbox>, Failure> {
        self.name.lock().unwrap().clone_from(&place.name);
        let inner = self.inner.launch(place, lab)?;
        let origin = inner.origin();
        Ok(Box::new(DoubleSandbox {
            inner: Some(inner),
            origin,
            shelf: Arc::clone(&self.shelf),
            kept: false,
            seen: Vec::new(),
        }))
    }

    fn restorer(&self) -> Option<&dyn Restorer> {
        Some(self)
    }

    fn accuracy(&self) -> Accuracy {
        Accuracy::Process
    }

    fn assets(&self) -> Vec<Asset> {
        Vec::new()
    }

    fn tools(&self) -> Vec<Tool> {
        Vec::new()
    }
}

impl Restorer for Double {
    fn keeps_differences(&self) -> bool {
        true
    }

    fn complete(&self, base: &Path, difference: &Path) -> Result<u64, Failure> {
        Ok(std::fs::copy(difference.join("changes"), base.join("completed")).unwrap())
    }

    fn restore(
        &self,
        directory: &Path,
        _memory: MemoryBackend,
        place: &Place,
        lab: &Lab,
    ) -> Result<Box<dyn Sandbox>, Failure> {
        if let How::Slow(unpacking) = self.how {
            std::thread::sleep(unpacking);
        }
        let origin = lab.clock.now();
        let is_base = directory.to_string_lossy().ends_with("-base");
        assert_eq!(is_base, directory.join("completed").exists(), "{}", directory.display());
        let mut kept = self.shelf.lock().unwrap().take().expect("something was kept");
        let shelf = Arc::clone(&self.shelf);
        match self.how {
            How::Honest | How::Slow(_) => {}
            How::Refuse => {
                kept.stop(lab.clock.after(STOP_PATIENCE));
                return Err(Failure::new(FailureClass::Launch, "the engine refused: name in use"));
            }
            How::Reboot => {
                kept.stop(lab.clock.after(STOP_PATIENCE));
                kept = self.inner.launch(place, lab)?;
                kept.agent().hello(lab.clock.after(STOP_PATIENCE))?;
            }
            How::Lie(lie) => {
                let subject = Subject::new(&self.name.lock().unwrap(), Spec::default());
                subject.ask(kept.agent(), &format!("lie {lie}"), lab.clock.after(STOP_PATIENCE))?;
            }
        }
        Ok(Box::new(DoubleSandbox { inner: Some(kept), origin, shelf, kept: false, seen: Vec::new() }))
    }
}

impl Snapshots for DoubleSandbox {
    fn snapshot(
        &mut self,
        directory: &Path,
        options: &SnapshotOptions,
        _deadline: HostInstant,
    ) -> Result<Taken, Failure> {
        let asked = Clock.now();
        let name = if options.kind == SnapshotKind::Difference { "changes" } else { "pages" };
        std::fs::write(directory.join(name), vec![0; 1 << 17]).unwrap();
        self.kept = true;
        let written = Clock.now();
        let (paused, resumed) = (Some(asked), options.resume.then_some(written));
        Ok(Taken {
            asked,
            paused,
            written,
            resumed,
            running_says_hello: false,
            restored_says_hello: false,
            files: Vec::new(),
            engine: Vec::new(),
        })
    }
}

impl Sandbox for DoubleSandbox {
    fn origin(&self) -> HostInstant {
        self.origin
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.inner.as_ref().map_or_else(|| self.seen.clone(), |inner| inner.stamps())
    }

    fn agent(&mut self) -> &mut AgentChannel {
        self.live().agent()
    }

    fn usage(&mut self) -> Vec<(String, f64)> {
        Vec::new()
    }

    fn snapshots(&mut self) -> Option<&mut dyn Snapshots> {
        Some(self)
    }

    fn diagnose(&mut self, failure: Failure) -> Failure {
        failure
    }

    fn stop(&mut self, deadline: HostInstant) -> Stopped {
        if self.kept {
            self.seen = self.stamps();
            *self.shelf.lock().unwrap() = self.inner.take();
            return Stopped { gone: Some(Clock.now()), signal: Some(SignalName::Exit), ..Stopped::default() };
        }
        self.live().stop(deadline)
    }
}

/// One sample whose restore does so, with a little of everything.
fn sample(run_id: &str, how: How, set: &[(&str, FactorValue)]) -> Attempt {
    let directory = tempfile::tempdir().unwrap();
    let options = LabOptions { run_id, session: 0, logs: directory.path(), cache: directory.path(), guardian: None };
    let lab = Lab::open(options).unwrap();
    let mut factors: Factors = [
        ("resident", FactorValue::Bytes(300 << 12)),
        ("dirty_rate", FactorValue::Count(2000)),
        ("processes", FactorValue::Count(3)),
        ("threads", FactorValue::Count(2)),
        ("files", FactorValue::Count(2)),
        ("pipes", FactorValue::Count(2)),
        ("connections", FactorValue::Count(2)),
        ("locks", FactorValue::Count(1)),
        ("layer_files", FactorValue::Count(2)),
        ("layer_file", FactorValue::Bytes(5000)),
        ("zero_percent", FactorValue::Count(20)),
        ("touch_percent", FactorValue::Count(100)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    factors.extend(set.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    let id = CellId::new(BenchmarkName::Checkpoint, BackendName::Process, &factors);
    let cell = Cell { id, benchmark: BenchmarkName::Checkpoint, backend: BackendName::Process, factors, variant: None };
    let mut options = CheckpointOptions::of(&cell, &lab, Duration::from_secs(60)).unwrap();
    let files = tempfile::tempdir().unwrap();
    options.directory = files.path().to_str().unwrap().to_owned();
    let inner = find(BackendName::Process).prepare(&cell, &lab).unwrap();
    let double = Double { inner, how, shelf: Arc::default(), name: Mutex::default() };
    let place = Place {
        name: format!("isodyne-{run_id}-0"),
        directory: lab.scratch.join("0"),
        log_prefix: lab.logs.join("0-process"),
        agent_patience_s: 60,
    };
    DirBuilder::new().mode(0o700).create(&place.directory).unwrap();
    // Wherever the tests run, the kept state is looked for on what the temporary directory is.
    options.tmpfs = !storage::has_disk(&place);
    let attempt = checkpoint(&double, &place, &lab, &options);
    // A process has no init that outlives its agent: what the subject began is killed, and takes a moment to be gone.
    let patience = Clock.after(STOP_PATIENCE);
    while !leak::survivors(run_id, &lab.scratch).iter().all(|line| !line.starts_with("process")) {
        assert!(Clock.now() < patience, "the subject outlives its sandbox");
        std::thread::yield_now();
    }
    assert_eq!(lab.close(), [""; 0]);
    attempt
}

#[test]
fn an_honest_restore_is_a_sample_with_every_proof() {
    let attempt = sample("c0de0001", How::Honest, &[]);
    assert_eq!(attempt.failure, None);
    for name in [
        "cold_ns",
        "cold_ready_ns",
        "dump_ns",
        "sync_ns",
        "durable_ns",
        "restore_ns",
        "touch_ns",
        "touch_before_ns",
        "image_bytes",
        "resident_bytes",
        "total_ns",
        "residue_ns",
        "outage_inside_ns",
        "durable_bytes_per_s",
    ] {
        assert!(attempt.metrics.contains_key(name), "{name} is not in {:?}", attempt.metrics);
    }
    assert_eq!(attempt.metrics["image_zero_bytes"], f64::from(1 << 17));
    let phases = attempt.ledger.phases(MilestoneName::FirstReply).unwrap();
    let names: Vec<&str> = phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(names, ["spawn", "init", "exec", "fill", "freeze", "dump", "sync", "end", "restore"]);
    let sum: u64 = phases.iter().map(|phase| phase.length_ns).sum();
    assert_eq!(sum as f64 + attempt.metrics["residue_ns"], attempt.metrics["total_ns"]);
    let proofs = attempt.proofs.join("\n");
    for shown in [
        "nonce",
        "goes on",
        "3 processes and 6 threads",
        "hold what they held",
        "stand where",
        "locks",
        "pipes",
        "carry",
        "layer",
    ] {
        assert!(proofs.contains(shown), "{shown} in {proofs}");
    }
}

#[test]
fn what_a_backend_does_before_its_own_t0_is_part_of_the_restore() {
    let unpacking = Duration::from_millis(300);
    let attempt = sample("c0de0005", How::Slow(unpacking), &[]);
    assert_eq!(attempt.failure, None);
    for name in ["restore_ns", "restore_prepare_ns"] {
        assert!(attempt.metrics[name] >= unpacking.as_nanos() as f64, "{name}: {:?}", attempt.metrics);
    }
}

#[test]
fn a_difference_is_kept_after_a_whole_state_and_laid_over_it() {
    let attempt = sample("c0de0006", How::Honest, &[("form", FactorValue::Text("difference".to_owned()))]);
    assert_eq!(attempt.failure, None);
    for name in ["base_ns", "merge_ns", "restore_ns"] {
        assert!(attempt.metrics.contains_key(name), "{name} is not in {:?}", attempt.metrics);
    }
    assert_eq!(attempt.metrics["image_bytes"], f64::from(1 << 17), "the difference is what was kept, without its base");
    let lied = sample("c0de0007", How::Lie("bit"), &[("form", FactorValue::Text("difference".to_owned()))]);
    assert_eq!(lied.failure.map(|failure| failure.class), Some(FailureClass::RestoreMismatch));
}

#[test]
fn what_keeps_no_differences_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let lab =
        Lab::open(LabOptions { run_id: "c0de0008", session: 0, logs: path, cache: path, guardian: None }).unwrap();
    let factors: Factors = [("form".to_owned(), FactorValue::Text("difference".to_owned()))].into();
    let id = CellId::new(BenchmarkName::Checkpoint, BackendName::Process, &factors);
    let cell = Cell { id, benchmark: BenchmarkName::Checkpoint, backend: BackendName::Process, factors, variant: None };
    let options = CheckpointOptions::of(&cell, &lab, Duration::from_secs(60)).unwrap();
    let launcher = find(BackendName::Process).prepare(&cell, &lab).unwrap();
    assert!(matches!(check(launcher.as_ref(), "process", &options), Err(PrepareError::Unavailable { .. })));
    let double = Double { inner: launcher, how: How::Honest, shelf: Arc::default(), name: Mutex::default() };
    assert!(check(&double, "process", &options).is_ok());
    assert_eq!(lab.close(), [""; 0]);
}

#[test]
fn a_sandbox_that_runs_on_is_proved_as_well() {
    let attempt = sample("c0de0002", How::Honest, &[("leave_running", FactorValue::Flag(true))]);
    assert_eq!(attempt.failure, None);
    assert!(attempt.metrics.contains_key("freeze_inside_ns") && !attempt.metrics.contains_key("outage_inside_ns"));
    assert!(attempt.proofs.iter().any(|proof| proof.contains("ran on")), "{:?}", attempt.proofs);
}

#[test]
fn every_lie_is_found_and_is_never_a_time() {
    let lies =
        ["nonce", "counter", "bit", "writes", "offset", "lock", "layer", "pipe", "connection", "identity", "thread"];
    for (number, lie) in lies.into_iter().enumerate() {
        let attempt = sample(&format!("c0de01{number:02}"), How::Lie(lie), &[]);
        let failure = attempt.failure.unwrap_or_else(|| panic!("the lie about {lie} was believed"));
        assert_eq!(failure.class, FailureClass::RestoreMismatch, "{lie}: {failure}");
        assert!(!attempt.metrics.contains_key("restore_ns"), "{lie} was timed");
    }
}

#[test]
fn a_reboot_is_no_restore() {
    let attempt = sample("c0de0003", How::Reboot, &[]);
    let failure = attempt.failure.expect("a reboot was believed");
    assert_eq!(failure.class, FailureClass::RestoreMismatch, "{failure}");
    assert!(!attempt.metrics.contains_key("restore_ns"));
}

#[test]
fn a_restore_that_is_refused_keeps_its_class_and_is_no_time() {
    let attempt = sample("c0de0004", How::Refuse, &[]);
    let failure = attempt.failure.expect("a refusal was believed");
    assert_eq!((failure.class, failure.message.as_str()), (FailureClass::Launch, "the engine refused: name in use"));
    assert!(!attempt.metrics.contains_key("restore_ns") && !attempt.metrics.contains_key("total_ns"));
}
