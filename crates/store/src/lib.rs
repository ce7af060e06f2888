//! Runs on disk.
//!
//! A run is a directory: `run.json` (what was set out to do, on what, with what), `samples.jsonl` (one line a sample,
//! written as it is taken), `logs/`, `artifacts/`, and `lock`, which the process that writes holds. Readers take no lock:
//! they see a consistent run at any moment, also while it grows and after any kind of death of its writer.
//!
//! What makes that true: `run.json` is only ever replaced whole, a sample is one `write` of one line, a line counts once
//! its newline is there, and the next writer cuts off what came after the last newline.

mod calibration;
mod check;
mod columns;
mod directory;
mod error;
pub mod export;
mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod hdr;
pub mod history;
pub mod import;
mod lines;
mod list;
pub mod merge;
mod metric_names;
mod place;
mod read;
mod streams;

pub use calibration::{calibration_path, load_calibration, save_calibration};
pub use columns::{RunColumnsContents, read_columns};
pub use directory::RunDirectory;
pub use error::StoreError;
pub use list::{ListedRun, list_runs};
pub use place::default_location;
pub use read::{RunContents, SampleReader, each_sample, read, read_record};
pub use streams::read_streams;

/// The name of the file that says what the run is.
pub const RECORD_FILE: &str = "run.json";
/// The name of the file with the samples.
pub const SAMPLES_FILE: &str = "samples.jsonl";
/// The name of the file that the writing process holds a lock on.
pub const LOCK_FILE: &str = "lock";
/// The directory of consoles and runtime logs.
pub const LOGS_DIRECTORY: &str = "logs";
/// The directory of everything else that a run keeps.
pub const ARTIFACTS_DIRECTORY: &str = "artifacts";
/// No line of `samples.jsonl` is longer, its newline included.
pub const LINE_LIMIT_BYTES: usize = 1 << 20;
/// `run.json` is not longer.
pub const RECORD_LIMIT_BYTES: u64 = 16 << 20;
