//! `isodyne history`: the figures of runs in one file.

use super::show;
use crate::arguments::{HistoryAction, HistoryOptions};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::paths;
use isodyne_core::record::RunRecord;
use isodyne_core::summary::RunSummary;
use isodyne_core::unit::DisplayBytes;
use isodyne_report::{Style, list_table};
use isodyne_store::history::{Added, History, HistoryError, KeptRun, Retention};
use isodyne_store::read_record;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Adds, lists, removes or compacts.
pub fn history(options: &HistoryOptions, output: &Output) -> Result<Exit, Trouble> {
    match &options.action {
        HistoryAction::Add { runs } => add(runs, output),
        HistoryAction::List { json } => list(*json, output),
        HistoryAction::Remove { runs } => remove(runs, output),
        HistoryAction::Compact { keep_days, keep_per_cell, json } => compact(*keep_days, *keep_per_cell, *json, output),
    }
}

/// Keeps a run that has just ended. A history that cannot be written is no failure of the run.
pub fn keep(record: &RunRecord, summary: &RunSummary, path: &Path, output: &Output) {
    let kept = History::open(&paths::history()).and_then(|mut history| history.add(record, summary, path));
    if let Err(error) = kept {
        output.warn(&format!("not in the history: {error}"));
    }
}

fn add(runs: &[PathBuf], output: &Output) -> Result<Exit, Trouble> {
    let mut history = History::open(&paths::history()).map_err(trouble)?;
    for path in runs {
        let run = show::read(path, output)?;
        if run.record.ended.is_none() && run.record.imported.is_none() {
            output.warn(&format!("{} is not complete: add it again when it is", path.display()));
        }
        let words = match history.add(&run.record, &run.summary, path).map_err(trouble)? {
            Added::New => "added",
            Added::Again => "added again",
            Added::Nothing => "nothing to keep of",
        };
        output.say(&format!("{words} {} ({})", run.record.run_id.escape_debug(), path.display()));
    }
    Ok(Exit::Ok)
}

fn list(as_json: bool, output: &Output) -> Result<Exit, Trouble> {
    let path = paths::history();
    let history = History::open_if_there(&path).map_err(trouble)?;
    let runs: Vec<KeptRun> = history.map_or_else(|| Ok(Vec::new()), |history| history.runs()).map_err(trouble)?;
    if as_json {
        return output.json(&json!({ "schema": "isodyne-history", "version": 1, "runs": runs }));
    }
    if runs.is_empty() {
        return output.data(&format!("  no runs in {}\n", path.display()));
    }
    let row = |run: &KeptRun| {
        let begun: String = run.created_at.chars().take(19).collect();
        [&run.run_id, &begun, &run.cells.to_string(), &run.host_id, &run.title, &run.path].map(String::clone).to_vec()
    };
    let rows: Vec<Vec<String>> = runs.iter().map(row).collect();
    let style = Style { color: output.color(), width: output.width() };
    output.data(&list_table(&["run", "begun", "cells", "host", "title", "directory"], &rows, style))
}

fn remove(runs: &[String], output: &Output) -> Result<Exit, Trouble> {
    let mut history = some()?;
    for name in runs {
        // A directory says its name itself.
        let run_id = read_record(Path::new(name)).map_or_else(|_| name.clone(), |record| record.run_id);
        if history.remove(&run_id).map_err(trouble)? == 0 {
            return Err(Trouble::usage(
                format!("the history has no run `{}`", name.escape_debug()),
                "`isodyne history list` prints the names of all",
            ));
        }
        output.say(&format!("removed {}", run_id.escape_debug()));
    }
    Ok(Exit::Ok)
}

fn compact(days: Option<u32>, per_cell: Option<u32>, as_json: bool, output: &Output) -> Result<Exit, Trouble> {
    let before = days.map(|days| {
        let span = jiff::SignedDuration::from_hours(24 * i64::from(days));
        // Farther back than there are times: everything stays.
        jiff::Timestamp::now().checked_sub(span).unwrap_or(jiff::Timestamp::MIN).to_string()
    });
    let done = some()?.compact(&Retention { before, per_cell }).map_err(trouble)?;
    if as_json {
        return output.json(&json!({ "schema": "isodyne-history-compacted", "version": 1, "compacted": done }));
    }
    let size = |bytes: u64| DisplayBytes(bytes as f64).to_string();
    let removed = format!("{} runs and {} cells removed", done.runs_removed, done.cells_removed);
    output.data(&format!("{removed}; {} before, {} after\n", size(done.before_bytes), size(done.after_bytes)))
}

fn some() -> Result<History, Trouble> {
    let path = paths::history();
    History::open_if_there(&path).map_err(trouble)?.ok_or_else(|| nothing(&path))
}

/// There is no history yet.
pub fn nothing(path: &Path) -> Trouble {
    Trouble::usage(
        format!("there is no history at {}", path.display()),
        "`isodyne run` keeps one, and `isodyne history add RUN…` adds earlier runs",
    )
}

/// An error of the history says its way out itself.
pub fn trouble(error: HistoryError) -> Trouble {
    Trouble::unexpected(anyhow::Error::msg(error.to_string()))
}
