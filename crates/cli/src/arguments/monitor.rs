//! Options of `monitor`.

use super::OwnerOptions;
use clap::{Args, ValueEnum};
use isodyne_core::unit::parse_duration_ns;
use std::path::PathBuf;

const AFTER: &str = "\
A COMMAND's exit code is passed on, 128 and the signal's number if a signal ended it. Its standard output stays the
command's, so that the summary goes to standard error; with --json the summary has standard output, and what the command
prints goes to standard error. It runs in a process group of its own and does not get the terminal's input.

docs/monitoring.md says what each value means, what it costs and what it misses.";

/// Options of `monitor`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct MonitorOptions {
    /// Monitor a process with all its descendants; may be given several times, all of them count together
    #[arg(long, value_name = "PID", required_unless_present_any = ["cgroup", "container", "command"])]
    pub pid: Vec<u32>,
    /// Monitor a cgroup with all that is below it: its path from the root of the hierarchies, or a directory below a mount
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<String>,
    /// Monitor a running container of runc, podman or Docker, by its name or the beginning of its id: all its processes, and
    /// its cgroup
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// Whose container it is
    #[command(flatten)]
    pub owner: OwnerOptions,
    /// Looks per second, 1 to 1000
    #[arg(long, default_value_t = 100, value_name = "HZ", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rate: u32,
    /// End after this time; without it, once nothing is left to be monitored, or at Ctrl-C
    #[arg(long, value_name = "TIME", value_parser = parse_duration_ns)]
    pub duration: Option<u64>,
    /// How often shares of memory (PSS, USS) are read, which costs some 15 µs for each MiB: `auto` is process after process,
    /// each at most once a second and all together below 0.1 % of a processor; `never` is not at all
    #[arg(long, default_value = "auto", value_name = "TIME", value_parser = every)]
    pub pss_every: Every,
    /// How often pressure (PSI) is read; a time shorter than that between two looks is every look
    #[arg(long, default_value = "100ms", value_name = "TIME", value_parser = parse_duration_ns)]
    pub pressure_every: u64,
    /// Draw the series into this file: as PNG if its name ends so, as SVG otherwise
    #[arg(long, alias = "svg", value_name = "FILE")]
    pub figure: Option<PathBuf>,
    /// Write every look into this file
    #[arg(short, long = "csv", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The form of the file
    #[arg(long, value_enum, default_value_t = SeriesFormat::Csv, value_name = "FORMAT", requires = "output")]
    pub format: SeriesFormat,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// Run this command and monitor it, from before its fork
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// How often, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// With this period, in nanoseconds.
    Ns(u64),
    /// As often as is cheap.
    Cheaply,
    /// Not at all.
    Never,
}

/// A form of a file of looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SeriesFormat {
    /// All columns
    Csv,
    /// The four columns of docker-cr's monitor: timestamp, cpu_percent, memory_mb, processes
    DockerCr,
}

fn every(text: &str) -> Result<Every, String> {
    match text {
        "never" => return Ok(Every::Never),
        "auto" => return Ok(Every::Cheaply),
        _ => {}
    }
    match parse_duration_ns(text) {
        Ok(0) => Err("a period of no time; `never` is for not at all".to_owned()),
        Ok(ns) => Ok(Every::Ns(ns)),
        Err(error) => Err(error.to_string()),
    }
}
