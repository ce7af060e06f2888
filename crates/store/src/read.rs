//! Reading a run, also while it grows.

use crate::check;
use crate::error::StoreError;
use crate::file::open_regular;
use crate::lines::{Line, Lines};
use crate::metric_names::{MetricNames, too_many_metrics_in_file};
use crate::{LINE_LIMIT_BYTES, RECORD_FILE, RECORD_LIMIT_BYTES, SAMPLES_FILE};
use isodyne_core::cell::CellId;
use isodyne_core::record::{RUN_SCHEMA, RUN_VERSION, RunRecord};
use isodyne_core::sample::Sample;
use rustix::fs::OFlags;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Everything that a run holds.
#[derive(Clone, Debug, PartialEq)]
pub struct RunContents {
    /// What was set out to do, on what, with what.
    pub record: RunRecord,
    /// All samples, in the order in which they were taken.
    pub samples: Vec<Sample>,
    /// What is worth knowing of the state of the files, one line each; empty is usual.
    pub notes: Vec<String>,
}

/// Reads a run. Takes no lock and waits for nobody: a line that is just being written is left out with a note.
///
/// # Errors
/// If there is no run, if a newer program wrote it, if a file was damaged, or if the samples of a cell have more than a
/// thousand different metrics: with file, line and what to do.
pub fn read(path: &Path) -> Result<RunContents, StoreError> {
    read_whole_lines(path).map(|(contents, _)| contents)
}

/// As [`read`], and the length of `samples.jsonl` up to and including its last newline.
pub(crate) fn read_whole_lines(path: &Path) -> Result<(RunContents, u64), StoreError> {
    let record = read_record(path)?;
    let mut samples = Vec::new();
    let (notes, whole_bytes) = visit(path, &record, |sample| {
        samples.push(sample);
        true
    })?;
    Ok((RunContents { record, samples, notes }, whole_bytes))
}

/// Calls `each` with every sample of a run, in the order of the file, until it returns false. Returns notes as
/// [`RunContents`] has them.
///
/// # Errors
/// As [`read`]; what came before has been visited then.
pub fn each_sample(
    path: &Path,
    record: &RunRecord,
    each: impl FnMut(Sample) -> bool,
) -> Result<Vec<String>, StoreError> {
    visit(path, record, each).map(|(notes, _)| notes)
}

fn visit(
    path: &Path,
    record: &RunRecord,
    mut each: impl FnMut(Sample) -> bool,
) -> Result<(Vec<String>, u64), StoreError> {
    // A cell may have been skipped by what its first sample said.
    let skipped = record.skipped.iter().map(|skipped| &skipped.cell);
    let cells: BTreeSet<&str> = record.cells.iter().chain(skipped).map(|cell| cell.id.as_str()).collect();
    let mut reader = SampleReader::open(path)?;
    let mut strangers = BTreeSet::new();
    for sample in &mut reader {
        let sample = sample?;
        if !cells.contains(sample.cell.as_str()) {
            strangers.insert(sample.cell.as_str().to_owned());
        }
        if !each(sample) {
            break;
        }
    }
    let mut notes: Vec<String> = reader.note().into_iter().collect();
    notes.extend(strangers_note(&path.join(SAMPLES_FILE), strangers.iter().map(String::as_str)));
    Ok((notes, reader.lines.whole_bytes))
}

/// What is said of cells that `run.json` does not have, which are given in order.
pub(crate) fn strangers_note<'a>(samples: &Path, strangers: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut strangers = strangers.peekable();
    let first = strangers.peek()?.escape_debug().to_string();
    let count = strangers.count();
    Some(format!("{}: {count} cells of samples are not in {RECORD_FILE} (`{first}`)", samples.display()))
}

/// What is said of a last line that no newline ends.
pub(crate) fn cut_note(samples: &Path, number: u64, length: usize) -> String {
    format!("{}:{number}: the last line is not complete: {length} bytes are left out", samples.display())
}

/// What is wrong with a line: the column, from 1, and words.
pub(crate) type LineTrouble = (u64, String);

/// The trouble with a line that is too long to be read.
pub(crate) fn too_long() -> LineTrouble {
    (1, format!("the line is longer than {LINE_LIMIT_BYTES} bytes, which no sample is"))
}

/// The sample of a line.
pub(crate) fn parse(line: &[u8]) -> Result<Sample, LineTrouble> {
    let sample: Sample = serde_json::from_slice(line).map_err(|error| {
        let message =
            format!("{}: the line was damaged or changed; restore the file, or remove the line", plain(&error));
        (error.column().max(1) as u64, message)
    })?;
    check::safe_paths(&sample).map_err(|message| (1, message))?;
    Ok(sample)
}

/// What of `run.json` every version has.
#[derive(Deserialize)]
struct Header {
    schema: Option<String>,
    version: Option<u64>,
}

/// Reads only `run.json`.
///
/// # Errors
/// As [`read`].
pub fn read_record(path: &Path) -> Result<RunRecord, StoreError> {
    let file_path = path.join(RECORD_FILE);
    let file = match open_regular(&file_path, OFlags::RDONLY) {
        Ok(file) => file,
        Err(StoreError::Io { source, .. }) if is_absent(&source) => {
            return Err(not_a_run(path, missing(path)));
        }
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(RECORD_LIMIT_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(|error| StoreError::io("read", &file_path, error))?;
    if text.len() as u64 > RECORD_LIMIT_BYTES {
        return Err(not_a_run(path, format!("its {RECORD_FILE} is larger than {RECORD_LIMIT_BYTES} B")));
    }
    let header: Header = serde_json::from_slice(&text).map_err(|error| corrupt_record(&file_path, &error))?;
    if header.schema.as_deref() != Some(RUN_SCHEMA) {
        return Err(not_a_run(path, format!("its {RECORD_FILE} has no schema `{RUN_SCHEMA}`")));
    }
    match header.version {
        Some(found) if found > u64::from(RUN_VERSION) => {
            Err(StoreError::Version { path: file_path, found, known: RUN_VERSION })
        }
        Some(found) if found > 0 => serde_json::from_slice(&text).map_err(|error| corrupt_record(&file_path, &error)),
        _ => Err(not_a_run(path, format!("its {RECORD_FILE} has no format version"))),
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn missing(path: &Path) -> String {
    if !path.exists() {
        "there is nothing".to_owned()
    } else if !path.is_dir() {
        "it is a file; name the directory it is in".to_owned()
    } else if path.join(SAMPLES_FILE).exists() {
        format!("it has no {RECORD_FILE}, its creation was interrupted; begin the run anew without --resume")
    } else {
        format!("it has no {RECORD_FILE}")
    }
}

fn not_a_run(path: &Path, reason: String) -> StoreError {
    StoreError::NotARun { path: path.to_owned(), reason }
}

fn corrupt_record(path: &Path, error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt {
        path: path.to_owned(),
        line: error.line().max(1) as u64,
        column: error.column().max(1) as u64,
        message: format!("{}: the file was damaged or changed; restore it from a copy", plain(error)),
    }
}

/// The parser's message without its own mention of the place, which is relative to the text it was given.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).chars().take(300).collect::<String>().escape_debug().to_string()
}

/// The samples of a run one by one, for runs that are better not held in memory as a whole.
pub struct SampleReader {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    metrics: MetricNames<CellId>,
    note: Option<String>,
    done: bool,
}

impl SampleReader {
    /// Opens the samples of the run in a directory.
    ///
    /// # Errors
    /// If the file does not open.
    pub fn open(run: &Path) -> Result<Self, StoreError> {
        let path = run.join(SAMPLES_FILE);
        let file = open_regular(&path, OFlags::RDONLY)?;
        let lines = Lines::new(BufReader::with_capacity(64 << 10, file));
        Ok(Self { path, lines, metrics: MetricNames::default(), note: None, done: false })
    }

    /// What there is to say of the end of the file, once it has been reached.
    pub fn note(&self) -> Option<String> {
        self.note.clone()
    }

    fn step(&mut self) -> Option<Result<Sample, StoreError>> {
        let line = match self.lines.next() {
            Ok(line) => line,
            Err(error) => return Some(Err(StoreError::io("read", &self.path, error))),
        };
        let text = match line {
            Line::End => return None,
            Line::Whole(text) => text,
            Line::Cut(length) => {
                self.note = Some(cut_note(&self.path, self.lines.number, length));
                return None;
            }
            Line::TooLong => {
                let (column, message) = too_long();
                return Some(Err(self.corrupt(column, message)));
            }
        };
        let read = parse(text).and_then(|sample| {
            // As in columns, so that what one reader takes every reader takes.
            if self.metrics.take(&sample.cell, sample.metrics.keys()) {
                Ok(sample)
            } else {
                Err((1, too_many_metrics_in_file(sample.cell.as_str())))
            }
        });
        Some(read.map_err(|(column, message)| self.corrupt(column, message)))
    }

    fn corrupt(&self, column: u64, message: String) -> StoreError {
        StoreError::Corrupt { path: self.path.clone(), line: self.lines.number, column, message }
    }
}

impl Iterator for SampleReader {
    type Item = Result<Sample, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        // After an error nothing more is trusted.
        self.done = !matches!(step, Some(Ok(_)));
        step
    }
}
