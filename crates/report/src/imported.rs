//! Imported runs: every metric of every cell, and the figures that the files state of themselves.

use crate::escape::plain;
use crate::prepared::Prepared;
use crate::value::{NONE, count, median_interval, metric, optional};
use isodyne_core::cell::{BenchmarkName, CellId};
use isodyne_core::imported::{Claim, Statistic};
use isodyne_core::summary::CellStatus;
use std::collections::HashMap;

/// The heading of [`claims`].
pub(crate) const STATED: &str = "Stated by the files, not computed from samples";
/// More rows are not shown.
const ROWS_LIMIT: usize = 200;

/// A table as plain text, for any medium.
pub(crate) struct Rows {
    /// The headings, and whether the column is of numbers.
    pub headings: Vec<(&'static str, bool)>,
    /// As many cells each as there are headings.
    pub rows: Vec<Vec<String>>,
    /// How many rows there are beside those.
    pub left_out: usize,
}

impl Rows {
    fn of(headings: &[(&'static str, bool)], mut rows: Vec<Vec<String>>) -> Option<Self> {
        let left_out = rows.len().saturating_sub(ROWS_LIMIT);
        rows.truncate(ROWS_LIMIT);
        (!rows.is_empty()).then(|| Self { headings: headings.to_vec(), rows, left_out })
    }

    /// What to say of the rows that are not shown.
    pub fn rest(&self) -> Option<String> {
        (self.left_out > 0)
            .then(|| format!("{} more are not shown (--json has all).", count(self.left_out as u64, "row")))
    }
}

/// One row a metric; none for a run that was measured here.
pub(crate) fn figures(run: &Prepared<'_>) -> Option<Rows> {
    let step = run.step();
    let mut rows = Vec::new();
    let cells = run.cells.iter().filter(|cell| cell.summary.cell.benchmark == BenchmarkName::Imported);
    for cell in cells.filter(|cell| cell.summary.status != CellStatus::Skipped) {
        let mut label = cell.label.clone();
        for (name, found) in cell.summary.metrics.iter().filter(|(name, _)| name.as_str() != cell.metric) {
            rows.push(vec![
                std::mem::take(&mut label),
                plain(name),
                found.n.to_string(),
                metric(name, found.p50, step),
                median_interval(name, found, step),
                optional(name, found.p99, step),
                metric(name, found.max, step),
            ]);
        }
    }
    let headings = [
        ("cell", false),
        ("metric", false),
        ("n", true),
        ("p50", true),
        ("95 % interval", true),
        ("p99", true),
        ("worst", true),
    ];
    Rows::of(&headings, rows)
}

/// One row a figure that the files state; they are shown as stated, not as something that was found here.
pub(crate) fn claims(run: &Prepared<'_>) -> Option<Rows> {
    let imported = run.view.record.imported.as_ref()?;
    let labels: HashMap<&CellId, &str> =
        run.cells.iter().map(|cell| (&cell.summary.cell.id, cell.label.as_str())).collect();
    let row = |claim: &Claim| {
        let (figure, value) = stated(claim);
        let label = labels.get(&claim.cell).map_or_else(|| plain(claim.cell.as_str()), |label| (*label).to_owned());
        let n = claim.n.map_or_else(|| NONE.to_owned(), |n| n.to_string());
        vec![label, plain(&claim.metric), figure, value, n, plain(&claim.field)]
    };
    let headings =
        [("cell", false), ("metric", false), ("stated", false), ("value", true), ("of", true), ("where", false)];
    Rows::of(&headings, imported.claims.iter().map(row).collect())
}

/// The figure and its value in words.
fn stated(claim: &Claim) -> (String, String) {
    let value = || metric(&claim.metric, claim.value, None);
    let whole = || format!("{:.0}", claim.value);
    match claim.statistic {
        Statistic::Mean => ("mean".to_owned(), value()),
        Statistic::Median => ("median".to_owned(), value()),
        Statistic::Stddev => ("standard deviation".to_owned(), value()),
        Statistic::Min => ("least".to_owned(), value()),
        Statistic::Max => ("worst".to_owned(), value()),
        Statistic::Quantile(share) => (format!("p{}", (share * 1e6).round() / 1e4), value()),
        Statistic::Succeeded => ("succeeded".to_owned(), whole()),
        Statistic::Failed => ("failed".to_owned(), whole()),
        Statistic::Value => ("value".to_owned(), value()),
        Statistic::Met => ("target met".to_owned(), if claim.value == 0.0 { "no" } else { "yes" }.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_said_in_words() {
        let claim = |metric: &str, statistic, value| {
            let cell = CellId("imported/imported".to_owned());
            stated(&Claim { cell, metric: metric.to_owned(), statistic, value, n: None, field: String::new() })
        };
        assert_eq!(claim("x_ns", Statistic::Quantile(0.999), 1.5e6), ("p99.9".to_owned(), "1.50 ms".to_owned()));
        assert_eq!(claim("x_ns", Statistic::Met, 1.0), ("target met".to_owned(), "yes".to_owned()));
        assert_eq!(claim("x_ns", Statistic::Failed, 2.0), ("failed".to_owned(), "2".to_owned()));
    }
}
