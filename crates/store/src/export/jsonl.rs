//! Lines of JSON: each sample as the run has it, with the run's name.

use super::{ExportError, Samples, Selection};
use isodyne_core::record::RunRecord;
use isodyne_core::sample::Sample;
use serde::Serialize;
use std::io::Write;

/// The name of the format.
pub const SAMPLE_SCHEMA: &str = "isodyne-sample";
/// Its version.
pub const SAMPLE_VERSION: u32 = 1;

#[derive(Serialize)]
struct Line<'a> {
    schema: &'a str,
    version: u32,
    run_id: &'a str,
    #[serde(flatten)]
    sample: &'a Sample,
}

/// Writes it.
pub(super) fn write(
    record: &RunRecord,
    selection: &Selection,
    samples: Samples<'_>,
    out: &mut dyn Write,
) -> Result<Vec<String>, ExportError> {
    let mut count = 0_u64;
    for sample in samples {
        let mut sample = sample?;
        if !selection.takes_cell(sample.cell.as_str()) {
            continue;
        }
        sample.metrics.retain(|name, _| selection.takes_metric(name));
        // What a failed sample has measured until it failed is in the run; no reader of an export shall take it for a
        // value.
        if sample.failure.is_some() {
            sample.metrics.clear();
        } else if sample.metrics.is_empty() && selection.metric.is_some() {
            continue;
        }
        let line = Line { schema: SAMPLE_SCHEMA, version: SAMPLE_VERSION, run_id: &record.run_id, sample: &sample };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
        count += 1;
    }
    if count == 0 {
        return Err(ExportError::Nothing("no sample of the run is selected".to_owned()));
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Example;
    use super::*;

    #[test]
    fn samples_come_back_as_they_were_without_values_of_failures() {
        let example = Example::new();
        let text = example.export("jsonl", &Selection::default());
        let back: Vec<Sample> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(back.len(), example.samples.len());
        for (back, sample) in back.iter().zip(&example.samples) {
            let mut expected = sample.clone();
            if expected.failure.is_some() {
                expected.metrics.clear();
            }
            assert_eq!(back, &expected);
        }
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((&first["schema"], &first["version"]), (&SAMPLE_SCHEMA.into(), &1.into()));
    }

    #[test]
    fn one_metric_of_some_cells() {
        let example = Example::new();
        let selection = Selection { metric: Some("total_ns".to_owned()), cell: Some("runc".to_owned()) };
        let text = example.export("jsonl", &selection);
        for line in text.lines() {
            let sample: Sample = serde_json::from_str(line).unwrap();
            assert!(sample.cell.as_str().contains("runc"));
            assert!(sample.metrics.keys().all(|name| name == "total_ns"));
        }
    }
}
