//! Sorted values, their quantiles and their empirical distribution.

use super::radix::sort_keys;

/// The type of every quantile that is printed as a point, in the numbering of Hyndman and Fan.
pub const QUANTILE_TYPE: u8 = 7;

/// Finite values in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sorted(Vec<f64>);

impl Sorted {
    /// Sorts the values. `None` if one of them is not finite: such a value has no place in an order.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut finite = true;
        let key = |value: f64| {
            finite &= value.is_finite();
            key(value)
        };
        // As integers, which sort faster than numbers that may be NaN.
        let mut keys: Vec<u64> = values.into_iter().map(key).collect();
        if !finite {
            return None;
        }
        sort_keys(&mut keys);
        Some(Self(keys.into_iter().map(from_key).collect()))
    }

    /// The same values on another scale, by a function that never falls.
    pub(crate) fn on_scale(&self, scale: impl Fn(f64) -> f64) -> Option<Self> {
        // What rounding has turned is turned back.
        Self::new(self.0.iter().map(|value| scale(*value)))
    }

    /// The values, ascending.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }

    /// The `q`-quantile of type 7: linear between the order statistics at (n − 1)·q. `None` of nothing, or for a `q`
    /// outside [0, 1].
    ///
    /// Source: R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", Am. Stat. 50 (1996) 361–365,
    /// definition 7; the default of R, NumPy and Excel's PERCENTILE.INC.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if !(0.0..=1.0).contains(&q) {
            return None;
        }
        let last = self.0.len().checked_sub(1)?;
        let position = last as f64 * q;
        let below = (position.floor() as usize).min(last);
        let above = (below + 1).min(last);
        let part = position - below as f64;
        Some(self.0[below] + part * (self.0[above] - self.0[below]))
    }
}

/// An integer that orders as `f64::total_cmp` does: the sign bit of positive numbers is set, all bits of negative ones are
/// turned.
pub(super) fn key(value: f64) -> u64 {
    let bits = value.to_bits();
    bits ^ ((bits.cast_signed() >> 63).cast_unsigned() | 1 << 63)
}

pub(super) fn from_key(key: u64) -> f64 {
    f64::from_bits(key ^ (((!key).cast_signed() >> 63).cast_unsigned() | 1 << 63))
}

/// The steps of the empirical distribution function: each distinct value with the share of values at or below it.
pub fn ecdf_points(values: &Sorted) -> Vec<(f64, f64)> {
    let n = values.0.len() as f64;
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (index, value) in values.0.iter().enumerate() {
        let share = (index + 1) as f64 / n;
        match points.last_mut() {
            Some(last) if last.0 == *value => last.1 = share,
            _ => points.push((*value, share)),
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_agrees_with_numpy() {
        // Reference: numpy 2.4.6, `numpy.quantile(x, q)` (its default is type 7).
        let values = Sorted::new([2.1, 3.4, 1.9, 8.8, 2.2, 2.5, 2.4, 9.1, 2.0, 2.3]).unwrap();
        for (q, expected) in
            [(0.0, 1.9), (0.1, 1.99), (0.25, 2.125), (0.5, 2.35), (0.9, 8.83), (0.99, 9.073), (1.0, 9.1)]
        {
            let found = values.quantile(q).unwrap();
            assert!((found - expected).abs() < 1e-12, "q = {q}: {found}");
        }
    }

    #[test]
    fn keys_order_as_numbers_do() {
        let numbers = [-f64::MAX, -1.5, -f64::MIN_POSITIVE, -0.0, 0.0, 1.0, 1.0 + f64::EPSILON, f64::MAX];
        assert!(numbers.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert!(numbers.iter().all(|number| from_key(key(*number)).to_bits() == number.to_bits()));
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(Sorted::default().quantile(0.5), None);
        assert_eq!(Sorted::new([1.0]).unwrap().quantile(1.5), None);
        assert_eq!(Sorted::new([1.0, f64::NAN]), None);
    }

    #[test]
    fn equal_values_make_one_step() {
        let points = ecdf_points(&Sorted::new([3.0, 1.0, 3.0, 2.0]).unwrap());
        assert_eq!(points, [(1.0, 0.25), (2.0, 0.5), (3.0, 1.0)]);
    }

    proptest! {
        #[test]
        fn quantiles_are_monotone_and_inside(
            values in prop::collection::vec(-1e12_f64..1e12, 1..200), a in 0.0_f64..=1.0, b in 0.0_f64..=1.0,
        ) {
            let sorted = Sorted::new(values).unwrap();
            let (low, high) = (a.min(b), a.max(b));
            let (first, second) = (sorted.quantile(low).unwrap(), sorted.quantile(high).unwrap());
            // Interpolation may round in the last place.
            prop_assert!(first <= second + second.abs() * 1e-12);
            prop_assert!(sorted.quantile(0.0).unwrap() <= first && second <= sorted.quantile(1.0).unwrap());
        }

        #[test]
        fn the_distribution_function_rises_to_one(values in prop::collection::vec(-100_i32..100, 1..200)) {
            let points = ecdf_points(&Sorted::new(values.into_iter().map(f64::from)).unwrap());
            prop_assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
            prop_assert_eq!(points.last().unwrap().1, 1.0);
        }
    }
}
