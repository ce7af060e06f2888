//! What developers run: `cargo xtask <task>`. One file per task.

mod coverage;
mod dependencies;
mod fuzz;
mod layers;
mod schemas;

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
        Task::Schemas { check } => schemas::run(&root, check),
    }
}

/// The directory of the workspace.
fn root() -> Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").context("run it as `cargo xtask`")?;
    let root = PathBuf::from(own).parent().map(PathBuf::from);
    root.context("xtask must be inside the workspace")
}
