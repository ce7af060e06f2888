//! Removing runs, and giving their room back.

use super::{History, HistoryError};
use rusqlite::TransactionBehavior;
use serde::Serialize;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Runs begun before this time go (RFC 3339, UTC).
    pub before: Option<String>,
    /// Of each cell on each kind of host only so many of the latest runs stay.
    pub per_cell: Option<u32>,
}

/// What compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// Runs that went.
    pub runs_removed: u64,
    /// Cells that went, those of removed runs not counted.
    pub cells_removed: u64,
    /// The size of the file before, in bytes.
    pub before_bytes: u64,
    /// And after.
    pub after_bytes: u64,
}

impl History {
    /// Removes a run by its name; says how many there were.
    ///
    /// # Errors
    /// If the history cannot be written.
    pub fn remove(&mut self, run_id: &str) -> Result<u64, HistoryError> {
        let failed = self.failed();
        let removed = self.connection.execute("DELETE FROM runs WHERE run_id = ?1", [run_id]).map_err(&failed)?;
        Ok(removed as u64)
    }

    /// Removes what need not be kept, and writes the file anew without the gaps. Readers and writers wait.
    ///
    /// # Errors
    /// If the history cannot be written: it is then as it was before, or only not yet smaller.
    pub fn compact(&mut self, keep: &Retention) -> Result<Compacted, HistoryError> {
        let failed = self.failed();
        let mut done = Compacted { before_bytes: self.size_bytes()?, ..Compacted::default() };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        if let Some(before) = &keep.before {
            // Times may have fractions of a second or not; whole seconds compare the same either way.
            let old = "DELETE FROM runs WHERE substr(created_at, 1, 19) < substr(?1, 1, 19)";
            done.runs_removed += transaction.execute(old, [before]).map_err(&failed)? as u64;
        }
        if let Some(per_cell) = keep.per_cell {
            let many = "DELETE FROM cells WHERE id IN (
                SELECT id FROM (
                    SELECT cells.id AS id, row_number() OVER (
                        PARTITION BY cells.cell, runs.host_id ORDER BY runs.created_at DESC, runs.id DESC
                    ) AS place FROM cells JOIN runs ON runs.id = cells.run
                ) WHERE place > ?1)";
            done.cells_removed += transaction.execute(many, [per_cell]).map_err(&failed)? as u64;
            let empty = "DELETE FROM runs WHERE id NOT IN (SELECT run FROM cells)";
            done.runs_removed += transaction.execute(empty, []).map_err(&failed)? as u64;
        }
        transaction.commit().map_err(&failed)?;
        self.connection.execute_batch("VACUUM").map_err(&failed)?;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(&failed)?;
        done.after_bytes = self.size_bytes()?;
        Ok(done)
    }

    fn size_bytes(&self) -> Result<u64, HistoryError> {
        let query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
        let size: i64 = self.connection.query_row(query, [], |row| row.get(0)).map_err(self.failed())?;
        Ok(u64::try_from(size).unwrap_or(0))
    }
}
