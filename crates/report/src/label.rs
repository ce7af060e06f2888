//! Names of cells, as short as they can be.

use crate::escape::plain;
use isodyne_core::cell::{BackendName, BenchmarkName};
use isodyne_core::summary::CellSummary;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Cells whose factors are held against one another: what a variant changes is in its name.
type Group<'a> = (BenchmarkName, BackendName, Option<&'a str>);

fn group(cell: &CellSummary) -> Group<'_> {
    (cell.cell.benchmark, cell.cell.backend, cell.cell.variant.as_deref())
}

/// The shortest distinct names: the backend, the values of the factors in which its cells differ, and the variant.
pub(crate) fn labels(cells: &[CellSummary]) -> Vec<String> {
    let mut values: BTreeMap<(Group<'_>, &str), (BTreeSet<String>, usize)> = BTreeMap::new();
    let mut sizes: BTreeMap<Group<'_>, usize> = BTreeMap::new();
    for cell in cells {
        *sizes.entry(group(cell)).or_default() += 1;
        for (key, value) in &cell.cell.factors {
            let (found, count) = values.entry((group(cell), key)).or_default();
            found.insert(value.to_string());
            *count += 1;
        }
    }
    let differs = |group: Group<'_>, key: &str| {
        let all = sizes.get(&group).copied().unwrap_or(0);
        // A factor that some cells do not have tells those from the others.
        values.get(&(group, key)).is_some_and(|(found, count)| found.len() > 1 || *count < all)
    };
    let short: Vec<String> = cells
        .iter()
        .map(|cell| {
            let backend = cell.cell.backend;
            let differing = cell.cell.factors.iter().filter(|(key, _)| {
                // The machine is what people call a QEMU cell by, even where there is only one.
                (backend == BackendName::Qemu && *key == "machine") || differs(group(cell), key)
            });
            let names: Vec<String> = differing.map(|(_, value)| value.to_string()).collect();
            let name = std::iter::once(backend.to_string()).chain(names).collect::<Vec<_>>().join(" ");
            let variant = cell.cell.variant.as_ref().map(|variant| format!(" · {variant}")).unwrap_or_default();
            plain(&format!("{name}{variant}"))
        })
        .collect();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for label in &short {
        *seen.entry(label).or_default() += 1;
    }
    // Where the short name is not enough (another benchmark, equal values under two keys) the id is.
    short
        .iter()
        .zip(cells)
        .map(|(label, cell)| if seen[label.as_str()] > 1 { plain(cell.cell.id.as_str()) } else { label.clone() })
        .collect()
}
