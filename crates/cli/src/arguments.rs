//! The command line: parsed here, acted upon elsewhere.

use clap::{Args, Parser, Subcommand, ValueEnum};
use isodyne_core::schedule::Shard;
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0    ok
  1    unexpected (a file cannot be written, a disk is full)
  2    wrong command line
  3    plan invalid
  4    nothing could run: every cell was skipped
  5    some samples or cells failed, or something survived the run
  10   gate: a budget is broken; selfcheck: too many false alarms
  11   gate: the samples cannot tell
  12   baseline missing or not comparable
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
    /// Compare two runs, or the variants of one: what changed, by how much, how sure that is
    Compare(CompareOptions),
    /// Hold a run to its budgets: pass, fail or inconclusive, also as an exit code
    Gate(GateOptions),
    /// Measure the gate itself: its false alarms, and what it finds
    Selfcheck(SelfcheckOptions),
    /// Make a run of another tool's files
    Import(ImportOptions),
    /// Look for the ways in which numbers lie, in a run or in another tool's files
    Audit(AuditOptions),
    /// Keep the figures of runs, list them, remove them
    History(HistoryOptions),
    /// Show a metric over all runs in the history, and where its level changed
    Trend(TrendOptions),
    /// Put shards of one plan, or parts of one run, into one run
    Merge(MergeOptions),
    /// Write a run in another tool's format
    Export(ExportOptions),
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
    /// The run directory; the baseline, where there are two
    pub run: PathBuf,
    /// A second run, to be compared with the first
    pub other: Option<PathBuf>,
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

/// Options of `compare`.
#[derive(Debug, Args)]
pub struct CompareOptions {
    /// The run that is the measure, or the run whose variants are compared
    pub run: PathBuf,
    /// The run that is judged
    pub other: Option<PathBuf>,
    /// The variant that is the measure [default: base]
    #[arg(long, value_name = "NAME")]
    pub baseline: Option<String>,
    /// Only this metric (`total_ns`); may be repeated
    #[arg(long, value_name = "METRIC")]
    pub metric: Vec<String>,
    /// Only cells whose name holds this text; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub cell: Vec<String>,
    /// A change under this does not matter
    #[arg(long, value_name = "PERCENT", default_value = "2%", value_parser = share)]
    pub margin: f64,
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print Markdown for a pull request
    #[arg(long = "md")]
    pub markdown: bool,
}

/// Options of `gate`.
#[derive(Debug, Args)]
pub struct GateOptions {
    /// The run directory
    pub run: PathBuf,
    /// A file with [[budget]] tables [default: those of the run's plan]
    #[arg(long, value_name = "FILE")]
    pub budgets: Option<PathBuf>,
    /// The stored run that relative budgets are held against
    #[arg(long, value_name = "RUN")]
    pub against: Option<PathBuf>,
    /// Also write the verdicts as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print Markdown for a pull request
    #[arg(long = "md")]
    pub markdown: bool,
    /// Also POST the verdicts as JSON to this address (needs curl)
    #[arg(long, value_name = "URL")]
    pub webhook: Option<String>,
}

/// Options of `selfcheck`.
#[derive(Debug, Args)]
pub struct SelfcheckOptions {
    /// Measure real sandboxes of this backend: variants that are alike, and one that sleeps 5 ms
    #[arg(long, value_name = "BACKEND")]
    pub on: Option<String>,
    /// Rounds to measure with --on
    #[arg(short = 'n', long = "rounds", value_name = "ROUNDS", default_value_t = 1200, requires = "on",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rounds: u32,
    /// The run directory for --on [default: runs/<time>-selfcheck]
    #[arg(long, value_name = "DIR", requires = "on")]
    pub out: Option<PathBuf>,
    /// Go on with the run in --out
    #[arg(long, requires = "out")]
    pub resume: bool,
    /// Look at a run that --on has made, and measure nothing
    #[arg(long, value_name = "DIR", conflicts_with = "on")]
    pub run: Option<PathBuf>,
    /// Rounds in each window of a real run
    #[arg(long, value_name = "ROUNDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(7..=100_000))]
    pub window: u32,
    /// Trials of each kind on synthetic samples
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub trials: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A share in percent: `2%`, `0.5 %`.
fn share(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').ok_or("write it in percent, such as 2%")?;
    let percent = number.trim().parse::<f64>().map_err(|_| "not a number in percent")?;
    if (0.0..=100.0).contains(&percent) { Ok(percent / 100.0) } else { Err("not from 0% to 100%".to_owned()) }
}

/// Options of `export`.
#[derive(Debug, Args)]
pub struct ExportOptions {
    /// The run directory
    #[arg(required_unless_present = "list")]
    pub run: Option<PathBuf>,
    /// The format (see --list)
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    pub format: Option<String>,
    /// The file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Only this metric (`total_ns`)
    #[arg(long, value_name = "METRIC")]
    pub metric: Option<String>,
    /// Only cells whose id has this text in it
    #[arg(long, value_name = "TEXT")]
    pub cell: Option<String>,
    /// List the formats
    #[arg(long, conflicts_with_all = ["run", "format", "output", "metric", "cell"])]
    pub list: bool,
    /// Print the list as JSON
    #[arg(long, requires = "list")]
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
