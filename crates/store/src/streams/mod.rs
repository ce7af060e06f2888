//! The latency logs of a run's samples: what figures of round trips and frames are drawn from.
//!
//! A run directory may come from anybody. A log that is missing, too long or broken is noted and left out, and never
//! stops a report.

mod parse;

use crate::error::StoreError;
use crate::file::open_regular;
use crate::lines::{Line, Lines};
use crate::read::each_sample;
use isodyne_core::cell::{BenchmarkName, CellId};
use isodyne_core::record::RunRecord;
use isodyne_core::streams::{CellStreams, RunStreams, SampleSeries, join_windows};
use parse::Log;
use rustix::fs::OFlags;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// How the names of such logs end.
const ENDING: &str = ".latency.log";
/// No log is read that is longer.
const LOG_LIMIT_BYTES: u64 = 64 << 20;
/// No more than this is read of all logs of a run.
const RUN_LIMIT_BYTES: u64 = 1 << 30;
/// No more logs of a run are read.
const LOGS_LIMIT: usize = 20_000;
/// About how many windows a cell keeps of each kind of time.
const WINDOWS_PER_CELL: usize = 1_024;

/// A log that is to be read.
struct Wanted {
    cell: CellId,
    sequence: u64,
    /// Relative to the run.
    path: String,
}

/// Reads the latency logs of a run's valid samples. Nothing is read of a run without the benchmark `shm`.
///
/// # Errors
/// If the samples cannot be read. What is wrong with a log is a note.
pub fn read_streams(run: &Path, record: &RunRecord) -> Result<RunStreams, StoreError> {
    let mut streams = RunStreams::default();
    let cells = record.cells.iter().filter(|cell| cell.benchmark == BenchmarkName::Shm);
    let cells: BTreeSet<&str> = cells.map(|cell| cell.id.as_str()).collect();
    if cells.is_empty() {
        return Ok(streams);
    }
    let (mut wanted, mut counts, mut without, mut beyond) =
        (Vec::new(), BTreeMap::<CellId, usize>::new(), 0_u64, 0_u64);
    each_sample(run, record, |sample| {
        if !sample.warmup && sample.failure.is_none() && cells.contains(sample.cell.as_str()) {
            *counts.entry(sample.cell.clone()).or_default() += 1;
            match sample.logs.into_iter().find(|log| log.ends_with(ENDING)) {
                None => without += 1,
                Some(_) if wanted.len() >= LOGS_LIMIT => beyond += 1,
                Some(path) => wanted.push(Wanted { cell: sample.cell, sequence: sample.sequence, path }),
            }
        }
        true
    })?;
    if without > 0 {
        streams
            .notes
            .push(format!("{without} samples of `shm` have no latency log and are in no figure of round trips"));
    }
    wanted.sort_by_key(|one| one.sequence);
    let (mut left_bytes, mut broken) = (RUN_LIMIT_BYTES, Vec::new());
    for Wanted { cell, sequence, path } in wanted {
        if left_bytes == 0 {
            beyond += 1;
            continue;
        }
        let most = WINDOWS_PER_CELL / counts.get(&cell).copied().unwrap_or(1).max(1);
        match read_log(run, &path, &mut left_bytes) {
            Ok(log) => {
                let found =
                    log.into_streams(|windows| SampleSeries { sequence, windows: join_windows(windows, most.max(1)) });
                if !streams.cells.entry(cell).or_insert_with(CellStreams::default).add(found) {
                    broken.push(format!("{path}: its histograms have another layout"));
                }
            }
            Err(reason) => broken.push(reason),
        }
    }
    streams.cells.retain(|_, cell| cell.logs > 0);
    if let Some(first) = broken.first() {
        let (number, verb) = if broken.len() == 1 {
            ("1 latency log".to_owned(), "is")
        } else {
            (format!("{} latency logs", broken.len()), "are")
        };
        streams.notes.push(format!("{number} cannot be read and {verb} in no figure: {first}"));
    }
    if beyond > 0 {
        streams
            .notes
            .push(format!("{beyond} latency logs are left out of the figures: the others are enough to fill memory"));
    }
    Ok(streams)
}

/// Reads one log; the reason in words if it cannot be used.
fn read_log(run: &Path, relative: &str, left_bytes: &mut u64) -> Result<Log, String> {
    let shown = relative.escape_debug();
    let path =
        inside(run, relative).ok_or_else(|| format!("{shown}: a part of its path is no directory of the run"))?;
    let file = open_regular(&path, OFlags::RDONLY).map_err(|error| match error {
        StoreError::Io { source, .. } => format!("{shown}: {source}"),
        other => format!("{shown}: {other}"),
    })?;
    let length = file.metadata().map_err(|error| format!("{shown}: {error}"))?.len();
    if length > LOG_LIMIT_BYTES {
        return Err(format!("{shown}: it is longer than {LOG_LIMIT_BYTES} B, which no such log is"));
    }
    *left_bytes = left_bytes.saturating_sub(length);
    let mut lines = Lines::new(BufReader::with_capacity(64 << 10, file.take(LOG_LIMIT_BYTES)));
    let mut log = Log::default();
    loop {
        let line = lines.next().map_err(|error| format!("{shown}: {error}"))?;
        let said = match line {
            Line::End => return log.end().map_err(|reason| format!("{shown}: {reason}")),
            Line::Cut(_) => Err("the line is cut off".to_owned()),
            Line::TooLong => Err("the line is too long".to_owned()),
            Line::Whole(text) => {
                std::str::from_utf8(text).map_err(|_| "the line is no text".to_owned()).and_then(|text| log.line(text))
            }
        };
        said.map_err(|reason| format!("{shown}:{}: {reason}", lines.number))?;
    }
}

/// The path of a log. The directories on the way there must be real ones: a link could lead anywhere. Samples with a path
/// that leaves the run are not read in the first place.
fn inside(run: &Path, relative: &str) -> Option<PathBuf> {
    let mut path = run.to_owned();
    let mut parts = Path::new(relative).components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else { return None };
        path.push(name);
        if parts.peek().is_some() && !path.symlink_metadata().is_ok_and(|status| status.is_dir()) {
            return None;
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests;
