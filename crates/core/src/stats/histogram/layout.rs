//! Which values share a bucket.
//!
//! Values are divided by powers of two, each power into `2^half` equal parts (the first into twice as many), so that
//! every part is narrow enough for the significant digits.

use super::Bucket;

/// The most significant digits that the layout knows.
const MOST_DIGITS: u8 = 5;

/// Which values share a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Values below 2^unit are not told apart.
    unit: u32,
    /// Each power of two has 2^half parts.
    half: u32,
}

impl Layout {
    /// For a least discernible value and significant digits; `None` if they do not go together.
    pub fn new(lowest: u64, digits: u8) -> Option<Self> {
        if lowest == 0 || digits > MOST_DIGITS {
            return None;
        }
        let unit = lowest.ilog2();
        let single = 2 * 10_u64.pow(u32::from(digits));
        // The least power of two that is not smaller: the logarithm rounded up.
        let parts = single.next_power_of_two().ilog2();
        let half = parts.max(1) - 1;
        (half + 1 + unit <= 62).then_some(Self { unit, half })
    }

    /// The place of a value below 2^63.
    pub fn index_of(self, value: u64) -> u64 {
        let mask = ((1_u64 << (self.half + 1)) - 1) << self.unit;
        let power = 64 - (value | mask).leading_zeros();
        let bucket = power - self.unit - (self.half + 1);
        let part = value >> (bucket + self.unit);
        // `part` is at least half of the parts in all but the first bucket.
        ((u64::from(bucket) + 1) << self.half) + part - (1 << self.half)
    }

    /// The bucket at a place; `None` beyond 2^63.
    pub fn bucket(self, index: u64, count: u64) -> Option<Bucket> {
        let (power, part) = (index >> self.half, index & ((1 << self.half) - 1));
        let (shift, part) = if power == 0 {
            (u64::from(self.unit), part)
        } else {
            (power - 1 + u64::from(self.unit), part + (1 << self.half))
        };
        if shift + u64::from(self.half) + 1 > 63 {
            return None;
        }
        let from = part << shift;
        Some(Bucket { from, to: from + ((1 << shift) - 1), count })
    }

    /// The least discernible value.
    pub fn lowest(self) -> u64 {
        1 << self.unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_as_the_format_says() {
        // Single units up to 2047, then steps of 2, 4, ….
        let layout = Layout::new(1, 3).unwrap();
        let bucket = |value| layout.bucket(layout.index_of(value), 1).unwrap();
        assert_eq!((bucket(0).from, bucket(0).to), (0, 0));
        assert_eq!((bucket(2047).from, bucket(2047).to), (2047, 2047));
        assert_eq!((bucket(2049).from, bucket(2049).to), (2048, 2049));
        assert_eq!((bucket(10_007).from, bucket(10_007).to), (10_000, 10_007));
        assert_eq!(layout.index_of(2047) + 1, layout.index_of(2048));
        assert_eq!(bucket(i64::MAX as u64).to, i64::MAX as u64);
        assert_eq!(layout.bucket(u64::MAX, 1), None);
    }

    #[test]
    fn a_coarse_unit_hides_small_values() {
        let layout = Layout::new(1_024, 2).unwrap();
        let bucket = layout.bucket(layout.index_of(1_500), 1).unwrap();
        assert_eq!((bucket.from, bucket.to), (1_024, 2_047));
        assert_eq!(Layout::new(0, 3), None);
        assert_eq!(Layout::new(1 << 60, 3), None);
        assert_eq!(Layout::new(1, 6), None);
    }
}
