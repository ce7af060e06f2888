//! Samples of this program without their run: what `isodyne export --format jsonl` writes, or a `samples.jsonl` alone.
//!
//! What made them believable (the plan, the host, the logs) stayed behind, so they come back as `imported`. Each cell's id
//! becomes a factor; ledgers, contamination and proofs are left out, with a remark.

use super::parts::{head, holds, short};
use super::{ImportError, Parsed, ParsedSample, SourceFile, text_factor};
use crate::LINE_LIMIT_BYTES;
use crate::export::{SAMPLE_SCHEMA, SAMPLE_VERSION};
use isodyne_core::cell::{BackendName, CellId};
use isodyne_core::factor::Factors;
use isodyne_core::failure::Failure;
use isodyne_core::sample::{Provenance, Sample};
use isodyne_core::unit::unit_of_metric;
use serde::Deserialize;

/// Whether this is one.
pub(super) fn recognise(files: &[SourceFile]) -> bool {
    let keys = ["\"cell\"", "\"sequence\"", "\"provenance\"", "\"contamination\""];
    matches!(files, [file] if file.bytes.trim_ascii_start().starts_with(b"{") && keys.iter().all(|key| holds(head(file), key)))
}

/// What says which format a line has; lines of a run itself say nothing.
#[derive(Deserialize)]
struct Header {
    schema: Option<String>,
    version: Option<u64>,
}

/// Reads one.
pub(super) fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut parsed = Parsed {
        format: "jsonl".to_owned(),
        tool: Some("isodyne".to_owned()),
        title: "samples of Isodyne without their run".to_owned(),
        ..Parsed::default()
    };
    parsed.remark(
        "plan, host, ledgers, contamination and proofs stayed in the run that these samples are of: `isodyne show` and \
         `isodyne merge` take its directory",
    );
    for file in files {
        for (index, line) in file.bytes.split(|byte| *byte == b'\n').enumerate() {
            let number = index as u64 + 1;
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let fail = |message: String| ImportError::at(&file.name, number, message);
            if line.len() > LINE_LIMIT_BYTES {
                return Err(fail(format!("the line is longer than {LINE_LIMIT_BYTES} bytes, which no sample is")));
            }
            check_header(line).map_err(fail)?;
            let sample =
                crate::read::parse(line).map_err(|(column, message)| fail(format!("column {column}: {message}")))?;
            add(&mut parsed, &file.name, sample)?;
        }
    }
    Ok(parsed)
}

fn check_header(line: &[u8]) -> Result<(), String> {
    // What is no JSON is refused by the parser of samples, with the column.
    let Ok(Header { schema, version }) = serde_json::from_slice(line) else { return Ok(()) };
    match (schema, version) {
        (Some(schema), _) if schema != SAMPLE_SCHEMA => {
            Err(format!("its schema is `{}`, not `{SAMPLE_SCHEMA}`", short(&schema)))
        }
        (_, Some(version)) if version > u64::from(SAMPLE_VERSION) => Err(format!(
            "it is of version {version}, and this program reads up to {SAMPLE_VERSION}: use a newer Isodyne"
        )),
        _ => Ok(()),
    }
}

fn add(parsed: &mut Parsed, file: &str, sample: Sample) -> Result<(), ImportError> {
    if parsed.created_at.is_none() {
        parsed.created_at = Some(sample.started_at.clone());
    }
    if sample.provenance == Provenance::Scripted {
        parsed.fact("simulated", "provenance scripted");
    }
    let factors = Factors::from([("cell".to_owned(), text_factor(sample.cell.as_str()))]);
    let cell = parsed.cell(file, backend(&sample.cell), factors)?;
    let mut made = ParsedSample::new(cell, sample.accuracy);
    made.round = sample.round;
    made.warmup = sample.warmup;
    // Times of different sessions have different beginnings.
    made.started_ns = (sample.session == 0).then_some(sample.started_ns);
    made.failure = sample.failure.map(|failure| Failure::new(failure.class, short(&failure.message)));
    for (name, value) in &sample.metrics {
        if is_metric(name) {
            made.set(name, *value);
        } else {
            parsed.remark(format!("`{}` is no metric: its name has no unit; it was left out", short(name)));
        }
    }
    parsed.add(file, made)
}

/// Whether a name is one that a metric may have: `total_ns`.
fn is_metric(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let has_unit = unit_of_metric(name) != "count" || name.ends_with("_count");
    name.len() <= 120 && name.chars().all(plain) && has_unit
}

/// The backend in the id of a cell of this program.
fn backend(cell: &CellId) -> BackendName {
    let rest = cell.base().split_once('/').map_or("", |(_, rest)| rest);
    let name = rest.split_once('[').map_or(rest, |(name, _)| name);
    name.parse().unwrap_or(BackendName::Imported)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::testing::Example;
    use crate::export::{Selection, find};

    fn file(text: &str) -> SourceFile {
        SourceFile { name: "a.jsonl".to_owned(), bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn what_was_exported_comes_back_value_for_value() {
        assert!(find("jsonl").is_some());
        let example = Example::new();
        let source = file(&example.export("jsonl", &Selection::default()));
        assert!(recognise(std::slice::from_ref(&source)));
        let parsed = super::super::parse(&[source], None).unwrap();
        assert_eq!((parsed.format.as_str(), parsed.samples.len()), ("jsonl", example.samples.len()));
        for (back, sample) in parsed.samples.iter().zip(&example.samples) {
            assert_eq!((back.round, back.warmup), (sample.round, sample.warmup));
            assert_eq!(back.accuracy, sample.accuracy);
            let class = |failure: &Option<Failure>| failure.as_ref().map(|failure| failure.class);
            assert_eq!(class(&back.failure), class(&sample.failure));
            let values = if sample.failure.is_none() { sample.metrics.clone() } else { Default::default() };
            assert_eq!(back.metrics, values);
            let cell = &parsed.cells[back.cell];
            assert_eq!(cell.factors["cell"], text_factor(sample.cell.as_str()));
            assert_eq!(cell.backend, backend(&sample.cell));
        }
        assert!(parsed.cells.iter().any(|cell| cell.backend == BackendName::Qemu));
    }

    #[test]
    fn the_samples_file_of_a_run_is_read_as_well_and_others_are_refused() {
        let sample = &Example::new().samples[0];
        let own = serde_json::to_string(sample).unwrap();
        assert_eq!(super::super::parse(&[file(&own)], None).unwrap().samples.len(), 1);
        let with = |header: &str| own.replacen('{', &format!("{{{header},"), 1);
        let refused = |text: &str| parse(&[file(text)]).unwrap_err().to_string();
        assert!(refused(&with("\"schema\":\"x\\u001b\"")).contains("a.jsonl:1: its schema is `x\\u{1b}`"));
        assert!(refused(&with("\"schema\":\"isodyne-sample\",\"version\":9")).contains("version 9"));
        assert!(refused(&format!("{own}\n{}", &own[..own.len() / 2])).starts_with("a.jsonl:2: column "));
        assert!(refused(&own.replace("\"sequence\":0", "\"sequence\":1e999")).starts_with("a.jsonl:1: column "));
    }
}
