//! Reading a run for computing and showing: its samples become columns and are never held as a whole.
//!
//! The file is cut into stretches at ends of lines. Each thread takes the next stretch, fills columns with it, waits
//! until it is that stretch's turn, and appends them to those of the run: the order is that of the file, and no more
//! than a stretch a thread is in memory beside the columns.

mod feed;
mod fields;
mod line;
mod number;
mod part;

use crate::error::StoreError;
use crate::file::open_regular;
use crate::metric_names::{METRICS_LIMIT, too_many_metrics_in_file};
use crate::read::{LineTrouble, cut_note, parse, read_record, strangers_note, too_long};
use crate::{LINE_LIMIT_BYTES, SAMPLES_FILE};
use feed::{Feed, STRETCH_BYTES, Stretch};
use isodyne_core::columns::RunColumns;
use isodyne_core::record::RunRecord;
use part::Part;
use rustix::fs::OFlags;
use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// More threads than this wait for one another.
const MOST_THREADS: usize = 8;

/// A run with its samples as columns.
#[derive(Clone, Debug, PartialEq)]
pub struct RunColumnsContents {
    /// What was set out to do, on what, with what.
    pub record: RunRecord,
    /// Its samples.
    pub columns: RunColumns,
    /// What is worth knowing of the state of the files, one line each; empty is usual.
    pub notes: Vec<String>,
}

/// Reads a run for computing and showing.
///
/// # Errors
/// As [`crate::read()`].
pub fn read_columns(path: &Path) -> Result<RunColumnsContents, StoreError> {
    let record = read_record(path)?;
    let samples_path = path.join(SAMPLES_FILE);
    let file = open_regular(&samples_path, OFlags::RDONLY)?;
    let length = file.metadata().map_err(|error| StoreError::io("inspect", &samples_path, error))?.len();
    let threads = usize::try_from(length / STRETCH_BYTES as u64).unwrap_or(usize::MAX).saturating_add(1);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let reading = Reading::new(Feed::new(file));
    std::thread::scope(|scope| {
        for _ in 1..threads.min(cores).min(MOST_THREADS) {
            // Where no thread is to be had, the others do its part.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || reading.work());
        }
        reading.work();
    });
    let done = reading.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let corrupt = |line, (column, message)| StoreError::Corrupt { path: samples_path.clone(), line, column, message };
    match done.trouble {
        Some(Trouble::Line(line, trouble)) => return Err(corrupt(line, trouble)),
        Some(Trouble::Io(error)) => return Err(StoreError::io("read", &samples_path, error)),
        None => {}
    }
    let mut columns = done.columns;
    columns.sort();
    let known: BTreeSet<&str> = record.cells.iter().map(|cell| cell.id.as_str()).collect();
    let strangers = columns.cells.keys().map(|cell| cell.as_str()).filter(|cell| !known.contains(cell));
    let cut = done.cut.map(|length| cut_note(&samples_path, done.lines + 1, length));
    let notes = cut.into_iter().chain(strangers_note(&samples_path, strangers)).collect();
    Ok(RunColumnsContents { record, columns, notes })
}

/// What the threads share.
struct Reading {
    feed: Mutex<Feed>,
    done: Mutex<Done>,
    turn: Condvar,
}

/// What has been read, in the order of the file.
#[derive(Default)]
struct Done {
    columns: RunColumns,
    lines: u64,
    /// The stretch whose turn it is.
    next: u64,
    /// The length of a last line that no newline ends.
    cut: Option<usize>,
    trouble: Option<Trouble>,
}

enum Trouble {
    /// A line that is no sample, with its number from 1.
    Line(u64, LineTrouble),
    Io(io::Error),
}

/// A stretch as columns.
struct Read {
    columns: RunColumns,
    lines: u64,
    cut: Option<usize>,
    /// The first line that is no sample, by its number within the stretch, from 1.
    trouble: Option<(u64, LineTrouble)>,
}

impl Reading {
    fn new(feed: Feed) -> Self {
        Self { feed: Mutex::new(feed), done: Mutex::default(), turn: Condvar::new() }
    }

    /// Reads stretches until there are no more, or one of them is no good.
    fn work(&self) {
        let mut buffer = Vec::new();
        let guard = Fallen(self);
        loop {
            let stretch = lock(&self.feed).next(&mut buffer);
            let stretch = match stretch {
                Ok(Some(stretch)) => stretch,
                Ok(None) => break,
                Err(error) => {
                    self.give_up(error);
                    break;
                }
            };
            let read = read_stretch(&buffer, &stretch);
            if !self.append(stretch.number, read) {
                break;
            }
        }
        std::mem::forget(guard);
    }

    /// Waits for the turn of a stretch and adds it. False if nothing more is wanted.
    fn append(&self, number: u64, read: Read) -> bool {
        let done = lock(&self.done);
        let waiting = |done: &mut Done| done.next != number && done.trouble.is_none();
        let mut done = self.turn.wait_while(done, waiting).unwrap_or_else(PoisonError::into_inner);
        if done.trouble.is_none() {
            let before = done.lines;
            done.trouble = match (&read.trouble, crowded(&done.columns, &read.columns)) {
                (Some((line, trouble)), _) => Some(Trouble::Line(before + line, trouble.clone())),
                (None, Some(message)) => Some(Trouble::Line(before + 1, (1, message))),
                (None, None) => None,
            };
            if done.trouble.is_none() {
                done.columns.append(read.columns);
                done.lines += read.lines;
                done.cut = read.cut;
                done.next += 1;
            }
        }
        self.turn.notify_all();
        done.trouble.is_none()
    }

    fn give_up(&self, error: io::Error) {
        lock(&self.done).trouble.get_or_insert(Trouble::Io(error));
        self.turn.notify_all();
    }
}

/// Lets nobody wait for a thread that panics.
struct Fallen<'a>(&'a Reading);

impl Drop for Fallen<'_> {
    fn drop(&mut self) {
        self.0.give_up(io::Error::other("a reading thread ended early"));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The columns of one stretch.
fn read_stretch(bytes: &[u8], stretch: &Stretch) -> Read {
    let (whole, rest) = bytes.split_at(stretch.whole);
    let mut part = Part::default();
    let mut scratch = line::Scratch::default();
    let mut lines = 0;
    let mut trouble = None;
    let mut left = whole;
    while !left.is_empty() {
        let from = left;
        // Finds the end many bytes at a time; bytes in memory are always read.
        let length = left.skip_until(b'\n').unwrap_or(from.len());
        let line = &from[..length];
        lines += 1;
        if let Err(found) = read_line(line, &mut part, &mut scratch) {
            trouble = Some((lines, found));
            break;
        }
    }
    if trouble.is_none() && stretch.last && rest.len() >= LINE_LIMIT_BYTES {
        trouble = Some((lines + 1, too_long()));
    }
    let cut = Some(rest.len()).filter(|length| stretch.last && *length > 0);
    Read { columns: part.finish(), lines, cut, trouble }
}

/// Adds a line, its newline included.
fn read_line<'a>(line: &'a [u8], part: &mut Part, scratch: &mut line::Scratch<'a>) -> Result<(), LineTrouble> {
    if line.len() > LINE_LIMIT_BYTES {
        return Err(too_long());
    }
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let taken = match line::read(text, scratch) {
        Some(fields) => part.take(&fields),
        None => part.take(&fields::of(&parse(text)?, &mut Vec::new())),
    };
    taken.map_err(|message| (1, message))
}

/// What is wrong if a stretch brings a cell more metrics than any has.
fn crowded(columns: &RunColumns, later: &RunColumns) -> Option<String> {
    later.cells.iter().find_map(|(id, cell)| {
        let own = &columns.cells.get(id)?.metrics;
        if own.len() + cell.metrics.len() <= METRICS_LIMIT {
            return None;
        }
        let new = cell.metrics.keys().filter(|name| !own.contains_key(*name)).count();
        (own.len() + new > METRICS_LIMIT).then(|| too_many_metrics_in_file(id.as_str()))
    })
}

#[cfg(test)]
mod tests;
