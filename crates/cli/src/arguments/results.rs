//! Options of what shows a run and looks through it.

use super::judge::share;
use clap::Args;
use std::path::PathBuf;

/// Options of `show`.
#[derive(Debug, Args)]
pub struct ShowOptions {
    /// The run directory
    pub run: PathBuf,
    /// Print JSON
    #[arg(long, conflicts_with_all = ["csv", "markdown"])]
    pub json: bool,
    /// Print the raw samples as CSV
    #[arg(long, conflicts_with = "markdown")]
    pub csv: bool,
    /// Print Markdown for a pull request
    #[arg(long = "md")]
    pub markdown: bool,
}

/// Options of `report`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code 12 if a pair of two runs may not be compared; the page is written and says why.")]
pub struct ReportOptions {
    /// The run directory; the baseline, where there are two
    pub run: PathBuf,
    /// A second run, to be compared with the first
    pub other: Option<PathBuf>,
    /// A change under this does not matter, of two runs [default: 2%]
    #[arg(long, value_name = "PERCENT", requires = "other", value_parser = share)]
    pub margin: Option<f64>,
    /// The file [default: report.html in the run directory; comparison.html in the second of two]
    #[arg(short, long, value_name = "FILE.html")]
    pub output: Option<PathBuf>,
    /// Also write every figure as SVG and PNG into this directory
    #[arg(long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
}

/// Options of `audit`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code 0 if nothing is void, 5 if something is. docs/auditing.md describes the rules.")]
pub struct AuditOptions {
    /// A run directory, or a file or directory of another tool
    #[arg(required_unless_present = "rules")]
    pub source: Option<PathBuf>,
    /// The format of another tool's files, if it is not recognised
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print Markdown for a pull request
    #[arg(long = "md")]
    pub markdown: bool,
    /// List the rules with what they look for
    #[arg(long)]
    pub rules: bool,
}
