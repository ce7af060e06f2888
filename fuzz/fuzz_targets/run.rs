//! Run directories: `run.json` up to the first null byte, `samples.jsonl` behind it. What the store accepts is
//! summarised, audited, judged, compared and shown in every form; what it refuses is refused with a message that drives
//! no terminal, and by both readers.

#![no_main]

use isodyne_core::audit::{Audited, audit};
use isodyne_core::columns::RunColumns;
use isodyne_core::compare::{CompareOptions, ComparedRun, compare_runs};
use isodyne_core::gate::{Settings, default_budgets, evaluate};
use isodyne_core::summary::summarise;
use isodyne_report::{
    Paint, RunView, Style, audit_markdown, audit_table, comparison_table, csv_heading, csv_row, figures, gate_markdown,
    gate_table, html, junit, markdown, run_table, summary_json,
};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// One directory, in memory where there is one: it is written again and again.
static PLACE: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory"));

const STYLE: Style = Style { color: false, width: 100 };

fuzz_target!(|input: &[u8]| {
    let cut = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (record, samples) = (&input[..cut], input.get(cut + 1..).unwrap_or_default());
    let place = PLACE.path();
    std::fs::write(place.join(isodyne_store::RECORD_FILE), record).expect("written");
    std::fs::write(place.join(isodyne_store::SAMPLES_FILE), samples).expect("written");
    let read = isodyne_store::read_columns(place);
    let contents = match isodyne_store::read(place) {
        Ok(contents) => contents,
        Err(error) => {
            assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
            assert_eq!(read.map_err(|other| other.to_string()).err(), Some(error.to_string()));
            return;
        }
    };
    assert!(contents.notes.iter().all(|note| !note.chars().any(char::is_control)));
    let columns = RunColumns::of(&contents.samples);
    let read = read.expect("one reader takes what the other takes");
    // By their texts: columns hold NaN where a value is absent.
    assert_eq!(format!("{:?}", read.columns), format!("{columns:?}"));
    assert_eq!(read.notes, contents.notes);
    let record = &contents.record;
    let summary = summarise(record, &columns);
    let view = RunView { record, columns: &columns, summary: &summary, location: Some("run") };
    let _ = summary_json(&summary);
    harmless(&run_table(view, STYLE));
    let rows: String = contents.samples.iter().map(|sample| csv_row(view.record, sample)).collect();
    let _ = (csv_heading(), rows, markdown(view), html(view), figures(view, Paint::Fixed));

    let findings = audit(&Audited { record, columns: &columns, calibration: record.calibration.as_ref() });
    harmless(&audit_table(&record.plan.title, &findings, STYLE));
    let _ = audit_markdown(&record.plan.title, &findings);

    let run = ComparedRun { name: "run", record, columns: &columns };
    let budgets =
        if record.plan.budgets.is_empty() { default_budgets(record, true) } else { record.plan.budgets.clone() };
    let result = evaluate(run, Some(run), &budgets, &Settings::default());
    harmless(&gate_table(&result, STYLE));
    let _ = (gate_markdown(&result), junit(&result));
    if let Ok(comparison) = compare_runs(run, run, &CompareOptions::default()) {
        harmless(&comparison_table(&comparison, STYLE));
    }
});

/// What a terminal shows drives it no further than to the next line.
fn harmless(text: &str) {
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}
