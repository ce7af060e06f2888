//! The history: the figures of all runs in one SQLite file.
//!
//! It holds summaries, not samples; runs stay where they are and can be added again at any time. Several programs may
//! write at once: every change is one transaction that waits for the others (write-ahead log, 30 s). The file may come
//! from anybody: its schema is not trusted, lengths are limited, and a file of another program or of a newer version is
//! refused.

mod add;
mod error;
mod query;
mod retention;
mod schema;

pub use add::Added;
pub use error::HistoryError;
pub use query::{KeptHost, KeptRun};
pub use retention::{Compacted, Retention};

use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a change waits for the changes of others.
const PATIENCE: Duration = Duration::from_secs(30);
/// No text in the file is longer.
const TEXT_LIMIT_BYTES: i32 = 16 << 20;

/// The history, open.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    path: PathBuf,
}

impl History {
    /// Opens the history; makes it where there is none, and brings an older one up to date.
    ///
    /// # Errors
    /// If it cannot be opened or made, is damaged, is the file of another program, or was written by a newer isodyne.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(|source| HistoryError::Directory { path: directory.to_owned(), source })?;
        }
        Self::open_with(path, OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// As [`History::open`], but `None` where there is none.
    ///
    /// # Errors
    /// As [`History::open`].
    pub fn open_if_there(path: &Path) -> Result<Option<Self>, HistoryError> {
        if path.exists() { Self::open_with(path, OpenFlags::empty()).map(Some) } else { Ok(None) }
    }

    fn open_with(path: &Path, more: OpenFlags) -> Result<Self, HistoryError> {
        let failed = HistoryError::of(path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
        let mut connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
        connection.busy_timeout(PATIENCE).map_err(&failed)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, TEXT_LIMIT_BYTES).map_err(&failed)?;
        schema::prepare(&mut connection, path)?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> HistoryError + use<> {
        HistoryError::of(&self.path)
    }
}

#[cfg(test)]
mod tests;
