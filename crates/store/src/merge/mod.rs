//! Merging: shards of one plan, or parts of one run, become one run, and nothing of them is lost.
//!
//! Parts follow one another in the order in which they were begun. Sessions, rounds and sequence numbers of a part go
//! on where those of the part before it ended: samples keep their order, and two samples have one round only if they
//! were taken in one round of one part, so that no pair is made of what was not measured side by side. Files go to
//! `logs/<part>/…` and `artifacts/<part>/…`. What `run.json` can say only once (host, seed, signals) is that of the first
//! part, and that of each part is in `merged_from`.

mod error;
mod files;
mod parts;

pub use error::MergeError;

use crate::directory::RunDirectory;
use crate::error::StoreError;
use crate::read::SampleReader;
use files::{copy_files, moved};
use isodyne_core::cell::Cell;
use isodyne_core::record::{RunEnd, RunRecord, SkippedCell, Stretch};
use isodyne_core::sample::Sample;
use parts::Part;
use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

/// No run is made of more parts.
pub const MOST_PARTS: usize = 10_000;

/// What was merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// How many samples.
    pub samples: u64,
    /// What is worth knowing, one line each.
    pub notes: Vec<String>,
}

/// Makes one run, named `run_id`, of several. `command` is the command line that asked for it.
///
/// # Errors
/// If the parts do not belong together, one of them twice, one cannot be read, or the new run cannot be written. The
/// directory `out` is then as it was.
pub fn merge(parts: &[PathBuf], out: &Path, run_id: &str, command: Vec<String>) -> Result<Merged, MergeError> {
    let parts = parts::read(parts)?;
    let mut notes = parts::notes(&parts);
    // Made beside its place and moved there when it is whole.
    let name = out.file_name().ok_or_else(|| MergeError::Out { path: out.to_owned() })?.to_string_lossy();
    let beside = out.with_file_name(format!(".{name}.merging-{}", std::process::id()));
    if std::fs::read_dir(out).is_ok_and(|mut inside| inside.next().is_some()) || out.is_file() {
        return Err(StoreError::NotEmpty { path: out.to_owned() }.into());
    }
    let made = write(&parts, &beside, run_id, command, &mut notes).and_then(|samples| {
        std::fs::rename(&beside, out).map_err(|error| StoreError::io("make", out, error))?;
        Ok(samples)
    });
    if made.is_err() {
        // What is half made is of no use to anybody.
        let _ = std::fs::remove_dir_all(&beside);
    }
    Ok(Merged { samples: made?, notes })
}

fn write(
    parts: &[Part],
    path: &Path,
    run_id: &str,
    command: Vec<String>,
    notes: &mut Vec<String>,
) -> Result<u64, MergeError> {
    let mut record = record_of(parts, run_id, command);
    let mut directory = RunDirectory::create(path, &record)?;
    let mut seen = HashSet::new();
    let hasher = RandomState::new();
    let mut next = Next::default();
    let mut count = 0;
    for (number, part) in (1..).zip(parts) {
        let label = format!("part{number}");
        copy_files(&part.path, path, &label, notes)?;
        let begins = next;
        let mut reader = SampleReader::open(&part.path)?;
        let samples = std::iter::from_fn(|| reader.next()).map(|sample| {
            let sample = sample?;
            // The wall clock and the monotonic clock together name a sample; imported ones have neither.
            let key = hasher.hash_one((&sample.cell, &sample.started_at, sample.started_ns));
            if !sample.started_at.is_empty() && part.record.imported.is_none() && !seen.insert(key) {
                return Err(MergeError::Twice {
                    path: part.path.clone(),
                    what: format!("sample {} of `{}`", sample.sequence, sample.cell.as_str().escape_debug()),
                });
            }
            let cell = sample.cell.clone();
            let numbers =
                || MergeError::Numbers { path: part.path.clone(), cell: cell.as_str().escape_debug().to_string() };
            renumbered(sample, begins, &mut next, &label).ok_or_else(numbers)
        });
        // The first trouble ends the stream; the whole directory is removed then.
        let mut trouble = None;
        count +=
            directory.append_all(samples.map_while(|sample| sample.map_err(|error| trouble = Some(error)).ok()))?;
        if let Some(error) = trouble {
            return Err(error);
        }
        notes.extend(reader.note());
        record.merged_from.push(part.kept(begins.until(next)));
    }
    directory.replace_record(record)?;
    Ok(count)
}

/// The numbers that the next part begins with.
#[derive(Clone, Copy, Default)]
struct Next {
    session: u64,
    round: u64,
    sequence: u64,
}

/// The numbers of a part: sessions, rounds, samples.
type Numbers = [Stretch; 3];

impl Next {
    fn until(self, next: Self) -> Numbers {
        let stretch = |first: u64, end: u64| Stretch { first, count: end.saturating_sub(first) };
        [stretch(self.session, next.session), stretch(self.round, next.round), stretch(self.sequence, next.sequence)]
    }
}

/// A sample with the numbers and files that it has in the merged run; `None` if a number does not fit.
fn renumbered(mut sample: Sample, begins: Next, next: &mut Next, label: &str) -> Option<Sample> {
    sample.session = u32::try_from(begins.session + u64::from(sample.session)).ok()?;
    sample.round = u32::try_from(begins.round + u64::from(sample.round)).ok()?;
    sample.sequence = begins.sequence.checked_add(sample.sequence)?;
    next.session = next.session.max(u64::from(sample.session) + 1);
    next.round = next.round.max(u64::from(sample.round) + 1);
    next.sequence = next.sequence.max(sample.sequence.checked_add(1)?);
    let evidence = sample.failure.iter_mut().flat_map(|failure| &mut failure.evidence);
    sample.logs.iter_mut().chain(evidence).for_each(|file| *file = moved(file, label));
    Some(sample)
}

/// What `run.json` of the merged run says.
fn record_of(parts: &[Part], run_id: &str, command: Vec<String>) -> RunRecord {
    let first = &parts[0].record;
    let (cells, skipped) = cells_of(parts);
    let mut record = RunRecord {
        run_id: run_id.to_owned(),
        command,
        cells,
        skipped,
        shard: None,
        merged_from: Vec::new(),
        ended: ended(parts),
        ..first.clone()
    };
    for part in &parts[1..] {
        let other = &part.record;
        for backend in &other.backends {
            if !record.backends.iter().any(|known| known.backend == backend.backend) {
                record.backends.push(backend.clone());
            }
        }
        record.tools.extend(other.tools.iter().filter(|tool| !first.tools.contains(tool)).cloned());
        record.assets.extend(other.assets.iter().filter(|asset| !first.assets.contains(asset)).cloned());
        // Ceilings of one host say nothing of another's samples.
        if !other.fingerprint.comparable_with(&first.fingerprint) {
            record.calibration = None;
        }
    }
    record.tools.sort_by(|a, b| a.path.cmp(&b.path));
    record.tools.dedup();
    record.assets.dedup();
    record
}

/// The cells that some part measured, in the plan's order; and those that none did, with the reason.
fn cells_of(parts: &[Part]) -> (Vec<Cell>, Vec<SkippedCell>) {
    let planned = parts[0].record.plan.cells();
    let order = |cell: &Cell| planned.iter().position(|known| known.id == cell.id).unwrap_or(usize::MAX);
    let mut cells: Vec<Cell> = Vec::new();
    let mut known = BTreeSet::new();
    for cell in parts.iter().flat_map(|part| &part.record.cells) {
        if known.insert(cell.id.clone()) {
            cells.push(cell.clone());
        }
    }
    cells.sort_by_key(|cell| (order(cell), cell.id.clone()));
    let mut skipped: Vec<SkippedCell> = Vec::new();
    for cell in parts.iter().flat_map(|part| &part.record.skipped) {
        if known.insert(cell.cell.id.clone()) {
            skipped.push(cell.clone());
        }
    }
    for cell in planned {
        if known.insert(cell.id.clone()) {
            skipped.push(SkippedCell {
                cell,
                reason: "it is in none of the parts that were merged".to_owned(),
                hint: "merge all shards of the plan".to_owned(),
            });
        }
    }
    (cells, skipped)
}

/// How the merged run ended: as its parts did, and not at all if one of them has not.
fn ended(parts: &[Part]) -> Option<RunEnd> {
    let ends: Option<Vec<&RunEnd>> = parts.iter().map(|part| part.record.ended.as_ref()).collect();
    let ends = ends?;
    Some(RunEnd {
        at: ends.iter().map(|end| end.at.clone()).max().unwrap_or_default(),
        survivors: ends.iter().flat_map(|end| end.survivors.clone()).collect(),
        abandoned: ends.iter().flat_map(|end| end.abandoned.clone()).collect(),
        // Each part has its own.
        stop: None,
    })
}
