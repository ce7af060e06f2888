//! docker-cr: checkpoint and restore of Docker containers.
//!
//! `performance_data.csv`, the monitor's CSV, `performance_report.txt`, and the JSON files of a checkpoint as facts.

mod folder;

use super::table::Table;
use super::units::figure;
use super::{ImportError, Importer, Parsed, ParsedSample, Rounds, SourceFile, number, text, text_factor, when};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::imported::Statistic;
use isodyne_core::sample::Accuracy;

pub(super) const IMPORTER: Importer = Importer {
    name: "docker-cr",
    summary: "docker-cr tests: performance_data.csv, monitor CSV, performance_report.txt, checkpoint metadata",
    recognise,
    parse,
};

/// What a file of this format is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Data,
    Monitor,
    Report,
    Folder,
}

fn kind(file: &SourceFile) -> Option<Kind> {
    let line = text::first_line(file).replace(' ', "");
    let name = text::base_name(file);
    if line.starts_with("container_type,checkpoint_time") {
        Some(Kind::Data)
    } else if line.starts_with("timestamp,cpu_percent,memory_mb") {
        Some(Kind::Monitor)
    } else if name == "performance_report.txt" && is_report(&text::beginning(file)) {
        Some(Kind::Report)
    } else if folder::NAMES.contains(&name) {
        Some(Kind::Folder)
    } else {
        None
    }
}

/// Another tool's report has the same name; this one is about checkpoints.
fn is_report(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("checkpoint") || lower.contains("restore")
}

fn recognise(files: &[SourceFile]) -> bool {
    files.iter().any(|file| kind(file).is_some())
}

fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut parsed = Parsed { title: "docker-cr".to_owned(), tool: Some("docker-cr".to_owned()), ..Parsed::default() };
    let mut rounds = Rounds::default();
    for file in files {
        match kind(file) {
            Some(Kind::Data) => data(file, &mut parsed, &mut rounds)?,
            Some(Kind::Monitor) => monitor(file, &mut parsed, &mut rounds)?,
            Some(Kind::Report) => report(file, &mut parsed)?,
            Some(Kind::Folder) => folder::read(file, &mut parsed)?,
            None => parsed.remark(format!("{}: not of this format, left out", file.name)),
        }
    }
    Ok(parsed)
}

fn data(file: &SourceFile, parsed: &mut Parsed, rounds: &mut Rounds) -> Result<(), ImportError> {
    let mut table = Table::open(file, Some(b','))?;
    let [kind, time, size] =
        [table.need("container_type")?, table.need("checkpoint_time")?, table.need("checkpoint_size")?];
    parsed.fact("exit_codes", "the tests write a time whether the checkpoint succeeded or not");
    parsed.fact(
        "timed_region",
        "sudo, the program's start, Docker's API, CRIU with its log, and JSON; the freeze is not told apart",
    );
    while let Some(row) = table.next_row()? {
        let factors = Factors::from([("container".to_owned(), text_factor(row.text(kind)))]);
        let cell = parsed.cell(&file.name, BackendName::Docker, factors)?;
        let mut sample = ParsedSample::new(cell, Accuracy::Container);
        sample.round = rounds.next(cell);
        match duration_ns(row.text(time)) {
            Some(ns) => sample.set("checkpoint_ns", ns),
            None if is_absent(row.text(time)) => {
                sample.failure = Some(Failure::new(FailureClass::Reported, "the file has no checkpoint time"));
            }
            None => return Err(row.fail(time, "a time in seconds")),
        }
        match size_bytes(row.text(size)) {
            Some(bytes) => sample.set("checkpoint_bytes", bytes),
            None if is_absent(row.text(size)) => {}
            None => return Err(row.fail(size, "a size such as 12M")),
        }
        parsed.add(&file.name, sample)?;
    }
    Ok(())
}

fn is_absent(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "" | "n/a" | "na" | "failed" | "error" | "-")
}

/// Seconds as a bare number, or a duration with its units.
fn duration_ns(text: &str) -> Option<f64> {
    number::finite(text).map(|seconds| seconds * 1e9).or_else(|| number::go_duration_ns(text))
}

/// What `du -h` prints (K, M and G of 1024), or bytes.
fn size_bytes(text: &str) -> Option<f64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let value = number::finite(&text[..split])?;
    let factor = match text[split..].trim() {
        "" | "B" => 1.0,
        "K" | "KiB" | "k" => 1_024.0,
        "M" | "MiB" => 1_048_576.0,
        "G" | "GiB" => 1_073_741_824.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return None,
    };
    Some(value * factor)
}

fn monitor(file: &SourceFile, parsed: &mut Parsed, rounds: &mut Rounds) -> Result<(), ImportError> {
    let mut table = Table::open(file, Some(b','))?;
    let [time, cpu, memory] = [table.need("timestamp")?, table.need("cpu_percent")?, table.need("memory_mb")?];
    let processes = table.find("processes");
    let factors = Factors::from([("monitor".to_owned(), text_factor(text::stem(file)))]);
    let cell = parsed.cell(&file.name, BackendName::Docker, factors)?;
    parsed.fact("cpu_percent_method", "`ps`: the mean over each process's whole life, not the load of that second");
    parsed.remark("memory_mb was read as 2^20 bytes: it is `ps`'s kB divided by 1024");
    let mut first = None;
    while let Some(row) = table.next_row()? {
        let mut sample = ParsedSample::new(cell, Accuracy::Container);
        sample.round = rounds.next(cell);
        let at = when::unix_ns(row.text(time));
        first = first.or(at);
        sample.started_ns = at.zip(first).and_then(|(at, first)| u64::try_from(at - first).ok());
        row.put(&mut sample, cpu, "cpu_ratio", 0.01)?;
        row.put(&mut sample, memory, "memory_bytes", 1_048_576.0)?;
        if let Some(processes) = processes {
            row.put(&mut sample, processes, "processes_count", 1.0)?;
        }
        parsed.add(&file.name, sample)?;
    }
    if parsed.created_at.is_none() {
        parsed.created_at = first.and_then(|ns| jiff::Timestamp::from_nanosecond(ns).ok()).map(|time| time.to_string());
    }
    Ok(())
}

fn report(file: &SourceFile, parsed: &mut Parsed) -> Result<(), ImportError> {
    let cell = parsed.cell(&file.name, BackendName::Docker, Factors::new())?;
    for line in text::utf8(file)?.lines() {
        if let Some(found) = figure(line) {
            parsed.claim(cell, &found.metric, Statistic::Value, found.value, None, &found.label);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_all_their_forms() {
        assert_eq!(duration_ns("2.5"), Some(2.5e9));
        assert_eq!(duration_ns("0m2.5s"), Some(2.5e9));
        assert_eq!(duration_ns("fast"), None);
        assert_eq!(size_bytes("1.5M"), Some(1_572_864.0));
        assert_eq!(size_bytes("4096"), Some(4096.0));
        assert_eq!(size_bytes("5 apples"), None);
    }
}
