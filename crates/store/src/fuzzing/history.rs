//! The history: a file that somebody made, and runs that somebody made.

use super::short;
use crate::history::{History, HistoryError, Retention};
use crate::{RECORD_FILE, SAMPLES_FILE, read_columns};
use isodyne_core::summary::summarise;
use std::path::Path;

/// What every SQLite file begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Either the file of a history, or `run.json` and, behind the first null byte, `samples.jsonl` of a run that is added to
/// a new history. Whatever is asked of that history then is answered, or refused in a short line.
///
/// # Panics
/// If that does not hold.
pub fn history(place: &Path, input: &[u8]) {
    let path = place.join("history.sqlite");
    for end in ["", "-wal", "-shm", "-journal"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    if input.starts_with(MAGIC) {
        write(&path, input);
        if let Some(mut history) = taken(History::open_if_there(&path)).flatten() {
            ask(&mut history);
        }
        return;
    }
    let cut = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    write(&place.join(RECORD_FILE), &input[..cut]);
    write(&place.join(SAMPLES_FILE), input.get(cut + 1..).unwrap_or_default());
    let Ok(run) = read_columns(place) else { return };
    let summary = summarise(&run.record, &run.columns);
    let mut history = History::open(&path).unwrap_or_else(|error| panic!("a new history: {error}"));
    let Some(first) = taken(history.add(&run.record, &summary, place)) else { return };
    let count = |history: &History| taken(history.runs()).map(|runs| runs.len());
    let kept = count(&history);
    assert!(kept.is_some() && taken(history.add(&run.record, &summary, place)).is_some(), "{first:?}, and once more");
    assert_eq!(count(&history), kept, "adding twice is adding once");
    ask(&mut history);
}

/// Everything that the program asks of a history.
fn ask(history: &mut History) {
    taken(history.runs());
    taken(history.hosts());
    for metric in taken(history.metrics()).unwrap_or_default().iter().take(4) {
        for trend in taken(history.trends(metric, "*", None)).unwrap_or_default() {
            let inside = |index: usize| (1..trend.points.len()).contains(&index);
            assert!(trend.change_points.iter().all(|point| inside(point.index)));
        }
    }
    let before = Some("2026-11-01T00:00:00Z".to_owned());
    taken(history.compact(&Retention { before, per_cell: Some(1) }));
    taken(history.remove("1a2b3c4d"));
}

fn taken<T>(outcome: Result<T, HistoryError>) -> Option<T> {
    outcome.inspect_err(|error| short(error)).ok()
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
