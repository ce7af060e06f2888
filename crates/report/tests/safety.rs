//! Foreign text stays text, files stay small, nothing is fetched, nothing scripted looks measured.

#[path = "specimen/mod.rs"]
mod specimen;

use isodyne_core::cell::{BackendName, BenchmarkName, CellId};
use isodyne_core::columns::RunColumns;
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::record::RunRecord;
use isodyne_core::runner::Runner;
use isodyne_core::sample::{Provenance, Sample};
use isodyne_core::summary::summarise;
use isodyne_report::{
    Paint, RunView, SCRIPTED, Style, csv_heading, csv_row, doctor_table, figure_files, figures, html, markdown,
    run_table, summary_json,
};

const ATTACK: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>&]]>\u{1b}]0;owned\u{7}\u{202e}";

fn show<T>(record: &RunRecord, samples: &[Sample], with: impl Fn(RunView<'_>) -> T) -> T {
    let columns = RunColumns::of(samples);
    let summary = summarise(record, &columns);
    with(RunView {
        record,
        columns: &columns,
        summary: &summary,
        streams: None,
        location: Some(ATTACK),
        runner: Runner::ALONE,
    })
}

fn csv(record: &RunRecord, samples: &[Sample]) -> String {
    csv_heading() + &samples.iter().map(|sample| csv_row(record, sample)).collect::<String>()
}

/// A run in which every text that can be foreign is hostile.
fn hostile() -> (RunRecord, Vec<Sample>) {
    let (mut record, mut samples) = specimen::specimen(8);
    let text = || ATTACK.to_owned();
    let stated = Factors::from([("machine".to_owned(), FactorValue::Text(text()))]);
    let id = CellId::new(BenchmarkName::Boot, BackendName::Qemu, &stated);
    let old = record.cells[4].id.clone();
    record.cells[4].id = id.clone();
    record.cells[4].factors = stated;
    for sample in samples.iter_mut().filter(|sample| sample.cell == old) {
        sample.cell = id.clone();
        sample.logs = vec![text()];
        sample.started_at = text();
        sample.contamination.page_cache = Some(text());
        sample.metrics.insert(format!("{ATTACK}_ns"), 1.0e6);
        if let Some(failure) = &mut sample.failure {
            failure.message = text();
            failure.evidence = vec![text()];
        }
    }
    record.plan.title = text();
    record.run_id = text();
    record.isodyne_version = text();
    record.created_at = text();
    record.command = vec!["isodyne".to_owned(), text()];
    for skipped in &mut record.skipped {
        skipped.reason = text();
        skipped.hint = text();
    }
    for tool in &mut record.tools {
        (tool.name, tool.path, tool.version, tool.sha256) = (text(), text(), Some(text()), Some(text()));
    }
    for asset in &mut record.assets {
        (asset.role, asset.name, asset.sha256) = (text(), text(), text());
    }
    for signal in &mut record.signals {
        signal.method = text();
    }
    let host = &mut record.fingerprint;
    for field in [
        &mut host.os,
        &mut host.kernel,
        &mut host.cpu_model,
        &mut host.cpu_identity,
        &mut host.microcode,
        &mut host.governor,
        &mut host.transparent_huge_pages,
        &mut host.hypervisor,
        &mut host.platform,
        &mut host.clock_source,
        &mut host.cgroup_layout,
        &mut host.storage,
        &mut host.kernel_command_line,
    ] {
        *field = Some(text());
    }
    host.architecture = text();
    host.cpu_flags = vec![text()];
    host.mitigations = vec![(text(), text())];
    if let Some(end) = &mut record.ended {
        end.survivors = vec![text()];
        end.abandoned = vec![(id, text())];
    }
    (record, samples)
}

#[test]
fn hostile_text_is_no_markup_and_no_escape_sequence() {
    let (record, samples) = hostile();
    let page = show(&record, &samples, html);
    let pull_request = show(&record, &samples, markdown);
    let mut all = vec![page, pull_request];
    for paint in [Paint::Themed, Paint::Fixed] {
        all.extend(show(&record, &samples, |view| figures(view, paint)).iter().map(|figure| figure.standalone()));
    }
    for text in &all {
        for markup in ["<script", "<img", "onerror=alert(2)>"] {
            assert!(!text.contains(markup), "{markup} came through in: {}…", &text[..200.min(text.len())]);
        }
    }
    let style = Style { color: false, width: 100 };
    all.push(show(&record, &samples, |view| run_table(view, style)));
    all.push(doctor_table(ATTACK, &specimen::probed(), &record.fingerprint, &[("limits", ATTACK)], style));
    all.push(csv(&record, &samples));
    for text in &all {
        let bad = text.chars().find(|found| (found.is_control() && !"\n\r".contains(*found)) || *found == '\u{202e}');
        assert_eq!(bad, None);
    }
    // Pixels can still be made of it.
    show(&record, &samples, figure_files).unwrap();
}

#[test]
fn the_report_fetches_nothing_and_runs_nothing() {
    let (record, samples) = specimen::specimen(20);
    let page = show(&record, &samples, |view| html(RunView { location: None, ..view }));
    assert!(page.contains("default-src 'none'"));
    // Links within the page are no references.
    let page = page.replace("href=\"#", "");
    for reference in ["<script", "<link", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(reference), "{reference}");
    }
    // The one address is the name of a namespace.
    assert_eq!(page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "").matches("://").count(), 0);
}

#[test]
fn ten_thousand_samples_stay_under_two_megabytes() {
    let (record, samples) = specimen::specimen(1_700);
    assert!(samples.len() > 10_000);
    let page = show(&record, &samples, html);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(page.contains("a stroke spans the smallest to the largest"));
    assert!(page.contains("1700 valid samples"));
}

#[test]
fn ten_thousand_failures_stay_under_two_megabytes() {
    let (record, mut samples) = specimen::specimen(1_700);
    let failure = samples.iter().find_map(|sample| sample.failure.clone()).unwrap();
    for sample in samples.iter_mut().filter(|sample| sample.sequence % 2 == 0) {
        sample.failure = Some(failure.clone());
    }
    let page = show(&record, &samples, html);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(page.contains("and 4906 more") || page.contains(" more; all are in the raw samples"));
}

#[test]
fn scripted_values_are_labelled_everywhere() {
    let (record, mut samples) = specimen::specimen(8);
    let style = Style { color: true, width: 100 };
    let texts = |samples: &[Sample]| {
        let mut texts = vec![
            show(&record, samples, html),
            show(&record, samples, markdown),
            show(&record, samples, |view| run_table(view, style)),
        ];
        texts.extend(
            show(&record, samples, |view| figures(view, Paint::Themed)).iter().map(|figure| figure.standalone()),
        );
        texts
    };
    assert!(texts(&samples).iter().all(|text| text.contains(SCRIPTED)));
    assert!(csv(&record, &samples).contains(",scripted,"));
    assert!(
        show(&record, &samples, |view| summary_json(view.summary).unwrap()).contains("\"provenance\": \"scripted\"")
    );
    for sample in &mut samples {
        sample.provenance = Provenance::Measured;
    }
    assert!(texts(&samples).iter().all(|text| !text.contains(SCRIPTED) && !text.contains(">scripted<")));
}

#[test]
fn a_run_without_samples_is_a_report_too() {
    let (mut record, _) = specimen::specimen(8);
    record.ended = None;
    let page = show(&record, &[], html);
    assert!(page.contains("There is no answer yet") && page.contains("pending") && page.contains("firecracker"));
    assert!(show(&record, &[], |view| figures(view, Paint::Themed).is_empty()));
    let table = show(&record, &[], |view| run_table(view, Style::default()));
    assert!(table.contains("no cell has a sample") && table.contains("the run has not come to it yet"), "{table}");
}

#[test]
fn values_that_are_no_numbers_break_nothing() {
    let (record, mut samples) = specimen::specimen(8);
    for (index, sample) in samples.iter_mut().enumerate() {
        let value = [f64::NAN, f64::INFINITY, 0.0, -5.0][index % 4];
        sample.metrics.insert("total_ns".to_owned(), value);
    }
    show(&record, &samples, html);
    show(&record, &samples, |view| run_table(view, Style::default()));
    show(&record, &samples, figure_files).unwrap();
}

#[test]
fn figures_come_as_svg_and_png() {
    let (record, samples) = specimen::specimen(8);
    let files = show(&record, &samples, figure_files).unwrap();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["ecdf.svg", "waterfall.svg", "timeline.svg", "ecdf.png", "waterfall.png", "timeline.png"]);
    for (name, bytes) in &files {
        assert!(bytes.starts_with(if name.ends_with("png") { b"\x89PNG" } else { b"<svg" }), "{name}");
    }
}
