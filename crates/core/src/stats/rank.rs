//! Ranks, with equal values sharing the mean of theirs.

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
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
        let mut ranks = Self { doubled: vec![0; values.len()], ties: Vec::new() };
        let mut begin = 0;
        for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
            let end = begin + group.len();
            // The mean of the ranks begin + 1 ..= end, doubled.
            let doubled = (begin + 1 + end) as u64;
            group.iter().for_each(|index| ranks.doubled[*index] = doubled);
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

#[cfg(test)]
mod tests {
    use super::*;

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
