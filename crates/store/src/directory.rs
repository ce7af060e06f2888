//! The run directory as its one writer has it.

use crate::check;
use crate::error::StoreError;
use crate::file::{open_regular, replace, sync_directory};
use crate::metric_names::{MetricNames, too_many_metrics};
use crate::read::{RunContents, read_record, read_whole_lines};
use crate::{ARTIFACTS_DIRECTORY, LINE_LIMIT_BYTES, LOCK_FILE, LOGS_DIRECTORY, RECORD_FILE, SAMPLES_FILE};
use isodyne_core::cell::CellId;
use isodyne_core::record::{RunEnd, RunRecord};
use isodyne_core::sample::Sample;
use rustix::fs::{FlockOperation, OFlags, flock};
use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A process that has just been killed holds the lock until the kernel has removed it; nobody else gives it up soon.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// How much is written at once where many samples are.
const PIECE_BYTES: usize = 1 << 20;

/// A run that this process writes. Held by a lock until it is dropped.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    record: RunRecord,
    samples: File,
    /// The length of `samples.jsonl`, which ends with a newline or is empty.
    length: u64,
    /// What the samples of each cell have.
    metrics: MetricNames<CellId>,
    _lock: File,
}

impl RunDirectory {
    /// Makes the directory of a new run, for nobody else to read. A directory that exists must be empty, or be what an
    /// interrupted creation left.
    ///
    /// # Errors
    /// If the directory holds something, cannot be made, or another process is making it.
    pub fn create(path: &Path, record: &RunRecord) -> Result<Self, StoreError> {
        let contents = encode_record(record)?;
        make_directory(path, true)?;
        if !is_blank(path)? {
            return Err(StoreError::NotEmpty { path: path.to_owned() });
        }
        let lock = lock(path)?;
        // Another process may have made its run between the look and the lock.
        if path.join(RECORD_FILE).exists() {
            return Err(StoreError::NotEmpty { path: path.to_owned() });
        }
        for name in [LOGS_DIRECTORY, ARTIFACTS_DIRECTORY] {
            make_directory(&path.join(name), false)?;
        }
        let samples_path = path.join(SAMPLES_FILE);
        let samples = open_regular(&samples_path, OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE)?;
        // Last: with this file the directory becomes a run.
        replace(&path.join(RECORD_FILE), &contents)?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_directory(parent)?;
        }
        let (path, record, metrics) = (path.to_owned(), record.clone(), MetricNames::default());
        Ok(Self { path, record, samples, length: 0, metrics, _lock: lock })
    }

    /// Takes over a run to go on with it, and reads what it holds. A line that its last writer did not finish is cut off.
    ///
    /// # Errors
    /// If another process writes to it, and as [`crate::read()`].
    pub fn open_for_resume(path: &Path) -> Result<(Self, RunContents), StoreError> {
        // Before anything is made in a directory that is no run.
        read_record(path)?;
        let lock = lock(path)?;
        let (contents, length) = read_whole_lines(path)?;
        let samples_path = path.join(SAMPLES_FILE);
        let samples = open_regular(&samples_path, OFlags::WRONLY | OFlags::APPEND)?;
        let cut = |error: io::Error| StoreError::io("repair", &samples_path, error);
        if samples.metadata().map_err(cut)?.len() != length {
            samples.set_len(length).map_err(cut)?;
            samples.sync_data().map_err(cut)?;
        }
        for name in [LOGS_DIRECTORY, ARTIFACTS_DIRECTORY] {
            make_directory(&path.join(name), false)?;
        }
        let mut metrics = MetricNames::default();
        for sample in &contents.samples {
            // They were read, so there are not too many.
            metrics.take(&sample.cell, sample.metrics.keys());
        }
        let (path, record) = (path.to_owned(), contents.record.clone());
        let directory = Self { path, record, samples, length, metrics, _lock: lock };
        Ok((directory, contents))
    }

    /// Where the run is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its consoles and runtime logs go.
    pub fn logs(&self) -> PathBuf {
        self.path.join(LOGS_DIRECTORY)
    }

    /// Where everything else goes.
    pub fn artifacts(&self) -> PathBuf {
        self.path.join(ARTIFACTS_DIRECTORY)
    }

    /// What `run.json` says.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// Adds a sample, in one write, and returns once it is on the disk.
    ///
    /// # Errors
    /// If it cannot be written, above all because the disk is full: the file is then as it was before. Or if it could
    /// not be read back (a number that is none, a path that leaves the directory, a metric too many of its cell).
    pub fn append(&mut self, sample: &Sample) -> Result<(), StoreError> {
        let line = encode_sample(sample, &mut self.metrics)?;
        let path = self.path.join(SAMPLES_FILE);
        // One call, so that no reader and no death sees more than one unfinished line.
        let written = loop {
            match self.samples.write(&line) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        let outcome = match written {
            Ok(length) if length == line.len() => self.samples.sync_data(),
            // A disk takes a part of a line only when it has no room for the rest.
            Ok(_) => Err(io::ErrorKind::StorageFull.into()),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Should this fail too, the line without an end is cut off by the next writer.
                let _ = self.samples.set_len(self.length);
                Err(StoreError::io("write", &path, error))
            }
        }
    }

    /// Adds samples that are all there already (an import, a merge): written in large pieces and synced once, at the end.
    /// Returns how many there were.
    ///
    /// # Errors
    /// As [`RunDirectory::append`]: the file is then as it was before.
    pub fn append_all(&mut self, samples: impl IntoIterator<Item = Sample>) -> Result<u64, StoreError> {
        let outcome = self.write_all(samples);
        if outcome.is_err() {
            // Should this fail too, a line without an end is cut off by the next writer.
            let _ = self.samples.set_len(self.length);
        }
        let (count, length) = outcome?;
        self.length += length;
        Ok(count)
    }

    /// Writes samples at the end of the file; returns how many, and how many bytes they take.
    fn write_all(&mut self, samples: impl IntoIterator<Item = Sample>) -> Result<(u64, u64), StoreError> {
        let path = self.path.join(SAMPLES_FILE);
        let mut pieces = BufWriter::with_capacity(PIECE_BYTES, &self.samples);
        let (mut count, mut length) = (0, 0);
        for sample in samples {
            let line = encode_sample(&sample, &mut self.metrics)?;
            pieces.write_all(&line).map_err(|error| StoreError::io("write", &path, error))?;
            count += 1;
            length += line.len() as u64;
        }
        pieces.flush().map_err(|error| StoreError::io("write", &path, error))?;
        drop(pieces);
        self.samples.sync_data().map_err(|error| StoreError::io("write", &path, error))?;
        Ok((count, length))
    }

    /// Notes that the run has ended well.
    ///
    /// # Errors
    /// If `run.json` cannot be replaced: it is then as it was before.
    pub fn set_ended(&mut self, end: RunEnd) -> Result<(), StoreError> {
        self.set_end(Some(end))
    }

    /// Notes that a run that had ended goes on (with more samples wanted).
    ///
    /// # Errors
    /// As [`RunDirectory::set_ended`].
    pub fn reopen(&mut self) -> Result<(), StoreError> {
        if self.record.ended.is_none() { Ok(()) } else { self.set_end(None) }
    }

    fn set_end(&mut self, ended: Option<RunEnd>) -> Result<(), StoreError> {
        let mut record = self.record.clone();
        record.ended = ended;
        self.replace_record(record)
    }

    /// Replaces what `run.json` says, whole.
    ///
    /// # Errors
    /// As [`RunDirectory::set_ended`].
    pub fn replace_record(&mut self, record: RunRecord) -> Result<(), StoreError> {
        replace(&self.path.join(RECORD_FILE), &encode_record(&record)?)?;
        self.record = record;
        Ok(())
    }
}

fn encode_record(record: &RunRecord) -> Result<Vec<u8>, StoreError> {
    let refuse = |message: String| StoreError::NotStorable { what: RECORD_FILE.to_owned(), message };
    let mut text = serde_json::to_vec_pretty(record).map_err(|error| refuse(error.to_string()))?;
    text.push(b'\n');
    if text.len() as u64 > crate::RECORD_LIMIT_BYTES {
        return Err(refuse(format!("it is {} B long, {} are allowed", text.len(), crate::RECORD_LIMIT_BYTES)));
    }
    // What cannot be read back must be noticed now, not when the run is over.
    serde_json::from_slice::<RunRecord>(&text).map_err(|error| refuse(format!("it cannot be read back: {error}")))?;
    Ok(text)
}

fn encode_sample(sample: &Sample, metrics: &mut MetricNames<CellId>) -> Result<Vec<u8>, StoreError> {
    let refuse = |message: String| StoreError::NotStorable {
        what: format!("sample {} of `{}`", sample.sequence, sample.cell),
        message,
    };
    check::storable(sample).map_err(refuse)?;
    if !metrics.take(&sample.cell, sample.metrics.keys()) {
        return Err(refuse(too_many_metrics(sample.cell.as_str())));
    }
    let mut line = serde_json::to_vec(sample).map_err(|error| refuse(error.to_string()))?;
    line.push(b'\n');
    if line.len() >= LINE_LIMIT_BYTES {
        return Err(refuse(format!("it is {} B long, {LINE_LIMIT_BYTES} are allowed", line.len())));
    }
    Ok(line)
}

/// Makes one directory (and those above it, for the run itself), 0700. One that exists already is good.
fn make_directory(path: &Path, with_parents: bool) -> Result<(), StoreError> {
    if with_parents && let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(|error| StoreError::io("create directory", parent, error))?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_directory(path) => Ok(()),
        outcome => outcome.map_err(|error| StoreError::io("create directory", path, error)),
    }
}

/// A link to a directory counts for the run itself (the user's own choice), and so it does inside.
fn is_directory(path: &Path) -> bool {
    path.metadata().is_ok_and(|status| status.is_dir())
}

/// Whether a directory holds nothing, or only what a creation leaves that was killed before it was done.
fn is_blank(path: &Path) -> Result<bool, StoreError> {
    let entries = std::fs::read_dir(path).map_err(|error| StoreError::io("read", path, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| StoreError::io("read", path, error))?;
        let name = entry.file_name();
        let is_left_over = match name.to_str() {
            Some(LOCK_FILE | "run.json.new") => true,
            Some(SAMPLES_FILE) => entry.metadata().is_ok_and(|status| status.is_file() && status.len() == 0),
            Some(LOGS_DIRECTORY | ARTIFACTS_DIRECTORY) => {
                std::fs::read_dir(entry.path()).is_ok_and(|mut inside| inside.next().is_none())
            }
            _ => false,
        };
        if !is_left_over {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes the lock of a run, and writes there who has it.
fn lock(path: &Path) -> Result<File, StoreError> {
    let file_path = path.join(LOCK_FILE);
    let file = open_regular(&file_path, OFlags::RDWR | OFlags::CREATE)?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(StoreError::Locked { path: path.to_owned(), pid: holder(&file) });
            }
            Err(errno) => return Err(StoreError::io("lock", &file_path, errno)),
        }
    }
    // Only for the message to others; the lock itself is what counts.
    let _ = file.set_len(0);
    let _ = rustix::io::pwrite(&file, format!("{}\n", std::process::id()).as_bytes(), 0);
    Ok(file)
}

fn holder(file: &File) -> Option<u32> {
    let mut text = [0; 32];
    let length = rustix::io::pread(file, &mut text, 0).ok()?;
    std::str::from_utf8(&text[..length]).ok()?.trim().parse().ok()
}
