//! Pages beyond a single run, of made-up values: all scripted.

use super::specimen::specimen;
use isodyne_core::cell::Cell;
use isodyne_core::columns::RunColumns;
use isodyne_core::compare::{CompareOptions, ComparedRun, compare_runs};
use isodyne_core::ledger::MilestoneName as M;
use isodyne_core::record::RunRecord;
use isodyne_core::runner::Runner;
use isodyne_core::sample::{Accuracy, Provenance, Sample};
use isodyne_core::summary::summarise;
use isodyne_core::trend::{Point, Trend, TrendHost};
use isodyne_report::{ComparisonView, RunView};

/// The specimen with a variant beside the first two cells, 6 % slower in the last phase.
pub fn with_variants(rounds: u32) -> (RunRecord, Vec<Sample>) {
    let (mut record, mut samples) = specimen(rounds);
    record.cells.truncate(2);
    record.skipped.clear();
    samples.retain(|sample| record.cells.iter().any(|cell| cell.id == sample.cell));
    for cell in record.cells.clone() {
        let id = cell.id.of_variant("slower by 6 %");
        let own: Vec<Sample> = samples.iter().filter(|sample| sample.cell == cell.id).cloned().collect();
        samples.extend(own.into_iter().map(|sample| Sample {
            cell: id.clone(),
            sequence: sample.sequence + 1_000_000,
            ..slower(sample, 0.06)
        }));
        record.cells.push(Cell { id, variant: Some("slower by 6 %".to_owned()), ..cell });
    }
    (record, samples)
}

/// The specimen, every sample slower by a share of its total.
pub fn later(rounds: u32, share: f64) -> (RunRecord, Vec<Sample>) {
    let (mut record, samples) = specimen(rounds);
    record.run_id = "0ddba11".to_owned();
    (record, samples.into_iter().map(|sample| slower(sample, share)).collect())
}

/// The last phase before the total ends becomes longer, by more or less of it from round to round.
fn slower(mut sample: Sample, share: f64) -> Sample {
    let Some(total) = sample.metrics.get("total_ns").copied() else { return sample };
    let scatter = 1.0 + 0.4 * (f64::from(sample.round * 7 % 11) / 11.0 - 0.5);
    let more = (total * share * scatter) as u64;
    for name in ["total_ns", "lifecycle_ns"] {
        sample.metrics.entry(name.to_owned()).and_modify(|value| *value += more as f64);
    }
    for milestone in &mut sample.ledger.milestones {
        if matches!(milestone.name, M::FirstExec | M::StopRequested | M::Gone) {
            milestone.at_ns += more;
            if milestone.name == M::Gone {
                milestone.asked_ns = milestone.asked_ns.map(|asked| asked + more);
            }
        }
    }
    sample
}

/// A trend of so many runs with two changes of level, and one without.
pub fn trends(runs: usize) -> Vec<Trend> {
    let point = |index: usize, steps: bool| {
        let level = match index * 10 / runs.max(1) {
            _ if !steps => 61.0e6,
            0..=3 => 61.0e6,
            4..=6 => 66.5e6,
            _ => 57.0e6,
        };
        let p50 = level * (1.0 + 0.004 * (index * 7 % 5) as f64);
        Point {
            run_id: format!("{index:08x}"),
            created_at: format!("2026-{:02}-{:02}T04:12:33Z", index / 28 % 12 + 1, index % 28 + 1),
            isodyne_version: "0.1.0".to_owned(),
            p50,
            ci95: (index % 9 != 4).then_some([p50 * 0.985, p50 * 1.02]),
            n: 20,
            tools: vec![if level > 66.0e6 { "runc 1.2.0" } else { "runc 1.1.5" }.to_owned()],
        }
    };
    let host = || TrendHost { id: "ce1e6a1d485744a2".to_owned(), line: "Debian 12, 2 × Xeon".to_owned() };
    let kind = (Some(Accuracy::Container), Some(Provenance::Scripted));
    [("boot/runc", true), ("boot/crun", false)]
        .map(|(cell, steps)| {
            Trend::of("total_ns", cell, host(), kind, (0..runs).map(|index| point(index, steps)).collect())
        })
        .into()
}

/// Shows a run.
pub fn with_view<T>(run: &(RunRecord, Vec<Sample>), show: impl Fn(RunView<'_>) -> T) -> T {
    let (record, samples) = run;
    let columns = RunColumns::of(samples);
    let summary = summarise(record, &columns);
    show(RunView { record, columns: &columns, summary: &summary, streams: None, location: None, runner: Runner::ALONE })
}

/// Shows two runs, compared.
pub fn with_comparison<T>(
    baseline: &(RunRecord, Vec<Sample>),
    candidate: &(RunRecord, Vec<Sample>),
    show: impl Fn(&ComparisonView<'_>) -> T,
) -> T {
    with_view(baseline, |one| {
        with_view(candidate, |other| {
            let [a, b] = [("runs/before", one), ("runs/after", other)].map(|(name, view)| ComparedRun {
                name,
                record: view.record,
                columns: view.columns,
            });
            let comparison = compare_runs(a, b, &CompareOptions::default(), Runner::ALONE).unwrap();
            show(&ComparisonView { comparison: &comparison, baseline: one, candidate: other })
        })
    })
}
