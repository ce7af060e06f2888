//! Labels: the same samples under several of them.

use crate::audit::case::Case;
use crate::audit::digits::written_half;
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Kind, Series};
use crate::stats::Sorted;

/// More cells of one metric are not held against one another.
const MOST_CELLS: usize = 200;
/// In longer series values agree by chance.
const MOST_VALUES: usize = 20_000;
/// So many values of a series, evenly spaced, tell how finely it is written.
const LOOKED_AT: usize = 500;

/// The same samples in several cells: a label took in what belongs to another.
///
/// The criterion: at least 5 values and a third of the smaller cell's stand in the other cell to the last digit, where values
/// are finer than 1e-6 of their size and hardly any is twice in its own cell.
pub(super) fn label_contamination(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (_, all) in case.by_metric() {
        let fine: Vec<&Series<'_>> = all
            .into_iter()
            .filter(|series| matches!(series.kind, Kind::Time | Kind::ByteRate | Kind::Rate))
            .filter(|series| (5..=MOST_VALUES).contains(&series.n()) && series.ties() < 0.05)
            .filter(|series| is_fine(series))
            .take(MOST_CELLS)
            .collect();
        let distinct: Vec<Vec<f64>> = fine.iter().map(|series| without_ties(series.sorted.as_slice())).collect();
        let shared = Shared::of(&distinct);
        for (index, series) in fine.iter().enumerate() {
            for (place, twin) in fine.iter().enumerate().skip(index + 1) {
                let shared = shared.between(index, place);
                let smaller = distinct[index].len().min(distinct[place].len());
                if shared >= 5 && shared * 3 >= smaller {
                    let message = format!("{shared} of its samples also stand in {}, to the last digit", twin.cell.id);
                    found.push(Finding::of(series, Weight::Void, message).because(format!(
                        "{} and {} samples; by chance none would agree",
                        series.n(),
                        twin.n()
                    )));
                }
            }
        }
    }
    found
}

/// Whether values are written finer than a millionth of their size, as far as most of those show that are looked at.
fn is_fine(series: &Series<'_>) -> bool {
    let step = series.n().div_ceil(LOOKED_AT).max(1);
    let (mut looked_at, mut fine) = (0, 0);
    for value in series.values.iter().step_by(step) {
        looked_at += 1;
        fine += usize::from(written_half(*value) < value.abs() * 1e-6);
    }
    fine * 10 >= looked_at * 7
}

fn same(one: f64, other: f64) -> bool {
    one.to_bits() == other.to_bits()
}

fn without_ties(sorted: &[f64]) -> Vec<f64> {
    let mut values = sorted.to_vec();
    values.dedup_by(|one, other| same(*one, *other));
    values
}

/// How many values lists have in common, two by two.
struct Shared {
    lists: usize,
    counts: Vec<usize>,
}

impl Shared {
    /// Of ascending lists of distinct values.
    ///
    /// Values that stand in one list only say nothing, and are most: the others are found by sorting all together, and only
    /// they are counted for each pair of their lists.
    fn of(lists: &[Vec<f64>]) -> Self {
        let mut shared = Self { lists: lists.len(), counts: vec![0; lists.len() * lists.len()] };
        let all = Sorted::new(lists.iter().flatten().copied()).unwrap_or_default();
        let groups = all.as_slice().chunk_by(|one, next| same(*one, *next)).filter(|group| group.len() > 1);
        let several: Vec<f64> = groups.filter_map(|group| group.first().copied()).collect();
        let mut holders: Vec<Vec<u32>> = vec![Vec::new(); several.len()];
        for (number, list) in (0_u32..).zip(lists) {
            let mut values = list.iter().peekable();
            for (value, holders) in several.iter().zip(&mut holders) {
                while values.next_if(|next| next.total_cmp(value).is_lt()).is_some() {}
                if values.next_if(|next| same(**next, *value)).is_some() {
                    holders.push(number);
                }
            }
        }
        for holders in &holders {
            for (index, one) in holders.iter().enumerate() {
                let row = *one as usize * shared.lists;
                holders[index + 1..].iter().for_each(|other| shared.counts[row + *other as usize] += 1);
            }
        }
        shared
    }

    /// How many values the lists with these numbers share, the smaller number first.
    fn between(&self, one: usize, other: usize) -> usize {
        self.counts[one * self.lists + other]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn shared_values_are_counted(lists in prop::collection::vec(prop::collection::btree_set(-20_i32..20, 0..20), 0..6)) {
            let numbers = |list: &BTreeSet<i32>| list.iter().map(|value| f64::from(*value)).collect();
            let shared = Shared::of(&lists.iter().map(numbers).collect::<Vec<Vec<f64>>>());
            for (index, one) in lists.iter().enumerate() {
                for (place, other) in lists.iter().enumerate().skip(index + 1) {
                    prop_assert_eq!(shared.between(index, place), one.intersection(other).count());
                }
            }
        }
    }
}
