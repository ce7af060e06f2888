//! fio's `--output-format=json` and `json+`.
//!
//! A job is one measurement of throughput: one sample for each direction in which it moved anything. Its latencies
//! are figures over millions of operations, which the file does not have one by one: they are claims. The bins of
//! `json+` are counts of operations by the lower ends of fio's own intervals. No samples are invented from them; their
//! sum is a claim, and it must be the number of operations that the figures state.

use super::json::{self, Node};
use super::parts::{Rounds, head, holds, reported, rfc3339_of_ms, sample, short, text_at, unread};
use super::{ImportError, Parsed, SourceFile, text, text_factor};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::imported::Statistic;
use isodyne_core::sample::Accuracy;

/// Whether this is one.
pub(super) fn recognise(files: &[SourceFile]) -> bool {
    matches!(files, [file] if holds(head(file), "\"fio version\""))
}

/// Reads one.
pub(super) fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut parsed = Parsed { format: "fio".to_owned(), title: "jobs of fio".to_owned(), ..Parsed::default() };
    for file in files {
        add_file(&mut parsed, file)?;
    }
    Ok(parsed)
}

fn add_file(parsed: &mut Parsed, file: &SourceFile) -> Result<(), ImportError> {
    // Warnings of fio stand in front of its JSON, on lines of their own.
    let text = text::utf8(file)?;
    let (mut offset, mut before) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.starts_with('{') {
            break;
        }
        offset += line.len();
        before += 1;
    }
    if offset == text.len() {
        return Err(ImportError::new(&file.name, "no line begins with `{`: not JSON of fio"));
    }
    if before > 0 {
        parsed.remark(format!("{before} lines in front of the JSON were left out"));
    }
    let tree = json::parse_text(&file.name, before + 1, &text[offset..])?;
    let root = Node::root(&file.name, &tree);
    parsed.tool = Some(short(root.need("fio version")?.text()?));
    parsed.created_at = root.number_of("timestamp_ms")?.and_then(rfc3339_of_ms).or(parsed.created_at.take());
    let options = options(&root, "global options");
    let jobs = root.get("jobs").or_else(|| root.get("client_stats"));
    let jobs = jobs.ok_or_else(|| root.fail("key `jobs` is missing"))?;
    let mut rounds = Rounds::default();
    for job in jobs.items()? {
        add_job(parsed, &file.name, &job, &options, &mut rounds)?;
    }
    let known =
        ["fio version", "timestamp", "timestamp_ms", "time", "global options", "jobs", "client_stats", "disk_util"];
    unread(parsed, "", root.entries()?.map(|(key, _)| key), &known);
    Ok(())
}

/// Options that say what was measured; everything else does not make another cell.
const OPTIONS: &[&str] =
    &["rw", "readwrite", "bs", "iodepth", "ioengine", "direct", "numjobs", "size", "rwmixread", "rate", "rate_iops"];

fn options(place: &Node<'_>, key: &str) -> Factors {
    let mut factors = Factors::new();
    for option in OPTIONS {
        let text = place.get(key).and_then(|options| text_at(&options, option));
        factors.extend(text.map(|text| ((*option).to_owned(), text_factor(text))));
    }
    factors
}

fn add_job(
    parsed: &mut Parsed,
    file: &str,
    job: &Node<'_>,
    shared: &Factors,
    rounds: &mut Rounds,
) -> Result<(), ImportError> {
    let mut factors = shared.clone();
    factors.extend(options(job, "job options"));
    factors.insert("job".to_owned(), text_factor(job.need("jobname")?.text()?));
    if let Some(host) = text_at(job, "hostname") {
        factors.insert("host".to_owned(), text_factor(host));
    }
    let failure = failure(job)?;
    let mut moved = false;
    for direction in ["read", "write", "trim", "mixed", "sync"] {
        let Some(place) = job.get(direction) else { continue };
        if place.number_of("total_ios")?.or(place.number_of("io_bytes")?).unwrap_or(0.0) <= 0.0 {
            continue;
        }
        moved = true;
        let mut factors = factors.clone();
        factors.insert("direction".to_owned(), text_factor(direction));
        let cell = parsed.cell(file, BackendName::Imported, factors)?;
        let mut made = sample(cell, rounds.next(cell), Accuracy::Process, rates(&place)?);
        made.failure = failure.clone();
        parsed.add(file, made)?;
        add_figures(parsed, cell, &place)?;
        for kind in ["slat", "clat", "lat"] {
            add_latency(parsed, cell, &place, kind)?;
        }
    }
    if let (false, Some(failure)) = (moved, failure) {
        let cell = parsed.cell(file, BackendName::Imported, factors)?;
        let mut made = sample(cell, rounds.next(cell), Accuracy::Process, []);
        made.failure = Some(failure);
        parsed.add(file, made)?;
    } else if !moved {
        parsed.remark(format!("`{}` moved nothing and was left out", job.path()));
    }
    Ok(())
}

/// The number of an error of the kernel, if the job had one.
fn failure(job: &Node<'_>) -> Result<Option<Failure>, ImportError> {
    let total = job.number_of("total_err")?.unwrap_or(0.0);
    let code = match job.number_of("error")? {
        Some(code) if code != 0.0 => code,
        _ if total > 0.0 => job.number_of("first_error")?.unwrap_or(0.0),
        _ => return Ok(None),
    };
    let message = format!("fio ended the job with error {code}");
    // ENOSPC and ETIMEDOUT, as Linux numbers them.
    Ok(Some(match code as i64 {
        28 => Failure::new(FailureClass::Enospc, message),
        110 => Failure::new(FailureClass::Timeout, message),
        _ => reported(message),
    }))
}

fn rates(place: &Node<'_>) -> Result<Vec<(&'static str, f64)>, ImportError> {
    let mut values = Vec::new();
    // `bw` is in KiB/s; versions before 3.0 have no `bw_bytes`.
    let rate = match place.number_of("bw_bytes")? {
        Some(rate) => Some(rate),
        None => place.number_of("bw")?.map(|kib| kib * 1024.0),
    };
    values.extend(rate.map(|rate| ("throughput_bytes_per_s", rate)));
    for (key, metric, scale) in [
        ("iops", "operations_per_s", 1.0),
        ("io_bytes", "transferred_bytes", 1.0),
        ("total_ios", "operations_count", 1.0),
        ("short_ios", "short_operations_count", 1.0),
        ("runtime", "total_ns", 1e6),
    ] {
        values.extend(place.number_of(key)?.map(|value| (metric, value * scale)));
    }
    Ok(values)
}

/// Figures over fio's own periods, in KiB/s and operations per second.
fn add_figures(parsed: &mut Parsed, cell: usize, place: &Node<'_>) -> Result<(), ImportError> {
    for (prefix, metric, scale, deviation) in
        [("bw", "throughput_bytes_per_s", 1024.0, "bw_dev"), ("iops", "operations_per_s", 1.0, "iops_stddev")]
    {
        let n = place.number_of(&format!("{prefix}_samples"))?.map(|n| n as u64).filter(|n| *n > 0);
        if n.is_none() {
            continue;
        }
        for (key, statistic) in [
            (format!("{prefix}_min"), Statistic::Min),
            (format!("{prefix}_max"), Statistic::Max),
            (format!("{prefix}_mean"), Statistic::Mean),
            (deviation.to_owned(), Statistic::Stddev),
        ] {
            if let Some(value) = place.number_of(&key)? {
                parsed.claim(cell, metric, statistic, value * scale, n, &format!("{}.{key}", place.path()));
            }
        }
    }
    Ok(())
}

fn add_latency(parsed: &mut Parsed, cell: usize, place: &Node<'_>, kind: &str) -> Result<(), ImportError> {
    // Before version 3.0 the keys had no unit, and the values were microseconds.
    let (latency, scale) = match (place.get(&format!("{kind}_ns")), place.get(kind)) {
        (Some(latency), _) => (latency, 1.0),
        (None, Some(latency)) => (latency, 1e3),
        (None, None) => return Ok(()),
    };
    let n = latency.number_of("N")?.map(|n| n as u64);
    if n == Some(0) {
        return Ok(());
    }
    let metric = format!("{kind}_ns");
    let field = |key: &str| format!("{}.{key}", latency.path());
    for (key, statistic) in
        [("min", Statistic::Min), ("max", Statistic::Max), ("mean", Statistic::Mean), ("stddev", Statistic::Stddev)]
    {
        if let Some(value) = latency.number_of(key)? {
            parsed.claim(cell, &metric, statistic, value * scale, n, &field(key));
        }
    }
    if let Some(percentiles) = latency.get("percentile") {
        for (key, value) in percentiles.entries()? {
            let percent = key.parse::<f64>().ok().filter(|percent| *percent > 0.0 && *percent < 100.0);
            match percent {
                Some(percent) => {
                    let quantile = Statistic::Quantile(percent / 100.0);
                    parsed.claim(cell, &metric, quantile, value.number()? * scale, n, value.path());
                }
                None => parsed.remark(format!("`{}` is no percentile between 0 and 100", value.path())),
            }
        }
    }
    add_bins(parsed, cell, &metric, &latency, n)
}

fn add_bins(
    parsed: &mut Parsed,
    cell: usize,
    metric: &str,
    latency: &Node<'_>,
    n: Option<u64>,
) -> Result<(), ImportError> {
    let Some(bins) = latency.get("bins") else { return Ok(()) };
    let mut total = 0.0;
    for (key, count) in bins.entries()? {
        if key.parse::<u64>().is_err() {
            return Err(count.fail("the name of a bin is a whole number of nanoseconds"));
        }
        total += count.number()?;
    }
    parsed.claim(cell, metric, Statistic::Succeeded, total, n, bins.path());
    match n {
        Some(n) if total != n as f64 => {
            parsed.remark(format!("`{}` count {total} operations where `N` is {n}", bins.path()));
        }
        _ => parsed
            .remark("the bins of json+ are counts by interval: no samples were made of them, only their sum is kept"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::fixture;
    use super::*;

    #[test]
    fn jobs_are_samples_and_latencies_are_claims() {
        let parsed = parse(&[fixture("fio.json")]).unwrap();
        assert_eq!(parsed.tool.as_deref(), Some("fio-3.36"));
        assert_eq!(parsed.created_at.as_deref(), Some("2024-03-09T16:00:00.25Z"));
        assert_eq!(parsed.cells.len(), 3);
        assert!(parsed.cells[0].id.as_str().contains("direction=read"));
        assert_eq!(parsed.samples.len(), 4);
        assert_eq!(parsed.samples[0].metrics["throughput_bytes_per_s"], 41_943_040.0);
        assert_eq!(parsed.samples[0].metrics["total_ns"], 2_000_000_000.0);
        assert_eq!((parsed.samples[2].cell, parsed.samples[2].round), (0, 1), "the second job of the same name");
        let failure = parsed.samples[3].failure.as_ref().unwrap();
        assert_eq!(failure.class, FailureClass::Enospc);
        let claim = |statistic: Statistic| {
            let mut claims = parsed.claims.iter().filter(|claim| claim.metric == "clat_ns");
            claims.find(|claim| claim.statistic == statistic).unwrap()
        };
        assert_eq!(claim(Statistic::Quantile(0.99)).value, 144_384.0);
        assert_eq!(claim(Statistic::Quantile(0.99)).n, Some(20_480));
        assert_eq!(claim(Statistic::Succeeded).value, 20_480.0);
        assert!(parsed.claims.iter().any(|claim| claim.field.ends_with("bw_mean") && claim.value == 40_960.0 * 1024.0));
        assert!(parsed.remarks.iter().any(|remark| remark.contains("`jobs[0].write.clat_ns.bins` count 3")));
        assert!(parsed.remarks[0].contains("1 lines in front"));
    }

    #[test]
    fn old_versions_count_in_microseconds_and_kibibytes() {
        let text = r#"{"fio version": "fio-2.16", "jobs": [{"jobname": "a", "error": 0, "read":
            {"io_bytes": 4, "bw": 10, "iops": 5, "clat": {"min": 2, "max": 9, "mean": 3.5, "stddev": 1}}}]}"#;
        let parsed = parse(&[SourceFile { name: "f".into(), bytes: text.into() }]).unwrap();
        assert_eq!(parsed.samples[0].metrics["throughput_bytes_per_s"], 10_240.0);
        assert_eq!(parsed.claims[2].value, 3_500.0);
    }
}
