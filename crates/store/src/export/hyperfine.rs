//! hyperfine's `--export-json`, for its scripts and for what reads it: times of the valid samples, in seconds.
//!
//! Keys that hyperfine always writes and that were not measured (`user`, `system`) are left out, not 0.

use super::source::Figure;
use super::{ExportError, Source};
use isodyne_core::unit::unit_of_metric;
use serde_json::{Map, Value, json};
use std::io::Write;

/// The metric that is exported unless another one is asked for.
const USUAL: &str = "total_ns";

/// Writes it.
pub(super) fn write(source: &Source<'_>, out: &mut dyn Write) -> Result<Vec<String>, ExportError> {
    let wanted = source.selection.metric.as_deref().unwrap_or(USUAL);
    if unit_of_metric(wanted) != "ns" {
        return Err(ExportError::Nothing(format!(
            "`{}` is no time, and hyperfine has only times",
            wanted.escape_debug()
        )));
    }
    let figures = source.figures()?;
    let results: Vec<Value> = figures.iter().filter(|figure| figure.metric == wanted).map(result).collect();
    if results.is_empty() {
        let message = format!("no cell has valid values of `{}`: name a metric with --metric", wanted.escape_debug());
        return Err(ExportError::Nothing(message));
    }
    serde_json::to_writer_pretty(&mut *out, &json!({ "results": results }))?;
    out.write_all(b"\n")?;
    let mut notes = source.failed_cells(&source.parts()?);
    let failed: u64 = source.parts()?.iter().flat_map(|part| part.summary.samples_failed.values()).sum();
    if failed > 0 {
        notes.push(format!("{failed} failed samples are left out: a failure has no time"));
    }
    Ok(notes)
}

fn result(figure: &Figure<'_>) -> Value {
    let (cell, figures) = (figure.part.cell, figure.figures);
    let seconds = |ns: f64| ns / 1e9;
    let times: Vec<f64> = figure.part.columns.values(figure.metric).into_iter().map(seconds).collect();
    let memory = figure.part.columns.values("peak_memory_bytes");
    let parameters: Map<String, Value> = cell
        .factors
        .iter()
        .map(|(key, value)| {
            (key.clone(), Value::String(value.as_text().map_or_else(|| value.to_string(), str::to_owned)))
        })
        .collect();
    let mut result = json!({
        "command": cell.id.as_str(),
        "mean": seconds(figures.mean),
        "stddev": figures.stddev.map(seconds),
        "median": seconds(figures.p50),
        "min": seconds(figures.min),
        "max": seconds(figures.max),
        "exit_codes": vec![0; times.len()],
    });
    // One for each time, or none: they stand side by side.
    if memory.len() == times.len() {
        result["memory_usage_byte"] = memory.into_iter().map(|bytes| bytes as u64).collect();
    }
    result["times"] = times.into();
    if !parameters.is_empty() {
        result["parameters"] = parameters.into();
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::Selection;
    use super::super::testing::Example;
    use crate::import::{SourceFile, parse};

    #[test]
    fn our_importer_reads_the_same_values() {
        let example = Example::new();
        let (bytes, notes) = example.export_with_notes("hyperfine", &Selection::default());
        let parsed = parse(&[SourceFile { name: "export.json".to_owned(), bytes }], None).unwrap();
        assert_eq!(parsed.format, "hyperfine");
        assert_eq!(parsed.cells.len(), 2, "the cell that only failed is left out");
        for place in 0..2 {
            let samples = parsed.samples.iter().filter(|sample| sample.cell == place);
            let (mut times, mut memory) = (Vec::new(), Vec::new());
            for sample in samples {
                times.push(sample.metrics["total_ns"]);
                memory.push(sample.metrics["peak_memory_bytes"]);
            }
            assert_eq!(times, example.values(place, "total_ns"));
            assert_eq!(memory, example.values(place, "peak_memory_bytes"));
        }
        assert!(parsed.cells[1].id.as_str().contains("parameter.memory=128MiB"), "{:?}", parsed.cells[1].id);
        assert!(parsed.remarks.is_empty(), "{:?}", parsed.remarks);
        assert_eq!(notes.len(), 2);
    }
}
