//! Order statistics among all sums of two sequences, without making all sums.
//!
//! The Hodges–Lehmann estimates and their intervals are order statistics of n(n+1)/2 Walsh averages or of m·n
//! differences: for a million values half a trillion. Sums of sorted sequences grow along rows and columns, so those at
//! or below a bound are counted in one walk of O(n); a bracket around the wanted rank is narrowed by such counts until
//! what is left fits into memory, and the wanted one is picked from it. The result is exact. Idea: D. B. Johnson and T.
//! Mizoguchi, "Selecting the Kth element in X + Y", SIAM J. Comput. 7 (1978) 147–153; J. F. Monahan, "Algorithm 616",
//! ACM TOMS 10 (1984) 265–270.

/// So many sums are made at once, or twice as many as there are values if that is more: making and parting a sum costs
/// about as much as two steps of the walk that counts, and a walk has as many steps as there are values.
const GATHERED: u64 = 1 << 12;
/// Every guess that misses is followed by one this many times wider, so many times.
const WIDER: f64 = 4.0;
const GUESSES: u32 = 4;

/// All sums of an element of `left` and an element of `right`; both ascend and are finite.
#[derive(Clone, Debug)]
pub(super) struct PairSums<'a> {
    left: &'a [f64],
    right: &'a [f64],
    /// Whether only sums with an index on the right no smaller than on the left count: each unordered pair once.
    unordered: bool,
    /// The sums of a few elements, in no order, once one was wanted.
    sketch: Vec<i64>,
}

/// A bound and how many sums are at or below it.
#[derive(Clone, Debug)]
struct Bound {
    value: f64,
    count: u64,
    /// In how many columns of each row; of rows that are missing, in none.
    ends: Vec<u32>,
}

impl<'a> PairSums<'a> {
    /// Every element of one with every element of the other.
    pub(super) fn between(left: &'a [f64], right: &'a [f64]) -> Self {
        Self { left, right, unordered: false, sketch: Vec::new() }
    }

    /// Every element with itself and every later one.
    pub(super) fn within(values: &'a [f64]) -> Self {
        Self { left: values, right: values, unordered: true, sketch: Vec::new() }
    }

    /// How many sums there are.
    pub(super) fn len(&self) -> u64 {
        let (rows, columns) = (self.left.len() as u64, self.right.len() as u64);
        if self.unordered { rows * (rows + 1) / 2 } else { rows * columns }
    }

    /// The median: the middle sum, or the mean of the two in the middle.
    pub(super) fn median(&mut self) -> Option<f64> {
        let count = self.len();
        let [lower, upper] = self.span([count.div_ceil(2), count / 2 + 1])?;
        if count % 2 == 1 { Some(lower) } else { Some(f64::midpoint(lower, upper)) }
    }

    /// The sum with a rank from 1 in ascending order; `None` if there is no such rank.
    pub(super) fn select(&mut self, rank: u64) -> Option<f64> {
        Some(self.span([rank, rank])?[0])
    }

    /// The sums with two ranks in ascending order, found together where they lie close to one another.
    fn span(&mut self, ranks: [u64; 2]) -> Option<[f64; 2]> {
        let [from, to] = ranks;
        if from == 0 || from > to || to > self.len() {
            return None;
        }
        let limit = GATHERED.max(2 * (self.left.len() + self.right.len()) as u64);
        let mut low = Bound { value: f64::NEG_INFINITY, count: 0, ends: Vec::new() };
        let mut high = Bound { value: f64::INFINITY, count: self.len(), ends: vec![u32::MAX; self.left.len()] };
        if high.count > limit {
            let (least, greatest) = (self.left.first()? + self.right.first()?, self.left.last()? + self.right.last()?);
            (low.value, high.value) = (predecessor(least), greatest);
        }
        let mut guesses = Guesses::new(ranks, self.len(), limit);
        let mut step = 0_u32;
        while high.count - low.count > limit && successor(low.value) < high.value {
            let probe = guesses.next(self).unwrap_or_else(|| {
                step += 1;
                probe(&low, &high, from, step)
            });
            if !(low.value < probe && probe < high.value) {
                continue;
            }
            let bound = self.bound(probe);
            if bound.count < from {
                low = bound;
            } else if bound.count >= to {
                high = bound;
            } else {
                return Some([self.select(from)?, self.select(to)?]);
            }
        }
        if high.count - low.count > limit {
            // The two ends are neighbours among the floating-point numbers: all that is left is equal to the upper one.
            return Some([high.value; 2]);
        }
        let mut sums = self.gather(&low, &high);
        let index = |rank: u64| usize::try_from(rank - low.count - 1).ok().filter(|index| *index < sums.len());
        let (first, last) = (index(from)?, index(to)?);
        let (before, last_sum, _) = sums.select_nth_unstable(last);
        let last_sum = from_key(*last_sum);
        if first == last {
            return Some([last_sum; 2]);
        }
        Some([from_key(*before.select_nth_unstable(first).1), last_sum])
    }

    /// Counts row by row: the number of columns at or below the bound falls from row to row, so the walk has at most as
    /// many steps as there are rows and columns. Which way a step goes is as good as chance, so that a processor that had
    /// to guess would be wrong at every other; here it has nothing to guess.
    fn bound(&self, value: f64) -> Bound {
        let (mut row, mut end, mut count) = (0, self.right.len(), 0);
        let mut ends = vec![0; self.left.len()];
        while let (Some(left), Some(right)) = (self.left.get(row), self.right.get(end.wrapping_sub(1))) {
            let start = self.start(row);
            if end <= start {
                break;
            }
            let above = usize::from(left + right > value);
            // Written at every step; the last one in a row is the one that holds.
            ends[row] = end as u32;
            count += (end - start) * (1 - above);
            row += 1 - above;
            end -= above;
        }
        // Where the walk ended no column was found.
        ends.truncate(row);
        Bound { value, count: count as u64, ends }
    }

    /// The first column that counts in a row.
    fn start(&self, row: usize) -> usize {
        if self.unordered { row } else { 0 }
    }

    /// All sums above `low` up to `high`, as keys.
    fn gather(&self, low: &Bound, high: &Bound) -> Vec<i64> {
        let mut sums = Vec::with_capacity((high.count - low.count) as usize);
        for ((row, left), end) in self.left.iter().enumerate().zip(&high.ends) {
            let begin = low.ends.get(row).map_or(0, |begin| *begin as usize).max(self.start(row));
            let end = (*end as usize).min(self.right.len());
            sums.extend(self.right.get(begin..end).unwrap_or_default().iter().map(|right| key(left + right)));
        }
        sums
    }
}

/// The next bound to try: by interpolation a little to either side of the wanted rank in turn, so that the bracket
/// closes from both ends; every third time the middle of the floating-point numbers between the ends, which needs no
/// luck and ends after 64 times at the latest.
fn probe(low: &Bound, high: &Bound, rank: u64, step: u32) -> f64 {
    let share = (rank - low.count) as f64 / (high.count - low.count) as f64;
    let share = match step % 3 {
        0 => share - 0.02,
        1 => share + 0.02,
        _ => return from_key(key(low.value).midpoint(key(high.value))),
    };
    let probe = low.value + (high.value - low.value) * share.clamp(0.0, 1.0);
    if low.value < probe && probe < high.value { probe } else { from_key(key(low.value).midpoint(key(high.value))) }
}

/// Values that lie close around the wanted ranks in all likelihood: where they lie among all sums of so few elements,
/// evenly spaced, that all of these are made.
struct Guesses {
    ranks: [u64; 2],
    /// So many elements of either side.
    elements: usize,
    /// How far around the ranks the next guess lies, in sums.
    margin: f64,
    left: u32,
    found: Vec<f64>,
}

impl Guesses {
    fn new(ranks: [u64; 2], sums: u64, limit: u64) -> Self {
        let elements = limit.isqrt().max(1);
        // Each element stands for 1/k of its side; what it misses is half of 1/k of the sums at most, and k such errors
        // even out. A bracket that is found to be small enough needs no further count.
        let margin = (0.5 * sums as f64 / (elements as f64).powf(1.5)).min(limit as f64 / 2.5);
        Self { ranks, elements: elements as usize, margin, left: GUESSES, found: Vec::new() }
    }

    /// The next value to try; `None` after the last.
    fn next(&mut self, sums: &mut PairSums<'_>) -> Option<f64> {
        if let Some(value) = self.found.pop() {
            return Some(value);
        }
        self.left = self.left.checked_sub(1)?;
        let all = sums.len() as f64;
        if sums.sketch.is_empty() {
            let [left, right] = [sums.left, sums.right].map(|side| spaced(side, self.elements));
            let pair = |row: usize| if sums.unordered { &right[row..] } else { &right[..] };
            let of_row =
                |(row, left): (usize, &f64)| pair(row).iter().map(|right| key(left + right)).collect::<Vec<_>>();
            sums.sketch = left.iter().enumerate().flat_map(of_row).collect();
        }
        let sketch = &mut sums.sketch;
        let mut at = |rank: f64| {
            let place = (rank / all).clamp(0.0, 1.0) * (sketch.len() - 1) as f64;
            from_key(*sketch.select_nth_unstable(place.round() as usize).1)
        };
        let (low, high) = (at(self.ranks[0] as f64 - self.margin), at(self.ranks[1] as f64 + self.margin));
        self.margin *= WIDER;
        // Where very many sums are equal, the wanted one is the upper guess, and there is none right below it.
        self.found = vec![predecessor(high), high];
        Some(low)
    }
}

/// So many of the values, each from the middle of its share.
fn spaced(values: &[f64], count: usize) -> Vec<f64> {
    let count = count.min(values.len());
    (0..count).filter_map(|index| values.get((2 * index + 1) * values.len() / (2 * count)).copied()).collect()
}

/// An integer that orders as the finite floating-point numbers do; −0 comes right before 0.
fn key(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    if bits < 0 { i64::MIN.wrapping_sub(bits).wrapping_sub(1) } else { bits }
}

fn from_key(key: i64) -> f64 {
    let bits = if key < 0 { i64::MIN.wrapping_sub(key.wrapping_add(1)) } else { key };
    f64::from_bits(bits.cast_unsigned())
}

/// The next larger number. Both zeros are one: there is no number between them.
fn successor(value: f64) -> f64 {
    from_key(key(value + 0.0).saturating_add(1))
}

/// The next smaller number.
fn predecessor(value: f64) -> f64 {
    -successor(-value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(mut values: Vec<f64>) -> Vec<f64> {
        values.sort_by(f64::total_cmp);
        values
    }

    fn all(left: &[f64], right: &[f64], unordered: bool) -> Vec<f64> {
        let start = |row| if unordered { row } else { 0 };
        sorted(left.iter().enumerate().flat_map(|(i, a)| right[start(i)..].iter().map(move |b| a + b)).collect())
    }

    #[test]
    fn keys_order_as_numbers_do() {
        let values =
            [-f64::MAX, -1.0, -f64::MIN_POSITIVE, -0.0, 0.0, f64::MIN_POSITIVE, 1.0, 1.0 + f64::EPSILON, 1e300];
        assert!(values.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert!(values.iter().all(|value| from_key(key(*value)).to_bits() == value.to_bits()));
        assert_eq!(successor(1.0), 1.0 + f64::EPSILON);
        for zero in [0.0, -0.0] {
            assert!(predecessor(zero) < zero && zero < successor(zero));
        }
    }

    #[test]
    fn long_sequences_are_selected_as_if_all_sums_were_made() {
        // 1,000 values give 500,500 sums, many more than are made at once: the bracket is narrowed by counts.
        let mut random = fastrand::Rng::with_seed(3);
        let heavy: Vec<f64> = (0..1_000).map(|_| (random.f64() - 0.5) / random.f64().powi(3)).collect();
        let coarse: Vec<f64> = (0..1_000).map(|_| f64::from(random.u32(0..4))).collect();
        for values in [sorted(heavy), sorted(coarse)] {
            let sums = all(&values, &values, true);
            let mut pairs = PairSums::within(&values);
            assert_eq!(pairs.len(), sums.len() as u64);
            for rank in [1, 2, 1_000, 123_456, 250_250, 250_251, 500_499, 500_500] {
                assert_eq!(pairs.select(rank), Some(sums[rank as usize - 1]), "rank {rank}");
            }
            let middle = f64::midpoint(sums[250_249], sums[250_250]);
            assert_eq!(pairs.median(), Some(middle));
        }
        assert_eq!(PairSums::within(&[]).median(), None);
    }

    proptest! {
        #[test]
        fn any_rank_is_found(
            left in prop::collection::vec(-1e3_f64..1e3, 1..40), right in prop::collection::vec(-5_i8..5, 1..40),
            share in 0.0_f64..1.0,
        ) {
            let (left, right) = (sorted(left), sorted(right.into_iter().map(f64::from).collect()));
            let sums = all(&left, &right, false);
            let rank = (share * sums.len() as f64) as usize;
            prop_assert_eq!(PairSums::between(&left, &right).select(rank as u64 + 1), sums.get(rank).copied());
            let own = all(&left, &left, true);
            let rank = (share * own.len() as f64) as usize;
            prop_assert_eq!(PairSums::within(&left).select(rank as u64 + 1), own.get(rank).copied());
        }
    }
}
