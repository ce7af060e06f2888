//! What the history tells.

use super::{History, HistoryError};
use isodyne_core::trend::{Point, Trend, TrendHost, matches};
use rusqlite::{Row, params};
use serde::Serialize;
use std::collections::BTreeMap;

/// A run that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptRun {
    /// Its name.
    pub run_id: String,
    /// When it was begun (RFC 3339, UTC).
    pub created_at: String,
    /// What it is for.
    pub title: String,
    /// Where it was when it was added.
    pub path: String,
    /// The version of Isodyne that made it.
    pub isodyne_version: String,
    /// The kind of host: [`isodyne_core::fingerprint::Fingerprint::id`].
    pub host_id: String,
    /// The host in one line.
    pub host: String,
    /// How many cells of it are kept.
    pub cells: u64,
}

/// A kind of host that has runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptHost {
    /// [`isodyne_core::fingerprint::Fingerprint::id`].
    pub host_id: String,
    /// In one line, as the latest run has it.
    pub host: String,
    /// How many runs.
    pub runs: u64,
}

/// What makes one trend: cell, host, accuracy, provenance.
type Series = (String, String, Option<String>, Option<String>);

impl History {
    /// All runs, the oldest first.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn runs(&self) -> Result<Vec<KeptRun>, HistoryError> {
        self.all(
            "SELECT run_id, created_at, title, path, isodyne_version, host_id, host_line,
             (SELECT count(*) FROM cells WHERE cells.run = runs.id) FROM runs ORDER BY created_at, run_id",
            |row| {
                Ok(KeptRun {
                    run_id: row.get(0)?,
                    created_at: row.get(1)?,
                    title: row.get(2)?,
                    path: row.get(3)?,
                    isodyne_version: row.get(4)?,
                    host_id: row.get(5)?,
                    host: row.get(6)?,
                    cells: unsigned(row.get(7)?),
                })
            },
        )
    }

    /// The kinds of hosts, by id.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn hosts(&self) -> Result<Vec<KeptHost>, HistoryError> {
        // With max() SQLite takes the other columns from the row that has it.
        self.all(
            "SELECT host_id, host_line, count(*), max(created_at) FROM runs GROUP BY host_id ORDER BY host_id",
            |row| Ok(KeptHost { host_id: row.get(0)?, host: row.get(1)?, runs: unsigned(row.get(2)?) }),
        )
    }

    /// The metrics that are kept, by name.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn metrics(&self) -> Result<Vec<String>, HistoryError> {
        self.all("SELECT DISTINCT metric FROM metrics ORDER BY metric", |row| row.get(0))
    }

    /// The trends of a metric: one for each cell that is as `cells` says ([`matches`]), host, accuracy class and
    /// provenance; only of one kind of host if `host` names it. In the order of cells and hosts.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn trends(&self, metric: &str, cells: &str, host: Option<&str>) -> Result<Vec<Trend>, HistoryError> {
        let failed = self.failed();
        let mut statement = self
            .connection
            .prepare(
                "SELECT cells.cell, runs.host_id, cells.accuracy, cells.provenance, runs.host_line, runs.run_id,
                 runs.created_at, runs.isodyne_version, runs.tools, metrics.p50, metrics.ci_low, metrics.ci_high, metrics.n
                 FROM metrics JOIN cells ON cells.id = metrics.cell JOIN runs ON runs.id = cells.run
                 WHERE metrics.metric = ?1 AND (?2 IS NULL OR runs.host_id = ?2) AND cells.status = 'measured'
                 ORDER BY runs.created_at, runs.run_id",
            )
            .map_err(&failed)?;
        let mut rows = statement.query(params![metric, host]).map_err(&failed)?;
        let mut series: BTreeMap<Series, (String, Vec<Point>)> = BTreeMap::new();
        while let Some(row) = rows.next().map_err(&failed)? {
            let cell: String = row.get(0).map_err(&failed)?;
            if !matches(cells, &cell) {
                continue;
            }
            let (key, line, point) = point(cell, row).map_err(&failed)?;
            let entry = series.entry(key).or_default();
            // The latest line of the host stands for all.
            entry.0 = line;
            entry.1.push(point);
        }
        let trend = |((cell, id, accuracy, provenance), (line, points)): (Series, (String, Vec<Point>))| {
            let kind = (accuracy.and_then(|text| text.parse().ok()), provenance.and_then(|text| text.parse().ok()));
            Trend::of(metric, &cell, TrendHost { id, line }, kind, points)
        };
        Ok(series.into_iter().map(trend).collect())
    }

    fn all<T>(&self, query: &str, one: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>, HistoryError> {
        let failed = self.failed();
        let mut statement = self.connection.prepare(query).map_err(&failed)?;
        let found = statement.query_map([], one).map_err(&failed)?;
        found.collect::<rusqlite::Result<Vec<T>>>().map_err(&failed)
    }
}

fn point(cell: String, row: &Row<'_>) -> rusqlite::Result<(Series, String, Point)> {
    let key = (cell, row.get(1)?, row.get(2)?, row.get(3)?);
    let tools: String = row.get(8)?;
    let ends: (Option<f64>, Option<f64>) = (row.get(10)?, row.get(11)?);
    let point = Point {
        run_id: row.get(5)?,
        created_at: row.get(6)?,
        isodyne_version: row.get(7)?,
        p50: row.get(9)?,
        ci95: ends.0.zip(ends.1).map(|(low, high)| [low, high]),
        n: unsigned(row.get(12)?),
        // A text that somebody changed names no tools.
        tools: serde_json::from_str(&tools).unwrap_or_default(),
    };
    Ok((key, row.get(4)?, point))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
