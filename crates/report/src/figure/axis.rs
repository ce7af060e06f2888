//! Axes of time: where a value is, and where the ticks are.

/// How many times the smallest value the largest may be before an axis becomes logarithmic.
const LINEAR_UP_TO: f64 = 20.0;

/// An axis of time, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    /// Whether it is logarithmic.
    pub log: bool,
}

impl Axis {
    /// An axis that holds all values from `least` to `most`, logarithmic where they span more than 20 ×.
    pub fn over(least: f64, most: f64) -> Self {
        let least = least.min(most);
        if least > 0.0 && most / least > LINEAR_UP_TO {
            return Self { low: least / 1.15, high: most * 1.15, log: true };
        }
        // A single value still needs an axis with a length.
        let room = ((most - least) * 0.06).max(most.abs() * 0.01).max(1.0);
        Self { low: (least - room).max(0.0), high: most + room, log: false }
    }

    /// From `low` to `high` and no further, linear.
    pub fn between(low: f64, high: f64) -> Self {
        Self { low, high: high.max(low + 1.0), log: false }
    }

    /// From 0 to `most`, linear.
    pub fn from_zero(most: f64) -> Self {
        Self { low: 0.0, high: most.max(1.0), log: false }
    }

    /// An axis that holds values of either sign, linear.
    pub fn signed(least: f64, most: f64) -> Self {
        let room = ((most - least) * 0.06).max(f64::MIN_POSITIVE);
        Self { low: least - room, high: most + room, log: false }
    }

    /// A logarithmic axis that holds all values from `least` to `most`, over a factor of ten at least, so that it has ticks.
    pub fn log(least: f64, most: f64) -> Self {
        let low = least.min(most).max(f64::MIN_POSITIVE) / 1.15;
        Self { low, high: (most * 1.15).max(low * 10.0), log: true }
    }

    /// Its ends.
    pub fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Where a value is, from 0 to 1.
    pub fn place(&self, value: f64) -> f64 {
        let place = if self.log {
            (value.max(self.low).ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        };
        place.clamp(0.0, 1.0)
    }

    /// Round values within the axis, about `wanted` of them.
    pub fn ticks(&self, wanted: usize) -> Vec<f64> {
        if self.log { self.log_ticks(wanted) } else { self.linear_ticks(wanted) }
    }

    fn linear_ticks(&self, wanted: usize) -> Vec<f64> {
        let rough = (self.high - self.low) / wanted.max(1) as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|index| index as f64 * step).collect()
    }

    fn log_ticks(&self, wanted: usize) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let of = |factors: &[f64]| -> Vec<f64> {
            (first..=last)
                .flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)))
                .filter(|value| (self.low..=self.high).contains(value))
                .collect()
        };
        // The densest set that is not too dense.
        [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]]
            .into_iter()
            .map(of)
            .find(|ticks| ticks.len() <= wanted + 2)
            .unwrap_or_else(|| of(&[1.0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_follows_the_range() {
        assert!(!Axis::over(1e6, 20e6).log);
        assert!(Axis::over(1e6, 20.1e6).log);
        assert!(!Axis::over(0.0, 20e6).log);
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(Axis::from_zero(100.0).ticks(5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        let ticks: Vec<String> =
            Axis::over(2e6, 6e9).ticks(8).into_iter().map(|value| crate::value::tick("total_ns", value)).collect();
        assert_eq!(ticks, ["3 ms", "10 ms", "30 ms", "100 ms", "300 ms", "1 s", "3 s"]);
    }

    #[test]
    fn a_logarithmic_axis_has_ticks_also_for_one_value() {
        let axis = Axis::log(310.0, 310.0);
        assert_eq!(axis.ticks(5), [500.0, 1_000.0, 2_000.0]);
        assert!(axis.place(310.0) > 0.0 && axis.ends().0 < 310.0);
    }

    #[test]
    fn one_value_has_a_place() {
        let place = Axis::over(5.0, 5.0).place(5.0);
        assert!(place > 0.0 && place < 1.0);
    }
}
