//! Times of a stream of events: their distribution, what stalled, and how it went over time.

use isodyne_core::stats::Histogram;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Significant digits of the histogram.
const DIGITS: u8 = 3;
/// From these on a time is counted as a stall.
const STALLS_NS: [(u64, &str); 4] = [(10_000, "10us"), (100_000, "100us"), (1_000_000, "1ms"), (10_000_000, "10ms")];
/// Windows of the series over time.
const WINDOWS: usize = 512;

/// The times of one session.
#[derive(Clone, Debug)]
pub struct Distribution {
    histogram: Histogram,
    sum_ns: u64,
    stalls: [u64; STALLS_NS.len()],
    stalled_ns: u64,
    series: Vec<Window>,
    /// How many records a window holds; the last may hold fewer.
    per_window: u64,
    /// How many the last one holds.
    in_last: u64,
}

/// A part of the series.
#[derive(Clone, Debug)]
struct Window {
    /// When it began, from the session's first.
    at_ns: u64,
    count: u64,
    /// Of all its times; of joined windows to the digits of the histogram.
    median_ns: u64,
    max_ns: u64,
    /// So that the median of joined windows is that of their times.
    times: Histogram,
}

impl Distribution {
    /// Of nothing yet. `None` never comes: the digits are in range.
    pub fn new() -> Option<Self> {
        let histogram = Histogram::new(DIGITS)?;
        Some(Self {
            histogram,
            sum_ns: 0,
            stalls: [0; STALLS_NS.len()],
            stalled_ns: 0,
            series: Vec::new(),
            per_window: 1,
            in_last: 0,
        })
    }

    /// Counts times that followed each other from this moment on.
    pub fn record(&mut self, at_ns: u64, times_ns: &[u64]) {
        for time in times_ns {
            self.histogram.record(*time);
            self.sum_ns = self.sum_ns.saturating_add(*time);
            for (count, (from, _)) in self.stalls.iter_mut().zip(STALLS_NS) {
                *count += u64::from(*time >= from);
            }
            if *time >= STALLS_NS[0].0 {
                self.stalled_ns = self.stalled_ns.saturating_add(*time);
            }
        }
        let mut sorted = times_ns.to_vec();
        sorted.sort_unstable();
        let (Some(median_ns), Some(max_ns)) = (sorted.get((sorted.len().max(1) - 1) / 2), sorted.last()) else {
            return;
        };
        let Some(mut times) = Histogram::new(DIGITS) else { return };
        sorted.iter().for_each(|time| times.record(*time));
        let window = Window { at_ns, count: sorted.len() as u64, median_ns: *median_ns, max_ns: *max_ns, times };
        self.extend(window);
    }

    /// Windows hold the same number of records each: where they would be too many, two become one, and later ones take as
    /// many.
    fn extend(&mut self, window: Window) {
        if self.in_last < self.per_window
            && let Some(last) = self.series.last_mut()
        {
            self.in_last += 1;
            return last.join(&window);
        }
        if self.series.len() == 2 * WINDOWS {
            let mut windows = std::mem::take(&mut self.series).into_iter();
            while let (Some(mut first), Some(second)) = (windows.next(), windows.next()) {
                first.join(&second);
                self.series.push(first);
            }
            self.per_window *= 2;
        }
        self.series.push(window);
        self.in_last = 1;
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.histogram.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    /// All of them together.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// The buckets that are not empty: from, to, count.
    pub fn buckets(&self) -> Vec<[u64; 3]> {
        self.histogram.buckets().map(|bucket| [bucket.from, bucket.to, bucket.count]).collect()
    }

    /// A quantile.
    pub fn quantile_ns(&self, q: f64) -> Option<u64> {
        self.histogram.quantile(q)
    }

    /// The quantiles that the number of values supports, the extremes and the stalls, under names that begin with `name`.
    pub fn metrics(&self, name: &str, metrics: &mut BTreeMap<String, f64>) {
        self.quantiles(name, metrics);
        if let Some(min) = self.histogram.min() {
            metrics.insert(format!("{name}_min_ns"), min as f64);
            for (count, (_, word)) in self.stalls.iter().zip(STALLS_NS) {
                metrics.insert(format!("{name}_stalls_over_{word}_count"), *count as f64);
            }
            metrics.insert(format!("{name}_stalled_ratio"), self.stalled_ns as f64 / self.sum_ns.max(1) as f64);
        }
    }

    /// The quantiles that the number of values supports, and the largest value.
    pub fn quantiles(&self, name: &str, metrics: &mut BTreeMap<String, f64>) {
        for (quantile, word, least) in
            [(0.5, "p50", 1), (0.9, "p90", 29), (0.99, "p99", 299), (0.999, "p999", 2_995), (0.9999, "p9999", 29_956)]
        {
            // An upper bound of a quantile takes so many values (95 %).
            if let Some(value) = self.histogram.quantile(quantile).filter(|_| self.len() >= least) {
                metrics.insert(format!("{name}_{word}_ns"), value as f64);
            }
        }
        metrics.extend(self.histogram.max().map(|max| (format!("{name}_max_ns"), max as f64)));
    }

    /// Histogram and series as text, for the sample's log.
    pub fn log(&self, name: &str, log: &mut String) {
        // Writing to a string cannot fail.
        let _ = writeln!(log, "# {name}_ns: from, to, count");
        for bucket in self.histogram.buckets() {
            let _ = writeln!(log, "{} {} {}", bucket.from, bucket.to, bucket.count);
        }
        let _ = writeln!(log, "# {name}_series: at_ns, count, p50_ns, max_ns");
        for Window { at_ns, count, median_ns, max_ns, .. } in &self.series {
            let _ = writeln!(log, "{at_ns} {count} {median_ns} {max_ns}");
        }
    }
}

impl Window {
    /// Takes the next one in.
    fn join(&mut self, next: &Self) {
        // Both have the same digits.
        self.times.merge(&next.times);
        self.median_ns = self.times.quantile(0.5).unwrap_or(self.median_ns);
        self.max_ns = self.max_ns.max(next.max_ns);
        self.count += next.count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_are_counted_and_quantiles_need_values() {
        let mut distribution = Distribution::new().unwrap();
        let mut times = vec![200; 299];
        times.push(20_000);
        distribution.record(5, &times);
        let mut metrics = BTreeMap::new();
        distribution.metrics("round_trip", &mut metrics);
        assert_eq!(metrics["round_trip_p50_ns"], 200.0);
        assert_eq!(metrics["round_trip_max_ns"], 20_000.0);
        assert_eq!(
            (metrics["round_trip_stalls_over_10us_count"], metrics["round_trip_stalls_over_100us_count"]),
            (1.0, 0.0)
        );
        assert!((metrics["round_trip_stalled_ratio"] - 20_000.0 / 79_800.0).abs() < 1e-12);
        assert!(metrics.contains_key("round_trip_p99_ns") && !metrics.contains_key("round_trip_p999_ns"));
    }

    #[test]
    fn a_long_series_keeps_its_length_and_loses_no_maximum() {
        let mut distribution = Distribution::new().unwrap();
        for at in 0..10_000_u64 {
            distribution.record(at, &[100, 300, if at == 7_777 { 9_999 } else { 200 }]);
        }
        assert!((WINDOWS..=2 * WINDOWS).contains(&distribution.series.len()));
        assert_eq!(distribution.series.iter().map(|window| window.count).sum::<u64>(), 30_000);
        assert_eq!(distribution.series.iter().map(|window| window.max_ns).max(), Some(9_999));
        let mut log = String::new();
        distribution.log("round_trip", &mut log);
        assert!(log.contains("# round_trip_series") && log.contains("200 9999"));
    }

    #[test]
    fn the_median_of_joined_windows_is_that_of_their_times() {
        // Medians 1 and 1000 in turn. Of any that are joined, most times are 1000; the mean of medians would be less.
        let mut distribution = Distribution::new().unwrap();
        for at in 0..10 * WINDOWS as u64 {
            distribution.record(at, if at % 2 == 0 { &[1, 1, 1_000] } else { &[1_000; 9] });
        }
        let joined: Vec<_> = distribution.series.iter().filter(|window| window.count > 9).collect();
        assert!(joined.len() >= WINDOWS);
        assert!(joined.iter().all(|window| window.median_ns == 1_000), "{:?}", joined.first());
    }
}
