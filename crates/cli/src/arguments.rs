//! The command line: parsed here, acted upon elsewhere.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0    ok
  1    unexpected (a file cannot be written, a disk is full)
  2    wrong command line
  3    plan invalid
  4    nothing could run: every cell was skipped
  5    some samples or cells failed, or something survived the run
  130  interrupted; the run is consistent and can be resumed";

/// A performance lab for sandboxes: microVMs, VMs and containers on one clock.
#[derive(Debug, Parser)]
#[command(name = "isodyne", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Arguments {
    /// When to use colours (NO_COLOR is respected)
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what can be measured here, what not, why, and what would fix it
    Doctor(DoctorOptions),
    /// Measure this host's ceilings and floors, and the lab's own cost
    Calibrate(CalibrateOptions),
    /// Get guest kernel and initramfs into the cache (no root needed)
    Setup(SetupOptions),
    /// List benchmarks, backends, ready plans or runs
    List(ListOptions),
    /// Validate a plan and run nothing
    Check(CheckOptions),
    /// Measure: a benchmark by name, or a plan
    Run(RunOptions),
    /// Show a run's results again, from its raw samples
    Show(ShowOptions),
    /// Write a run's report: one HTML file that opens offline
    Report(ReportOptions),
    /// Make a run of another tool's files
    Import(ImportOptions),
    /// Look for the ways in which numbers lie, in a run or in another tool's files
    Audit(AuditOptions),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write man pages into a directory
    Man {
        /// The directory
        directory: PathBuf,
    },
    /// Clean up after a killed run (started by `run` itself)
    #[command(hide = true)]
    Guardian {
        /// The scratch directory of the run
        scratch: PathBuf,
    },
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorOptions {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateOptions {
    /// Take about 2 seconds instead of 10
    #[arg(long)]
    pub quick: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `setup`.
#[derive(Debug, Args)]
pub struct SetupOptions {
    /// Use this kernel (bzImage or ELF) instead of the distribution's
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// Look for the distribution's kernel again although the cache has one
    #[arg(long)]
    pub refresh: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

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
#[derive(Debug, Args)]
pub struct RunOptions {
    /// A benchmark's name (`boot`) or a plan's file; may be left out with --resume
    pub what: Option<String>,
    /// The backends, by commas
    #[arg(long, value_delimiter = ',', value_name = "BACKEND")]
    pub on: Vec<String>,
    /// Valid samples per cell
    #[arg(short = 'n', long = "samples", value_name = "N", allow_negative_numbers = true)]
    pub samples: Option<String>,
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
}

impl RunOptions {
    /// Whether the events go to standard output.
    pub fn streams_events(&self) -> bool {
        self.events.as_deref() == Some(std::path::Path::new("-"))
    }
}

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
pub struct ReportOptions {
    /// The run directory
    pub run: PathBuf,
    /// The file [default: report.html in the run directory]
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

/// Options of `import`.
#[derive(Debug, Args)]
pub struct ImportOptions {
    /// The file or directory (`-` for standard input)
    #[arg(required_unless_present = "list")]
    pub source: Option<PathBuf>,
    /// The format, instead of recognising it (see --list)
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
    /// What the columns of a CSV file are (`total_ns=col:duration_ms*1e6,cell=col:name`), or a TOML file that says so
    #[arg(long, value_name = "MAPPING")]
    pub map: Vec<String>,
    /// The run directory [default: runs/<time>-<format>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// List the formats
    #[arg(long, conflicts_with_all = ["source", "format", "map", "out"])]
    pub list: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A seed as results print it. A plan's seed is a signed integer of TOML, so the last bit is not for use.
fn seed(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16)
        .ok()
        .filter(|seed| i64::try_from(*seed).is_ok())
        .ok_or_else(|| "not a hexadecimal number below 8000000000000000".to_owned())
}
