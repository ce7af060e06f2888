//! Options of what keeps runs and puts them together.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Options of `history`.
#[derive(Debug, Args)]
pub struct HistoryOptions {
    /// What to do
    #[command(subcommand)]
    pub action: HistoryAction,
}

/// What can be done with the history.
#[derive(Debug, Subcommand)]
pub enum HistoryAction {
    /// Add runs; adding one again replaces its figures
    Add {
        /// The run directories
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<PathBuf>,
    },
    /// List the runs that are kept
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove runs; their directories stay
    Remove {
        /// Names of runs as `list` prints them, or run directories
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<String>,
    },
    /// Remove what is old, and make the file small again
    Compact {
        /// Remove runs that were begun more days ago than this
        #[arg(long, value_name = "N")]
        keep_days: Option<u32>,
        /// Keep only so many of the latest runs of each cell on each kind of host
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        keep_per_cell: Option<u32>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Options of `trend`.
#[derive(Debug, Args)]
pub struct TrendOptions {
    /// The metric, such as total_ns
    pub metric: String,
    /// Only cells that are so; `*` stands for anything (`boot/qemu*`)
    #[arg(long, value_name = "GLOB", default_value = "*")]
    pub cell: String,
    /// The kind of host: its id, `this` or `all`
    #[arg(long, value_name = "ID", default_value = "this")]
    pub host: String,
    /// Also write a page that opens offline
    #[arg(long, value_name = "FILE.html")]
    pub html: Option<PathBuf>,
    /// Also write every figure as SVG and PNG into this directory
    #[arg(long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print Markdown
    #[arg(long = "md")]
    pub markdown: bool,
}

/// Options of `merge`.
#[derive(Debug, Args)]
pub struct MergeOptions {
    /// The run directories
    #[arg(required = true, value_name = "DIR")]
    pub parts: Vec<PathBuf>,
    /// The directory of the run that is made
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}
