//! Options of what measures, and what comes before it.

use clap::{Args, ValueEnum};
use isodyne_core::schedule::Shard;
use std::path::PathBuf;

/// Options of `list`.
#[derive(Debug, Args)]
pub struct ListOptions {
    /// What to list
    #[arg(value_enum, default_value_t = Listed::Benchmarks)]
    pub what: Listed,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Listed {
    /// The benchmarks, with their keys
    Benchmarks,
    /// The backends, with their keys
    Backends,
    /// The ready plans
    Plans,
    /// The runs under ./runs
    Runs,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// The plan
    pub plan: PathBuf,
    /// Override a key of the plan (`samples=5`, `backend.qemu.memory=96MiB`)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `run`.
#[derive(Debug, Default, Args)]
pub struct RunOptions {
    /// A benchmark's name (`boot`) or a plan's file; may be left out with --resume
    pub what: Option<String>,
    /// The backends, by commas
    #[arg(long, value_delimiter = ',', value_name = "BACKEND")]
    pub on: Vec<String>,
    /// Valid samples per cell
    #[arg(short = 'n', long = "samples", value_name = "N", allow_negative_numbers = true)]
    pub samples: Option<String>,
    /// Stop when the interval of the median of every cell is within ± this share of it (`2%`); -n is the maximum
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    pub until_precision: Option<String>,
    /// Override a key of the plan (`boot.timeout=5s`, `backend.qemu.machine=q35,microvm`)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Measure a variant beside what the plan states (`new: backend.runc.program=./runc`); may be repeated
    #[arg(long = "variant", value_name = "NAME: KEY=VALUE")]
    pub variant: Vec<String>,
    /// The run directory [default: runs/<time>-<name>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The seed of the random order, in hexadecimal as results print it
    #[arg(long, value_name = "HEX", value_parser = seed)]
    pub seed: Option<u64>,
    /// A first look: 3 samples, 1 warm-up round
    #[arg(long)]
    pub quick: bool,
    /// Say exactly what would be run and sent, and run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Go on with the run in --out
    #[arg(long, requires = "out")]
    pub resume: bool,
    /// Print the results as JSON
    #[arg(long)]
    pub json: bool,
    /// Write every event as a line of JSON to this file (`-` for standard output, instead of the results)
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Do not write report.html at the end
    #[arg(long)]
    pub no_report: bool,
    /// Do not add the run to the history
    #[arg(long)]
    pub no_history: bool,
    /// Measure only this part of the plan's cells, such as 1/4; `isodyne merge` puts the parts together
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Whether another command shows the results.
    #[arg(skip)]
    pub quiet: bool,
}

impl RunOptions {
    /// Whether the events go to standard output.
    pub fn streams_events(&self) -> bool {
        self.events.as_deref() == Some(std::path::Path::new("-"))
    }
}

/// A seed as results print it. A plan's seed is a signed integer of TOML, so the last bit is not for use.
fn seed(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16)
        .ok()
        .filter(|seed| i64::try_from(*seed).is_ok())
        .ok_or_else(|| "not a hexadecimal number below 8000000000000000".to_owned())
}
