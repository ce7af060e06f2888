//! What can be wrong with a run on disk, always with the file, the line where there is one, and the way out.

use isodyne_core::unit::DisplayBytes;
use std::io;
use std::path::{Path, PathBuf};

/// Why a run cannot be made, written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory for a new run holds something already.
    #[error("directory `{}` is not empty: choose another one with --out, or go on with the run in it with --resume", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// There is no run in the directory.
    #[error("`{}` is not a run directory: {reason}", path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
        /// What is missing or wrong, and what to do.
        reason: String,
    },
    /// Another process writes to the run.
    #[error("run `{}` is being written by another process{}: wait for it or stop it", path.display(), holder(*pid))]
    Locked {
        /// The run directory.
        path: PathBuf,
        /// That process, if it said.
        pid: Option<u32>,
    },
    /// A newer program wrote the run.
    #[error("{}: format version {found} is newer than the {known} that this program knows: use a newer isodyne", path.display())]
    Version {
        /// `run.json`.
        path: PathBuf,
        /// The version that was found.
        found: u64,
        /// The newest version that is known.
        known: u32,
    },
    /// A file holds what it must not hold.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column, from 1; 1 where the whole line is meant.
        column: u64,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The disk is full.
    #[error(
        "failed to write `{}`: no space left ({} free): make room or choose another place with --out; what was written \
         before is kept, and --resume goes on from there",
        path.display(),
        free(*free_bytes)
    )]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// Free bytes for this user on its file system, if that is told.
        free_bytes: Option<u64>,
    },
    /// A value that could not be read back must not be written.
    #[error("failed to store {what}: {message}")]
    NotStorable {
        /// What was to be stored.
        what: String,
        /// Why not.
        message: String,
    },
    /// The host refuses something.
    #[error("failed to {what} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The host's answer.
        source: io::Error,
    },
}

impl StoreError {
    /// The error for an answer of the host; a full disk (or quota) is told apart.
    pub(crate) fn io(what: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace { path: path.to_owned(), free_bytes: free_bytes(path) }
            }
            _ => Self::Io { what, path: path.to_owned(), source },
        }
    }

    /// Whether the cause is a full disk.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }
}

fn free_bytes(path: &Path) -> Option<u64> {
    let status = path.ancestors().find_map(|directory| rustix::fs::statvfs(directory).ok())?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}

fn free(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "unknown".to_owned(), |bytes| DisplayBytes(bytes as f64).to_string())
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}
