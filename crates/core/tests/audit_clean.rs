//! Clean runs raise no `void` and hardly a `suspect`: 100 synthetic ones, of many sizes, shapes and scales.

#[path = "../src/audit/testing.rs"]
#[allow(dead_code)]
mod testing;

use isodyne_core::audit::Weight;
use isodyne_core::calibration::LimitKind;
use isodyne_core::cell::BackendName;
use isodyne_core::factor::FactorValue;
use isodyne_core::failure::FailureClass;
use isodyne_core::imported::Statistic as S;
use isodyne_core::stats::{Sorted, carries_upper_bound, mean, sample_stddev};
use testing::Made;

struct Shape {
    /// 0 normal, 1 log-normal, 2 heavy tail, 3 two modes, 4 correlated in time (φ = 0.7).
    kind: u64,
    variation: f64,
    state: f64,
}

impl Shape {
    /// A factor around 1.
    fn draw(&mut self, random: &mut fastrand::Rng) -> f64 {
        let normal: f64 = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        match self.kind {
            0 => (1.0 + self.variation * normal).max(0.2),
            1 => (self.variation * normal).exp(),
            2 => 1.0 + self.variation * (1.0 / (1.0 - random.f64())).powf(0.4),
            3 => (if random.bool() { 1.0 } else { 1.4 }) * (self.variation * normal).exp(),
            _ => {
                self.state = 0.7 * self.state + normal;
                (1.0 + self.variation * self.state).max(0.2)
            }
        }
    }
}

/// A clean run: rounds in random order, claims that are computed as they should be, work that takes its time.
fn clean(seed: u64) -> Made {
    let mut random = fastrand::Rng::with_seed(seed);
    let imported = seed.is_multiple_of(2);
    let mut made = if imported { Made::imported() } else { Made::measured() };
    made.limit("memcpy_l2_bytes_per_s", LimitKind::Ceiling, 20e9);
    made.limit("memcpy_dram_bytes_per_s", LimitKind::Ceiling, 5e9);
    made.limit("fork_exec_ns", LimitKind::Floor, 0.4e6);
    let n = match seed % 5 {
        0 => 5,
        1 => 12,
        2 => 60,
        3 => random.usize(20..300),
        _ if seed % 20 == 4 => 500,
        _ => 100,
    };
    let scale = 10f64.powf(6.5 + 3.5 * random.f64());
    let backends = [BackendName::Runc, BackendName::Qemu, BackendName::Firecracker];
    let mut cells = Vec::new();
    for backend in backends {
        for size in [8_u64 << 20, 32 << 20, 128 << 20] {
            let factors = [("file_size", FactorValue::Bytes(size))];
            let shape = Shape { kind: random.u64(0..5), variation: 0.01 + 0.15 * random.f64(), state: 0.0 };
            let cell = made.cell_with(backend, &factors);
            let rate = 0.3e9 * (1.0 + random.f64());
            cells.push((cell, scale * (1.0 + 3.0 * random.f64()), size as f64, rate, shape));
        }
    }
    for round in 0..n {
        let mut order: Vec<usize> = (0..cells.len()).collect();
        random.shuffle(&mut order);
        for place in order {
            let (cell, centre, size, rate, shape) = &mut cells[place];
            let boot = (*centre * shape.draw(&mut random)).round();
            let upload = (*size / *rate * 1e9 * shape.draw(&mut random)).round();
            let (memory, guest) = (60e6 * (1.0 + 0.05 * random.f64()), 20e6 * (1.0 + 0.05 * random.f64()));
            let values = [
                ("total_ns", boot),
                ("lifecycle_ns", boot * (1.05 + 0.02 * random.f64())),
                ("upload_ns", upload),
                ("upload_bytes_per_s", *size / upload * 1e9),
                ("peak_memory_bytes", (memory / 4096.0).round() * 4096.0),
                ("guest_peak_memory_bytes", (guest / 4096.0).round() * 4096.0),
            ];
            let cell = cell.clone();
            if random.usize(0..400) == 0 {
                made.failed(&cell, FailureClass::Timeout, &[]);
            } else {
                made.sample(&cell, &values).round = round as u32;
            }
        }
    }
    if imported {
        for (cell, ..) in &cells {
            state_figures(&mut made, cell, &random.bool());
        }
    }
    made
}

/// What a good tool states of its samples, written with nine digits or with four.
fn state_figures(made: &mut Made, cell: &isodyne_core::cell::CellId, coarse: &bool) {
    for metric in ["total_ns", "upload_ns"] {
        let mine = made.samples.iter().filter(|sample| sample.cell == *cell && sample.failure.is_none());
        let values: Vec<f64> = mine.filter_map(|sample| sample.metrics.get(metric).copied()).collect();
        let (Some(sorted), Some(average)) = (Sorted::new(values.iter().copied()), mean(&values)) else { continue };
        let n = values.len() as u64;
        let mut figures = vec![
            (S::Mean, average),
            (S::Median, sorted.quantile(0.5).unwrap()),
            (S::Min, sorted.quantile(0.0).unwrap()),
            (S::Max, sorted.quantile(1.0).unwrap()),
            (S::Stddev, sample_stddev(&values).unwrap()),
        ];
        let quantiles = [0.9, 0.95, 0.99].into_iter().filter(|q| carries_upper_bound(n, *q));
        figures.extend(quantiles.map(|q| (S::Quantile(q), sorted.quantile(q).unwrap())));
        for (statistic, value) in figures {
            let digits = if *coarse { 4 } else { 9 };
            let written: f64 = format!("{value:.digits$e}").parse().unwrap();
            made.claim(cell, metric, statistic, written, Some(n));
        }
    }
}

#[test]
fn a_hundred_clean_runs_raise_no_void_and_few_suspects() {
    let mut suspects = std::collections::BTreeMap::<String, u32>::new();
    let mut series = 0;
    for seed in 0..100 {
        let made = clean(seed);
        series += made.record.cells.len() * 6;
        for finding in made.audit() {
            assert_ne!(finding.weight, Weight::Void, "seed {seed}: {finding:#?}");
            if finding.weight == Weight::Suspect && finding.rule != "small-n" {
                *suspects.entry(finding.rule).or_default() += 1;
            }
        }
    }
    // One series in two hundred and fifty may look odd by chance.
    let all: u32 = suspects.values().sum();
    assert!(all as usize * 250 <= series, "{all} of {series} series: {suspects:?}");
}
