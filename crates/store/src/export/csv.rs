//! CSV in the long form: one line for each value of each sample. Lines end in LF.
//!
//! A failed sample is one line with its class and without a value.

use super::source::{Part, csv_field};
use super::{ExportError, Source};
use isodyne_core::columns::Row;
use isodyne_core::unit::unit_of_metric;
use std::io::Write;

const HEADING: &str = "run_id,cell,benchmark,backend,variant,factors,sequence,round,session,warmup,provenance,accuracy,valid,failure,metric,unit,value\n";

/// Writes it.
pub(super) fn write(source: &Source<'_>, out: &mut dyn Write) -> Result<Vec<String>, ExportError> {
    let parts = source.parts()?;
    out.write_all(HEADING.as_bytes())?;
    let mut values = 0_u64;
    for part in parts {
        let prefix = prefix(source, &part)?;
        let metrics: Vec<_> =
            part.columns.metrics.iter().filter(|(name, _)| source.selection.takes_metric(name)).collect();
        for (index, row) in part.columns.rows.iter().enumerate() {
            let about = about(row);
            if row.failure.is_some() {
                writeln!(out, "{prefix},{about},,,")?;
                continue;
            }
            for (name, column) in &metrics {
                let Some(value) = column.get(index).filter(|value| value.is_finite()) else { continue };
                writeln!(out, "{prefix},{about},{},{},{value}", csv_field(name), unit_of_metric(name))?;
                values += 1;
            }
        }
    }
    if values == 0 && source.selection.metric.is_some() {
        return Err(source.no_metric());
    }
    Ok(Vec::new())
}

/// The fields that all samples of a cell share.
fn prefix(source: &Source<'_>, part: &Part<'_>) -> Result<String, ExportError> {
    let factors: serde_json::Map<String, serde_json::Value> =
        part.cell.factors.iter().map(|(key, value)| (key.clone(), value.to_plan_json())).collect();
    let fields = [
        csv_field(&source.record.run_id),
        csv_field(part.cell.id.as_str()),
        part.cell.benchmark.to_string(),
        part.cell.backend.to_string(),
        csv_field(part.cell.variant.as_deref().unwrap_or_default()),
        csv_field(&serde_json::to_string(&factors)?),
    ];
    Ok(fields.join(","))
}

fn about(row: &Row) -> String {
    let failure = row.failure.map(|class| class.to_string()).unwrap_or_default();
    format!(
        "{},{},{},{},{},{},{},{failure}",
        row.sequence,
        row.round,
        row.session,
        row.warmup,
        row.provenance,
        row.accuracy,
        row.failure.is_none()
    )
}

#[cfg(test)]
mod tests {
    use super::super::Selection;
    use super::super::testing::Example;
    use crate::import::table::Table;

    #[test]
    fn values_come_back_and_failures_have_none() {
        let example = Example::new();
        let text = example.export("csv", &Selection::default());
        let mut table = Table::of_text("export.csv", 1, &text, Some(b',')).unwrap();
        let column = |name: &str| table.need(name).unwrap();
        let [cell, sequence, valid, failure, metric, unit, value] =
            ["cell", "sequence", "valid", "failure", "metric", "unit", "value"].map(column);
        let mut values = Vec::new();
        let mut failures = 0;
        while let Some(row) = table.next_row().unwrap() {
            match row.number(value).unwrap() {
                Some(number) => {
                    assert_eq!((row.text(valid), row.text(failure)), ("true", ""));
                    assert_eq!(row.text(unit), if row.text(metric).ends_with("_ns") { "ns" } else { "B" });
                    values.push((
                        row.text(cell).to_owned(),
                        row.number(sequence).unwrap().unwrap() as u64,
                        row.text(metric).to_owned(),
                        number,
                    ));
                }
                None => {
                    assert_eq!((row.text(valid), row.text(metric)), ("false", ""));
                    assert_eq!(row.text(failure), "timeout");
                    failures += 1;
                }
            }
        }
        let mut expected = Vec::new();
        for sample in example.samples.iter().filter(|sample| sample.failure.is_none()) {
            for (metric, value) in &sample.metrics {
                expected.push((sample.cell.as_str().to_owned(), sample.sequence, metric.clone(), *value));
            }
        }
        let sort = |rows: &mut Vec<(String, u64, String, f64)>| rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
        sort(&mut values);
        sort(&mut expected);
        assert_eq!(values, expected);
        assert_eq!(failures, 2);
    }
}
