//! Logs of HdrHistogram: one interval a line, its histogram compressed and in base 64.
//!
//! A histogram knows its values to some significant digits and not their order. Up to a limit its counts become
//! samples with the middle of their range as the value; beyond, they become quantiles, which are claims.

mod line;

use super::parts::{head, holds, ns_of_seconds, rfc3339_of_ms, sample, short};
use super::{ImportError, Parsed, SourceFile, text, text_factor};
use crate::hdr::{Budget, Histogram, decode, greatest};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use isodyne_core::imported::Statistic;
use isodyne_core::sample::Accuracy;
use line::{Interval, Line};
use std::collections::BTreeMap;

/// The counts of a tag become samples if they are not more.
const EXPANDED_LIMIT: u64 = 100_000;
/// Quantiles of what is more.
const QUANTILES: &[f64] = &[0.5, 0.9, 0.95, 0.99, 0.999, 0.9999];
/// What our own export says of its tags.
pub(crate) const OWN_TAGS: &str = "[Isodyne: a tag is the cell and the metric, joined by `;`, with percent escapes]";

/// Whether this is one.
pub(super) fn recognise(files: &[SourceFile]) -> bool {
    matches!(files, [file] if holds(head(file), "[Histogram log format version") || holds(head(file), ",HISTF")
        || holds(head(file), ",HISTI"))
}

/// Reads one.
pub(super) fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut parsed = Parsed {
        format: "hdr".to_owned(),
        tool: Some("HdrHistogram".to_owned()),
        title: "a log of HdrHistogram".to_owned(),
        ..Parsed::default()
    };
    for file in files {
        add_file(&mut parsed, file)?;
    }
    Ok(parsed)
}

fn add_file(parsed: &mut Parsed, file: &SourceFile) -> Result<(), ImportError> {
    let text = text::utf8(file)?;
    let mut tags: BTreeMap<String, Vec<(Interval<'_>, Histogram)>> = BTreeMap::new();
    let (mut budget, mut own) = (Budget::default(), false);
    for (index, text) in text.lines().enumerate() {
        let fail = |message: String| ImportError::at(&file.name, index as u64 + 1, message);
        match line::read(text).map_err(fail)? {
            Line::Nothing => {}
            Line::StartTime(seconds) => parsed.created_at = rfc3339_of_ms(seconds * 1e3),
            Line::Version(version) => {
                if !["1.1", "1.2", "1.3"].contains(&version) {
                    parsed.remark(format!("version {} of the log is not known", short(version)));
                }
            }
            Line::Comment(comment) if comment.trim() == OWN_TAGS => own = true,
            Line::Comment(_) => {}
            Line::Interval(interval) => {
                let histogram = decode(&interval.bytes, &mut budget).map_err(fail)?;
                tags.entry(interval.tag.to_owned()).or_default().push((interval, histogram));
            }
        }
    }
    let first = tags.values().flatten().map(|(interval, _)| interval.start_s).fold(f64::INFINITY, f64::min);
    for (tag, intervals) in tags {
        add_tag(parsed, &file.name, &tag, &intervals, own, first)?;
    }
    Ok(())
}

fn add_tag(
    parsed: &mut Parsed,
    file: &str,
    tag: &str,
    intervals: &[(Interval<'_>, Histogram)],
    own: bool,
    first_s: f64,
) -> Result<(), ImportError> {
    let mut factors = Factors::new();
    let mut metric = String::new();
    match line::unescape(tag).split_once(';').filter(|_| own) {
        Some((cell, name)) if is_metric(name) => {
            factors.insert("cell".to_owned(), text_factor(cell));
            metric = name.to_owned();
        }
        _ if !tag.is_empty() => drop(factors.insert("tag".to_owned(), text_factor(tag))),
        _ => {}
    }
    if metric.is_empty() {
        metric = unit(parsed, intervals).to_owned();
    }
    let cell = parsed.cell(file, BackendName::Imported, factors)?;
    let digits = intervals.iter().map(|(_, histogram)| histogram.digits()).min().unwrap_or_default();
    let total = intervals.iter().fold(0, |sum: u64, (_, histogram)| sum.saturating_add(histogram.len()));
    let name = if tag.is_empty() { "intervals without a tag".to_owned() } else { format!("tag `{}`", short(tag)) };
    if total > EXPANDED_LIMIT {
        parsed.remark(format!(
            "{name}: {total} values are more than {EXPANDED_LIMIT}: quantiles were kept, and no samples"
        ));
        add_quantiles(parsed, cell, &metric, intervals, total);
        return Ok(());
    }
    parsed.remark(format!(
        "{name}: values are known to {digits} significant digits, and their order within an interval is not known; \
             whether they were corrected for coordinated omission is not said"
    ));
    let mut round = 0;
    for (interval, histogram) in intervals {
        let started_ns = ns_of_seconds(interval.start_s - first_s) as u64;
        for bucket in histogram.buckets() {
            for _ in 0..bucket.count {
                let mut made = sample(cell, round, Accuracy::Process, [(metric.as_str(), bucket.middle() as f64)]);
                made.started_ns = Some(started_ns);
                parsed.add(file, made)?;
                round += 1;
            }
        }
    }
    Ok(())
}

fn is_metric(name: &str) -> bool {
    !name.is_empty() && name.len() <= 200 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The unit is not in the file. By convention values are nanoseconds and the column of the greatest value is in
/// milliseconds; where the two are related in that way, the convention is believed.
fn unit(parsed: &mut Parsed, intervals: &[(Interval<'_>, Histogram)]) -> &'static str {
    let highest = intervals.iter().max_by_key(|(_, histogram)| greatest(histogram));
    let Some((interval, histogram)) = highest.filter(|(interval, _)| interval.max > 0.0) else {
        return "recorded_count";
    };
    let ratio = greatest(histogram) as f64 / interval.max;
    // The column has three decimals.
    let tolerance = 0.01 + 0.0005 / interval.max;
    if (ratio / 1e6 - 1.0).abs() <= tolerance {
        parsed.remark("the column of greatest values is a millionth of the values: they are taken for nanoseconds");
        "recorded_ns"
    } else {
        parsed.remark("the unit of the values is not known: they are taken as plain numbers");
        "recorded_count"
    }
}

fn add_quantiles(parsed: &mut Parsed, cell: usize, metric: &str, intervals: &[(Interval<'_>, Histogram)], total: u64) {
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    let (mut sum, mut least) = (0.0, u64::MAX);
    for bucket in intervals.iter().flat_map(|(_, histogram)| histogram.buckets()) {
        // The greatest value of the range, as every implementation of the format reports it.
        let count = counts.entry(bucket.to).or_insert(0);
        *count = count.saturating_add(bucket.count);
        sum += bucket.middle() as f64 * bucket.count as f64;
        least = least.min(bucket.from);
    }
    let n = Some(total);
    parsed.claim(cell, metric, Statistic::Mean, sum / total as f64, n, "histogram");
    parsed.claim(cell, metric, Statistic::Min, least as f64, n, "histogram");
    let greatest = counts.last_key_value().map_or(0, |(value, _)| *value);
    parsed.claim(cell, metric, Statistic::Max, greatest as f64, n, "histogram");
    parsed.claim(cell, metric, Statistic::Succeeded, total as f64, n, "histogram");
    for quantile in QUANTILES {
        let wanted = (quantile * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0_u64;
        let found = counts.iter().find(|(_, count)| {
            seen = seen.saturating_add(**count);
            seen >= wanted
        });
        if let Some((value, _)) = found {
            parsed.claim(cell, metric, Statistic::Quantile(*quantile), *value as f64, n, "histogram");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::fixture;
    use super::*;

    #[test]
    fn a_log_of_another_implementation() {
        // The intervals were encoded by the package hdrhistogram for Python, 41 and 60 values.
        let parsed = parse(&[fixture("hdr.hlog")]).unwrap();
        assert_eq!(parsed.created_at.as_deref(), Some("2015-09-09T15:24:39.474Z"));
        assert_eq!(parsed.cells.len(), 2);
        assert_eq!(parsed.cells[1].id.as_str(), "imported/imported[tag=A]");
        let of = |cell: usize| parsed.samples.iter().filter(move |sample| sample.cell == cell);
        assert_eq!((of(0).count(), of(1).count()), (101, 101));
        let greatest = of(1).map(|sample| sample.metrics["recorded_ns"]).fold(0.0, f64::max);
        assert!((greatest - 2_769_000.0).abs() < 2_769.0, "{greatest}");
        assert_eq!(of(0).next_back().unwrap().started_ns, Some(1_007_000_000));
    }

    #[test]
    fn too_many_values_become_quantiles() {
        use base64::Engine;
        let histogram = crate::hdr::of((0..200_000).map(|index| 1_000_000 + index), 3);
        let text = base64::engine::general_purpose::STANDARD.encode(crate::hdr::encode(&histogram));
        let log = format!("Tag=x,0.0,1.0,{:.3},{text}\n", greatest(&histogram) as f64 / 1e6);
        let parsed = parse(&[SourceFile { name: "l".into(), bytes: log.into() }]).unwrap();
        assert!(parsed.samples.is_empty());
        let median = parsed.claims.iter().find(|claim| claim.statistic == Statistic::Quantile(0.5)).unwrap();
        assert_eq!((median.metric.as_str(), median.n), ("recorded_ns", Some(200_000)));
        assert!((median.value - 1_100_000.0).abs() <= 1_100.0, "{}", median.value);
    }

    #[test]
    fn errors_have_the_line() {
        let error = |text: &str| {
            let file = SourceFile { name: "l".into(), bytes: text.into() };
            parse(&[file]).unwrap_err().to_string()
        };
        assert_eq!(error("#a\n1,2\n"), "l:2: expected start, length, greatest value and histogram, found 2 fields");
        assert_eq!(error("x,2,3,HISTF"), "l:1: the start `x` is no number");
        assert_eq!(error("1,2,3,%%"), "l:1: the histogram is not base 64");
        assert_eq!(error("1,2,3,AAAA"), "l:1: the histogram is cut off");
    }
}
