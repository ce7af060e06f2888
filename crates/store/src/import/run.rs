//! From what was found in a file to a run.

use super::{Parsed, ParsedSample, SourceFile, when};
use isodyne_core::cell::CellId;
use isodyne_core::fingerprint::Fingerprint;
use isodyne_core::imported::ImportRecord;
use isodyne_core::ledger::Ledger;
use isodyne_core::plan::Plan;
use isodyne_core::record::{RUN_SCHEMA, RUN_VERSION, RunEnd, RunRecord, SkippedCell};
use isodyne_core::sample::{Contamination, Provenance, Sample};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What a run needs to know beside the file.
#[derive(Clone, Debug)]
pub struct ImportContext {
    /// The name of the new run, in hexadecimal.
    pub run_id: String,
    /// Now (RFC 3339, UTC).
    pub now: String,
    /// The command line.
    pub command: Vec<String>,
}

/// The samples of an imported run, one by one, in their order.
#[derive(Debug)]
pub struct ImportedSamples {
    cells: Vec<CellId>,
    started_at: String,
    sequence: u64,
    samples: std::vec::IntoIter<ParsedSample>,
}

/// The run that the files are: all samples with the provenance `imported`, and the record with what the files claim.
///
/// A cell of which the files state only figures is listed as skipped, with that reason. Samples are turned one by one:
/// there may be millions.
pub fn into_run(parsed: Parsed, files: &[SourceFile], context: &ImportContext) -> (RunRecord, ImportedSamples) {
    let mut remarks = parsed.remarks;
    let created_at = parsed.created_at.as_deref().and_then(when::rfc3339).unwrap_or_else(|| {
        remarks.push("no time of measurement: the time of the import stands in its place".to_owned());
        context.now.clone()
    });
    let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
    for sample in parsed.samples.iter().filter(|sample| !sample.warmup) {
        *counts.entry(sample.cell).or_default() += 1;
    }
    let sampled: BTreeSet<usize> = parsed.samples.iter().map(|sample| sample.cell).collect();
    let ids: Vec<CellId> = parsed.cells.iter().map(|cell| cell.id.clone()).collect();
    let (mut cells, mut skipped) = (Vec::new(), Vec::new());
    for (place, cell) in parsed.cells.into_iter().enumerate() {
        if sampled.contains(&place) {
            cells.push(cell);
        } else {
            let reason = "the file states figures of it and holds no samples".to_owned();
            skipped.push(SkippedCell { cell, reason, hint: "its figures are kept as claims".to_owned() });
        }
    }
    let record = RunRecord {
        schema: RUN_SCHEMA.to_owned(),
        version: RUN_VERSION,
        run_id: context.run_id.clone(),
        isodyne_version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: created_at.clone(),
        command: context.command.clone(),
        plan: Plan {
            stop: None,
            title: parsed.title.chars().filter(|c| !c.is_control()).take(200).collect(),
            samples: counts.values().copied().max().unwrap_or(0),
            ..Plan::default()
        },
        seed: 0,
        cells,
        skipped,
        backends: Vec::new(),
        fingerprint: fingerprint(&parsed.facts),
        tools: Vec::new(),
        assets: Vec::new(),
        signals: Vec::new(),
        shard: None,
        merged_from: Vec::new(),
        calibration: None,
        imported: Some(ImportRecord {
            format: parsed.format,
            tool: parsed.tool,
            files: files.iter().map(|file| (file.name.clone(), sha256(&file.bytes))).collect(),
            claims: parsed.claims,
            facts: parsed.facts,
            remarks,
        }),
        ended: Some(RunEnd { at: context.now.clone(), survivors: Vec::new(), abandoned: Vec::new(), stop: None }),
    };
    let samples =
        ImportedSamples { cells: ids, started_at: created_at, sequence: 0, samples: parsed.samples.into_iter() };
    (record, samples)
}

impl Iterator for ImportedSamples {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        loop {
            let sample = self.samples.next()?;
            // A sample of no cell cannot come from `Parsed::cell`; it is nothing that could be shown.
            let Some(cell) = self.cells.get(sample.cell) else { continue };
            let sequence = self.sequence;
            self.sequence += 1;
            return Some(Sample {
                cell: cell.clone(),
                sequence,
                round: sample.round,
                warmup: sample.warmup,
                started_at: self.started_at.clone(),
                started_ns: sample.started_ns.unwrap_or(0),
                session: 0,
                provenance: Provenance::Imported,
                accuracy: sample.accuracy,
                failure: sample.failure,
                ledger: Ledger::default(),
                metrics: finite(sample.metrics),
                contamination: Contamination::default(),
                proofs: Vec::new(),
                logs: Vec::new(),
            });
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.samples.len()))
    }
}

/// A value that no file can hold is absent.
fn finite(mut metrics: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    metrics.retain(|_, value| value.is_finite());
    metrics
}

/// What the file says of its host; see [`Parsed::fact`].
fn fingerprint(facts: &BTreeMap<String, String>) -> Fingerprint {
    let text = |key: &str| facts.get(&format!("host.{key}")).cloned();
    Fingerprint {
        os: text("os"),
        kernel: text("kernel"),
        architecture: text("architecture").unwrap_or_default(),
        cpu_model: text("cpu_model"),
        cpu_count: text("cpu_count").and_then(|count| count.parse().ok()).unwrap_or(0),
        memory_bytes: text("memory_bytes").and_then(|bytes| bytes.parse().ok()).unwrap_or(0),
        hypervisor: text("hypervisor"),
        governor: text("governor"),
        ..Fingerprint::default()
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::text_factor;
    use isodyne_core::cell::BackendName;
    use isodyne_core::factor::Factors;
    use isodyne_core::imported::Statistic;
    use isodyne_core::sample::Accuracy;

    #[test]
    fn a_run_has_what_the_file_had() {
        let mut parsed = Parsed { title: "a\nb".to_owned(), format: "x".to_owned(), ..Parsed::default() };
        let factors = |name: &str| Factors::from([("name".to_owned(), text_factor(name))]);
        let one = parsed.cell("f", BackendName::Imported, factors("one")).unwrap();
        let two = parsed.cell("f", BackendName::Imported, factors("two")).unwrap();
        assert_eq!(parsed.cell("f", BackendName::Imported, factors("one")), Ok(one));
        parsed.claim(two, "total_ns", Statistic::Mean, 5.0, None, "mean");
        parsed.claim(two, "total_ns", Statistic::Mean, f64::NAN, None, "mean");
        parsed.fact("host.kernel", "6.1\u{1b}");
        parsed.fact("host.kernel", "6.1\u{1b}");
        parsed.fact("host.cpu_count", "4");
        let sample = ParsedSample {
            cell: one,
            round: 0,
            warmup: false,
            started_ns: None,
            failure: None,
            accuracy: Accuracy::Kvm,
            metrics: BTreeMap::from([("total_ns".to_owned(), 1.0), ("x_ns".to_owned(), f64::INFINITY)]),
        };
        parsed.add("f", sample).unwrap();
        let context =
            ImportContext { run_id: "1".to_owned(), now: "2026-11-22T00:00:00Z".to_owned(), command: Vec::new() };
        let files = [SourceFile { name: "f".to_owned(), bytes: b"abc".to_vec() }];
        let (record, samples) = into_run(parsed, &files, &context);
        let samples: Vec<Sample> = samples.collect();
        assert_eq!(samples.len(), 1);
        assert_eq!(samples[0].provenance, Provenance::Imported);
        assert_eq!(samples[0].metrics.keys().collect::<Vec<_>>(), ["total_ns"]);
        assert_eq!((record.cells.len(), record.skipped.len(), record.plan.samples), (1, 1, 1));
        assert_eq!(record.plan.title, "ab");
        assert_eq!(record.fingerprint.cpu_count, 4);
        assert_eq!(record.fingerprint.kernel.as_deref(), Some("6.1\\u{1b}"));
        let imported = record.imported.unwrap();
        assert_eq!(imported.claims.len(), 1);
        assert_eq!(imported.remarks.len(), 2);
        // The SHA-256 of "abc" in FIPS 180-4.
        assert_eq!(imported.files[0].1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_cell_that_no_run_could_hold_is_refused() {
        let mut parsed = Parsed::default();
        let cell = parsed.cell("f", BackendName::Imported, Factors::new()).unwrap();
        let mut add = |first: u32| {
            let mut sample = ParsedSample::new(cell, Accuracy::Process);
            (first..first + 600).for_each(|number| sample.set(&format!("m{number}_ns"), 1.0));
            parsed.add("f", sample)
        };
        assert_eq!((add(0), add(400)), (Ok(()), Ok(())));
        let error = add(600).unwrap_err().to_string();
        assert!(error.starts_with("f: the samples of cell `imported/") && error.contains("1024"), "{error}");
    }
}
