//! E-divisive means: where a series of values changes its level, without assuming a distribution.
//!
//! The best split of a stretch maximises the scaled energy distance between what lies before and after it,
//!
//! ```text
//! Q(X, Y) = mn/(m+n) · ( 2/(mn) ΣΣ|xᵢ−yⱼ| − 1/C(m,2) Σ|xᵢ−xₖ| − 1/C(n,2) Σ|yⱼ−yₖ| )
//! ```
//!
//! (D. S. Matteson and N. A. James, "A nonparametric approach for multiple change point analysis of multivariate data",
//! JASA 109 (2014) 334–345, equations 5 and 6, with α = 1; the right end of the second part is the end of the stretch,
//! as in D. Daly et al., "The use of change point detection to identify software performance regressions in a continuous
//! integration system", ICPE 2020, and in M. Fleming et al., "Hunter", ICPE 2023). The split is kept if a permutation
//! test of the same paper calls it significant: values are permuted within the stretches found so far, and the best Q
//! of all stretches is taken each time. Then the two new stretches are searched, and so on.
//!
//! The permutations are drawn with a fixed seed: the same values give the same change points, on every machine.

use crate::schedule::shuffled;

/// The p-value up to which a split is kept: how often a series without any change shows one.
pub const SIGNIFICANCE: f64 = 0.01;
/// How many permutations are drawn. The least p-value is one in one more than these.
pub const PERMUTATIONS: u32 = 999;
/// No stretch is shorter: three runs on either side show a level, fewer may be an accident.
pub const LEAST: usize = 3;
/// Only so many of the latest values are searched.
pub const MOST: usize = 2_000;

/// Where the fixed order of the permutations begins.
const SEED: u64 = 0x0069_736f_6479_6e65;
/// Sums of many differences are rounded: what is closer than this is equal.
const ROUNDING: f64 = 1e-9;

/// A change of level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// The first value of the new level, from 0.
    pub index: usize,
    /// The scaled energy distance between the stretches it divided when it was found.
    pub statistic: f64,
    /// The p-value of the permutation test.
    pub p_value: f64,
}

/// The changes of level in a series, in its order. Values must be finite; a series that holds another has none.
///
/// Of more than [`MOST`] values only the latest are searched.
pub fn change_points(values: &[f64]) -> Vec<Split> {
    if values.iter().any(|value| !value.is_finite()) {
        return Vec::new();
    }
    let skipped = values.len().saturating_sub(MOST);
    // In parts of the largest, so that no sum and no product can overflow.
    let unit = values[skipped..].iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let values: Vec<f64> = values[skipped..].iter().map(|value| value / unit.max(f64::MIN_POSITIVE)).collect();
    let values = values.as_slice();
    let mut stretches = vec![(0, values.len(), best_split(values))];
    let mut found: Vec<Split> = Vec::new();
    loop {
        let candidate = stretches.iter().enumerate().filter_map(|(place, stretch)| Some((place, stretch.2?)));
        // The first of equal ones, so that nothing depends on how they are compared.
        let best = candidate.fold(None, |best: Option<(usize, (usize, f64))>, next| match best {
            Some(known) if known.1.1 >= next.1.1 => Some(known),
            _ => Some(next),
        });
        let Some((place, (offset, statistic))) = best else { break };
        let bounds: Vec<(usize, usize)> = stretches.iter().map(|(from, to, _)| (*from, *to)).collect();
        let Some(p_value) = p_value(values, &bounds, statistic, found.len() as u64) else { break };
        let (from, to, _) = stretches[place];
        let middle = from + offset;
        found.push(Split { index: middle + skipped, statistic: statistic * unit, p_value });
        let parts = [(from, middle), (middle, to)].map(|(from, to)| (from, to, best_split(&values[from..to])));
        stretches.splice(place..=place, parts);
    }
    found.sort_by_key(|split| split.index);
    found
}

/// The p-value of a best split, or `None` once it is known to be above [`SIGNIFICANCE`].
fn p_value(values: &[f64], stretches: &[(usize, usize)], statistic: f64, level: u64) -> Option<f64> {
    let allowed = (SIGNIFICANCE * f64::from(PERMUTATIONS + 1)).floor() as u32;
    let reached = statistic * (1.0 - ROUNDING);
    let mut as_good = 1;
    for permutation in 0..PERMUTATIONS {
        let best_of = |(place, (from, to)): (usize, &(usize, usize))| {
            let seed = SEED ^ (level << 32) ^ place as u64;
            let permuted: Vec<f64> =
                shuffled(seed, permutation, to - from).into_iter().map(|index| values[from + index]).collect();
            best_split(&permuted).is_some_and(|(_, found)| found >= reached)
        };
        as_good += u32::from(stretches.iter().enumerate().any(best_of));
        if as_good > allowed {
            return None;
        }
    }
    Some(f64::from(as_good) / f64::from(PERMUTATIONS + 1))
}

/// The split with the largest statistic, and that; `None` for too few values, or if none is above 0. In O(n log n).
pub fn best_split(values: &[f64]) -> Option<(usize, f64)> {
    let n = values.len();
    if n < 2 * LEAST {
        return None;
    }
    // Sums of differences do not change with the origin, and are the more exact the smaller the numbers are.
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
    let middle = low / 2.0 + high / 2.0;
    let spread = high / 2.0 - low / 2.0;
    if spread <= 0.0 {
        return None;
    }
    let scaled: Vec<f64> = values.iter().map(|value| (value - middle) / spread).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| scaled[*a].total_cmp(&scaled[*b]));
    let mut ranks = vec![0; n];
    for (rank, index) in order.into_iter().enumerate() {
        ranks[index] = rank;
    }
    let left = running_sums(&scaled, &ranks, 0..n);
    let right = running_sums(&scaled, &ranks, (0..n).rev());
    let total = left[n];
    let mut best: Option<(usize, f64)> = None;
    for split in LEAST..=n - LEAST {
        let (m, k) = (split as f64, (n - split) as f64);
        let (within, beyond) = (left[split], right[n - split]);
        let across = total - within - beyond;
        let energy = 2.0 * across / (m * k) - within / (m * (m - 1.0) / 2.0) - beyond / (k * (k - 1.0) / 2.0);
        let statistic = m * k / (m + k) * energy * spread;
        if statistic > best.map_or(ROUNDING * spread, |(_, known)| known * (1.0 + ROUNDING)) {
            best = Some((split, statistic));
        }
    }
    best
}

/// The sum of |xᵢ−xₖ| over all pairs of the first values, for each number of them, taken in a given order.
fn running_sums(values: &[f64], ranks: &[usize], order: impl Iterator<Item = usize>) -> Vec<f64> {
    let mut below = Prefixes::new(values.len());
    let (mut sum, mut count, mut all) = (0.0, 0.0, 0.0);
    let mut found = vec![0.0];
    for index in order {
        let value = values[index];
        let (smaller, sum_smaller) = below.up_to(ranks[index]);
        all += value * smaller - sum_smaller + (sum - sum_smaller) - value * (count - smaller);
        below.add(ranks[index], value);
        sum += value;
        count += 1.0;
        found.push(all);
    }
    found
}

/// Counts and sums of values by rank, in a binary indexed tree (P. M. Fenwick, 1994).
struct Prefixes(Vec<(f64, f64)>);

impl Prefixes {
    fn new(length: usize) -> Self {
        Self(vec![(0.0, 0.0); length + 1])
    }

    fn add(&mut self, rank: usize, value: f64) {
        let mut place = rank + 1;
        while let Some(entry) = self.0.get_mut(place) {
            entry.0 += 1.0;
            entry.1 += value;
            place += place & place.wrapping_neg();
        }
    }

    /// Of the values with a smaller rank.
    fn up_to(&self, rank: usize) -> (f64, f64) {
        let (mut place, mut count, mut sum) = (rank, 0.0, 0.0);
        while place > 0 {
            count += self.0[place].0;
            sum += self.0[place].1;
            place &= place - 1;
        }
        (count, sum)
    }
}
