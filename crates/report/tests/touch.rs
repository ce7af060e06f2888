//! The working set behind a restore, as a figure.

#[path = "specimen/mod.rs"]
mod specimen;

use isodyne_core::cell::{BenchmarkName, CellId};
use isodyne_core::columns::RunColumns;
use isodyne_core::factor::FactorValue;
use isodyne_core::record::RunRecord;
use isodyne_core::runner::Runner;
use isodyne_core::sample::Sample;
use isodyne_core::summary::summarise;
use isodyne_report::{Figure, Paint, RunView, figure_files, figures};
use std::collections::BTreeMap;

/// Pages of the subject.
const PAGES: f64 = 2_500.0;

/// A run whose cells keep states: some bring all memory back at once, others page by page as it is touched.
fn touching(rounds: u32) -> (RunRecord, Vec<Sample>) {
    let (mut record, mut samples) = specimen::specimen(rounds);
    let mut ids = BTreeMap::new();
    for (place, cell) in record.cells.iter_mut().enumerate() {
        cell.benchmark = BenchmarkName::Checkpoint;
        let id = CellId::new(cell.benchmark, cell.backend, &cell.factors);
        ids.insert(std::mem::replace(&mut cell.id, id.clone()), (id, place));
        cell.factors.insert("touch_percent".to_owned(), FactorValue::Count(100));
    }
    for (number, sample) in samples.iter_mut().enumerate() {
        let Some((id, place)) = ids.get(&sample.cell).cloned() else { continue };
        sample.cell = id;
        let noise = 1.0 + (number % 7) as f64 / 40.0;
        let mut until = 0.0;
        for step in 1..=10 {
            // The last places have their faults in the beginning, and none in the end.
            let fault = 300.0 * 6_f64.powi(place as i32 % 4) * if place > 3 { 2.0_f64.powi(5 - step) } else { 1.0 };
            until += (200.0 + fault) * PAGES / 10.0 * noise;
            sample.metrics.insert(format!("touch_{}_percent_ns", step * 10), until);
        }
        let more = [
            ("touch_ns", until),
            ("touch_before_ns", 210.0 * PAGES * noise),
            ("touch_minor_faults_count", if place % 4 == 0 { 0.0 } else { PAGES }),
            ("touch_major_faults_count", 0.0),
            ("resident_bytes", PAGES * 4096.0),
        ];
        sample.metrics.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    (record, samples)
}

fn with<T>((record, samples): &(RunRecord, Vec<Sample>), show: impl Fn(RunView<'_>) -> T) -> T {
    let columns = RunColumns::of(samples);
    let summary = summarise(record, &columns);
    show(RunView { record, columns: &columns, summary: &summary, streams: None, location: None, runner: Runner::ALONE })
}

fn touch(run: &(RunRecord, Vec<Sample>)) -> Option<Figure> {
    with(run, |view| figures(view, Paint::Fixed)).into_iter().find(|figure| figure.name == "touch")
}

#[test]
fn every_cell_has_its_curve_and_its_pages() {
    let run = touching(20);
    let figure = touch(&run).expect("a figure");
    let drawn = figure.standalone();
    let cells =
        with(&run, |view| view.summary.cells.iter().filter(|cell| cell.metrics.contains_key("touch_ns")).count());
    assert!(cells > 3);
    // A curve above and one below for each, and its ring for what it took before.
    for cell in 0..cells {
        assert_eq!(drawn.matches(&format!("class=\"cell-{cell}\"")).count(), 2, "{cell}");
    }
    assert_eq!(drawn.matches(": all of it before, ").count(), cells);
    assert_eq!(drawn.matches("a page in the last tenth").count(), cells);
    // 200 ns and a fault of 300 ns on each page of the first cell, by the middle of the noise.
    assert!(drawn.contains("process: 53"), "{drawn}");
    assert!(figure.explanation.contains("medians over valid samples"));
    let files = with(&run, figure_files).expect("files");
    for name in ["touch.svg", "touch.png"] {
        assert!(files.iter().any(|(file, bytes)| file == name && bytes.len() > 1_000), "{name}");
    }
}

#[test]
fn what_is_not_told_is_not_drawn() {
    let mut run = touching(6);
    // Without the tenth step of one cell, that cell is not there; without the sizes, there is no time for a page.
    let first = run.0.cells[0].id.clone();
    for sample in &mut run.1 {
        sample.metrics.remove("resident_bytes");
        if sample.cell == first {
            sample.metrics.remove("touch_100_percent_ns");
        }
    }
    let drawn = touch(&run).expect("a figure").standalone();
    assert!(!drawn.contains("class=\"cell-0\"") && drawn.contains("class=\"cell-1\""));
    assert!(drawn.contains("is not told") && !drawn.contains("in the last tenth"));
    for sample in &mut run.1 {
        sample.metrics.retain(|name, _| !name.starts_with("touch_"));
    }
    assert!(touch(&run).is_none());
    assert!(touch(&specimen::specimen(6)).is_none(), "another benchmark touches nothing");
}
