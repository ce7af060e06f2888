//! What can be wrong with the history, with the file and the way out.

use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Its directory cannot be made.
    #[error("failed to make `{}` for the history: {source}; name another file with ISODYNE_HISTORY", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The host's answer.
        source: std::io::Error,
    },
    /// The file is damaged or no database.
    #[error(
        "the history `{}` is damaged or not a database ({message}): move it away, and `isodyne history add RUN…` makes it \
         again from the run directories",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        message: String,
    },
    /// The file belongs to something else.
    #[error("`{}` is the database of another program: name another file with ISODYNE_HISTORY", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error(
        "the history `{}` has format version {found}, newer than the {known} that this program knows: use a newer isodyne, \
         or another file with ISODYNE_HISTORY",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// The run cannot be kept.
    #[error("run {run_id} cannot be added to the history: {message}")]
    Run {
        /// The run.
        run_id: String,
        /// What is wrong with it.
        message: String,
    },
    /// Anything else that SQLite refuses.
    #[error("the history `{}` cannot be used: {}{}", path.display(), plain(answer), way_out(answer))]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says; no `source`, which would be shown once more, and as it is.
        answer: rusqlite::Error,
    },
}

impl HistoryError {
    /// The error for an answer of SQLite about a file.
    pub(super) fn of(path: &Path) -> impl Fn(rusqlite::Error) -> Self + use<> {
        let path = path.to_owned();
        move |answer| match answer.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path: path.clone(), message: plain(&answer) }
            }
            _ => Self::Sqlite { path: path.clone(), answer },
        }
    }
}

/// SQLite's words, which quote names of the file, in one short line that drives no terminal.
fn plain(error: &rusqlite::Error) -> String {
    error.to_string().chars().take(300).collect::<String>().escape_debug().to_string()
}

fn way_out(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ": another program holds it; try again",
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            ": name another file with ISODYNE_HISTORY"
        }
        Some(ErrorCode::DiskFull) => ": make room, or name another file with ISODYNE_HISTORY",
        _ => "",
    }
}
