//! Bencher Metric Format: an object of benchmarks, each an object of measures with `value`, `lower_value` and
//! `upper_value`. The value is the median, the bounds are its 95 % interval where there is one.

use super::{ExportError, Source};
use serde_json::{Map, Value, json};
use std::io::Write;

/// Writes it.
pub(super) fn write(source: &Source<'_>, out: &mut dyn Write) -> Result<Vec<String>, ExportError> {
    let mut benchmarks: Map<String, Value> = Map::new();
    for figure in source.figures()? {
        let mut measure = json!({ "value": figure.figures.p50 });
        if let Some([lower, upper]) = figure.figures.ci95 {
            measure["lower_value"] = lower.into();
            measure["upper_value"] = upper.into();
        }
        let benchmark = benchmarks.entry(figure.part.cell.id.as_str()).or_insert_with(|| json!({}));
        benchmark[figure.metric] = measure;
    }
    serde_json::to_writer_pretty(&mut *out, &benchmarks)?;
    out.write_all(b"\n")?;
    Ok(source.failed_cells(&source.parts()?))
}

#[cfg(test)]
mod tests {
    use super::super::Selection;
    use super::super::testing::Example;
    use serde_json::Value;

    #[test]
    fn it_has_the_published_form() {
        let (bytes, notes) = Example::new().export_with_notes("bmf", &Selection::default());
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        // https://bencher.dev/bmf.json: non-empty names, `value` required, numbers only.
        for (benchmark, measures) in value.as_object().unwrap() {
            assert!(!benchmark.is_empty());
            for (measure, metric) in measures.as_object().unwrap() {
                assert!(!measure.is_empty() && metric["value"].is_number());
                assert!(metric.as_object().unwrap().iter().all(|(key, value)| {
                    ["value", "lower_value", "upper_value"].contains(&key.as_str()) && value.is_number()
                }));
            }
        }
        let total = &value["boot/runc"]["total_ns"];
        assert_eq!(total["value"], 20_098_760.0);
        assert!(total["lower_value"].as_f64() < total["value"].as_f64());
        assert!(value.get("boot/crun").is_none(), "only failures");
        assert_eq!(notes, ["cell `boot/crun` has no valid sample and is left out"]);
    }
}
