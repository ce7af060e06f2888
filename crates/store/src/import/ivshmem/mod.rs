//! IVSHMEM between a host and a QEMU guest: latency and bandwidth of both protocol versions, counters, the report.
//!
//! Failed rows are written as zeros by that tool; here they are failed samples without values.

mod bandwidth;
mod wide;

use super::table::{Row, Table};
use super::units::figure;
use super::{ImportError, Importer, Parsed, ParsedSample, Rounds, SourceFile, text, text_factor};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::imported::Statistic;
use isodyne_core::sample::Accuracy;

pub(super) const IMPORTER: Importer = Importer {
    name: "ivshmem",
    summary: "ivshmem-analysis: latency and bandwidth CSV (both versions), *_performance.csv, performance_report.txt",
    recognise,
    parse,
};

/// What a file of this format is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Latency,
    Bandwidth,
    /// The second version of both.
    Wide,
    Counters,
    Report,
}

fn kind(file: &SourceFile) -> Option<Kind> {
    let line = text::first_line(file);
    let name = text::base_name(file);
    if line == "iteration,latency_ns,latency_us" {
        Some(Kind::Latency)
    } else if line.starts_with("iteration,frame_type,") && line.contains(",bandwidth_mbps") {
        Some(Kind::Bandwidth)
    } else if line.starts_with("iteration,") && line.contains("host_memcpy_ns") && line.contains("roundtrip_ns") {
        Some(Kind::Wide)
    } else if line.starts_with("iteration,") && line.contains(",host_") && line.contains(",guest_") {
        Some(Kind::Counters)
    } else if name == "performance_report.txt" {
        let lower = text::beginning(file).to_ascii_lowercase();
        (lower.contains("ivshmem") || lower.contains("latency") || lower.contains("bandwidth")).then_some(Kind::Report)
    } else {
        None
    }
}

fn recognise(files: &[SourceFile]) -> bool {
    files.iter().any(|file| kind(file).is_some())
}

fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut parsed =
        Parsed { title: "IVSHMEM".to_owned(), tool: Some("ivshmem-analysis".to_owned()), ..Parsed::default() };
    let mut rounds = Rounds::default();
    for file in files {
        match kind(file) {
            Some(Kind::Latency) => latency(file, &mut parsed, &mut rounds)?,
            Some(Kind::Bandwidth) => bandwidth::read(file, &mut parsed, &mut rounds)?,
            Some(Kind::Wide) => wide::read(file, &mut parsed, &mut rounds)?,
            Some(Kind::Counters) => counters(file, &mut parsed, &mut rounds)?,
            Some(Kind::Report) => report(file, &mut parsed)?,
            None => parsed.remark(format!("{}: not of this format, left out", file.name)),
        }
    }
    Ok(parsed)
}

/// The cell of a file or of the frames of one size in it.
fn cell(parsed: &mut Parsed, file: &SourceFile, test: &str, frame: Option<&str>) -> Result<usize, ImportError> {
    let mut factors = Factors::from([("test".to_owned(), text_factor(test))]);
    if let Some(frame) = frame.filter(|frame| !frame.is_empty()) {
        factors.insert("frame".to_owned(), text_factor(frame));
    }
    parsed.cell(&file.name, BackendName::Qemu, factors)
}

fn latency(file: &SourceFile, parsed: &mut Parsed, rounds: &mut Rounds) -> Result<(), ImportError> {
    let mut table = Table::open(file, Some(b','))?;
    let [ns, us] = [table.need("latency_ns")?, table.need("latency_us")?];
    let cell = cell(parsed, file, "latency", None)?;
    parsed.fact("protocol", "1");
    parsed
        .fact("acknowledgement", "the guest acknowledges a message it has seen; both sides poll with a sleep of 10 µs");
    parsed.fact("poll_period_ns", "10000");
    while let Some(row) = table.next_row()? {
        let mut sample = ParsedSample::new(cell, Accuracy::Process);
        sample.round = rounds.next(cell);
        match row.number(ns)? {
            Some(value) if value > 0.0 => {
                sample.set("round_trip_ns", value);
                if row.number(us)?.is_some_and(|us| (us * 1e3 - value).abs() > 0.01 * value + 10.0) {
                    parsed.remark(format!("{}: latency_ns and latency_us disagree; latency_ns was taken", file.name));
                }
            }
            _ => sample.failure = Some(zero("latency_ns")),
        }
        parsed.add(&file.name, sample)?;
    }
    Ok(())
}

/// The failure of a row of zeros.
fn zero(column: &str) -> Failure {
    Failure::new(FailureClass::Reported, format!("`{column}` is 0 or empty: the tool writes failed rows so"))
}

/// Performance counters: what they count is in their names.
fn counters(file: &SourceFile, parsed: &mut Parsed, rounds: &mut Rounds) -> Result<(), ImportError> {
    let mut table = Table::open(file, Some(b','))?;
    let counted = |name: &&String| name.starts_with("host_") || name.starts_with("guest_");
    let columns: Vec<(usize, String)> = table
        .header()
        .iter()
        .filter(counted)
        .filter_map(|name| Some((table.find(name)?, super::units::plain(name)?)))
        .collect();
    let frame = table.find("frame_type");
    let test = text::stem(file).to_owned();
    while let Some(row) = table.next_row()? {
        let cell = cell(parsed, file, &test, frame.map(|column| row.text(column)))?;
        let mut sample = ParsedSample::new(cell, Accuracy::Process);
        sample.round = rounds.next(cell);
        for (column, name) in &columns {
            // A rate is no count, and of how many parts it is of the file does not say.
            if name.ends_with("_rate") {
                parsed.remark(format!("`{name}` was left out: the file does not say of what it is a share"));
            } else if let Some(value) = row.number(*column)? {
                sample.set(&format!("{name}_count"), value);
            }
        }
        parsed.add(&file.name, sample)?;
    }
    Ok(())
}

fn report(file: &SourceFile, parsed: &mut Parsed) -> Result<(), ImportError> {
    let cell = cell(parsed, file, "report", None)?;
    // A heading says what the lines under it are about.
    let mut section = String::new();
    for line in text::utf8(file)?.lines() {
        let trimmed = line.trim();
        match figure(line) {
            Some(found) => {
                let metric = if section.is_empty() { found.metric } else { format!("{section}_{}", found.metric) };
                parsed.claim(cell, &metric, statistic(&found.label), found.value, None, &found.label);
            }
            None if trimmed.ends_with(':') && trimmed.chars().count() <= 60 => {
                section = super::units::plain(trimmed).unwrap_or_default();
            }
            None => {}
        }
    }
    Ok(())
}

/// What a figure is, by the words before it.
fn statistic(label: &str) -> Statistic {
    let lower = label.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    match () {
        () if has(&["99.9", "p999"]) => Statistic::Quantile(0.999),
        () if has(&["p99", "99th"]) => Statistic::Quantile(0.99),
        () if has(&["p95", "95th"]) => Statistic::Quantile(0.95),
        () if has(&["p90", "90th"]) => Statistic::Quantile(0.9),
        () if has(&["median", "p50"]) => Statistic::Median,
        () if has(&["mean", "average", "avg"]) => Statistic::Mean,
        () if has(&["std"]) => Statistic::Stddev,
        () if has(&["min"]) => Statistic::Min,
        () if has(&["max", "peak"]) => Statistic::Max,
        () => Statistic::Value,
    }
}

/// Sets a value of a row, if there is one that is not zero: this tool writes 0 for what it does not have.
fn set(
    sample: &mut ParsedSample,
    row: &Row<'_, '_>,
    column: usize,
    metric: &str,
    factor: f64,
) -> Result<(), ImportError> {
    if let Some(value) = row.number(column)?.filter(|value| *value != 0.0) {
        sample.set(metric, value * factor);
    }
    Ok(())
}
