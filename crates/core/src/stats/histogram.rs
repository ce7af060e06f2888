//! Histograms for streams: millions of latencies in a few kilobytes, exact up to a number of significant digits.
//!
//! Counts in buckets whose width grows with the value, in the layout of HdrHistogram (G. Tene, 2012), so that a histogram
//! can be exchanged with every implementation of it; `store` reads and writes their bytes. Two histograms of one layout
//! merge without loss.

mod layout;

use layout::Layout;
use std::collections::BTreeMap;

/// Values beyond this are counted as this: the layout ends there.
const GREATEST: u64 = i64::MAX as u64;

/// Counts of whole numbers (nanoseconds, bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    digits: u8,
    layout: Layout,
    /// By place in the layout. A map, not an array: a stream touches few of the thousands of buckets.
    counts: BTreeMap<u64, u64>,
    total: u64,
    min: u64,
    max: u64,
}

/// A range of values that are not told apart, and how many there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The least value.
    pub from: u64,
    /// The greatest value.
    pub to: u64,
    /// How many.
    pub count: u64,
}

impl Bucket {
    /// The value in the middle, which stands for all.
    pub fn middle(&self) -> u64 {
        self.from + (self.to - self.from).div_ceil(2)
    }
}

impl Histogram {
    /// An empty histogram that keeps so many significant decimal digits of each value (3: values in one bucket differ by
    /// 0.1 % at most). `None` for more than 5.
    pub fn new(digits: u8) -> Option<Self> {
        Self::with_lowest(1, digits)
    }

    /// The same, with values below the power of two at or below `lowest` not told apart. `None` for a lowest of 0, or one
    /// that leaves no room for the digits.
    pub fn with_lowest(lowest: u64, digits: u8) -> Option<Self> {
        let layout = Layout::new(lowest, digits)?;
        Some(Self { digits, layout, counts: BTreeMap::new(), total: 0, min: u64::MAX, max: 0 })
    }

    /// Significant decimal digits.
    pub fn digits(&self) -> u8 {
        self.digits
    }

    /// The least value that is told apart from 0.
    pub fn lowest(&self) -> u64 {
        self.layout.lowest()
    }

    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        self.record_many(value, 1);
    }

    /// Counts a value so many times. Counts saturate; values from 2^63 on are counted as the one below.
    pub fn record_many(&mut self, value: u64, times: u64) {
        let value = value.min(GREATEST);
        self.add(self.layout.index_of(value), times, [value, value]);
    }

    /// Counts so many values at a place of the layout, of which no more is known. `false`, and nothing is counted, if it
    /// is beyond 2^63.
    pub fn record_at(&mut self, place: u64, times: u64) -> bool {
        let bucket = self.layout.bucket(place, times);
        if let Some(bucket) = bucket {
            self.add(place, times, [bucket.from, bucket.to]);
        }
        bucket.is_some()
    }

    fn add(&mut self, place: u64, times: u64, [least, greatest]: [u64; 2]) {
        if times == 0 {
            return;
        }
        let count = self.counts.entry(place).or_default();
        *count = count.saturating_add(times);
        self.total = self.total.saturating_add(times);
        self.min = self.min.min(least);
        self.max = self.max.max(greatest);
    }

    /// Adds all counts of another histogram. `false`, and nothing is added, if it has another layout.
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.layout != other.layout {
            return false;
        }
        for (place, times) in &other.counts {
            self.add(*place, *times, [other.min, other.max]);
        }
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

    /// The smallest value: exactly, or the least that it can have been where only its bucket is known.
    pub fn min(&self) -> Option<u64> {
        (self.total > 0).then_some(self.min)
    }

    /// The largest value: exactly, or the greatest that it can have been where only its bucket is known.
    pub fn max(&self) -> Option<u64> {
        (self.total > 0).then_some(self.max)
    }

    /// The value at or below which the share `q` of all values lies (type 1, the inverse of the distribution function), up
    /// to the significant digits: the middle of its bucket. `None` of nothing, or for a `q` outside [0, 1].
    pub fn quantile(&self, q: f64) -> Option<u64> {
        if self.total == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = ((q * self.total as f64).ceil() as u64).clamp(1, self.total);
        let mut upto = 0_u64;
        let found = self.buckets().find(|bucket| {
            upto = upto.saturating_add(bucket.count);
            upto >= rank
        });
        Some(found.map_or(self.max, |bucket| bucket.middle().clamp(self.min, self.max)))
    }

    /// The buckets that are not empty, ascending.
    pub fn buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        self.counts.iter().filter_map(|(place, count)| self.layout.bucket(*place, *count))
    }

    /// The places in the layout that are not empty, ascending, with their counts.
    pub fn places(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.counts.iter().map(|(place, count)| (*place, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_values_are_exact_and_extremes_are_kept() {
        let mut histogram = Histogram::new(3).unwrap();
        [3, 1, 2, 250, u64::MAX, 0].into_iter().for_each(|value| histogram.record(value));
        assert_eq!((histogram.len(), histogram.min(), histogram.max()), (6, Some(0), Some(GREATEST)));
        assert_eq!((histogram.quantile(0.0), histogram.quantile(0.5)), (Some(0), Some(2)));
        assert_eq!(histogram.quantile(1.1), None);
        assert!(Histogram::new(6).is_none() && Histogram::with_lowest(0, 3).is_none());
        assert_eq!(Histogram::new(2).unwrap().quantile(0.5), None);
        assert!(!histogram.merge(&Histogram::new(4).unwrap()));
        assert!(!histogram.record_at(u64::MAX, 1) && histogram.len() == 6);
    }

    #[test]
    fn of_a_place_the_ends_are_known() {
        let mut histogram = Histogram::new(3).unwrap();
        // Values from 2,048 on share a bucket two by two.
        assert!(histogram.record_at(2_048, 5));
        assert_eq!((histogram.min(), histogram.max(), histogram.len()), (Some(2_048), Some(2_049), 5));
        assert_eq!(histogram.places().collect::<Vec<_>>(), [(2_048, 5)]);
    }

    proptest! {
        #[test]
        fn every_value_lies_in_its_bucket(value in 0..=GREATEST, digits in 0_u8..=5) {
            let mut histogram = Histogram::new(digits).unwrap();
            histogram.record(value);
            let bucket = histogram.buckets().next().unwrap();
            prop_assert!(bucket.from <= value && value <= bucket.to && bucket.count == 1);
            prop_assert!((bucket.to - bucket.from) as f64 <= value as f64 * 10_f64.powi(-i32::from(digits)));
        }

        #[test]
        fn quantiles_are_as_precise_as_stated_and_parts_merge(
            values in prop::collection::vec(0_u64..1_000_000_000_000, 1..300), q in 0.0_f64..=1.0, cut in any::<prop::sample::Index>(),
        ) {
            let (first, second) = values.split_at(cut.index(values.len()));
            let of = |values: &[u64]| {
                let mut histogram = Histogram::new(3).unwrap();
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
            prop_assert!(found.abs_diff(exact) as f64 <= exact as f64 * 1e-3, "{} for {}", found, exact);
        }
    }
}
