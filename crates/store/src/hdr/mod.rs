//! HDR histograms in the form in which every implementation of HdrHistogram exchanges them: V0 to V2, compressed.
//!
//! Written after the format's reference implementation (`AbstractHistogram`, `ZigZagEncoding` of HdrHistogram for Java).
//! Only what was recorded is kept in memory: a header that promises much takes nothing.

mod decode;
mod encode;
mod layout;

pub(crate) use decode::Budget;
use layout::Layout;
use std::collections::BTreeMap;

/// Counts of values, exact up to a number of significant decimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Histogram {
    /// Significant decimal digits, 0 to 5.
    pub digits: u8,
    /// What was counted, by value, without empty ones.
    pub buckets: Vec<Bucket>,
    layout: Layout,
}

/// A range of values that are not told apart, and how many there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
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
    /// Counts values.
    pub fn of(values: impl Iterator<Item = u64>, digits: u8) -> Self {
        let layout = Layout::new(1, digits.min(5)).unwrap_or_else(Layout::plain);
        let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
        for value in values {
            *counts.entry(layout.index_of(value.min(i64::MAX as u64))).or_insert(0) += 1;
        }
        let buckets = counts.into_iter().filter_map(|(index, count)| layout.bucket(index, count)).collect();
        Self { digits: digits.min(5), buckets, layout }
    }

    /// How many values were counted; no more than 2^63.
    pub fn total(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.count))
    }

    /// The greatest value that may have been counted; 0 if there is none.
    pub fn max(&self) -> u64 {
        self.buckets.last().map_or(0, |bucket| bucket.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            values in proptest::collection::vec((any::<u64>(), 0_u32..63).prop_map(|(value, shift)| value >> 1 >> shift), 0..200),
            digits in 0_u8..=5,
        ) {
            let histogram = Histogram::of(values.iter().copied(), digits);
            let read = Histogram::decode(&histogram.encode(), &mut Budget::default()).unwrap();
            prop_assert_eq!(&read.buckets, &histogram.buckets);
            prop_assert_eq!(read.digits, digits);
            prop_assert_eq!(read.total(), values.len() as u64);
            let precision = 10_f64.powi(-i32::from(digits));
            for value in values {
                let bucket = read.buckets.iter().find(|bucket| (bucket.from..=bucket.to).contains(&value)).unwrap();
                prop_assert!((bucket.to - bucket.from) as f64 <= (value as f64 * precision).max(0.0));
            }
        }

        #[test]
        fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Histogram::decode(&bytes, &mut Budget::default());
        }
    }
}
