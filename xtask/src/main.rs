//! What developers run: `cargo xtask <task>`. One file per task.

mod coverage;
mod dependencies;
mod fuzz;
mod layers;
mod schemas;
mod speed;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// What developers run.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Simulate how often intervals hold the truth, and write the tables into docs/statistics.md. Use a release build.
    Coverage {
        /// Write nothing; fail if the tables are not up to date.
        #[arg(long)]
        check: bool,
    },
    /// Check that the default build is made of little, and of nothing that may not be in it.
    Dependencies,
    /// Check that every fuzz target is listed and described.
    Fuzz,
    /// Check that crates depend on each other only as docs/architecture.md allows.
    Layers,
    /// Time the full summary of many values on one core. Use a release build.
    Speed {
        /// How many values.
        #[arg(long, default_value_t = 10_000_000)]
        values: usize,
        /// How often each kind of data is summarised; medians are printed.
        #[arg(long, default_value_t = 5)]
        repeats: usize,
    },
    /// Write schemas/plan.json and the keys of docs/plans.md from the tables in the code.
    Schemas {
        /// Write nothing; fail if anything is not up to date.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> Result<()> {
    let root = root()?;
    match Arguments::parse().task {
        Task::Coverage { check } => coverage::run(&root, check),
        Task::Dependencies => dependencies::run(&root),
        Task::Fuzz => fuzz::run(&root),
        Task::Layers => layers::run(&root),
        Task::Speed { values, repeats } => speed::run(values, repeats),
        Task::Schemas { check } => schemas::run(&root, check),
    }
}

/// The directory of the workspace.
fn root() -> Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").context("run it as `cargo xtask`")?;
    let root = PathBuf::from(own).parent().map(PathBuf::from);
    root.context("xtask must be inside the workspace")
}
