//! `isodyne show`: a run's results again, from its raw samples.

use crate::arguments::ShowOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::parallel;
use isodyne_core::audit::Finding;
use isodyne_core::columns::RunColumns;
use isodyne_core::record::RunRecord;
use isodyne_core::summary::{RunSummary, summarise_with};
use isodyne_report::{RunView, Style, csv_heading, csv_row, markdown, run_table};
use serde::Serialize;
use std::path::Path;

/// Shows a run, also one that is still being measured.
pub fn show(options: &ShowOptions, output: &Output) -> Result<Exit, Trouble> {
    if options.csv {
        return csv(&options.run, output);
    }
    let run = read(&options.run, output)?;
    let location = options.run.display().to_string();
    let view = run.view(&location);
    if options.json {
        output.json(&run.answer())
    } else if options.markdown {
        output.data(&markdown(view))
    } else {
        table(view, output)
    }
}

/// The summary of a run with the auditor's findings.
#[derive(Serialize)]
pub struct Answer<'a> {
    #[serde(flatten)]
    summary: &'a RunSummary,
    findings: Vec<Finding>,
}

/// A run as read, with what is derived from it.
pub struct ReadRun {
    /// What the run set out to do.
    pub record: RunRecord,
    /// Its samples.
    pub columns: RunColumns,
    /// Derived.
    pub summary: RunSummary,
}

impl ReadRun {
    /// The summary with what the auditor says of it, as `--json` prints it.
    pub fn answer(&self) -> Answer<'_> {
        Answer { summary: &self.summary, findings: super::audit::findings(&self.record, &self.columns) }
    }

    /// The run as reports see it.
    pub fn view<'a>(&'a self, location: &'a str) -> RunView<'a> {
        let Self { record, columns, summary } = self;
        RunView { record, columns, summary, streams: None, location: Some(location), runner: parallel::runner() }
    }
}

/// Reads a run directory.
pub fn read(path: &Path, output: &Output) -> Result<ReadRun, Trouble> {
    let (record, columns) = read_only(path, output)?;
    let summary = summarise_with(&record, &columns, parallel::runner());
    Ok(ReadRun { record, columns, summary })
}

/// Reads a run directory for what needs no summary of it.
pub fn read_only(path: &Path, output: &Output) -> Result<(RunRecord, RunColumns), Trouble> {
    let contents = isodyne_store::read_columns(path).map_err(Trouble::unexpected)?;
    for note in &contents.notes {
        output.warn(note);
    }
    Ok((contents.record, contents.columns))
}

/// Prints the tables.
pub fn table(view: RunView<'_>, output: &Output) -> Result<Exit, Trouble> {
    output.data(&run_table(view, Style { color: output.color(), width: output.width() }))
}

/// Prints the raw samples one by one as they are read.
fn csv(path: &Path, output: &Output) -> Result<Exit, Trouble> {
    let record = isodyne_store::read_record(path).map_err(Trouble::unexpected)?;
    let mut stream = output.stream();
    stream.write(&csv_heading());
    let notes = isodyne_store::each_sample(path, &record, |sample| stream.write(&csv_row(&record, &sample)));
    let exit = stream.end()?;
    for note in &notes.map_err(Trouble::unexpected)? {
        output.warn(note);
    }
    Ok(exit)
}
