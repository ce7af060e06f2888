//! `isodyne report`: one HTML file that opens offline, and figures beside it.

use super::show;
use crate::arguments::ReportOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use anyhow::Context;
use isodyne_report::{RunView, figure_files, html};
use std::path::Path;

/// Writes the report of a run.
pub fn report(options: &ReportOptions, output: &Output) -> Result<Exit, Trouble> {
    let run = show::read(&options.run, output)?;
    let file = options.output.clone().unwrap_or_else(|| options.run.join("report.html"));
    let location = options.run.display().to_string();
    write_html(run.view(&location), &file)?;
    output.say(&format!("report  {}", file.display()));
    if let Some(directory) = &options.figures {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))
            .map_err(Trouble::unexpected)?;
        for (name, bytes) in figure_files(run.view(&location)).map_err(Trouble::unexpected)? {
            write(&directory.join(name), &bytes)?;
        }
        output.say(&format!("figures {}", directory.display()));
    }
    Ok(Exit::Ok)
}

/// Writes the HTML file.
pub fn write_html(view: RunView<'_>, file: &Path) -> Result<(), Trouble> {
    write(file, html(view).as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display())).map_err(Trouble::unexpected)
}
