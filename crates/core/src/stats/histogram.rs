//! Histograms for streams: millions of latencies in a few kilobytes, with a stated precision.
//!
//! Counts in buckets whose width grows with the value: every power of two is cut into the same number of equal buckets.
//! This is the layout of HdrHistogram (G. Tene, 2012) with a power of two in place of decimal digits; two histograms of one
//! precision merge without loss.

use std::collections::BTreeMap;

/// The finest precision: 2⁻¹⁶.
const MOST_BITS: u32 = 16;

/// Counts of whole numbers (nanoseconds, bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    bits: u32,
    /// By bucket. A map, not an array: a stream touches few of the thousands of buckets.
    counts: BTreeMap<u32, u64>,
    total: u64,
    min: u64,
    max: u64,
}

impl Histogram {
    /// An empty histogram that keeps `bits` binary digits of each value: the relative error of a quantile is at most
    /// 2⁻ᵇⁱᵗˢ (7 bits: 0.8 %, 10 bits: 0.1 %). `None` beyond 16 bits or for none.
    pub fn new(bits: u32) -> Option<Self> {
        let sensible = (1..=MOST_BITS).contains(&bits);
        sensible.then(|| Self { bits, counts: BTreeMap::new(), total: 0, min: u64::MAX, max: 0 })
    }

    /// The largest relative error of a value that was recorded.
    pub fn precision(&self) -> f64 {
        f64::from(self.bits).exp2().recip()
    }

    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        self.record_many(value, 1);
    }

    /// Counts a value so many times. Counts saturate.
    pub fn record_many(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        let count = self.counts.entry(self.bucket(value)).or_default();
        *count = count.saturating_add(times);
        self.total = self.total.saturating_add(times);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds all counts of another histogram. `false`, and nothing is added, if it has another precision.
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.bits != other.bits {
            return false;
        }
        for (bucket, times) in &other.counts {
            let count = self.counts.entry(*bucket).or_default();
            *count = count.saturating_add(*times);
        }
        self.total = self.total.saturating_add(other.total);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        true
    }

    /// How many values were counted.
    pub fn len(&self) -> u64 {
        self.total
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The smallest value, exactly.
    pub fn min(&self) -> Option<u64> {
        (self.total > 0).then_some(self.min)
    }

    /// The largest value, exactly.
    pub fn max(&self) -> Option<u64> {
        (self.total > 0).then_some(self.max)
    }

    /// The value at or below which the share `q` of all values lies (type 1, the inverse of the distribution function), up
    /// to [`Histogram::precision`]: the middle of its bucket. `None` of nothing, or for a `q` outside [0, 1].
    pub fn quantile(&self, q: f64) -> Option<u64> {
        if self.total == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = ((q * self.total as f64).ceil() as u64).clamp(1, self.total);
        let mut upto = 0_u64;
        for (low, high, count) in self.buckets() {
            upto = upto.saturating_add(count);
            if upto >= rank {
                return Some((low + (high - low) / 2).clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }

    /// The buckets that are not empty, ascending: least and greatest value, and how many were counted.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.counts.iter().map(|(bucket, count)| {
            let (low, high) = self.ends(*bucket);
            (low, high, *count)
        })
    }

    /// Values below 2^(bits) have a bucket each; above, the leading `bits` digits after the first decide.
    fn bucket(&self, value: u64) -> u32 {
        let digits = u64::BITS - value.leading_zeros();
        let shift = digits.saturating_sub(self.bits + 1);
        // Within a power of two the shifted value is below 2^(bits + 1): it fits.
        (shift << self.bits) + (value >> shift) as u32
    }

    fn ends(&self, bucket: u32) -> (u64, u64) {
        let shift = (bucket >> self.bits).saturating_sub(1);
        let mantissa = u64::from(bucket - (shift << self.bits));
        let low = mantissa << shift;
        (low, low + ((1_u64 << shift) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_values_are_exact_and_extremes_are_kept() {
        let mut histogram = Histogram::new(7).unwrap();
        [3, 1, 2, 250, u64::MAX, 0].into_iter().for_each(|value| histogram.record(value));
        assert_eq!((histogram.len(), histogram.min(), histogram.max()), (6, Some(0), Some(u64::MAX)));
        assert_eq!((histogram.quantile(0.0), histogram.quantile(0.5)), (Some(0), Some(2)));
        assert_eq!(histogram.quantile(1.1), None);
        assert!(Histogram::new(0).is_none() && Histogram::new(17).is_none());
        assert_eq!(Histogram::new(7).unwrap().quantile(0.5), None);
        assert!(!histogram.merge(&Histogram::new(8).unwrap()));
    }

    proptest! {
        #[test]
        fn every_value_lies_in_its_bucket(value in any::<u64>(), bits in 1_u32..=16) {
            let mut histogram = Histogram::new(bits).unwrap();
            histogram.record(value);
            let (low, high, count) = histogram.buckets().next().unwrap();
            prop_assert!(low <= value && value <= high && count == 1);
            prop_assert!((high - low) as f64 <= low as f64 * histogram.precision());
        }

        #[test]
        fn quantiles_are_as_precise_as_stated_and_parts_merge(
            values in prop::collection::vec(0_u64..1_000_000_000_000, 1..300), q in 0.0_f64..=1.0, cut in any::<prop::sample::Index>(),
        ) {
            let (first, second) = values.split_at(cut.index(values.len()));
            let of = |values: &[u64]| {
                let mut histogram = Histogram::new(10).unwrap();
                values.iter().for_each(|value| histogram.record(*value));
                histogram
            };
            let mut merged = of(first);
            prop_assert!(merged.merge(&of(second)));
            prop_assert_eq!(&merged, &of(&values));
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let exact = sorted[((q * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len()) - 1];
            let found = merged.quantile(q).unwrap();
            prop_assert!(found.abs_diff(exact) as f64 <= exact as f64 * merged.precision(), "{} for {}", found, exact);
        }
    }
}
