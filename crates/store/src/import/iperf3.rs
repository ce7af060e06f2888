//! iperf3's `-J`: throughput by interval.

use super::json::{self, Node};
use super::parts::{count_at, head, holds, reported, rfc3339_of_ms, sample, short, text_at, unread};
use super::{ImportError, Parsed, SourceFile, text_factor};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::imported::Statistic;
use isodyne_core::sample::Accuracy;

/// Whether this is one. What `--json-stream` writes is one too, and is refused with the way out.
pub(super) fn recognise(files: &[SourceFile]) -> bool {
    let whole = |bytes: &[u8]| holds(bytes, "\"start\"") && (holds(bytes, "\"connected\"") || holds(bytes, "\"iperf "));
    matches!(files, [file] if whole(head(file)) || is_stream(head(file)))
}

fn is_stream(bytes: &[u8]) -> bool {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    holds(first, "\"event\"") && holds(first, "\"start\"") && holds(first, "\"data\"")
}

/// Reads one.
pub(super) fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut parsed =
        Parsed { format: "iperf3".to_owned(), title: "throughput by iperf3".to_owned(), ..Parsed::default() };
    for file in files {
        if is_stream(head(file)) {
            return Err(ImportError::at(
                &file.name,
                1,
                "this was written with --json-stream, one event a line: use -J, which writes one document",
            ));
        }
        let tree = json::parse(file)?;
        add(&mut parsed, &file.name, &Node::root(&file.name, &tree))?;
    }
    Ok(parsed)
}

/// The sums that an interval or the end may have: their keys, and the direction as a factor.
const SUMS: &[(&str, &str)] = &[("sum", "forward"), ("sum_bidir_reverse", "reverse")];

fn add(parsed: &mut Parsed, file: &str, root: &Node<'_>) -> Result<(), ImportError> {
    let start = root.need("start")?;
    parsed.tool = text_at(&start, "version").map(short).or(parsed.tool.take());
    if let Some(host) = text_at(&start, "system_info") {
        parsed.fact("host", host);
    }
    if let Some(seconds) = start.get("timestamp").map(|at| at.number_of("timesecs")).transpose()?.flatten() {
        parsed.created_at = rfc3339_of_ms(seconds * 1e3);
    }
    let factors = factors(&start)?;
    let error = root.get("error").map(|place| place.text().map(short)).transpose()?;
    let mut rounds = 0;
    if let Some(intervals) = root.get("intervals") {
        for (round, interval) in intervals.items()?.enumerate() {
            add_interval(parsed, file, &factors, round, &interval)?;
            rounds = round + 1;
        }
    }
    if let Some(error) = error {
        let cell = parsed.cell(file, BackendName::Imported, of(&factors, "forward"))?;
        let mut failed = sample(cell, rounds, Accuracy::Process, []);
        failed.failure = Some(reported(format!("iperf3: {error}")));
        parsed.add(file, failed)?;
    }
    if let Some(end) = root.get("end") {
        add_claims(parsed, file, &factors, &end)?;
    }
    let known = ["start", "intervals", "end", "error", "title"];
    unread(parsed, "", root.entries()?.map(|(key, _)| key), &known);
    Ok(())
}

fn factors(start: &Node<'_>) -> Result<Factors, ImportError> {
    let mut factors = Factors::new();
    let Some(test) = start.get("test_start") else { return Ok(factors) };
    if let Some(protocol) = text_at(&test, "protocol") {
        factors.insert("protocol".to_owned(), text_factor(protocol));
    }
    for (key, factor) in [("num_streams", "streams"), ("reverse", "reverse"), ("target_bitrate", "target_bits_per_s")] {
        let count = count_at(&test, key);
        factors.extend(count.map(|count| (factor.to_owned(), FactorValue::Count(count))));
    }
    let block = count_at(&test, "blksize");
    factors.extend(block.map(|bytes| ("block".to_owned(), FactorValue::Bytes(bytes))));
    Ok(factors)
}

fn of(factors: &Factors, direction: &str) -> Factors {
    let mut factors = factors.clone();
    factors.insert("direction".to_owned(), text_factor(direction));
    factors
}

fn add_interval(
    parsed: &mut Parsed,
    file: &str,
    factors: &Factors,
    round: usize,
    interval: &Node<'_>,
) -> Result<(), ImportError> {
    let mut found = false;
    for (key, direction) in SUMS {
        let Some(sum) = interval.get(key) else { continue };
        found = true;
        let cell = parsed.cell(file, BackendName::Imported, of(factors, direction))?;
        let mut values = vec![("throughput_bytes_per_s", sum.need("bits_per_second")?.number()? / 8.0)];
        for (key, metric, scale) in [
            ("bytes", "transferred_bytes", 1.0),
            ("seconds", "interval_ns", 1e9),
            ("retransmits", "retransmits_count", 1.0),
            ("packets", "packets_count", 1.0),
            ("lost_packets", "lost_packets_count", 1.0),
            ("lost_percent", "lost_ratio", 0.01),
            ("jitter_ms", "jitter_ns", 1e6),
        ] {
            values.extend(sum.number_of(key)?.map(|value| (metric, value * scale)));
        }
        let mut made = sample(cell, round, Accuracy::Process, values);
        made.started_ns = sum.number_of("start")?.filter(|start| *start >= 0.0).map(|start| (start * 1e9) as u64);
        made.warmup = sum.value().get("omitted").and_then(serde_json::Value::as_bool).unwrap_or(false);
        parsed.add(file, made)?;
    }
    if !found {
        parsed.remark(format!("`{}` has no sum and was left out", interval.path()));
    } else {
        parsed.remark(
            "intervals of one connection follow one another: they are correlated, and not repeated measurements",
        );
    }
    Ok(())
}

fn add_claims(parsed: &mut Parsed, file: &str, factors: &Factors, end: &Node<'_>) -> Result<(), ImportError> {
    for (key, direction) in [
        ("sum_sent", "forward"),
        ("sum_received", "forward"),
        ("sum", "forward"),
        ("sum_sent_bidir_reverse", "reverse"),
        ("sum_received_bidir_reverse", "reverse"),
    ] {
        let Some(sum) = end.get(key) else { continue };
        let cell = parsed.cell(file, BackendName::Imported, of(factors, direction))?;
        for (name, metric, statistic, scale) in [
            ("bits_per_second", "throughput_bytes_per_s", Statistic::Mean, 0.125),
            ("retransmits", "retransmits_total_count", Statistic::Value, 1.0),
            ("lost_percent", "lost_ratio", Statistic::Mean, 0.01),
        ] {
            if let Some(value) = sum.number_of(name)? {
                parsed.claim(cell, metric, statistic, value * scale, None, &format!("{}.{name}", sum.path()));
            }
        }
    }
    if let Some(cpu) = end.get("cpu_utilization_percent") {
        let Some(cell) = parsed.cells.first().map(|_| 0) else { return Ok(()) };
        for (key, metric) in [("host_total", "cpu_own_ratio"), ("remote_total", "cpu_remote_ratio")] {
            if let Some(percent) = cpu.number_of(key)? {
                parsed.claim(cell, metric, Statistic::Value, percent / 100.0, None, &format!("{}.{key}", cpu.path()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::fixture;
    use super::*;

    #[test]
    fn intervals_are_samples_and_bits_become_bytes() {
        let parsed = parse(&[fixture("iperf3.json")]).unwrap();
        assert_eq!(parsed.tool.as_deref(), Some("iperf 3.12"));
        assert_eq!(parsed.created_at.as_deref(), Some("2024-03-09T16:00:00Z"));
        assert_eq!(
            parsed.cells[0].id.as_str(),
            "imported/imported[block=128KiB,direction=forward,protocol=TCP,reverse=0,streams=2]"
        );
        assert_eq!(parsed.samples.len(), 3);
        assert!(parsed.samples[0].warmup && !parsed.samples[1].warmup);
        assert_eq!(parsed.samples[1].metrics["throughput_bytes_per_s"], 1_250_000_000.0);
        assert_eq!(parsed.samples[1].metrics["retransmits_count"], 4.0);
        assert_eq!(parsed.samples[2].started_ns, Some(1_000_250_000));
        let received = parsed.claims.iter().find(|claim| claim.field == "end.sum_received.bits_per_second").unwrap();
        assert_eq!((received.value, received.statistic), (1_240_000_000.0, Statistic::Mean));
        assert!(parsed.claims.iter().any(|claim| claim.metric == "cpu_remote_ratio" && claim.value == 0.75));
    }

    #[test]
    fn an_error_is_a_failed_sample() {
        let text = r#"{"start": {"connected": [], "version": "iperf 3.12"}, "intervals": [], "end": {},
            "error": "error - unable to connect to server: Connection refused"}"#;
        let parsed = parse(&[SourceFile { name: "i".into(), bytes: text.into() }]).unwrap();
        assert_eq!(parsed.samples.len(), 1);
        assert!(parsed.samples[0].failure.as_ref().unwrap().message.contains("Connection refused"));
        assert!(parsed.samples[0].metrics.is_empty());
    }

    #[test]
    fn a_stream_of_events_names_the_way_out() {
        let file = SourceFile { name: "i".into(), bytes: b"{\"event\":\"start\",\"data\":{}}\n".to_vec() };
        assert!(recognise(std::slice::from_ref(&file)));
        assert!(parse(&[file]).unwrap_err().message.contains("use -J"));
    }
}
