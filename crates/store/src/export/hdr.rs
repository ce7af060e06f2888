//! A log of HdrHistogram, version 1.3 of its format with histograms V2: one interval for each cell and metric, tagged.
//!
//! A histogram holds whole numbers: values are rounded to the unit of their metric, and ratios are left out.

use super::{ExportError, Source};
use crate::hdr::{Histogram, encode, greatest};
use crate::import::hdr::OWN_TAGS;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use isodyne_core::columns::CellColumns;
use isodyne_core::unit::unit_of_metric;
use std::io::Write;

/// Ten times what most logs have: values are exact to 0.01 %.
const DIGITS: u8 = 4;

/// Writes it.
pub(super) fn write(source: &Source<'_>, out: &mut dyn Write) -> Result<Vec<String>, ExportError> {
    let figures = source.figures()?;
    writeln!(out, "#[Run {} by isodyne {}]", plain(&source.record.run_id), plain(&source.record.isodyne_version))?;
    writeln!(out, "#[Histogram log format version 1.3]")?;
    if let Ok(time) = source.record.created_at.parse::<jiff::Timestamp>() {
        let seconds = time.as_millisecond() as f64 / 1e3;
        writeln!(out, "#[StartTime: {seconds:.3} (seconds since epoch), {time}]")?;
    }
    writeln!(out, "#{OWN_TAGS}")?;
    writeln!(out, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"")?;
    let (mut written, mut left) = (0_u64, Vec::new());
    for figure in figures {
        let values = figure.part.columns.values(figure.metric);
        let whole = |value: &f64| (0.0..9.2e18).contains(value);
        if unit_of_metric(figure.metric) == "ratio" || !values.iter().all(whole) {
            if !left.contains(&figure.metric) {
                left.push(figure.metric);
            }
            continue;
        }
        let Some(mut histogram) = Histogram::new(DIGITS) else { continue };
        values.iter().for_each(|value| histogram.record(value.round() as u64));
        let tag = escape(&format!("{};{}", figure.part.cell.id.as_str(), figure.metric));
        let length = length_s(figure.part.columns);
        // By convention the greatest value is a millionth: nanoseconds become milliseconds.
        let greatest = greatest(&histogram) as f64 / 1e6;
        writeln!(out, "Tag={tag},0.000,{length:.3},{greatest:.3},{}", STANDARD.encode(encode(&histogram)))?;
        written += 1;
    }
    if written == 0 {
        return Err(source.no_metric());
    }
    let mut notes = source.failed_cells(&source.parts()?);
    notes.extend(left.iter().map(|metric| format!("`{metric}` has no whole numbers of 0 to 2^63 and is left out")));
    Ok(notes)
}

/// From the first to the last begin of a sample, of the longest session.
fn length_s(columns: &CellColumns) -> f64 {
    let starts = columns.rows.iter().map(|row| row.started_ns);
    let (first, last) = (starts.clone().min().unwrap_or(0), starts.max().unwrap_or(0));
    (last - first) as f64 / 1e9
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(100).collect()
}

/// A tag may not hold commas, spaces and line breaks.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b",%\"".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::Selection;
    use super::super::testing::Example;
    use crate::import::{SourceFile, parse};
    use isodyne_core::factor::FactorValue;

    #[test]
    fn our_importer_reads_the_same_values_to_four_digits() {
        let example = Example::new();
        let (bytes, _) = example.export_with_notes("hdr", &Selection::default());
        let parsed = parse(&[SourceFile { name: "export.hlog".to_owned(), bytes }], None).unwrap();
        assert_eq!(parsed.format, "hdr");
        assert_eq!(parsed.created_at.as_deref(), Some("2026-01-29T12:00:00Z"));
        assert_eq!(parsed.cells.len(), 2);
        for (place, cell) in example.record.cells.iter().take(2).enumerate() {
            let name = FactorValue::Text(cell.id.as_str().to_owned());
            let found = parsed.cells.iter().position(|cell| cell.factors["cell"] == name).unwrap();
            for metric in ["total_ns", "peak_memory_bytes"] {
                let samples = parsed.samples.iter().filter(|sample| sample.cell == found);
                let mut values: Vec<f64> = samples.filter_map(|sample| sample.metrics.get(metric).copied()).collect();
                let mut expected = example.values(place, metric);
                values.sort_by(f64::total_cmp);
                expected.sort_by(f64::total_cmp);
                assert_eq!(values.len(), expected.len());
                for (value, expected) in values.iter().zip(&expected) {
                    assert!((value - expected).abs() <= expected * 1e-4, "{value} {expected}");
                }
            }
        }
    }

    #[test]
    fn tags_hold_nothing_that_a_reader_splits_at() {
        let text = Example::new().export("hdr", &Selection::default());
        for line in text.lines().filter(|line| line.starts_with("Tag=")) {
            assert_eq!(line.split(',').count(), 5, "{line}");
            assert!(!line.contains([' ', '"']), "{line}");
        }
    }
}
