//! What people see, held fast: change it on purpose or not at all.

#[path = "specimen/mod.rs"]
mod specimen;

use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::columns::RunColumns;
use isodyne_core::factor::Factors;
use isodyne_core::ledger::Ledger;
use isodyne_core::record::RunRecord;
use isodyne_core::runner::Runner;
use isodyne_core::sample::{Provenance, Sample};
use isodyne_core::summary::{RunSummary, summarise};
use isodyne_report::{
    ListedRun, Paint, RunView, Style, csv_heading, csv_row, doctor_table, figures, list_table, markdown, run_table,
    runs_table,
};

const NARROW: Style = Style { color: false, width: 80 };
const WIDE: Style = Style { color: false, width: 120 };

/// A run as it is shown by itself.
fn view<'a>(record: &'a RunRecord, columns: &'a RunColumns, summary: &'a RunSummary) -> RunView<'a> {
    RunView { record, columns, summary, streams: None, location: None, runner: Runner::ALONE }
}

fn with_run<T>(rounds: u32, show: impl Fn(RunView<'_>) -> T) -> T {
    let (record, samples) = specimen::specimen(rounds);
    let columns = RunColumns::of(&samples);
    let summary = summarise(&record, &columns);
    show(RunView { location: Some("runs/specimen"), ..view(&record, &columns, &summary) })
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn a_run_in_80_columns() {
    let text = with_run(20, |view| run_table(view, NARROW));
    assert!(widest(&text) <= 80, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_run_in_120_columns() {
    let text = with_run(20, |view| run_table(view, WIDE));
    assert!(widest(&text) <= 120, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_run_of_four_rounds_has_no_intervals() {
    insta::assert_snapshot!(with_run(4, |view| run_table(view, WIDE)));
}

#[test]
fn an_unfinished_run_says_so() {
    let (mut record, samples) = specimen::specimen(20);
    record.ended = None;
    // The last sample of each of the first four cells, and none of the other two.
    let samples: Vec<_> = samples.into_iter().skip(12).take(4).collect();
    let columns = RunColumns::of(&samples);
    let summary = summarise(&record, &columns);
    let view = view(&record, &columns, &summary);
    insta::assert_snapshot!(run_table(view, WIDE));
    let page = isodyne_report::html(view);
    assert!(page.contains("Unfinished") && page.contains("pending"));
}

#[test]
fn doctor_in_80_columns() {
    let text = doctor_table(
        "0.1.0",
        &specimen::probed(),
        &specimen::fingerprint(),
        &[("limits", "calibrated 2 days ago")],
        NARROW,
    );
    assert!(widest(&text) <= 80, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn doctor_in_120_columns() {
    insta::assert_snapshot!(doctor_table(
        "0.1.0",
        &specimen::probed(),
        &specimen::fingerprint(),
        &[("limits", "calibrated 2 days ago")],
        WIDE
    ));
}

#[test]
fn lists() {
    let runs = [
        ListedRun {
            location: "runs/2026-11-22-boot".to_owned(),
            title: "boot, everywhere it works here".to_owned(),
            created_at: "2026-11-22T04:01:02Z".to_owned(),
            complete: true,
            measured: 6,
            failed: 0,
            skipped: 3,
        },
        ListedRun {
            location: "runs/other".to_owned(),
            title: "\u{1b}[2Jnothing".to_owned(),
            created_at: "2026-11-22T05:01:02Z".to_owned(),
            complete: false,
            measured: 1,
            failed: 1,
            skipped: 0,
        },
    ];
    insta::assert_snapshot!(runs_table(&runs, WIDE));
    assert_eq!(runs_table(&[], WIDE), "  no runs here\n");
    let rows = [vec!["boot".to_owned(), "from before fork to the first command".to_owned()]];
    insta::assert_snapshot!(list_table(&["benchmark", "what it measures"], &rows, WIDE));
}

#[test]
fn a_pull_request() {
    insta::assert_snapshot!(with_run(20, markdown));
}

#[test]
fn the_columns_of_the_raw_samples() {
    let (record, samples) = specimen::specimen(20);
    let text = csv_heading() + &samples.iter().map(|sample| csv_row(&record, sample)).collect::<String>();
    let mut lines = text.lines();
    insta::assert_snapshot!(format!("{}\n{}", lines.next().unwrap(), lines.next().unwrap()));
    assert_eq!(text.lines().count(), 1 + 22 * 6);
}

#[test]
fn the_distribution_as_svg() {
    let figure = with_run(6, |view| figures(view, Paint::Themed).remove(0));
    insta::assert_snapshot!(figure.standalone());
}

/// The specimen with a variant beside each of two cells, and two cells of another tool's file.
fn varied() -> (RunRecord, Vec<Sample>) {
    let (mut record, mut samples) = specimen::specimen(8);
    record.cells.truncate(2);
    record.skipped.clear();
    let known: Vec<CellId> = record.cells.iter().map(|cell| cell.id.clone()).collect();
    samples.retain(|sample| known.contains(&sample.cell));
    for cell in record.cells.clone() {
        let id = cell.id.of_variant("quiet console");
        let own = samples.iter().filter(|sample| sample.cell == cell.id).cloned();
        let varied: Vec<Sample> = own.map(|sample| Sample { cell: id.clone(), ..sample }).collect();
        samples.extend(varied);
        record.cells.push(Cell { id, variant: Some("quiet console".to_owned()), ..cell });
    }
    for (backend, metric) in [(BackendName::Docker, "total_ns"), (BackendName::Podman, "throughput_bytes_per_s")] {
        let id = CellId::new(BenchmarkName::Imported, backend, &Factors::new());
        let source: Vec<Sample> = samples.iter().filter(|sample| sample.cell == known[0]).cloned().collect();
        samples.extend(source.into_iter().map(|sample| Sample {
            cell: id.clone(),
            provenance: Provenance::Imported,
            ledger: Ledger::default(),
            metrics: [(metric.to_owned(), sample.metrics["total_ns"]), ("retries_count".to_owned(), 1.0)].into(),
            ..sample
        }));
        record.cells.push(Cell {
            id,
            benchmark: BenchmarkName::Imported,
            backend,
            factors: Factors::new(),
            variant: None,
        });
    }
    (record, samples)
}

#[test]
fn variants_and_imported_cells_have_their_names_and_tables() {
    let (record, samples) = varied();
    let columns = RunColumns::of(&samples);
    let summary = summarise(&record, &columns);
    let view = view(&record, &columns, &summary);
    insta::assert_snapshot!(run_table(view, WIDE));
    let page = isodyne_report::html(view);
    for text in ["result-boot", "result-imported", "runc · quiet console", "throughput_bytes_per_s", "id=\"ecdf-2\""] {
        assert!(page.contains(text), "{text}");
    }
    let pull_request = markdown(view);
    assert!(pull_request.contains("**imported**") && pull_request.contains("| cell | metric | class |"));
}

#[test]
fn a_merged_run_does_not_claim_one_order() {
    let (mut record, samples) = specimen::specimen(20);
    let part = |seed: u64| isodyne_core::record::MergedPart {
        run_id: format!("{seed}"),
        created_at: record.created_at.clone(),
        isodyne_version: record.isodyne_version.clone(),
        shard: None,
        seed,
        fingerprint: record.fingerprint.clone(),
        calibration: None,
        stop: None,
        signals: Vec::new(),
        tools: Vec::new(),
        assets: Vec::new(),
        skipped: Vec::new(),
        sessions: Default::default(),
        rounds: Default::default(),
        samples: Default::default(),
    };
    record.merged_from = vec![part(1), part(2)];
    let columns = RunColumns::of(&samples);
    let summary = summarise(&record, &columns);
    let view = view(&record, &columns, &summary);
    let table = run_table(view, WIDE);
    assert!(table.lines().nth(1).is_some_and(|title| title.ends_with("20 rounds, merged from 2 parts")), "{table}");
    assert!(!table.contains("interleaved"));
    let page = isodyne_report::html(view);
    assert!(page.contains("The command that made this run") && !page.contains("same order"));
    assert!(!markdown(view).contains("seed"));
}

#[test]
fn of_an_imported_run_only_that_is_said_which_the_files_tell() {
    let (mut record, samples) = varied();
    record.imported = Some(isodyne_core::imported::ImportRecord::default());
    record.fingerprint = isodyne_core::fingerprint::Fingerprint::default();
    let page = |record: &RunRecord| {
        let columns = RunColumns::of(&samples);
        let summary = summarise(record, &columns);
        let view = view(record, &columns, &summary);
        (isodyne_report::html(view), markdown(view))
    };
    let (html, pull_request) = page(&record);
    assert!(html.contains("The files say nothing of the host") && !html.contains("/dev/kvm"));
    assert!(pull_request.contains("- host: host unknown"), "{pull_request}");
    record.fingerprint.cpu_model = Some("AMD EPYC".to_owned());
    let (html, pull_request) = page(&record);
    assert!(html.contains("<dt>processor</dt><dd>AMD EPYC</dd>") && html.contains("<p class=\"host\">AMD EPYC</p>"));
    assert!(pull_request.contains("- host: AMD EPYC"), "{pull_request}");
}

#[test]
fn a_drift_and_a_warm_up_that_was_not_declared_are_marked_in_the_timeline() {
    let (record, mut samples) = specimen::specimen(60);
    let cells: Vec<CellId> = record.cells.iter().map(|cell| cell.id.clone()).collect();
    for (place, sample) in samples.iter_mut().enumerate() {
        let steady = 50e6 + (place * 7919 % 101) as f64 * 2e4;
        let round = f64::from(sample.round.saturating_sub(2));
        let total = match cells.iter().position(|cell| *cell == sample.cell) {
            // The first falls over the run, the second begins with ten slow ones, the third does neither.
            Some(0) => steady * (1.3 - 0.005 * round),
            Some(1) if round < 10.0 => steady * 1.6,
            Some(1 | 2) => steady,
            _ => continue,
        };
        if sample.failure.is_none() {
            sample.metrics.insert("total_ns".to_owned(), total);
        }
    }
    let columns = RunColumns::of(&samples);
    let summary = summarise(&record, &columns);
    let view = view(&record, &columns, &summary);
    let figure = figures(view, Paint::Themed).into_iter().find(|figure| figure.name == "timeline").expect("a timeline");
    let drawn = figure.inline();
    let panels: Vec<&str> = drawn.split("<svg ").skip(1).collect();
    let (falling, warming, steady) = (panels[0], panels[1], panels[2]);
    assert!(falling.contains("↓ drift −2") && !falling.contains("like a warm-up"), "{falling}");
    assert!(warming.contains("10 valid samples before the dashed line look like a warm-up"), "{warming}");
    assert!(!steady.contains("drift") && !steady.contains("dashed line"), "{steady}");
    // The dashed line stands between the tenth and the eleventh sample of that cell.
    let dashed = warming.lines().find(|line| line.contains("stroke-dasharray:3 2")).expect("a dashed line");
    let at: f64 = dashed.split(['M', ' ']).nth(2).and_then(|x| x.parse().ok()).unwrap_or_else(|| panic!("{dashed}"));
    let own: Vec<u64> = samples
        .iter()
        .filter(|sample| sample.counts() && sample.cell == cells[1])
        .map(|sample| sample.sequence)
        .collect();
    let x = |sequence: u64| 80.0 + sequence as f64 / (samples.len() - 1) as f64 * 662.0;
    assert!(x(own[9]) < at && at < x(own[10]), "{dashed}");
}
