//! `isodyne report`: one HTML file that opens offline, and figures beside it.

use super::show;
use crate::arguments::ReportOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use anyhow::Context;
use isodyne_core::record::RunRecord;
use isodyne_core::sample::Sample;
use isodyne_core::summary::RunSummary;
use isodyne_report::{RunView, figure_files, html};
use std::path::Path;

/// Writes the report of a run.
pub fn report(options: &ReportOptions, output: &Output) -> Result<Exit, Trouble> {
    let run = show::read(&options.run, output)?;
    let file = options.output.clone().unwrap_or_else(|| options.run.join("report.html"));
    write_html(&run.record, &run.samples, &run.summary, &options.run, &file)?;
    output.say(&format!("report  {}", file.display()));
    if let Some(directory) = &options.figures {
        let location = options.run.display().to_string();
        let view =
            RunView { record: &run.record, samples: &run.samples, summary: &run.summary, location: Some(&location) };
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))
            .map_err(Trouble::unexpected)?;
        for (name, bytes) in figure_files(view).map_err(Trouble::unexpected)? {
            write(&directory.join(name), &bytes)?;
        }
        output.say(&format!("figures {}", directory.display()));
    }
    Ok(Exit::Ok)
}

/// Writes the HTML file.
pub fn write_html(
    record: &RunRecord,
    samples: &[Sample],
    summary: &RunSummary,
    run: &Path,
    file: &Path,
) -> Result<(), Trouble> {
    let location = run.display().to_string();
    let view = RunView { record, samples, summary, location: Some(&location) };
    write(file, html(view).as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display())).map_err(Trouble::unexpected)
}
