//! What the calibration says that this host can copy, and the rates that are held against it.

use super::cells;
use crate::figure::drawing::{Drawing, Words};
use crate::figure::ink::Ink;
use crate::prepared::{Prepared, ShownCell};
use isodyne_core::calibration::LimitKind;
use isodyne_core::summary::MetricSummary;
use isodyne_core::unit::DisplayBytes;

/// The fastest copy of one level of the memory.
pub(super) struct Ceiling {
    /// `L1`, `memory`.
    pub level: &'static str,
    /// The fastest trial, in bytes a second: what the auditor holds rates against.
    pub best: f64,
    /// The median trial.
    pub typical: f64,
}

/// The ceilings that the run knows, the nearest level first.
pub(super) fn ceilings(run: &Prepared<'_>) -> Vec<Ceiling> {
    let Some(calibration) = &run.view.record.calibration else { return Vec::new() };
    let levels = [
        ("L1", "memcpy_l1_bytes_per_s"),
        ("L2", "memcpy_l2_bytes_per_s"),
        ("L3", "memcpy_l3_bytes_per_s"),
        ("4K frame", "memcpy_4k_frame_bytes_per_s"),
        ("memory", "memcpy_dram_bytes_per_s"),
    ];
    let known = levels.into_iter().filter_map(|(level, name)| {
        let limit = calibration.limit(name).filter(|limit| limit.kind == LimitKind::Ceiling)?;
        let sound = [limit.best, limit.typical].iter().all(|rate| rate.is_finite() && *rate > 0.0);
        sound.then_some(Ceiling { level, best: limit.best, typical: limit.typical })
    });
    known.collect()
}

/// What is said of the ceilings below a figure.
pub(super) fn said(ceilings: &[Ceiling]) -> &'static str {
    if ceilings.is_empty() {
        " The run has no calibration, so that there is no ceiling to draw: `isodyne calibrate` measures it."
    } else {
        " The dashed lines are the ceilings of the calibration: the fastest copy of one thread within each level of \
         cache, of a 4K frame that was just read, and in memory; the band below each begins at its median trial."
    }
}

/// A kind of rate: its metric, its name, and its shape.
#[derive(Clone, Copy)]
pub(super) struct Rate {
    pub metric: &'static str,
    pub name: &'static str,
    pub shape: Shape,
    /// Its place among the colours.
    pub series: usize,
}

/// Shapes differ where colours may not.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Dot,
    Ring,
    Triangle,
    Box,
    Cross,
}

pub(super) const RATES: [Rate; 5] = [
    Rate { metric: "copy_in_bytes_per_s", name: "copy in", shape: Shape::Dot, series: 0 },
    Rate { metric: "copy_out_bytes_per_s", name: "copy out", shape: Shape::Ring, series: 1 },
    Rate { metric: "check_bytes_per_s", name: "check", shape: Shape::Triangle, series: 2 },
    Rate { metric: "frame_bytes_per_s", name: "frame, end to end", shape: Shape::Box, series: 6 },
    Rate { metric: "stream_bytes_per_s", name: "stream", shape: Shape::Cross, series: 3 },
];

/// What is said of the rates below a figure.
pub(super) const RATES_SAID: &str = "Copy in is the asking side's copy into the slot alone; frame, end to end, also has \
     the notification and the answer, which comes after the other side's copy out and check; stream keeps every slot under \
     way. Copy out and check are by the other side's clock. Each mark is the median of the valid samples, a stroke goes from \
     the least to the greatest of them.";

impl Rate {
    /// Its figures in a cell.
    pub fn of<'a>(&self, cell: &'a ShownCell<'_>) -> Option<&'a MetricSummary> {
        cell.summary.metrics.get(self.metric).filter(|found| found.p50 > 0.0 && found.min > 0.0)
    }

    /// Draws its shape.
    pub fn mark(&self, drawing: &mut Drawing, at: (f64, f64), title: &str) {
        let ink = Ink::Series(self.series);
        match self.shape {
            Shape::Dot => drawing.dot(at, 3.8, ink, title),
            Shape::Ring => drawing.ring(at, 3.8, ink, title),
            Shape::Triangle => drawing.beyond(at, ink, 0.95, title),
            Shape::Box => drawing.bar((at.0 - 3.4, at.1 - 3.4), (6.8, 6.8), ink, false, title),
            Shape::Cross => drawing.cross(at, 3.6, ink, title),
        }
    }
}

/// A line with the shapes and what they are, at this height.
pub(super) fn key(drawing: &mut Drawing, y: f64) {
    let mut x = 8.0;
    for rate in RATES {
        rate.mark(drawing, (x, y - 4.0), "");
        let words = Words::new(Ink::Text, crate::figure::drawing::Anchor::Start);
        drawing.words((x + 9.0, y), words, rate.name);
        x += 9.0 + 6.6 * rate.name.chars().count() as f64 + 26.0;
    }
}

/// The cells of the benchmark with a rate, and how large their frames are.
pub(super) fn with_rates<'r, 'a>(run: &'r Prepared<'a>) -> Vec<(&'r ShownCell<'a>, u64)> {
    let sized = cells(run).filter_map(|cell| {
        let bytes = cell.summary.cell.factors.get("frame")?.as_bytes().filter(|bytes| *bytes > 0)?;
        RATES.iter().any(|rate| rate.of(cell).is_some()).then_some((cell, bytes))
    });
    sized.collect()
}

/// A rate on an axis: `8 GiB/s`.
pub(super) fn rate_label(value: f64) -> String {
    format!("{}/s", size_label(value))
}

/// A size without digits that say nothing: `64 B`, `23.7 MiB`.
pub(super) fn size_label(value: f64) -> String {
    let text = DisplayBytes(value).to_string();
    let Some((number, unit)) = text.split_once(' ') else { return text };
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{number} {unit}")
}

/// Powers of two between two values, about `wanted` of them: ticks of bytes.
pub(super) fn ticks((low, high): (f64, f64), wanted: usize) -> Vec<f64> {
    if !(low > 0.0 && high.is_finite() && low < high) {
        return Vec::new();
    }
    let (first, last) = (low.log2().ceil() as i32, high.log2().floor() as i32);
    let steps = [1, 2, 5, 10, 20];
    let step = steps.into_iter().find(|step| (last - first) / step < wanted as i32).unwrap_or(40);
    // Round ones: multiples of the step, so that a figure with GiB has 1 GiB.
    (first..=last).filter(|power| power.rem_euclid(step) == 0).map(|power| 2_f64.powi(power)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_powers_of_two() {
        let labels = |ends, wanted| ticks(ends, wanted).into_iter().map(rate_label).collect::<Vec<_>>();
        assert_eq!(labels((0.9e9, 20e9), 6), ["1 GiB/s", "2 GiB/s", "4 GiB/s", "8 GiB/s", "16 GiB/s"]);
        assert_eq!(labels((1e6, 20e9), 6), ["1 MiB/s", "32 MiB/s", "1 GiB/s"]);
        assert!(ticks((0.0, 1.0), 5).is_empty() && ticks((2.0, 1.0), 5).is_empty());
        assert_eq!((size_label(24_883_200.0), size_label(100.0)), ("23.7 MiB".to_owned(), "100 B".to_owned()));
    }
}
