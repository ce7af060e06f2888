//! One error for all of it: a class, what happened, and the way out.

use isodyne_core::checkpoint::CheckpointClass;
use isodyne_core::failure::Failure;
use std::io;
use std::path::Path;

/// Why a checkpoint or a restore failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CheckpointError {
    /// What kind of failure it is.
    pub class: CheckpointClass,
    /// What happened and where, on one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl CheckpointError {
    /// An error without a way out that we know.
    pub fn new(class: CheckpointClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None }
    }

    /// Adds the way out.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// What the host answered about a file.
    pub fn host(what: &str, path: &Path, error: &io::Error) -> Self {
        let class = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => CheckpointClass::Enospc,
            io::ErrorKind::PermissionDenied => CheckpointClass::Permission,
            _ => CheckpointClass::Host,
        };
        Self::new(class, format!("failed to {what} {}: {error}", path.display()))
    }
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        let hint = error.hint.map_or_else(String::new, |hint| format!(" ({hint})"));
        Self::new(error.class.of_sample(), format!("{}: {}{hint}", error.class, error.message))
    }
}
