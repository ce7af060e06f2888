//! Figures of the benchmark `shm`: round trips and frames through shared memory.
//!
//! Round trips are drawn from the counts in the samples' logs, all logs of a cell together. Nothing is smoothed.

mod bandwidth;
mod bins;
mod ceilings;
mod cores;
mod distribution;
mod histograms;
mod legend;
mod over_time;
mod percentiles;
mod phases;
mod rates;
mod stream;

use super::finished::Figure;
use super::ink::Paint;
use crate::prepared::{Prepared, ShownCell};
use isodyne_core::cell::BenchmarkName;

/// All figures of shared memory that there is something for.
pub(super) fn shared(run: &Prepared<'_>, paint: Paint) -> Vec<Figure> {
    if cells(run).next().is_none() {
        return Vec::new();
    }
    let streams = stream::streams(run);
    let all = [
        distribution::distribution(run, &streams, paint),
        percentiles::percentiles(run, &streams, paint),
        histograms::histograms(run, &streams, paint),
        over_time::over_time(run, &streams, paint),
        bandwidth::bandwidth(run, paint),
        rates::rates(run, paint),
        phases::phases(run, paint),
        cores::cores(run, paint),
    ];
    all.into_iter().flatten().collect()
}

/// The cells of the benchmark that have samples.
fn cells<'r, 'a>(run: &'r Prepared<'a>) -> impl Iterator<Item = &'r ShownCell<'a>> {
    run.cells.iter().filter(|cell| cell.summary.cell.benchmark == BenchmarkName::Shm && cell.has_samples())
}
