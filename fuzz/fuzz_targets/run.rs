//! Run directories: `run.json` up to the first null byte, `samples.jsonl` behind it. What the store accepts is
//! summarised and shown in every form; what it refuses is refused with a message that drives no terminal.

#![no_main]

use isodyne_core::columns::RunColumns;
use isodyne_core::summary::summarise;
use isodyne_report::{Paint, RunView, Style, csv_heading, csv_row, figures, html, markdown, run_table, summary_json};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// One directory, in memory where there is one: it is written again and again.
static PLACE: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory"));

fuzz_target!(|input: &[u8]| {
    let cut = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (record, samples) = (&input[..cut], input.get(cut + 1..).unwrap_or_default());
    let place = PLACE.path();
    std::fs::write(place.join(isodyne_store::RECORD_FILE), record).expect("written");
    std::fs::write(place.join(isodyne_store::SAMPLES_FILE), samples).expect("written");
    let contents = match isodyne_store::read(place) {
        Ok(contents) => contents,
        Err(error) => {
            assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
            return;
        }
    };
    assert!(contents.notes.iter().all(|note| !note.chars().any(char::is_control)));
    let columns = RunColumns::of(&contents.samples);
    let read = isodyne_store::read_columns(place).expect("one reader takes what the other takes");
    // By their texts: columns hold NaN where a value is absent.
    assert_eq!(format!("{:?}", read.columns), format!("{columns:?}"));
    assert_eq!(read.notes, contents.notes);
    let summary = summarise(&contents.record, &columns);
    let view = RunView { record: &contents.record, columns: &columns, summary: &summary, location: Some("run") };
    let _ = summary_json(&summary);
    let table = run_table(view, Style { color: false, width: 100 });
    assert!(!table.chars().any(|c| c.is_control() && c != '\n'));
    let rows: String = contents.samples.iter().map(|sample| csv_row(view.record, sample)).collect();
    let _ = (csv_heading(), rows, markdown(view), html(view), figures(view, Paint::Fixed));
});
