//! A made-up run of shared memory, its logs included: every value is scripted.

use super::specimen::specimen;
use isodyne_core::calibration::{CALIBRATION_SCHEMA, CALIBRATION_VERSION, Calibration, Limit, LimitKind};
use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::record::RunRecord;
use isodyne_core::sample::Sample;
use isodyne_core::stats::Histogram;
use isodyne_core::streams::{CellStreams, Latencies, RunStreams, STREAM_DIGITS, SampleSeries, Window};

/// Round trips in each sample.
const TRIPS: u64 = 20_000;
/// Windows in each sample's series.
const WINDOWS: u64 = 200;

/// Cells of the benchmark: backend, way to wait, size of a frame, fastest round trip.
const CELLS: [(BackendName, &str, u64, u64); 4] = [
    (BackendName::Process, "spin", 64, 300),
    (BackendName::Process, "spin", 1 << 20, 310),
    (BackendName::Process, "spin", 24_883_200, 305),
    (BackendName::Runc, "futex", 1 << 20, 41_000),
];

fn cell(backend: BackendName, waiting: &str, frame: u64) -> Cell {
    let factors = Factors::from([
        ("frame".to_owned(), FactorValue::Bytes(frame)),
        ("waiting".to_owned(), FactorValue::Text(waiting.to_owned())),
    ]);
    Cell {
        id: CellId::new(BenchmarkName::Shm, backend, &factors),
        benchmark: BenchmarkName::Shm,
        backend,
        factors,
        variant: None,
    }
}

/// What a cell is a multiple of, in nanoseconds a byte and the fixed part.
fn frame_ns(frame: u64, place: u64) -> [u64; 6] {
    let copy = 40 + frame / 8 + place * 3;
    let (notify, check) = (60, 30 + frame / 12);
    let answer = 900 + copy + check;
    [copy, notify, answer, copy + notify + answer, copy, check]
}

const PHASES: [&str; 6] = ["copy_in_ns", "notify_ns", "answer_ns", "frame_ns", "copy_out_ns", "check_ns"];

/// The run and what its logs hold, of so many samples a cell. The first cell was measured on every pair of four processors,
/// the last has messages in two phases beside.
pub fn shared(samples_each: u64) -> ((RunRecord, Vec<Sample>), RunStreams) {
    let (mut record, taken) = specimen(1);
    let mut samples = Vec::new();
    let mut streams = RunStreams::default();
    record.skipped.clear();
    record.cells = CELLS.map(|(backend, waiting, frame, _)| cell(backend, waiting, frame)).to_vec();
    record.calibration = Some(calibration(&record));
    record.fingerprint.clock_step_ns = Some(10);
    let kind = taken.into_iter().find(|sample| !sample.warmup).unwrap_or_else(|| unreachable!());
    for round in 0..samples_each {
        for (place, (own, (_, _, frame, fastest))) in record.cells.iter().zip(CELLS).enumerate() {
            let sequence = samples.len() as u64;
            let mut sample = Sample { cell: own.id.clone(), sequence, round: round as u32, ..kind.clone() };
            let phases = frame_ns(frame, round);
            sample.metrics = PHASES.into_iter().map(str::to_owned).zip(phases.map(|ns| ns as f64)).collect();
            let rates = [("copy_in", 0), ("copy_out", 4), ("check", 5), ("frame", 3)];
            for (name, phase) in rates {
                sample.metrics.insert(format!("{name}_bytes_per_s"), frame as f64 * 1e9 / phases[phase] as f64);
            }
            sample.metrics.insert("stream_bytes_per_s".to_owned(), frame as f64 * 1.4e9 / phases[3] as f64);
            sample.metrics.insert("round_trip_p50_ns".to_owned(), (fastest + 12) as f64);
            sample.metrics.insert("train_per_trip_ns".to_owned(), (fastest + 9) as f64);
            if place == 0 {
                for one in 0..4 {
                    for other in one + 1..4 {
                        let far = if one / 2 == other / 2 { 0.0 } else { 240.0 };
                        let name = format!("train_cpu{one}_cpu{other}_per_trip_ns");
                        sample.metrics.insert(name, 310.0 + far + f64::from(one * 8 + other));
                    }
                }
            }
            samples.push(sample);
            let mut found = CellStreams { logs: 1, ..CellStreams::default() };
            found.latencies.insert("round_trip".to_owned(), latencies(sequence, fastest, TRIPS));
            if place == CELLS.len() - 1 {
                found.latencies.insert("two_phase_round_trip".to_owned(), latencies(sequence, 160_000, 250));
            }
            for (name, ns) in PHASES.into_iter().zip(phases) {
                let mut histogram = histogram();
                (0..5).for_each(|frame| histogram.record(ns + ns / 20 * frame));
                found.frames.insert(name.to_owned(), histogram);
            }
            assert!(streams.cells.entry(own.id.clone()).or_default().add(found));
        }
    }
    ((record, samples), streams)
}

fn histogram() -> Histogram {
    Histogram::new(STREAM_DIGITS).unwrap_or_else(|| unreachable!())
}

/// Times with a body of two humps and a long tail, which stall now and then.
fn latencies(sequence: u64, fastest: u64, trips: u64) -> Latencies {
    let mut all = histogram();
    let mut windows = Vec::new();
    let (mut at_ns, windows_there) = (0, WINDOWS.min(trips / 5));
    for window in 0..windows_there {
        let mut times: Vec<u64> = (0..trips / windows_there)
            .map(|trip| {
                let mix = (trip * 7_919 + window * 104_729 + sequence * 31) % 10_000;
                let hump = fastest * (mix % 97) / 900 + if mix.is_multiple_of(3) { fastest / 5 } else { 0 };
                let tail = if mix > 9_960 { fastest * (mix - 9_950) * (mix - 9_950) } else { 0 };
                fastest + hump + tail
            })
            .collect();
        times.iter().for_each(|time| all.record(*time));
        times.sort_unstable();
        let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
        let count = times.len() as u64;
        windows.push(Window { at_ns, count, least_p50_ns: median, most_p50_ns: median, max_ns: most });
        at_ns += times.iter().sum::<u64>();
    }
    Latencies { histogram: all, series: vec![SampleSeries { sequence, windows }] }
}

fn calibration(record: &RunRecord) -> Calibration {
    let limit = |(name, best): (&str, f64)| Limit {
        name: format!("memcpy_{name}_bytes_per_s"),
        kind: LimitKind::Ceiling,
        typical: best * 0.93,
        best,
        n: 20,
        method: "scripted".to_owned(),
    };
    Calibration {
        schema: CALIBRATION_SCHEMA.to_owned(),
        version: CALIBRATION_VERSION,
        measured_at: "2026-11-22T04:00:00Z".to_owned(),
        fingerprint: record.fingerprint.clone(),
        limits: [("l1", 92e9), ("l2", 41e9), ("l3", 14e9), ("dram", 9.5e9)].map(limit).to_vec(),
        skipped: Vec::new(),
    }
}
