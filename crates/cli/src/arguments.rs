//! The command line: parsed here, acted upon elsewhere.

mod checkpoint;
mod exchange;
mod host;
mod inspect;
mod judge;
mod keep;
mod measure;
mod monitor;
mod results;
mod sandbox;
mod shm;

pub use checkpoint::{CheckpointOptions, OwnerOptions, Packing, RestoreOptions, Runtime};
pub use exchange::{ExportOptions, ImportOptions};
pub use host::{CalibrateOptions, DiskFormat, DoctorOptions, ImageOptions, SetupOptions};
pub use inspect::{InspectFormat, InspectOptions};
pub use judge::{CompareOptions, GateOptions, SelfcheckOptions};
pub use keep::{HistoryAction, HistoryOptions, MergeOptions, TrendOptions};
pub use measure::{CheckOptions, ListOptions, Listed, RunOptions};
pub use monitor::{Every, MonitorOptions, SeriesFormat};
pub use results::{AuditOptions, ReportOptions, ShowOptions};
pub use sandbox::{SandboxAction, SandboxExecOptions, SandboxListOptions, SandboxOptions, SandboxStartOptions};
pub use shm::{Mode, ShmAction, ShmOptions, ShmPeerOptions, ShmServeOptions, Side};

use clap::{Parser, Subcommand, ValueEnum};
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
    /// Show an application image from anywhere, and make a disk or an archive of it
    Image(ImageOptions),
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
    /// Look into a checkpoint: processes, files, sockets, mounts, memory
    Inspect(InspectOptions),
    /// Measure through shared memory between programs that run already
    Shm(ShmOptions),
    /// Monitor processes or a cgroup: CPU time, memory, input and output, pressure, up to 1000 looks a second
    Monitor(MonitorOptions),
    /// Start sandboxes that stay, and work with them
    Sandbox(SandboxOptions),
    /// Keep a running container of runc, podman or Docker: processes, memory and changes of its root
    Checkpoint(CheckpointOptions),
    /// Bring a kept container back
    Restore(RestoreOptions),
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
    /// Bring up the loopback interface of a container (called by runc in the middle of `restore`)
    #[command(hide = true)]
    Loopback,
    /// Clean up after a killed run (started by `run` itself)
    #[command(hide = true)]
    Guardian {
        /// The scratch directory of the run
        scratch: PathBuf,
    },
}
