//! Firecracker's metrics: one JSON object a line, written at every flush.
//!
//! A flush is a sample. Counters are what was added since the flush before. Stored values (durations of the start, of
//! snapshots, least and greatest latencies) stay until they are replaced: a flush that repeats one has not measured it
//! again, so it is left out there. 0 is what a value is before anything happened: such values are left out.

use super::json::{self, Node};
use super::parts::{head, holds, rfc3339_of_ms, sample, short, text_at};
use super::{ImportError, Parsed, SourceFile, text, text_factor};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::imported::Statistic;
use isodyne_core::sample::Accuracy;
use std::collections::{BTreeMap, HashMap};

/// No flush has more values.
const VALUES_LIMIT: usize = 10_000;

/// Whether this is one.
pub(super) fn recognise(files: &[SourceFile]) -> bool {
    matches!(files, [file] if holds(head(file), "\"utc_timestamp_ms\"") && holds(head(file), "\"vmm\""))
}

/// Reads one.
pub(super) fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut parsed = Parsed {
        format: "firecracker".to_owned(),
        tool: Some("firecracker".to_owned()),
        title: "metrics of Firecracker".to_owned(),
        ..Parsed::default()
    };
    parsed.remark("Firecracker runs on KVM: the accuracy class is `kvm`; whether that was nested is not said");
    parsed.remark("values of 0 and stored values that a flush only repeats were left out");
    for file in files {
        let mut cells = HashMap::new();
        let mut first_ms = None;
        for (index, line) in text::utf8(file)?.lines().enumerate() {
            let number = index as u64 + 1;
            if line.trim().is_empty() {
                continue;
            }
            let tree = json::parse_text(&file.name, number, line)?;
            let root = Node::root(&file.name, &tree);
            add_flush(&mut parsed, &file.name, &root, &mut cells, &mut first_ms)
                .map_err(|error| ImportError::at(error.file, number, error.message))?;
        }
    }
    Ok(parsed)
}

/// What is known of a microVM from its flushes so far.
#[derive(Default)]
struct Machine {
    flushes: usize,
    stored: BTreeMap<String, f64>,
}

fn add_flush(
    parsed: &mut Parsed,
    file: &str,
    root: &Node<'_>,
    machines: &mut HashMap<usize, Machine>,
    first_ms: &mut Option<f64>,
) -> Result<(), ImportError> {
    let at_ms = root.need("utc_timestamp_ms")?.number()?;
    let first_ms = *first_ms.get_or_insert(at_ms);
    if parsed.created_at.is_none() {
        parsed.created_at = rfc3339_of_ms(first_ms);
    }
    let mut factors = Factors::new();
    if let Some(id) = text_at(root, "id") {
        factors.insert("id".to_owned(), text_factor(id));
    }
    if let Some(properties) = root.get("properties") {
        for (key, value) in properties.entries()? {
            factors.insert(format!("property.{}", short(key)), text_factor(value.text()?));
        }
    }
    let cell = parsed.cell(file, BackendName::Firecracker, factors)?;
    let mut values = Vec::new();
    for (key, place) in root.entries()?.filter(|(key, _)| !["utc_timestamp_ms", "id", "properties"].contains(key)) {
        collect(parsed, &mut values, key, &place, 0)?;
    }
    let machine = machines.entry(cell).or_default();
    let mut made = sample(cell, machine.flushes, Accuracy::Kvm, []);
    machine.flushes += 1;
    made.started_ns = (at_ms >= first_ms).then_some(((at_ms - first_ms) * 1e6) as u64);
    made.failure = failure(&values);
    for found in values.into_iter().filter(|found| found.value > 0.0 && found.value.is_finite()) {
        if found.kind != Kind::Counter && machine.stored.insert(found.key.clone(), found.value) == Some(found.value) {
            continue;
        }
        match found.kind {
            Kind::Counter | Kind::Stored => drop(made.metrics.insert(found.metric, found.value)),
            Kind::Least => parsed.claim(cell, &found.metric, Statistic::Min, found.value, None, &found.key),
            Kind::Greatest => parsed.claim(cell, &found.metric, Statistic::Max, found.value, None, &found.key),
        }
    }
    parsed.add(file, made)
}

/// How a value behaves over flushes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What was added since the flush before.
    Counter,
    /// Stays until it is replaced.
    Stored,
    /// The least of all since the start.
    Least,
    /// The greatest of all since the start.
    Greatest,
}

struct Found {
    /// As the file has it, with dots.
    key: String,
    metric: String,
    value: f64,
    kind: Kind,
}

fn collect(
    parsed: &mut Parsed,
    values: &mut Vec<Found>,
    section: &str,
    place: &Node<'_>,
    depth: u8,
) -> Result<(), ImportError> {
    if place.value().is_object() && depth < 3 {
        for (key, inner) in place.entries()? {
            collect(parsed, values, &format!("{section}.{key}"), &inner, depth + 1)?;
        }
        return Ok(());
    }
    if !place.value().is_number() {
        parsed.remark(format!("`{}` is no number and was left out", place.path()));
        return Ok(());
    }
    if values.len() >= VALUES_LIMIT {
        return Err(place.fail(format_args!("more than {VALUES_LIMIT} values in one flush")));
    }
    let (metric, scale, kind) = named(section);
    let value = place.number()?;
    if value < 0.0 {
        return Err(place.fail("a metric of Firecracker is not negative"));
    }
    values.push(Found { key: short(section), metric, value: value * scale, kind });
    Ok(())
}

/// The metric, its factor to our unit, and how it behaves. Units are in Firecracker's names, of the value or of what it
/// is in (docs/metrics.md of Firecracker, "Units"): `_bytes`, `_ms`, `_us`, else a count.
fn named(key: &str) -> (String, f64, Kind) {
    let kind = if key.ends_with(".min_us") {
        Kind::Least
    } else if key.ends_with(".max_us") {
        Kind::Greatest
    } else if key.starts_with("latencies_us.") || key.contains("startup_time") {
        Kind::Stored
    } else {
        Kind::Counter
    };
    let (unit, scale) = if key.contains("_bytes") {
        ("bytes", 1.0)
    } else if key.contains("_ms") {
        ("ns", 1e6)
    } else if key.contains("_us") {
        ("ns", 1e3)
    } else {
        ("count", 1.0)
    };
    let parts = key.split('.').map(|part| {
        let part = part.strip_suffix("_bytes_count").or_else(|| part.strip_suffix("_bytes")).unwrap_or(part);
        part.strip_suffix("_us").or_else(|| part.strip_suffix("_ms")).unwrap_or(part)
    });
    let mut parts: Vec<&str> = parts.filter(|part| *part != "latencies").collect();
    if matches!(kind, Kind::Least | Kind::Greatest) {
        parts.pop();
    }
    let mut name: String = parts.join("_").chars().map(plain).take(120).collect();
    if name.strip_suffix(unit).is_none_or(|rest| !rest.ends_with('_')) {
        name = format!("{name}_{unit}");
    }
    (name, scale, kind)
}

fn plain(character: char) -> char {
    if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '_' }
}

/// What a healthy microVM never counts.
fn failure(values: &[Found]) -> Option<Failure> {
    const FATAL: &[&str] =
        &["vmm.panic_count", "seccomp.num_faults", "signals.sigbus", "signals.sigsegv", "signals.sigill"];
    let found = values.iter().find(|found| found.value > 0.0 && FATAL.contains(&found.key.as_str()))?;
    Some(Failure::new(FailureClass::Crash, format!("Firecracker reports {} = {}", found.key, found.value)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::fixture;
    use super::*;

    #[test]
    fn flushes_are_samples_and_stored_values_count_once() {
        let parsed = parse(&[fixture("firecracker.json")]).unwrap();
        assert_eq!(parsed.cells.len(), 1);
        assert_eq!(parsed.cells[0].backend, BackendName::Firecracker);
        assert_eq!(parsed.created_at.as_deref(), Some("2018-11-07T11:45:55.18Z"));
        let [first, second, third] = &parsed.samples[..] else { panic!("three flushes") };
        assert_eq!(first.metrics["api_server_process_startup_time_ns"], 9_400_000.0);
        assert_eq!(second.started_ns, Some(60_000_000_000));
        assert!(!second.metrics.contains_key("api_server_process_startup_time_ns"), "only repeated");
        assert_eq!(second.metrics["full_create_snapshot_ns"], 1_100_000_000.0);
        assert_eq!(second.metrics["block_rootfs_read_bytes"], 4_096_000.0);
        assert_eq!(second.metrics["vcpu_exit_io_in_count"], 12.0);
        assert_eq!(second.metrics["vcpu_exit_io_in_agg_sum_ns"], 36_000.0);
        let least = parsed.claims.iter().find(|claim| claim.field == "vcpu.exit_io_in_agg.min_us").unwrap();
        assert_eq!(least.statistic, Statistic::Min);
        assert_eq!((least.metric.as_str(), least.value), ("vcpu_exit_io_in_agg_ns", 2_000.0));
        assert_eq!(third.failure.as_ref().unwrap().class, FailureClass::Crash);
    }

    #[test]
    fn errors_have_the_line() {
        let file = SourceFile { name: "m".into(), bytes: b"{\"utc_timestamp_ms\":1}\n\n{\"x\":1}\n".to_vec() };
        assert_eq!(parse(&[file]).unwrap_err().to_string(), "m:3: key `utc_timestamp_ms` is missing");
        let file = SourceFile { name: "m".into(), bytes: b"{\"utc_timestamp_ms\":1,\"vmm\":{\"a\":-1}}".to_vec() };
        assert!(parse(&[file]).unwrap_err().to_string().starts_with("m:1: `vmm.a`: a metric"));
    }
}
