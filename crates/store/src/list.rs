//! The runs in a directory.

use crate::RECORD_FILE;
use crate::error::StoreError;
use crate::read::read_record;
use isodyne_core::record::RunRecord;
use std::path::{Path, PathBuf};

/// Nobody looks through more.
const LIMIT: usize = 10_000;

/// One run of a list.
#[derive(Debug)]
pub struct ListedRun {
    /// Its directory.
    pub path: PathBuf,
    /// What it is, or why that cannot be read.
    pub record: Result<RunRecord, StoreError>,
}

/// The runs directly in a directory, the latest first and those that cannot be read last. A directory that is not there
/// has none.
///
/// # Errors
/// If the directory cannot be read.
pub fn list_runs(directory: &Path) -> Result<Vec<ListedRun>, StoreError> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("read", directory, error)),
    };
    let mut runs = Vec::new();
    for entry in entries.take(LIMIT) {
        let path = entry.map_err(|error| StoreError::io("read", directory, error))?.path();
        if path.join(RECORD_FILE).exists() {
            runs.push(ListedRun { record: read_record(&path), path });
        }
    }
    let key = |run: &ListedRun| run.record.as_ref().ok().map(|record| record.created_at.clone());
    runs.sort_by(|a, b| key(b).cmp(&key(a)).then_with(|| b.path.cmp(&a.path)));
    Ok(runs)
}
