//! What must hold for any bytes that are imported; compiled only for tests and fuzzers.

use super::csv::{Mapping, parse_with};
use super::{ImportContext, ImportError, Parsed, SourceFile, find, into_run};
use crate::metric_names::MetricNames;
use isodyne_core::cell::CellId;
use std::collections::BTreeSet;

/// What begins a file of an input, followed by its name to the end of the line.
const MARK: &str = "#file ";

/// The files of an input: each begins with a line `#file NAME`. Without one, all of it is one file.
pub fn files(input: &[u8]) -> Vec<SourceFile> {
    let mut files: Vec<SourceFile> = Vec::new();
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(MARK.as_bytes()) {
            files.push(SourceFile { name: String::from_utf8_lossy(name).trim().to_owned(), bytes: Vec::new() });
        } else {
            if files.is_empty() {
                files.push(SourceFile { name: "input".to_owned(), bytes: Vec::new() });
            }
            if let Some(file) = files.last_mut() {
                file.bytes.extend_from_slice(line);
            }
        }
    }
    files
}

/// An importer by its name: what it takes becomes a run, what it refuses is said in a short line.
///
/// # Panics
/// If that does not hold, or there is no such importer.
pub fn import(name: &str, input: &[u8]) {
    let files = files(input);
    let importer = find(name).unwrap_or_else(|| panic!("no importer {name}"));
    let _ = (importer.recognise)(&files);
    check((importer.parse)(&files), &files);
}

/// A CSV by its mapping, which is the file `map` (or `map.toml`) of the input, and without one by names.
///
/// # Panics
/// As [`import`].
pub fn csv(input: &[u8]) {
    let mut files = files(input);
    let mapping = files.iter().position(|file| file.name.starts_with("map"));
    if let Some(place) = mapping {
        let file = files.remove(place);
        let text = String::from_utf8_lossy(&file.bytes);
        let mapping = if file.name == "map" { Mapping::parse(text.trim()) } else { Mapping::parse_toml(&text) };
        if let Ok(mapping) = mapping {
            check(parse_with(&files, &mapping), &files);
        }
    }
    if let Some(importer) = find("csv") {
        check((importer.parse)(&files), &files);
    }
}

fn check(parsed: Result<Parsed, ImportError>, files: &[SourceFile]) {
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // The name is the input's own; the message is ours.
            assert!(!error.message.chars().any(char::is_control), "{error:?}");
            assert!(error.message.chars().count() < 8_000, "{error:?}");
            return;
        }
    };
    assert!(parsed.remarks.iter().all(|remark| !remark.chars().any(char::is_control)));
    let context = ImportContext { run_id: "1".to_owned(), now: "2026-11-22T00:00:00Z".to_owned(), command: Vec::new() };
    let (record, samples) = into_run(parsed, files, &context);
    let cells: BTreeSet<&CellId> = record.cells.iter().map(|cell| &cell.id).collect();
    let mut metrics = MetricNames::default();
    for (place, sample) in samples.enumerate() {
        assert_eq!(sample.sequence, place as u64);
        assert!(cells.contains(&sample.cell));
        assert!(metrics.take(&sample.cell, sample.metrics.keys()), "more than a run may have");
        assert!(sample.metrics.values().all(|value| value.is_finite()));
    }
    assert!(record.imported.iter().flat_map(|imported| &imported.claims).all(|claim| claim.value.is_finite()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const CHANGES_PER_SEED: usize = 200;

    #[test]
    fn an_input_is_cut_into_files() {
        let found = files(b"#file a.json\n{}\n#file b/c.csv\nx\ny");
        let shown: Vec<_> = found.iter().map(|file| (file.name.as_str(), file.bytes.as_slice())).collect();
        assert_eq!(shown, [("a.json", &b"{}\n"[..]), ("b/c.csv", b"x\ny")]);
        assert_eq!(files(b"x").len(), 1);
    }

    /// What a fuzzer does for hours, for a moment. Each seed alone is taken, not refused.
    #[test]
    fn what_must_hold_holds_for_seeds_and_small_changes_of_them() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
        for name in [
            "picoshare",
            "microbench",
            "docker-cr",
            "ivshmem",
            "luminaguard",
            "csv",
            "hyperfine",
            "criterion",
            "fio",
            "iperf3",
            "firecracker",
            "phoronix",
            "criu",
            "hdr",
            "jsonl",
        ] {
            let check = |input: &[u8]| if name == "csv" { csv(input) } else { import(name, input) };
            let directory = seeds.join(format!("import_{}", name.replace('-', "_")));
            let mut paths: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            assert!(!paths.is_empty(), "{name} has no seeds");
            let mut state = 7_u64;
            let mut random = |below: usize| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize % below.max(1)
            };
            for path in paths {
                let seed = std::fs::read(&path).unwrap();
                if name != "csv" {
                    let parsed = (find(name).unwrap().parse)(&files(&seed));
                    assert!(parsed.is_ok(), "{}: {:?}", path.display(), parsed.err());
                }
                for _ in 0..CHANGES_PER_SEED {
                    let mut bytes = seed.clone();
                    let at = random(bytes.len());
                    match random(3) {
                        0 => bytes[at] = random(256) as u8,
                        1 => drop(bytes.drain(at..(at + random(16)).min(seed.len()))),
                        _ => bytes.truncate(at),
                    }
                    check(&bytes);
                }
            }
        }
    }
}
