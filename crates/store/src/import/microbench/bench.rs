//! ApacheBench's summary: figures only, no samples.

use super::Label;
use crate::import::number::finite;
use crate::import::{ImportError, Parsed, SourceFile};
use isodyne_core::imported::Statistic;

/// A line's beginning, the metric, what the figure is, and the factor. A transfer's Kbytes are of 1024.
const LINES: &[(&str, &str, Statistic, f64)] = &[
    ("Requests per second:", "requests_per_s", Statistic::Mean, 1.0),
    ("Time per request:", "request_ns", Statistic::Mean, 1e6),
    ("Transfer rate:", "throughput_bytes_per_s", Statistic::Mean, 1024.0),
    ("Time taken for tests:", "total_ns", Statistic::Value, 1e9),
    ("Document Length:", "document_bytes", Statistic::Value, 1.0),
    ("Complete requests:", "request_ns", Statistic::Succeeded, 1.0),
    ("Failed requests:", "request_ns", Statistic::Failed, 1.0),
];

pub(super) fn read(file: &SourceFile, text: &str, label: &Label, parsed: &mut Parsed) -> Result<(), ImportError> {
    let cell = parsed.cell(&file.name, label.backend, label.with("command", "ab"))?;
    let number = |text: &str| text.split_whitespace().next().and_then(finite);
    let complete = text.lines().find_map(|line| number(line.trim().strip_prefix("Complete requests:")?));
    let n = complete.filter(|count| (0.0..1e15).contains(count)).map(|count| count as u64);
    for line in text.lines().map(str::trim) {
        for (start, metric, statistic, factor) in LINES {
            // The second "Time per request" is the first divided by the concurrency: no time that anything took.
            let Some(rest) = line.strip_prefix(start).filter(|rest| !rest.contains("across all")) else { continue };
            if let Some(value) = number(rest) {
                parsed.claim(cell, metric, *statistic, value * factor, n, start.trim_end_matches(':'));
            }
        }
        if let Some((share, rest)) = line.split_once('%')
            && let (Some(share), Some(value)) = (finite(share), number(rest))
        {
            let statistic = match share {
                100.0 => Statistic::Max,
                q if q > 0.0 && q < 100.0 => Statistic::Quantile(q / 100.0),
                _ => continue,
            };
            parsed.claim(cell, "request_ns", statistic, value * 1e6, n, &format!("{share}%"));
        }
        for (start, key) in [("Server Software:", "server"), ("Concurrency Level:", "concurrency")] {
            if let Some(value) = line.strip_prefix(start) {
                parsed.fact(key, value);
            }
        }
    }
    parsed.fact("resolution_ns", "1000000");
    Ok(())
}
