//! Shared memory between processes and with containers, for real: every way to wait, every lie, nothing left.

mod container_support;

use container_support::skip;
use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::failure::FailureClass;
use isodyne_core::probe::Probe;
use isodyne_engine::backend::{self, Launcher, Place, PrepareError};
use isodyne_engine::lab::{Lab, LabOptions};
use isodyne_engine::ownership::name_prefix;
use isodyne_engine::workload::{Attempt, ShmOptions, shm};
use isodyne_shm::lie::Lie;
use std::cell::Cell as Counter;
use std::path::Path;
use std::time::Duration;

struct Bench {
    lab: Lab,
    backend: BackendName,
    _directory: tempfile::TempDir,
    next: Counter<u32>,
}

fn text(value: &str) -> FactorValue {
    FactorValue::Text(value.to_owned())
}

impl Bench {
    fn new(test: &str, backend: BackendName) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let (logs, cache) = (directory.path().join("logs"), directory.path().join("cache"));
        std::fs::create_dir(&logs).unwrap();
        std::fs::create_dir(&cache).unwrap();
        let run_id = format!("t{:08x}", fastrand::u32(..));
        let options = LabOptions { run_id: &run_id, session: 0, logs: &logs, cache: &cache, guardian: None };
        let lab = Lab::open(options).unwrap();
        if let Probe::Unavailable { reason, hint, .. } = backend::find(backend).probe(&lab) {
            skip(test, &format!("{backend}: {reason} (hint: {hint})"));
            return None;
        }
        Some(Self { lab, backend, _directory: directory, next: Counter::new(1) })
    }

    fn cell(&self, stated: &[(&str, FactorValue)]) -> Cell {
        let mut factors = Factors::from([
            ("round_trips".to_owned(), FactorValue::Count(3_000)),
            ("frame".to_owned(), FactorValue::Bytes(300_000)),
            ("frames".to_owned(), FactorValue::Count(4)),
            ("stream".to_owned(), FactorValue::Count(9)),
        ]);
        factors.extend(stated.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        let id = CellId::new(BenchmarkName::Shm, self.backend, &factors);
        Cell { id, benchmark: BenchmarkName::Shm, backend: self.backend, factors, variant: None }
    }

    fn options(&self, stated: &[(&str, FactorValue)]) -> Result<ShmOptions, PrepareError> {
        ShmOptions::of(&self.cell(stated), Duration::from_secs(60))
    }

    fn launcher(&self) -> Box<dyn Launcher> {
        backend::find(self.backend).prepare(&self.cell(&[]), &self.lab).unwrap()
    }

    fn place(&self) -> Place {
        let number = self.next.replace(self.next.get() + 1);
        let directory = self.lab.scratch.join(number.to_string());
        std::fs::create_dir(&directory).unwrap();
        Place {
            name: format!("{}-{number}", name_prefix(&self.lab.run_id)),
            directory,
            log_prefix: self.lab.logs.join(format!("{number}-{}", self.backend)),
            agent_patience_s: 60,
        }
    }

    fn take(&self, options: &ShmOptions) -> (Attempt, String) {
        let place = self.place();
        let attempt = shm(self.launcher().as_ref(), &place, &self.lab, options);
        assert!(!Path::new("/dev/shm").join(&place.name).exists(), "the shared directory goes with the sample");
        (attempt, std::fs::read_to_string(place.log("latency")).unwrap_or_default())
    }

    fn finish(self) {
        assert_eq!(self.lab.close(), Vec::<String>::new());
    }
}

#[test]
fn every_way_to_wait_is_measured_and_proved() {
    let test = "every_way_to_wait_is_measured_and_proved";
    for backend in [BackendName::Process, BackendName::Runc] {
        let Some(bench) = Bench::new(test, backend) else { continue };
        for (waiting, transport) in [
            ("yield", "memfd"),
            ("spin", "file"),
            ("pause", "memfd"),
            ("poll", "file"),
            ("futex", "file"),
            ("futex", "memfd"),
            ("eventfd", "memfd"),
            ("eventfd", "file"),
        ] {
            let stated = [
                ("waiting", text(waiting)),
                ("transport", text(transport)),
                ("round_trips", FactorValue::Count(if waiting == "poll" { 300 } else { 3_000 })),
                ("beside", text(if waiting == "yield" { "two-phase" } else { "none" })),
                ("cache", text(if waiting == "pause" { "cold" } else { "hot" })),
                ("check", text(if waiting == "futex" { "sha256" } else { "fast" })),
            ];
            let (attempt, log) = bench.take(&bench.options(&stated).unwrap());
            assert_eq!(attempt.failure, None, "{backend} {waiting} {transport}");
            for metric in [
                "round_trip_p50_ns",
                "round_trip_max_ns",
                "answer_cpu_per_trip_ns",
                "copy_in_bytes_per_s",
                "copy_out_bytes_per_s",
                "frame_bytes_per_s",
                "stream_bytes_per_s",
            ] {
                let value = attempt.metrics.get(metric).copied();
                assert!(value.is_some_and(|value| value > 0.0), "{backend} {waiting}: {metric} is {value:?}");
            }
            assert_eq!(attempt.metrics.contains_key("round_trip_p50_resolution_ns"), waiting == "poll");
            assert_eq!(attempt.metrics.contains_key("two_phase_round_trip_p50_ns"), waiting == "yield");
            assert!(attempt.proofs.iter().any(|proof| proof.starts_with("13 frames whose every byte")));
            assert!(attempt.proofs.iter().any(|proof| proof == "the memory inside is mapped write-back"));
            assert!(log.contains("# round_trip_ns") && log.contains("# frames"), "{log}");
        }
        bench.finish();
    }
}

#[test]
fn messages_in_two_phases_are_a_session_too() {
    let bench = Bench::new("messages_in_two_phases_are_a_session_too", BackendName::Process).unwrap();
    let stated = [
        ("protocol", text("two-phase")),
        ("waiting", text("poll")),
        ("round_trips", FactorValue::Count(200)),
        ("message", FactorValue::Bytes(5_000)),
    ];
    let (attempt, _) = bench.take(&bench.options(&stated).unwrap());
    assert_eq!(attempt.failure, None);
    assert!(attempt.metrics["round_trip_p50_ns"] >= attempt.metrics["received_p50_ns"]);
    // Two sleeps of 10 µs lie in it.
    assert!(attempt.metrics["round_trip_p50_ns"] > 10_000.0);
    bench.finish();
}

#[test]
fn every_lie_voids_the_sample() {
    let bench = Bench::new("every_lie_voids_the_sample", BackendName::Process).unwrap();
    for (lie, class, words) in [
        (Lie::AcknowledgeFirst, FailureClass::Integrity, "acknowledged before the work"),
        (Lie::FlipBit, FailureClass::Integrity, "is not what was sent"),
        (Lie::SkipFrames, FailureClass::Integrity, "never worked on"),
        (Lie::Guess, FailureClass::Integrity, "was not made from its question"),
        (Lie::Backwards, FailureClass::Protocol, "runs backwards"),
        (Lie::Ahead, FailureClass::Protocol, "runs backwards, ahead"),
        (Lie::Stop, FailureClass::Timeout, "waited in vain"),
    ] {
        let options = ShmOptions { lie: Some(lie), ..bench.options(&[("waiting", text("yield"))]).unwrap() };
        let options = ShmOptions { patience: Duration::from_secs(1), ..options };
        let (attempt, _) = bench.take(&options);
        let failure = attempt.failure.unwrap_or_else(|| panic!("{lie:?} is not found"));
        assert_eq!(failure.class, class, "{lie:?}: {failure}");
        assert!(failure.message.contains(words), "{lie:?}: {failure}");
        // Nothing of the session counts, not even what came before the lie.
        for metric in ["round_trip_p50_ns", "frame_ns", "stream_bytes_per_s"] {
            assert!(!attempt.metrics.contains_key(metric), "{lie:?}: {metric}");
        }
    }
    bench.finish();
}

#[test]
fn every_pair_of_processors_has_its_round_trips() {
    let bench = Bench::new("every_pair_of_processors_has_its_round_trips", BackendName::Process).unwrap();
    let processors = std::thread::available_parallelism().unwrap().get();
    let (attempt, _) = bench.take(&bench.options(&[("cores", text("every")), ("waiting", text("yield"))]).unwrap());
    assert_eq!(attempt.failure, None);
    let pairs = attempt.metrics.keys().filter(|name| name.starts_with("round_trip_cpu") && name.ends_with("_p50_ns"));
    let trains = attempt.metrics.keys().filter(|name| name.starts_with("train_cpu") && name.ends_with("_per_trip_ns"));
    let expected = processors * (processors - 1) / 2;
    assert_eq!((pairs.count(), trains.count()), (expected, expected));
    bench.finish();
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out() {
    let bench = Bench::new("what_cannot_be_is_refused_with_a_way_out", BackendName::Process).unwrap();
    let refused = |backend, stated: &[(&str, FactorValue)]| {
        let cell = Cell { backend, ..bench.cell(stated) };
        match ShmOptions::of(&cell, Duration::from_secs(1)).unwrap_err() {
            PrepareError::Unavailable { reason, hint } => format!("{reason}; {hint}"),
            PrepareError::Invalid { key, message, hint } => format!("{key}: {message}; {hint}"),
        }
    };
    let plain = [("ivshmem", text("plain")), ("ivshmem_size", FactorValue::Bytes(1 << 20))];
    let with = |more: (&'static str, FactorValue)| [plain[0].clone(), plain[1].clone(), more];
    assert!(refused(BackendName::Process, &[("waiting", text("doorbell"))]).contains("use `waiting = \"eventfd\"`"));
    assert!(refused(BackendName::Process, &[("cores", text("0"))]).starts_with("shm.cores: `0` is not two processors"));
    assert!(refused(BackendName::Qemu, &[]).contains("backend.qemu.ivshmem=plain"));
    assert!(refused(BackendName::Qemu, &plain).contains("raise backend.qemu.ivshmem_size"));
    assert!(refused(BackendName::Qemu, &with(("waiting", text("doorbell")))).contains("no interrupts"));
    assert!(refused(BackendName::Qemu, &with(("waiting", text("futex")))).contains("two kernels share no `futex`"));
    assert!(refused(BackendName::Firecracker, &[]).contains("no device that shares memory"));
    bench.finish();
}
