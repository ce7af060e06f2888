//! PicoShare's performance tests: uploads into a Firecracker guest (or an older Vagrant one).
//!
//! Result files (`result-*.json`, first and second form), matrices (`matrix-results.csv`, also of the version whose
//! columns stayed empty), the oldest form (`raw.csv` with `config.json`), or a directory of them.

mod result;
mod tables;

use super::{ImportError, Importer, Parsed, ParsedSample, Rounds, SourceFile, text};
use isodyne_core::failure::{Failure, FailureClass};
use std::collections::BTreeMap;

pub(super) const IMPORTER: Importer = Importer {
    name: "picoshare",
    summary: "PicoShare upload tests: result-*.json, matrix-results.csv, raw.csv with config.json",
    recognise,
    parse,
};

/// What a file of this format is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Result,
    Matrix,
    Raw,
    Config,
}

fn kind(file: &SourceFile) -> Option<Kind> {
    let line = text::first_line(file);
    let name = text::base_name(file);
    if text::is_json_with(file, &["ram_mb", "file_size"]) {
        Some(Kind::Result)
    } else if line.starts_with("ram_mb,file_size,") {
        Some(Kind::Matrix)
    } else if line.starts_with("file_size,memory_limit,duration_seconds") {
        Some(Kind::Raw)
    } else if name == "config.json" && text::is_json_with(file, &["git_commit"]) {
        Some(Kind::Config)
    } else {
        None
    }
}

fn recognise(files: &[SourceFile]) -> bool {
    files.iter().any(|file| kind(file).is_some_and(|kind| kind != Kind::Config))
}

fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut reading = Reading {
        parsed: Parsed {
            title: "PicoShare uploads".to_owned(),
            tool: Some("picoshare perf-test".to_owned()),
            ..Parsed::default()
        },
        rounds: Rounds::default(),
        times: BTreeMap::new(),
    };
    for file in files {
        match kind(file) {
            Some(Kind::Result) => result::read(file, &mut reading)?,
            Some(Kind::Matrix) => tables::matrix(file, &mut reading)?,
            Some(Kind::Raw) => tables::raw(file, &mut reading)?,
            Some(Kind::Config) => tables::config(file, &mut reading)?,
            None => reading.parsed.remark(format!("{}: not of this format, left out", file.name)),
        }
    }
    Ok(reading.finish(files))
}

/// What is being read.
struct Reading {
    parsed: Parsed,
    rounds: Rounds,
    /// When the samples were begun (nanoseconds since 1970), by place, as far as the files say.
    times: BTreeMap<usize, i128>,
}

impl Reading {
    fn add(&mut self, file: &str, mut sample: ParsedSample, at: Option<i128>) -> Result<(), ImportError> {
        sample.round = self.rounds.next(sample.cell);
        if let Some(at) = at {
            self.times.insert(self.parsed.samples.len(), at);
        }
        self.parsed.add(file, sample)
    }

    fn finish(mut self, files: &[SourceFile]) -> Parsed {
        let parsed = &mut self.parsed;
        let both = [Kind::Result, Kind::Matrix].map(|wanted| files.iter().any(|file| kind(file) == Some(wanted)));
        if both == [true, true] {
            parsed.remark("the rows of matrix-results.csv may repeat the result files");
        }
        parsed.fact("throughput_unit", "throughput_mbps is MB/s of 10^6 bytes, not Mbit/s");
        parsed.fact("file_size_unit", "file_size_mb counts 1G as 1000 while the file has 1024 MiB: payload_stated_bytes and payload_bytes keep both");
        parsed.remark("throughput_mbps was read as 10^6 bytes per second");
        if let Some(first) = self.times.values().min().copied() {
            parsed.created_at = jiff::Timestamp::from_nanosecond(first).ok().map(|time| time.to_string());
            for (place, at) in &self.times {
                parsed.samples[*place].started_ns = u64::try_from(at - first).ok();
            }
        }
        if self.times.len() == parsed.samples.len() {
            // The files came by name; the samples were taken by the clock.
            parsed.samples.sort_by_key(|sample| sample.started_ns);
            let mut rounds = Rounds::default();
            parsed.samples.iter_mut().for_each(|sample| sample.round = rounds.next(sample.cell));
        }
        self.parsed
    }
}

/// Why an upload failed, from its HTTP status and the reason that the file gives; `None` if it did not.
fn failure(status: &str, reason: &str, success: Option<bool>) -> Option<Failure> {
    let (status, reason) = (status.trim(), reason.trim());
    let number: Option<u32> = status.parse().ok();
    let lower = reason.to_ascii_lowercase();
    let fail = |class, message: String| {
        Some(Failure::new(class, message.chars().take(200).collect::<String>().escape_debug().to_string()))
    };
    let told = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    if lower.contains("oom") {
        return fail(FailureClass::OomGuest, format!("the guest ran out of memory{told}"));
    }
    if lower.contains("timeout") || lower.contains("timed out") {
        return fail(FailureClass::Timeout, format!("the upload did not end in time{told}"));
    }
    match number {
        Some(400..=499) => fail(FailureClass::Http4xx, format!("HTTP {status}{told}")),
        Some(500..=599) => fail(FailureClass::Http5xx, format!("HTTP {status}{told}")),
        Some(200..=299) if success != Some(false) => None,
        Some(0) => fail(FailureClass::Reported, format!("no HTTP answer{told}")),
        Some(_) => fail(FailureClass::Reported, format!("HTTP {status}{told}")),
        None if success == Some(false) || (!lower.is_empty() && lower != "success") => {
            fail(FailureClass::Reported, format!("no HTTP status{told}"))
        }
        None => None,
    }
}

/// What `100M` or `1G` is in bytes: `dd` made MiB of it.
fn payload_bytes(size: &str) -> Option<f64> {
    let size = size.trim();
    let split = size.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number = super::number::finite(&size[..split])?;
    let unit = match &size[split..] {
        "K" => 1024.0,
        "M" => 1_048_576.0,
        "G" => 1_073_741_824.0,
        _ => return None,
    };
    Some(number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_classed_by_what_the_file_says() {
        let class = |status, reason, success| failure(status, reason, success).map(|failure| failure.class);
        assert_eq!(class("200", "success", Some(true)), None);
        assert_eq!(class("400", "http_error", Some(false)), Some(FailureClass::Http4xx));
        assert_eq!(class("503", "", None), Some(FailureClass::Http5xx));
        assert_eq!(class("000", "oom_killed", Some(false)), Some(FailureClass::OomGuest));
        assert_eq!(class("000", "timeout", Some(false)), Some(FailureClass::Timeout));
        assert_eq!(class("000", "", Some(false)), Some(FailureClass::Reported));
        assert_eq!(class("200", "", Some(false)), Some(FailureClass::Reported));
        assert_eq!(class("", "", None), None);
    }

    #[test]
    fn sizes_are_what_dd_made() {
        assert_eq!(payload_bytes("1G"), Some(1_073_741_824.0));
        assert_eq!(payload_bytes("100M"), Some(104_857_600.0));
        assert_eq!(payload_bytes("100"), None);
    }
}
