//! Ranks, with equal values sharing the mean of theirs.

use super::quantile::{from_key, key};

/// The ranks of some finite values, doubled so that shared ranks stay whole numbers, and how many equal values there
/// are in each group of more than one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ranks {
    /// Twice the rank (from 1) of each value, in the order of the values.
    pub doubled: Vec<u64>,
    /// The sizes of the groups of equal values.
    pub ties: Vec<u64>,
}

impl Ranks {
    /// Ranks by ascending value.
    pub(super) fn of(values: &[f64]) -> Self {
        // The values themselves beside their places: looking each up costs more than moving it.
        let mut order: Vec<(u64, usize)> = values.iter().map(|value| key(*value)).zip(0..).collect();
        order.sort_unstable();
        let mut ranks = Self { doubled: vec![0; values.len()], ties: Vec::new() };
        let mut begin = 0;
        for group in order.chunk_by(|one, next| from_key(one.0) == from_key(next.0)) {
            let end = begin + group.len();
            // The mean of the ranks begin + 1 ..= end, doubled.
            let doubled = (begin + 1 + end) as u64;
            group.iter().for_each(|(_, index)| ranks.doubled[*index] = doubled);
            if group.len() > 1 {
                ranks.ties.push(group.len() as u64);
            }
            begin = end;
        }
        ranks
    }

    /// Σ(t³ − t) over the groups of equal values: what ties take from the variance of a rank statistic.
    pub(super) fn tie_term(&self) -> f64 {
        self.ties.iter().map(|size| *size as f64).map(|size| size * (size * size - 1.0)).sum()
    }
}

/// The ranks of two ascending sequences taken together, as far as tests want them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RankSums {
    /// Twice the sum of the ranks of the first sequence.
    pub first: u64,
    /// As [`Ranks::tie_term`].
    pub tie_term: f64,
    /// Whether any values are equal.
    pub tied: bool,
}

impl RankSums {
    /// Of finite values; O(m + n).
    pub(super) fn of(first: &[f64], second: &[f64]) -> Self {
        let mut sums = Self { first: 0, tie_term: 0.0, tied: false };
        let (mut left, mut right) = (0, 0);
        loop {
            let begin = left + right;
            let value = match (first.get(left), second.get(right)) {
                (Some(one), Some(other)) => one.min(*other),
                (Some(one), None) => *one,
                (None, Some(other)) => *other,
                (None, None) => return sums,
            };
            let own = left;
            while first.get(left).is_some_and(|one| *one == value) {
                left += 1;
            }
            while second.get(right).is_some_and(|other| *other == value) {
                right += 1;
            }
            let end = left + right;
            sums.first += ((left - own) * (begin + 1 + end)) as u64;
            if end - begin > 1 {
                let size = (end - begin) as f64;
                sums.tie_term += size * (size * size - 1.0);
                sums.tied = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_of_ranks_are_those_of_the_ranks(
            first in prop::collection::vec(-9_i8..9, 0..30), second in prop::collection::vec(-9_i8..9, 0..30),
        ) {
            let ascending = |list: Vec<i8>| {
                let mut list: Vec<f64> = list.into_iter().map(f64::from).collect();
                list.sort_by(f64::total_cmp);
                list
            };
            let (first, second) = (ascending(first), ascending(second));
            let ranks = Ranks::of(&[first.clone(), second.clone()].concat());
            let expected = RankSums {
                first: ranks.doubled[..first.len()].iter().sum(),
                tie_term: ranks.tie_term(),
                tied: !ranks.ties.is_empty(),
            };
            prop_assert_eq!(RankSums::of(&first, &second), expected);
        }
    }

    #[test]
    fn equal_values_share_the_mean_of_their_ranks() {
        // Reference: scipy 1.17.1, `scipy.stats.rankdata`: [4, 1.5, 3, 1.5, 5.5, 5.5].
        let ranks = Ranks::of(&[2.0, -1.0, 0.5, -1.0, 7.0, 7.0]);
        assert_eq!(ranks.doubled, [8, 3, 6, 3, 11, 11]);
        assert_eq!(ranks.ties, [2, 2]);
        assert_eq!(ranks.tie_term(), 12.0);
        assert_eq!(Ranks::of(&[0.0, -0.0]).ties, [2]);
    }
}
