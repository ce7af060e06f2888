//! How many different metrics the samples of one cell may have, wherever samples are taken in or out.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// How many different metrics the samples of one cell may have. A column is as long as its cell has samples, so that a
/// small file with ever new names would fill the memory.
pub(crate) const METRICS_LIMIT: usize = 1_024;

/// The names that the samples of each cell have had so far.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetricNames<K: Eq + Hash>(HashMap<K, HashSet<String>>);

impl<K: Eq + Hash> Default for MetricNames<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> MetricNames<K> {
    /// Notes the metrics of one more sample of a cell, each of them once; false, and none is noted, if the cell then has
    /// too many.
    pub fn take<'m, Q>(&mut self, cell: &Q, metrics: impl IntoIterator<Item = &'m String>) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        if !self.0.contains_key(cell) {
            self.0.insert(cell.to_owned(), HashSet::new());
        }
        let Some(names) = self.0.get_mut(cell) else { return true };
        let new: Vec<&String> = metrics.into_iter().filter(|metric| !names.contains(*metric)).collect();
        if names.len() + new.len() > METRICS_LIMIT {
            return false;
        }
        names.extend(new.into_iter().cloned());
        true
    }
}

/// What is said of a cell with more than [`METRICS_LIMIT`] metrics.
pub(crate) fn too_many_metrics(cell: &str) -> String {
    let name: String = cell.chars().take(100).collect();
    format!("the samples of cell `{}` have more than {METRICS_LIMIT} different metrics", name.escape_debug())
}

/// As [`too_many_metrics`], of a file on disk.
pub(crate) fn too_many_metrics_in_file(cell: &str) -> String {
    format!("{}: the file was not written by isodyne", too_many_metrics(cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_has_its_own_names_and_repeated_ones_count_once() {
        let names: Vec<String> = (0..METRICS_LIMIT).map(|number| format!("m{number}_ns")).collect();
        let mut known = MetricNames::<String>::default();
        assert!(known.take("a", &names) && known.take("a", &names) && known.take("b", &names[1..]));
        let one_more = ["one_more_ns".to_owned()];
        assert!(!known.take("a", &one_more));
        assert!(known.take("b", &one_more) && !known.take("b", &names));
        let said = too_many_metrics_in_file(&"\u{1b}".repeat(500));
        assert!(said.len() < 1_000 && !said.contains('\u{1b}'), "{said}");
    }
}
