//! github-action-benchmark: an array of `name`, `unit`, `value`, `range` and `extra`. The action takes one direction a
//! file, so what is better when it is smaller and what is better when it is bigger are two exports.

use super::source::Figure;
use super::{ExportError, Source};
use serde_json::{Value, json};
use std::io::Write;

/// Times, memory and counts, for `customSmallerIsBetter`.
pub(super) fn write_smaller(source: &Source<'_>, out: &mut dyn Write) -> Result<Vec<String>, ExportError> {
    write(source, out, false)
}

/// Rates, for `customBiggerIsBetter`.
pub(super) fn write_bigger(source: &Source<'_>, out: &mut dyn Write) -> Result<Vec<String>, ExportError> {
    write(source, out, true)
}

fn write(source: &Source<'_>, out: &mut dyn Write, bigger: bool) -> Result<Vec<String>, ExportError> {
    let (taken, left): (Vec<Figure<'_>>, Vec<Figure<'_>>) =
        source.figures()?.into_iter().partition(|figure| figure.more_is_better() == bigger);
    if taken.is_empty() {
        return Err(source.no_metric());
    }
    let entries: Vec<Value> = taken.iter().map(entry).collect();
    serde_json::to_writer_pretty(&mut *out, &entries)?;
    out.write_all(b"\n")?;
    let mut notes = source.failed_cells(&source.parts()?);
    if !left.is_empty() {
        let other = if bigger { "github-smaller" } else { "github-bigger" };
        notes.push(format!("{} figures go the other way and are left out: `--format {other}` has them", left.len()));
    }
    Ok(notes)
}

fn entry(figure: &Figure<'_>) -> Value {
    let figures = figure.figures;
    let mut extra = vec![format!("median of n = {}", figures.n)];
    extra.extend(figure.part.summary.provenance.map(|provenance| format!("provenance: {provenance}")));
    extra.extend(figure.part.summary.accuracy.map(|accuracy| format!("accuracy: {accuracy}")));
    let failed: u64 = figure.part.summary.samples_failed.values().sum();
    if failed > 0 {
        extra.push(format!("failed samples, not counted: {failed}"));
    }
    let mut entry = json!({
        "name": format!("{} {}", figure.part.cell.id.as_str(), figure.metric),
        "unit": figures.unit,
        "value": figures.p50,
        "extra": extra.join("\n"),
    });
    if let Some([lower, upper]) = figures.ci95 {
        entry["range"] = format!("{lower} to {upper} (95 %)").into();
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::super::testing::Example;
    use super::super::{ExportError, Selection, Source, Writer, find};
    use isodyne_core::columns::RunColumns;
    use isodyne_core::summary::summarise;
    use serde_json::Value;

    #[test]
    fn entries_have_what_the_action_asks_for() {
        let text = Example::new().export("github-smaller", &Selection::default());
        let value: Value = serde_json::from_str(&text).unwrap();
        let entries = value.as_array().unwrap();
        assert_eq!(entries.len(), 4);
        for entry in entries {
            assert!(entry["name"].is_string() && entry["unit"].is_string() && entry["value"].is_number());
            assert!(entry["range"].is_string() && entry["extra"].is_string());
        }
        let total = entries.iter().find(|entry| entry["name"] == "boot/runc total_ns").unwrap();
        assert_eq!((&total["unit"], &total["value"]), (&"ns".into(), &20_098_760.0.into()));
        assert!(total["extra"].as_str().unwrap().contains("failed samples, not counted: 1"));
    }

    #[test]
    fn nothing_to_write_is_an_error() {
        let example = Example::new();
        let columns = RunColumns::of(&example.samples);
        let summary = summarise(&example.record, &columns);
        let selection = Selection::default();
        let source = Source { record: &example.record, columns: &columns, summary: &summary, selection: &selection };
        let Writer::Columns(write) = find("github-bigger").unwrap().writer else { panic!("of columns") };
        assert!(matches!(write(&source, &mut Vec::new()), Err(ExportError::Nothing(_))));
    }
}
