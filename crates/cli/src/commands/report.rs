//! `isodyne report`: one HTML file that opens offline, and figures beside it.

use super::compare::{exit, refuse};
use super::show::{self, ReadRun};
use crate::arguments::ReportOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::parallel::runner;
use anyhow::Context;
use isodyne_core::compare::{CompareOptions, ComparedRun, compare_runs};
use isodyne_core::record::RunRecord;
use isodyne_core::streams::RunStreams;
use isodyne_report::{ComparisonView, RunView, comparison_figure_files, comparison_html, figure_files, html};
use std::path::Path;

/// Writes the report of a run, or of the comparison of two.
pub fn report(options: &ReportOptions, output: &Output) -> Result<Exit, Trouble> {
    let run = show::read(&options.run, output)?;
    let location = options.run.display().to_string();
    if let Some(other) = &options.other {
        return comparison(options, &run, other, output);
    }
    let file = options.output.clone().unwrap_or_else(|| options.run.join("report.html"));
    let streams = streams(&options.run, &run.record, output)?;
    let view = RunView { streams: Some(&streams), ..run.view(&location) };
    write_html(view, &file)?;
    output.say(&format!("report  {}", file.display()));
    if let Some(directory) = &options.figures {
        let figures = figure_files(view).map_err(Trouble::unexpected)?;
        write_figures(directory, &figures, output)?;
    }
    Ok(Exit::Ok)
}

/// Reads what the logs of a run's samples hold, and says what of it is missing.
pub fn streams(path: &Path, record: &RunRecord, output: &Output) -> Result<RunStreams, Trouble> {
    let streams = isodyne_store::read_streams(path, record).map_err(Trouble::unexpected)?;
    streams.notes.iter().for_each(|note| output.warn(note));
    Ok(streams)
}

fn comparison(options: &ReportOptions, run: &ReadRun, other: &Path, output: &Output) -> Result<Exit, Trouble> {
    let candidate = show::read(other, output)?;
    let locations = [options.run.display().to_string(), other.display().to_string()];
    let sides = [side(run, &locations[0]), side(&candidate, &locations[1])];
    let chosen = CompareOptions::default();
    let chosen = CompareOptions { margin: options.margin.unwrap_or(chosen.margin), ..chosen };
    let comparison = compare_runs(sides[0], sides[1], &chosen, runner()).map_err(refuse)?;
    let view = ComparisonView {
        comparison: &comparison,
        baseline: run.view(&locations[0]),
        candidate: candidate.view(&locations[1]),
    };
    let file = options.output.clone().unwrap_or_else(|| other.join("comparison.html"));
    write(&file, comparison_html(&view).as_bytes())?;
    output.say(&format!("report  {}", file.display()));
    if let Some(directory) = &options.figures {
        let figures = comparison_figure_files(&view).map_err(Trouble::unexpected)?;
        write_figures(directory, &figures, output)?;
    }
    Ok(exit(&comparison))
}

fn side<'a>(run: &'a ReadRun, name: &'a str) -> ComparedRun<'a> {
    ComparedRun { name, record: &run.record, columns: &run.columns }
}

/// Writes figures into a directory, which is made if it is not there.
pub fn write_figures(directory: &Path, figures: &[(String, Vec<u8>)], output: &Output) -> Result<(), Trouble> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))
        .map_err(Trouble::unexpected)?;
    for (name, bytes) in figures {
        write(&directory.join(name), bytes)?;
    }
    output.say(&format!("figures {}", directory.display()));
    Ok(())
}

/// Writes the HTML file.
pub fn write_html(view: RunView<'_>, file: &Path) -> Result<(), Trouble> {
    write(file, html(view).as_bytes())
}

/// Writes a file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display())).map_err(Trouble::unexpected)
}
