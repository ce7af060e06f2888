//! Looking into a checkpoint, in whatever form it lies there: nothing is changed, nothing is unpacked where it lies.
//!
//! A checkpoint is foreign. Links are not followed, names that lead elsewhere are refused, and everything is read within
//! the limits of `isodyne-criu` and of images of applications. What cannot be read is said; nothing is made up.

mod folder;
mod machine;
mod open;
mod pages;
mod podman;
mod unpacked;
mod verify;

use isodyne_core::checkpoint::inspection::{Found, MemoryContent, Texts};
use isodyne_criu::Checkpoint;
use std::path::{Path, PathBuf};

use folder::Folder;

/// Why something cannot be looked into.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The path leads to nothing that is a checkpoint.
    #[error("{path} is no checkpoint: {reason}")]
    NotOne {
        /// The path.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It is one that is damaged so much that nothing can be said.
    #[error("{path} cannot be read: {reason}")]
    Damaged {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The host does not let it be read.
    #[error("cannot read {path}")]
    Host {
        /// The path.
        path: PathBuf,
        /// What the host says.
        source: std::io::Error,
    },
}

/// A checkpoint that was looked into.
#[derive(Debug)]
pub struct Inspection {
    /// What was found beside the processes.
    pub found: Found,
    /// The processes and what they had; `None` for a machine.
    pub checkpoint: Option<Checkpoint>,
    folder: Option<Folder>,
}

/// Looks into what lies at a path. With `verify`, every file is held against the manifest as well.
///
/// # Errors
/// [`InspectError`]
pub fn inspect(path: &Path, verify: bool) -> Result<Inspection, InspectError> {
    open::open(path, verify)
}

impl Inspection {
    /// The arguments of every process, and with `environment` their environments as well, in the order of the
    /// processes.
    pub fn texts(&self, environment: bool) -> Vec<Texts> {
        let (Some(checkpoint), Some(folder)) = (&self.checkpoint, &self.folder) else { return Vec::new() };
        // A foreign tree could have a million processes of 4 MiB of text each.
        let mut left = TEXTS_LIMIT;
        let read = |process| {
            let mut texts = Texts::default();
            let mut keep = |read: Result<Vec<String>, String>| match read {
                Ok(read) => {
                    let length: usize = read.iter().map(|text| text.len() + 24).sum();
                    match usize::checked_sub(left, length) {
                        Some(rest) => {
                            left = rest;
                            return Some(read);
                        }
                        None => texts.unreadable = Some("all processes together have too much of it".to_owned()),
                    }
                    None
                }
                Err(reason) => {
                    texts.unreadable = Some(reason);
                    None
                }
            };
            let arguments = keep(checkpoint.arguments(folder, process));
            let environment = if environment { keep(checkpoint.environment(folder, process)) } else { None };
            Texts { arguments, environment, ..texts }
        };
        checkpoint.processes.iter().map(read).collect()
    }

    /// Looks at every page of the processes' memory.
    pub fn memory(&self) -> MemoryContent {
        match (&self.checkpoint, &self.folder) {
            (Some(checkpoint), Some(folder)) => pages::look(checkpoint, folder),
            _ => MemoryContent::default(),
        }
    }
}

/// The most bytes of arguments and environments of all processes together.
const TEXTS_LIMIT: usize = 256 << 20;

#[cfg(test)]
mod tests;
