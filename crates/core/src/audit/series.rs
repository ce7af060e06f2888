//! A series: one metric of one cell, with the few figures that rules ask for again and again.

use super::word::has_word;
use crate::cell::{BenchmarkName, Cell};
use crate::columns::CellColumns;
use crate::factor::FactorValue;
use crate::stats::{Sorted, mean, sample_stddev};
use crate::unit::{display_metric, unit_of_metric};

/// Longer series of our own are thinned.
const MOST_VALUES: usize = 50_000;

/// What a metric is, by the unit in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Time,
    ByteRate,
    Rate,
    Bytes,
    Ratio,
    Count,
}

/// The kind of a metric.
pub(super) fn kind_of(metric: &str) -> Kind {
    match unit_of_metric(metric) {
        "ns" => Kind::Time,
        "B/s" => Kind::ByteRate,
        "1/s" => Kind::Rate,
        "B" => Kind::Bytes,
        "ratio" => Kind::Ratio,
        _ => Kind::Count,
    }
}

/// One metric of one cell over the samples that count.
pub(super) struct Series<'a> {
    pub cell: &'a Cell,
    pub columns: &'a CellColumns,
    pub metric: &'a str,
    pub kind: Kind,
    /// In the order in which they were taken; never empty. Of very long series of our own, evenly spaced ones: what a
    /// rule looks for shows in [`MOST_VALUES`] as well as in millions.
    pub values: Vec<f64>,
    pub sorted: Sorted,
    pub mean: f64,
    /// 0 for a single value.
    pub stddev: f64,
    /// Of all values.
    least: f64,
    most: f64,
}

impl<'a> Series<'a> {
    pub fn new(cell: &'a Cell, columns: &'a CellColumns, metric: &'a str) -> Option<Self> {
        let mut values = columns.values(metric);
        let ends = |ends: (f64, f64), value: &f64| (ends.0.min(*value), ends.1.max(*value));
        let (least, most) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), ends);
        // Stated figures are held against all samples; only imported runs have any.
        if values.len() > MOST_VALUES && cell.benchmark != BenchmarkName::Imported {
            values = values.iter().step_by(values.len().div_ceil(MOST_VALUES)).copied().collect();
        }
        let mean = mean(&values)?;
        let stddev = sample_stddev(&values).unwrap_or(0.0);
        let sorted = Sorted::new(values.iter().copied())?;
        Some(Self { cell, columns, metric, kind: kind_of(metric), values, sorted, mean, stddev, least, most })
    }

    pub fn n(&self) -> usize {
        self.values.len()
    }
    pub fn min(&self) -> f64 {
        self.least
    }
    pub fn max(&self) -> f64 {
        self.most
    }
    pub fn quantile(&self, q: f64) -> f64 {
        self.sorted.quantile(q).unwrap_or(f64::NAN)
    }
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }
    pub fn constant(&self) -> bool {
        self.min() == self.max()
    }
    /// A value of this series for people.
    pub fn show(&self, value: f64) -> String {
        display_metric(self.metric, value)
    }
    /// How often values are exactly equal to another of the series, as a share of all.
    pub fn ties(&self) -> f64 {
        let same = self.sorted.as_slice().windows(2).filter(|pair| pair[0] == pair[1]).count();
        same as f64 / self.n() as f64
    }
    /// A time that somebody waited for, not one that an accounting counted or the lab spent on itself.
    pub fn is_elapsed(&self) -> bool {
        self.kind == Kind::Time
            && !has_word(self.metric, &["cpu", "user", "sys", "system", "lab", "residue", "resolution", "steal"])
    }
    /// The amount of work that the cell states (`file_size`, `bytes`), and the key that states it. Memory given to a
    /// sandbox is no amount of work.
    pub fn size(&self) -> Option<(&'a str, f64)> {
        size_of(self.cell)
    }
    /// Evenly spaced values, at most `most`, for criteria that do not get better with more.
    pub fn thinned(&self, most: usize) -> Vec<f64> {
        let step = self.n().div_ceil(most).max(1);
        self.values.iter().step_by(step).copied().collect()
    }
}

/// The amount of work that a cell states in its factors.
pub(super) fn size_of(cell: &Cell) -> Option<(&str, f64)> {
    cell.factors.iter().filter(|(key, _)| is_size(key)).find_map(|(key, value)| Some((key.as_str(), amount(value)?)))
}

/// Whether a factor's key is about an amount of work.
pub(super) fn is_size(key: &str) -> bool {
    has_word(key, &["size", "bytes", "payload", "length"])
        && !has_word(key, &["memory", "ram", "mem", "rss", "pss", "private", "pool", "ivshmem"])
}

/// A factor as a number of bytes; a text such as `100M` is read in binary units, since sizes of test files are.
pub(super) fn amount(value: &FactorValue) -> Option<f64> {
    match value {
        FactorValue::Bytes(bytes) => Some(*bytes as f64),
        FactorValue::Count(count) => Some(*count as f64),
        FactorValue::Text(text) => {
            let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
            let number: f64 = text[..digits].parse().ok()?;
            let unit = match text[digits..].trim() {
                "" | "B" => 1.0,
                "k" | "K" | "KiB" => 1024.0,
                "kB" | "KB" => 1e3,
                "M" | "MiB" => 1_048_576.0,
                "MB" => 1e6,
                "G" | "GiB" => 1_073_741_824.0,
                "GB" => 1e9,
                _ => return None,
            };
            Some(number * unit)
        }
        _ => None,
    }
}

/// The largest step of which all values are whole multiples, among 1, 2 and 5 times powers of ten: how finely they were
/// written down. `None` for fewer than 5 different values or if they are finer than 1e-7 of the largest.
pub(super) fn written_step(sorted: &[f64]) -> Option<f64> {
    let distinct = sorted.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let largest = sorted.last()?.abs();
    if distinct < 5 || largest <= 0.0 {
        return None;
    }
    let top = largest.log10().floor() as i32;
    let steps = (top - 7..=top).rev().flat_map(|power| [5.0, 2.0, 1.0].map(|digit| digit * 10f64.powi(power)));
    steps.into_iter().find(|step| {
        sorted.iter().all(|value| {
            let multiple = value / step;
            (multiple - multiple.round()).abs() < 1e-6 * multiple.abs().max(1.0)
                && (multiple - multiple.round()).abs() < 1e-3
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_step_is_found() {
        let hundredths = [0.74e9, 0.75e9, 0.76e9, 0.77e9, 0.79e9, 0.80e9];
        assert_eq!(written_step(&hundredths), Some(1e7));
        assert_eq!(written_step(&[1.000_000_01, 2.1, 3.123_456_78, 4.3, 5.7, 6.9]), None);
        assert_eq!(written_step(&[1.0, 1.0, 2.0]), None);
    }

    #[test]
    fn amounts_of_work_are_read() {
        assert_eq!(amount(&FactorValue::Text("100M".into())), Some(104_857_600.0));
        assert_eq!(amount(&FactorValue::Text("4K frame".into())), None);
        assert!(is_size("file_size") && is_size("test_size_bytes"));
        assert!(!is_size("memory_size") && !is_size("ram") && !is_size("frame_type"));
    }
}
