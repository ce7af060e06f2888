//! Options of what compares and judges.

use clap::Args;
use std::path::PathBuf;

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
pub(super) fn share(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').ok_or("write it in percent, such as 2%")?;
    let percent = number.trim().parse::<f64>().map_err(|_| "not a number in percent")?;
    if (0.0..=100.0).contains(&percent) { Ok(percent / 100.0) } else { Err("not from 0% to 100%".to_owned()) }
}
