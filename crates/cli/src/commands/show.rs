//! `isodyne show`: a run's results again, from its raw samples.

use crate::arguments::ShowOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::columns::RunColumns;
use isodyne_core::record::RunRecord;
use isodyne_core::sample::Sample;
use isodyne_core::summary::{RunSummary, summarise};
use isodyne_report::{RunView, Style, csv, markdown, run_table};
use std::path::Path;

/// Shows a run, also one that is still being measured.
pub fn show(options: &ShowOptions, output: &Output) -> Result<Exit, Trouble> {
    let run = read(&options.run, output)?;
    let location = options.run.display().to_string();
    let view = RunView { record: &run.record, samples: &run.samples, summary: &run.summary, location: Some(&location) };
    if options.json {
        output.json(&run.summary)
    } else if options.csv {
        output.data(&csv(&run.record, &run.samples))
    } else if options.markdown {
        output.data(&markdown(view))
    } else {
        table(&run.record, &run.samples, &run.summary, &options.run, output)
    }
}

/// A run as read, with what is derived from it.
pub struct ReadRun {
    /// What the run set out to do.
    pub record: RunRecord,
    /// Its samples.
    pub samples: Vec<Sample>,
    /// Derived.
    pub summary: RunSummary,
}

/// Reads a run directory.
pub fn read(path: &Path, output: &Output) -> Result<ReadRun, Trouble> {
    let contents = isodyne_store::read(path).map_err(Trouble::unexpected)?;
    for note in &contents.notes {
        output.warn(note);
    }
    let summary = summarise(&contents.record, &RunColumns::of(&contents.samples));
    Ok(ReadRun { record: contents.record, samples: contents.samples, summary })
}

/// Prints the tables.
pub fn table(
    record: &RunRecord,
    samples: &[Sample],
    summary: &RunSummary,
    path: &Path,
    output: &Output,
) -> Result<Exit, Trouble> {
    let location = path.display().to_string();
    let view = RunView { record, samples, summary, location: Some(&location) };
    output.data(&run_table(view, Style { color: output.color(), width: output.width() }))
}
