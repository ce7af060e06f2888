//! OpenMetrics text: figures of each cell as gauges, in base units, and counts of samples. No quantiles and no
//! histograms: what a scraper gets are finished figures, by the label `statistic`.

use super::{ExportError, Source};
use crate::export::source::{Figure, Part};
use isodyne_core::unit::unit_of_metric;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

/// Writes it.
pub(super) fn write(source: &Source<'_>, out: &mut dyn Write) -> Result<Vec<String>, ExportError> {
    let parts = source.parts()?;
    let mut text = String::new();
    info(&mut text, source);
    samples(&mut text, &parts);
    let mut families: BTreeMap<String, Vec<Figure<'_>>> = BTreeMap::new();
    for part in &parts {
        for (metric, figures) in part.summary.metrics.iter().filter(|(name, _)| source.selection.takes_metric(name)) {
            families.entry(family(metric).0).or_default().push(Figure { part: *part, metric, figures });
        }
    }
    if families.is_empty() && source.selection.metric.is_some() {
        return Err(source.no_metric());
    }
    for (name, figures) in &families {
        gauges(&mut text, name, figures);
    }
    text.push_str("# EOF\n");
    out.write_all(text.as_bytes())?;
    Ok(Vec::new())
}

fn info(text: &mut String, source: &Source<'_>) {
    head(text, "isodyne_run", "info", "", "The run that the figures are of.");
    let labels = [
        ("run_id", source.record.run_id.as_str()),
        ("version", &source.record.isodyne_version),
        ("created_at", &source.record.created_at),
        ("host", &source.summary.host),
    ];
    sample(text, "isodyne_run_info", &labels, 1.0);
}

fn samples(text: &mut String, parts: &[Part<'_>]) {
    head(text, "isodyne_samples", "gauge", "", "Samples of a cell by what became of them.");
    for part in parts {
        let id = part.cell.id.as_str();
        let mut put = |state: &str, class: &str, count: u64| {
            sample(text, "isodyne_samples", &[("cell", id), ("state", state), ("class", class)], count as f64);
        };
        put("valid", "", part.summary.samples_valid);
        put("warmup", "", part.summary.samples_warmup);
        put("interrupted", "", part.summary.samples_interrupted);
        for (class, count) in &part.summary.samples_failed {
            put("failed", class.as_str(), *count);
        }
    }
}

fn gauges(text: &mut String, name: &str, figures: &[Figure<'_>]) {
    let Some(first) = figures.first() else { return };
    let (_, unit, _) = family(first.metric);
    let help = format!("{} over the valid samples of a cell, by statistic; ci95 is of the median.", first.metric);
    head(text, name, "gauge", unit, &help);
    for figure in figures {
        let (_, _, divisor) = family(figure.metric);
        let summary = figure.part.summary;
        let accuracy = summary.accuracy.map(|accuracy| accuracy.as_str()).unwrap_or_default();
        let provenance = summary.provenance.map(|provenance| provenance.as_str()).unwrap_or_default();
        let values = [
            ("median", Some(figure.figures.p50)),
            ("min", Some(figure.figures.min)),
            ("max", Some(figure.figures.max)),
            ("mean", Some(figure.figures.mean)),
            ("stddev", figure.figures.stddev),
            ("ci95_lower", figure.figures.ci95.map(|[lower, _]| lower)),
            ("ci95_upper", figure.figures.ci95.map(|[_, upper]| upper)),
        ];
        for (statistic, value) in values.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            let labels = [
                ("cell", figure.part.cell.id.as_str()),
                ("backend", figure.part.cell.backend.as_str()),
                ("accuracy", accuracy),
                ("provenance", provenance),
                ("statistic", statistic),
            ];
            sample(text, name, &labels, value / divisor);
        }
    }
}

/// The family of a metric, its unit by OpenMetrics, and what a value is divided by for it. Two metrics that would share a name share a
/// family: they differ in nothing but characters that names may not have.
fn family(metric: &str) -> (String, &'static str, f64) {
    let (suffix, unit, divisor) = match unit_of_metric(metric) {
        "ns" => ("_ns", "seconds", 1e9),
        "B/s" => ("_bytes_per_s", "bytes_per_second", 1.0),
        "1/s" => ("_per_s", "per_second", 1.0),
        "B" => ("_bytes", "bytes", 1.0),
        "ratio" => ("_ratio", "ratio", 1.0),
        // A name must not end in `_count`: that is a part of histograms.
        _ => ("_count", "", 1.0),
    };
    let stem = metric.strip_suffix(suffix).unwrap_or(metric);
    let stem: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let name = if unit.is_empty() { format!("isodyne_{stem}") } else { format!("isodyne_{stem}_{unit}") };
    // The families above, and what the format reserves.
    let reserved = ["isodyne_run", "isodyne_samples"].contains(&name.as_str());
    let taken = ["_total", "_created", "_bucket", "_sum", "_info"].iter().any(|end| name.ends_with(end));
    (if reserved || taken { format!("{name}_value") } else { name }, unit, divisor)
}

fn head(text: &mut String, name: &str, kind: &str, unit: &str, help: &str) {
    let _ = writeln!(text, "# TYPE {name} {kind}");
    if !unit.is_empty() {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
    let _ = writeln!(text, "# HELP {name} {}", escape(help));
}

fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    let labels: Vec<String> = labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(label, value)| format!("{label}=\"{}\"", escape(value)))
        .collect();
    let _ = writeln!(text, "{name}{{{}}} {value}", labels.join(","));
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other if other.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::Selection;
    use super::super::testing::Example;
    use super::family;
    use std::collections::{BTreeMap, BTreeSet};

    /// A strict reader: lines as the grammar of OpenMetrics 1.0 has them. Gives samples by name and labels.
    fn read(text: &str) -> BTreeMap<(String, BTreeMap<String, String>), f64> {
        let mut found = BTreeMap::new();
        let (mut family, mut kind, mut seen) = (String::new(), String::new(), BTreeSet::new());
        let body = text.strip_suffix("# EOF\n").expect("the end is marked, and nothing follows it");
        assert!(!body.contains("# EOF"));
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# ") {
                let (keyword, rest) = rest.split_once(' ').unwrap();
                let (name, value) = rest.split_once(' ').unwrap();
                assert!(is_name(name), "{name}");
                match keyword {
                    "TYPE" => {
                        assert!(["gauge", "info"].contains(&value) && seen.insert(name.to_owned()), "{line}");
                        (family, kind) = (name.to_owned(), value.to_owned());
                    }
                    "UNIT" => assert!(name == family && name.ends_with(&format!("_{value}")), "{line}"),
                    "HELP" => assert_eq!(name, family),
                    other => panic!("{other}"),
                }
                continue;
            }
            let (name, rest) = line.split_once('{').unwrap();
            assert_eq!(name, if kind == "info" { format!("{family}_info") } else { family.clone() });
            let (labels, rest) = labels(rest);
            let value: f64 = rest.strip_prefix(' ').unwrap().parse().unwrap();
            assert!(found.insert((name.to_owned(), labels), value).is_none(), "twice: {line}");
        }
        found
    }

    fn is_name(name: &str) -> bool {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    fn labels(mut rest: &str) -> (BTreeMap<String, String>, &str) {
        let mut labels = BTreeMap::new();
        loop {
            let (name, after) = rest.split_once("=\"").unwrap();
            assert!(is_name(name), "{name}");
            let (mut value, mut chars) = (String::new(), after.char_indices());
            let end = loop {
                match chars.next().expect("a closing quote") {
                    (_, '\\') => value.push(match chars.next().unwrap().1 {
                        'n' => '\n',
                        escaped @ ('\\' | '"') => escaped,
                        other => panic!("escape {other}"),
                    }),
                    (at, '"') => break at,
                    (_, other) => value.push(other),
                }
            };
            assert!(labels.insert(name.to_owned(), value).is_none());
            rest = &after[end + 1..];
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => return (labels, rest.strip_prefix('}').unwrap()),
            }
        }
    }

    #[test]
    fn a_strict_reader_reads_it_in_base_units() {
        let example = Example::new();
        let samples = read(&example.export("openmetrics", &Selection::default()));
        let find = |name: &str, wanted: &[(&str, &str)]| {
            let mut matching = samples.iter().filter(|((found, labels), _)| {
                found == name && wanted.iter().all(|(key, value)| labels.get(*key).is_some_and(|found| found == value))
            });
            *matching.next().unwrap_or_else(|| panic!("{name} {wanted:?}")).1
        };
        let median = find("isodyne_total_seconds", &[("cell", "boot/runc"), ("statistic", "median")]);
        assert!((median - 0.02009876).abs() < 1e-12);
        let qemu = example.record.cells[1].id.as_str();
        assert!(qemu.contains('\\') && qemu.contains('"'));
        assert!(find("isodyne_peak_memory_bytes", &[("cell", qemu), ("statistic", "max")]) > 0.0);
        assert_eq!(find("isodyne_samples", &[("cell", "boot/crun"), ("state", "valid")]), 0.0);
        assert_eq!(find("isodyne_samples", &[("cell", "boot/crun"), ("class", "timeout")]), 1.0);
        assert_eq!(find("isodyne_run_info", &[("run_id", "0123456789abcdef")]), 1.0);
    }

    #[test]
    fn names_are_those_of_the_format() {
        assert_eq!(
            family("throughput_bytes_per_s"),
            ("isodyne_throughput_bytes_per_second".to_owned(), "bytes_per_second", 1.0)
        );
        assert_eq!(family("pages_written_count").0, "isodyne_pages_written");
        assert_eq!(family("samples_count").0, "isodyne_samples_value");
        assert_eq!(family("retransmits_total_count").0, "isodyne_retransmits_total_value");
        assert_eq!(family("a.b-c_ratio").0, "isodyne_a_b_c_ratio");
    }
}
