//! The tables of the history, version by version.

use super::HistoryError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;
use std::time::{Duration, Instant};

/// `ISOD`: says whose file it is.
const APPLICATION_ID: i64 = 0x4953_4f44;

/// The step to each version from the one before it. What is here is never changed, only added to.
pub(super) const MIGRATIONS: &[&str] = &[V1, V2];

const V1: &str = "
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    title TEXT NOT NULL,
    path TEXT NOT NULL,
    isodyne_version TEXT NOT NULL,
    host_id TEXT NOT NULL,
    host_line TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    tools TEXT NOT NULL,
    UNIQUE (run_id, created_at)
) STRICT;
CREATE INDEX runs_of_host ON runs (host_id, created_at);
CREATE TABLE cells (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    cell TEXT NOT NULL,
    benchmark TEXT NOT NULL,
    backend TEXT NOT NULL,
    status TEXT NOT NULL,
    accuracy TEXT,
    provenance TEXT,
    samples_valid INTEGER NOT NULL,
    samples_failed INTEGER NOT NULL,
    UNIQUE (run, cell)
) STRICT;
CREATE INDEX cells_by_name ON cells (cell);
CREATE TABLE metrics (
    cell INTEGER NOT NULL REFERENCES cells (id) ON DELETE CASCADE,
    metric TEXT NOT NULL,
    n INTEGER NOT NULL,
    p50 REAL NOT NULL,
    ci_low REAL,
    ci_high REAL,
    p90 REAL,
    p95 REAL,
    p99 REAL,
    min REAL NOT NULL,
    max REAL NOT NULL,
    mean REAL NOT NULL,
    stddev REAL,
    PRIMARY KEY (metric, cell)
) STRICT, WITHOUT ROWID;
CREATE INDEX metrics_of_cell ON metrics (cell);
";

/// The variant and the factors of a cell, for those who ask the file themselves.
const V2: &str = "
ALTER TABLE cells ADD COLUMN variant TEXT;
ALTER TABLE cells ADD COLUMN factors TEXT NOT NULL DEFAULT '{}';
";

/// The newest version.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Makes sure that the file is a history of the newest version, and sets the connection up.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), HistoryError> {
    let failed = HistoryError::of(path);
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON;").map_err(&failed)?;
    // In one transaction: another process may be making the file, and a half of what it does would look foreign.
    let looking = connection.transaction().map_err(&failed)?;
    let version = version_of(&looking, path)?;
    looking.commit().map_err(&failed)?;
    write_ahead(connection).map_err(&failed)?;
    if version < VERSION {
        migrate(connection, path)?;
    }
    Ok(())
}

/// The version of a history; 0 of an empty file.
fn version_of(connection: &Connection, path: &Path) -> Result<i64, HistoryError> {
    let failed = HistoryError::of(path);
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (pragma("application_id").map_err(&failed)?, pragma("user_version").map_err(&failed)?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(&failed)?;
    match application {
        APPLICATION_ID if version > VERSION => {
            Err(HistoryError::Newer { path: path.to_owned(), found: version, known: VERSION })
        }
        APPLICATION_ID if version >= 0 => ours_only(connection, path).map(|()| version),
        0 if version == 0 && tables == 0 => Ok(0),
        _ => Err(HistoryError::Foreign { path: path.to_owned() }),
    }
}

/// Refuses what would make our own statements run those of the file: a view (or a virtual table) in the place of a table
/// may never end, and neither may a trigger. Views beside our tables are the user's own, nobody asks them here.
fn ours_only(connection: &Connection, path: &Path) -> Result<(), HistoryError> {
    let query = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'
        OR (lower(name) IN ('runs', 'cells', 'metrics') AND (type <> 'table' OR rootpage = 0))";
    let strange: i64 = connection.query_row(query, [], |row| row.get(0)).map_err(HistoryError::of(path))?;
    if strange == 0 {
        return Ok(());
    }
    let message = "it holds triggers, or views in the place of tables, that isodyne did not make".to_owned();
    Err(HistoryError::Damaged { path: path.to_owned(), message })
}

/// The change to a write-ahead log needs the file for itself, and SQLite does not always wait for that.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + super::PATIENCE;
    loop {
        let set = connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()));
        match set {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            outcome => return outcome.and_then(|()| connection.execute_batch("PRAGMA synchronous = FULL")),
        }
    }
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), HistoryError> {
    let failed = HistoryError::of(path);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
    // Another process may have done it since.
    let version = version_of(&transaction, path)?;
    let done = usize::try_from(version).unwrap_or(0);
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step).map_err(&failed)?;
    }
    let stamp = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};");
    transaction.execute_batch(&stamp).map_err(&failed)?;
    transaction.commit().map_err(&failed)
}

/// Makes a history of an old version, for tests.
#[cfg(test)]
pub(super) fn make_old(path: &Path, version: usize) {
    let connection = Connection::open(path).unwrap();
    for step in &MIGRATIONS[..version] {
        connection.execute_batch(step).unwrap();
    }
    let stamp = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version};");
    connection.execute_batch(&stamp).unwrap();
}
