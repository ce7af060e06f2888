//! The raw samples as CSV: one line a sample, always the same columns.

use crate::escape::plain;
use isodyne_core::ledger::MilestoneName;
use isodyne_core::record::RunRecord;
use isodyne_core::sample::{Contamination, Sample};

/// Metrics with a column of their own; any other is in `other_metrics` as `name=value`, joined by semicolons.
const METRICS: &[&str] =
    &["total_ns", "prepare_ns", "residue_ns", "stop_ns", "lifecycle_ns", "lab_ns", "cpu_ns", "peak_memory_bytes"];

/// The line of column names. Lines end in CR LF (RFC 4180).
pub fn csv_heading() -> String {
    let mut heading: Vec<String> = [
        "run_id",
        "cell",
        "sequence",
        "round",
        "warmup",
        "session",
        "started_at",
        "started_ns",
        "provenance",
        "accuracy",
        "valid",
        "failure_class",
        "failure_message",
    ]
    .map(str::to_owned)
    .to_vec();
    heading.extend(METRICS.iter().map(|name| (*name).to_owned()));
    heading.extend(MilestoneName::ALL.iter().map(|name| format!("at_{name}_ns")));
    heading.extend(Contamination::NUMBERS.map(str::to_owned));
    heading.extend(["page_cache", "other_metrics"].map(str::to_owned));
    heading.join(",") + "\r\n"
}

/// The line of one sample, so that a run of any size can be written without holding it.
///
/// A value that is not known is an empty field, never 0. Milestones are nanoseconds after the sample's t0.
pub fn csv_row(record: &RunRecord, sample: &Sample) -> String {
    line(record, sample).join(",") + "\r\n"
}

fn line(record: &RunRecord, sample: &Sample) -> Vec<String> {
    let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    let host = &sample.contamination;
    let mut fields = vec![
        field(&record.run_id),
        field(sample.cell.as_str()),
        sample.sequence.to_string(),
        sample.round.to_string(),
        sample.warmup.to_string(),
        sample.session.to_string(),
        field(&sample.started_at),
        sample.started_ns.to_string(),
        sample.provenance.to_string(),
        sample.accuracy.to_string(),
        sample.failure.is_none().to_string(),
        sample.failure.as_ref().map(|failure| failure.class.to_string()).unwrap_or_default(),
        sample.failure.as_ref().map(|failure| field(&failure.message)).unwrap_or_default(),
    ];
    fields.extend(METRICS.iter().map(|name| sample.metrics.get(*name).map(f64::to_string).unwrap_or_default()));
    fields.extend(MilestoneName::ALL.iter().map(|name| number(sample.ledger.at_ns(*name))));
    fields.extend(host.numbers().map(|value| value.map(|value| value.to_string()).unwrap_or_default()));
    fields.push(host.page_cache.as_deref().map(field).unwrap_or_default());
    let others: Vec<String> = sample
        .metrics
        .iter()
        .filter(|(name, _)| !METRICS.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    fields.push(field(&others.join(";")));
    fields
}

/// A text field: quoted where CSV needs it, and never something that a spreadsheet would take for a formula.
fn field(text: &str) -> String {
    let mut text = plain(text);
    if text.starts_with(['=', '+', '-', '@']) {
        text.insert(0, '\'');
    }
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stay_fields() {
        assert_eq!(field("plain"), "plain");
        assert_eq!(field("a,\"b\"\nc"), "\"a,\"\"b\"\" c\"");
        assert_eq!(field("=cmd()"), "'=cmd()");
    }
}
