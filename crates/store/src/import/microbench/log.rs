//! Logs of logrus: `time="…" level=info msg="…" delta=1.2s`, or `INFO[0001] … delta=1.2s` on a terminal.

use super::Label;
use crate::import::number::go_duration_ns;
use crate::import::{ImportError, Parsed, ParsedSample, Rounds, SourceFile, when};
use isodyne_core::failure::{Failure, FailureClass};
use std::collections::BTreeMap;

/// What a message is about: a part of it, the metric, and how that was measured.
const MESSAGES: &[(&str, &str, &str)] = &[
    ("kernel boot time", "kernel_boot_ns", "the guest's clock at a line of its kernel log (`random: fast init done`)"),
    ("HTTP reply", "first_http_ns", "the first HTTP 200, tried again and again with a timeout of 100 ms"),
    (
        "hash loop",
        "hash_loop_ns",
        "100 blocks of 1 MiB in the guest; its code appends an empty digest and hashes nothing",
    ),
    ("shutdown", "shutdown_ns", "from the request to the end of the process"),
];

pub(super) fn read(
    file: &SourceFile,
    text: &str,
    label: &Label,
    parsed: &mut Parsed,
    rounds: &mut Rounds,
) -> Result<(), ImportError> {
    let cell = parsed.cell(&file.name, label.backend, label.factors.clone())?;
    // Machines that run at once share a log; each has its own sample at a time.
    let mut open: BTreeMap<String, ParsedSample> = BTreeMap::new();
    let mut first = None;
    for (index, line) in text.lines().enumerate() {
        let number = index as u64 + 1;
        let at = field(line, "time").and_then(when::unix_ns);
        first = first.or(at);
        header(line, parsed);
        let machine = field(line, "ip").or_else(|| field(line, "vm")).unwrap_or_default().to_owned();
        let started_ns = at.zip(first).and_then(|(at, first)| u64::try_from(at - first).ok());
        let mut flush = |sample: ParsedSample, parsed: &mut Parsed| {
            let round = rounds.next(cell);
            parsed.add(&file.name, ParsedSample { round, ..sample })
        };
        if is_failure(line) {
            let mut sample = open.remove(&machine).unwrap_or_else(|| ParsedSample::new(cell, label.accuracy));
            sample.failure = Some(failure(line));
            sample.started_ns = sample.started_ns.or(started_ns);
            flush(sample, parsed)?;
            continue;
        }
        let Some((metric, method)) = MESSAGES
            .iter()
            .find(|(part, _, _)| line.contains(part))
            .map(|(_, metric, method)| (*metric, *method))
            .or_else(|| (field(line, "delta").is_some()).then_some(("delta_ns", "")))
        else {
            if let Some(lines) = field(line, "lines").and_then(crate::import::number::finite) {
                open.entry(machine)
                    .or_insert_with(|| ParsedSample::new(cell, label.accuracy))
                    .set("kernel_log_lines_count", lines);
            }
            continue;
        };
        let Some(delta) = field(line, "delta") else { continue };
        let delta_ns = go_duration_ns(delta).ok_or_else(|| {
            let shown: String = delta.chars().take(40).collect();
            let message = format!("`delta={}` is no duration such as 1m2.3s or 812µs", shown.escape_debug());
            ImportError::at(&file.name, number, message)
        })?;
        if !method.is_empty() {
            parsed.fact(&format!("{}_method", metric.trim_end_matches("_ns")), method);
        }
        // The same thing measured again is the next repetition.
        if open.get(&machine).is_some_and(|sample| sample.metrics.contains_key(metric))
            && let Some(done) = open.remove(&machine)
        {
            flush(done, parsed)?;
        }
        let sample = open.entry(machine).or_insert_with(|| ParsedSample::new(cell, label.accuracy));
        sample.started_ns = sample.started_ns.or(started_ns);
        sample.set(metric, delta_ns);
        if let Some(lines) = field(line, "lines").and_then(crate::import::number::finite) {
            sample.set("kernel_log_lines_count", lines);
        }
    }
    for sample in open.into_values() {
        let round = rounds.next(cell);
        parsed.add(&file.name, ParsedSample { round, ..sample })?;
    }
    if parsed.created_at.is_none() {
        parsed.created_at = first.and_then(|ns| jiff::Timestamp::from_nanosecond(ns).ok()).map(|time| time.to_string());
    }
    Ok(())
}

/// The value of `key=` in a line, also in quotes; the key begins a word.
fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let begins = |at: &usize| line[..*at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
    let at =
        line.match_indices(key).map(|(at, _)| at).filter(begins).find(|at| line[at + key.len()..].starts_with('='))?;
    let rest = &line[at + key.len() + 1..];
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(|c: char| c.is_whitespace() || c == '"').next(),
    }
}

fn is_failure(line: &str) -> bool {
    matches!(field(line, "level"), Some("error" | "fatal" | "panic"))
        || ["ERRO[", "FATA[", "PANI["].iter().any(|mark| line.starts_with(mark))
}

fn failure(line: &str) -> Failure {
    let told = field(line, "msg").unwrap_or(line);
    let reason = field(line, "error").map(|error| format!(": {error}")).unwrap_or_default();
    let message: String = format!("{told}{reason}").chars().take(200).collect::<String>().escape_debug().to_string();
    let lower = message.to_ascii_lowercase();
    let late = ["timeout", "timed out", "deadline"].iter().any(|word| lower.contains(word));
    Failure::new(if late { FailureClass::Timeout } else { FailureClass::Reported }, message)
}

/// What the beginning of a log says of the host.
fn header(line: &str, parsed: &mut Parsed) {
    for (key, fact) in [("version", "engine_version"), ("uname", "host.kernel"), ("kernel", "guest_kernel")] {
        if let Some(value) = field(line, key) {
            parsed.fact(fact, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_whole_words() {
        let line = r#"time="2020-01-10T12:00:00Z" level=info msg="hash loop benchmark: delta=58.2ms" ip=10.0.1.2"#;
        assert_eq!(field(line, "delta"), Some("58.2ms"));
        assert_eq!(field(line, "time"), Some("2020-01-10T12:00:00Z"));
        assert_eq!(field(line, "ip"), Some("10.0.1.2"));
        assert_eq!(field("kerneltime=5 time=6", "time"), Some("6"));
        assert_eq!(field("x", "time"), None);
    }
}
