//! Kept states: a cold boot, a restore and a clone side by side, what keeping takes, and what clones have in common. The
//! terminal and the report show the same tables.

use crate::prepared::ShownCell;
use crate::value::{NONE, optional};

/// What tells that a cell keeps states and brings them back.
const RESTORE: &str = "restore_ns";

/// One column: its heading and the first of these metrics that a cell has.
type Column = (&'static str, &'static [&'static str]);

const SIDE_BY_SIDE: &[Column] = &[
    ("cold boot", &["cold_ns"]),
    ("with its state", &["cold_ready_ns"]),
    ("restore", &[RESTORE]),
    ("clone", &["clone_p50_ns"]),
    ("memory cold", &["cold_peak_memory_bytes", "cold_peak_rss_bytes"]),
    ("restored", &["peak_memory_bytes", "peak_rss_bytes"]),
    ("of all clones", &["clones_pss_bytes", "clones_memory_bytes"]),
    ("pays after", &["break_even_count"]),
];

const KEEPING: &[Column] = &[
    ("dump", &["dump_ns"]),
    ("sync", &["sync_ns"]),
    ("durable", &["durable_ns"]),
    ("frozen inside", &["freeze_inside_ns"]),
    ("outside", &["freeze_outside_ns"]),
    ("engine", &["criu_total_ns", "freeze_engine_ns"]),
    ("on top", &["overhead_ns"]),
    ("kept", &["image_allocated_bytes"]),
    ("duplicate", &["image_duplicate_bytes"]),
    ("zero", &["image_zero_bytes"]),
];

const IN_COMMON: &[Column] = &[
    ("randomness", &["clones_same_random_count"]),
    ("boot id", &["clones_same_boot_id_count"]),
    ("machine id", &["clones_same_machine_id_count"]),
    ("name", &["clones_same_name_count"]),
    ("clock behind", &["clone_clock_lag_max_ns"]),
];

const TABLES: [(&str, &[Column]); 3] = [
    (
        "side by side: the cold boot, the same until it has its state, the restore until the first right answer",
        SIDE_BY_SIDE,
    ),
    ("what keeping takes: from the request until every file is synced, the freeze, and what is kept", KEEPING),
    (
        "what clones of one state have in common, and how far the wall clock of the last one is behind the host's",
        IN_COMMON,
    ),
];

/// One table: medians over the samples of every cell.
pub(crate) struct KeptTable<'a> {
    /// What it shows, in words.
    pub title: &'static str,
    /// The headings of the columns behind the cell's name.
    pub headings: Vec<&'static str>,
    /// Every cell with its figures.
    pub rows: Vec<(&'a ShownCell<'a>, Vec<String>)>,
}

/// The tables of those cells that keep states; none without any.
pub(crate) fn kept_tables<'a>(cells: &[&'a ShownCell<'a>], step: Option<u64>) -> Vec<KeptTable<'a>> {
    let shown: Vec<&'a ShownCell<'a>> = cells.iter().copied().filter(|cell| median(cell, RESTORE).is_some()).collect();
    let table = |(title, columns): (&'static str, &'static [Column])| {
        let has = |names: &[&str]| shown.iter().any(|cell| names.iter().any(|name| median(cell, name).is_some()));
        let used: Vec<&Column> = columns.iter().filter(|(_, names)| has(names)).collect();
        let figures = |cell: &ShownCell<'_>| {
            used.iter().map(|(_, names)| figure(names, |name| median(cell, name), step)).collect::<Vec<String>>()
        };
        let rows: Vec<_> = shown.iter().map(|cell| (*cell, figures(cell))).collect();
        let headings = used.iter().map(|(heading, _)| *heading).collect();
        (!used.is_empty()).then_some(KeptTable { title, headings, rows })
    };
    TABLES.into_iter().filter_map(table).collect()
}

fn median(cell: &ShownCell<'_>, name: &str) -> Option<f64> {
    cell.summary.metrics.get(name).map(|metric| metric.p50)
}

/// The first of these values that is there.
fn figure(names: &[&str], value: impl Fn(&str) -> Option<f64>, step: Option<u64>) -> String {
    let name = names.iter().find(|name| value(name).is_some()).or(names.first()).copied().unwrap_or_default();
    if name.starts_with("clones_same_") {
        return match value(name) {
            Some(0.0) => "differs".to_owned(),
            Some(_) => "the same".to_owned(),
            None => NONE.to_owned(),
        };
    }
    optional(name, value(name), step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_that_is_there_is_shown_and_nothing_is_no_zero() {
        let value = |name: &str| (name == "freeze_engine_ns").then_some(2.5e6);
        assert_eq!(figure(&["criu_total_ns", "freeze_engine_ns"], value, None), "2.50 ms");
        assert_eq!(figure(&["criu_total_ns"], value, None), NONE);
        assert_eq!(figure(&["break_even_count"], |_| Some(3.0), None), "3");
    }

    #[test]
    fn what_clones_have_in_common_is_said_in_words() {
        let names = &["clones_same_random_count"];
        assert_eq!(figure(names, |_| Some(0.0), None), "differs");
        assert_eq!(figure(names, |_| Some(1.0), None), "the same");
        assert_eq!(figure(names, |_| None, None), NONE);
    }
}
