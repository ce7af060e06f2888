//! The bytes in which every implementation of HdrHistogram exchanges a [`Histogram`]: V0 to V2, compressed.
//!
//! Written after the format's reference implementation (`AbstractHistogram`, `ZigZagEncoding` of HdrHistogram for Java).
//! Only what was recorded is kept in memory: a header that promises much takes nothing.

mod decode;
mod encode;

pub(crate) use decode::{Budget, decode};
pub(crate) use encode::encode;
pub(crate) use isodyne_core::stats::Histogram;

/// The end of the highest bucket that is not empty, as the format's implementations report a maximum; 0 for none.
pub(crate) fn greatest(histogram: &Histogram) -> u64 {
    histogram.buckets().next_back().map_or(0, |bucket| bucket.to)
}

/// Counts values; `digits` are 5 at most.
#[cfg(test)]
pub(crate) fn of(values: impl IntoIterator<Item = u64>, digits: u8) -> Histogram {
    let mut histogram = Histogram::new(digits).unwrap();
    values.into_iter().for_each(|value| histogram.record(value));
    histogram
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
            let histogram = of(values.iter().copied(), digits);
            let read = decode(&encode(&histogram), &mut Budget::default()).unwrap();
            prop_assert!(read.places().eq(histogram.places()));
            prop_assert_eq!((read.digits(), read.lowest()), (digits, histogram.lowest()));
            prop_assert_eq!(read.len(), values.len() as u64);
        }

        #[test]
        fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, &mut Budget::default());
        }
    }
}
