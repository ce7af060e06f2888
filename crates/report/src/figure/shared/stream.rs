//! What was timed many times in each sample: one stream for each cell and kind of time.

use super::cells;
use crate::escape::plain;
use crate::prepared::Prepared;
use crate::text::trend::letter;
use crate::value::time;
use isodyne_core::stats::carries_upper_bound;
use isodyne_core::streams::Latencies;
use isodyne_core::summary::below_resolution;
use isodyne_core::unit::DisplayNs;

/// More streams are not drawn: nobody could follow them.
const MOST: usize = 48;
/// The metric whose name says how times are shown.
pub(super) const TRIP: &str = "round_trip_ns";

/// One kind of time of a cell.
pub(super) struct Stream<'a> {
    /// What it is of.
    pub label: String,
    /// What it is marked with: curves are told apart without colour.
    pub letter: String,
    /// The place of its cell: what hides it, and its colour.
    pub cell: usize,
    /// Its dash pattern.
    pub dash: usize,
    /// Whether the auditor says that its cell cannot be believed.
    pub void: bool,
    /// How many samples' logs are in it.
    pub logs: u64,
    /// How many valid samples the cell has.
    pub samples: u64,
    /// The times.
    pub latencies: &'a Latencies,
}

/// The streams that are drawn, and how many there are.
pub(super) struct Streams<'a> {
    pub shown: Vec<Stream<'a>>,
    pub there: usize,
}

impl Streams<'_> {
    /// What is said of those that are not drawn; nothing if all are.
    pub fn left_out(&self) -> String {
        if self.there > self.shown.len() {
            format!(
                " {} of {} are drawn; `isodyne show --json` has the quantiles of all.",
                self.shown.len(),
                self.there
            )
        } else {
            String::new()
        }
    }

    /// The least and the greatest time of all, as an axis wants them.
    pub fn range(&self) -> Option<(f64, f64)> {
        let least = self.shown.iter().filter_map(|one| one.latencies.histogram.min()).min()?;
        let most = self.shown.iter().filter_map(|one| one.latencies.histogram.max()).max()?;
        Some((least.max(1) as f64, most.max(1) as f64))
    }
}

impl Stream<'_> {
    /// How many times there are.
    pub fn n(&self) -> u64 {
        self.latencies.histogram.len()
    }

    /// A quantile, if there are enough times for it.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.latencies
            .histogram
            .quantile(q)
            .filter(|_| q <= 0.5 || carries_upper_bound(self.n(), q))
            .map(|ns| ns as f64)
    }

    /// Its label, with the word that must not be missed.
    pub fn said(&self) -> String {
        if self.void { format!("✕ void: {}", self.label) } else { self.label.clone() }
    }

    /// How many samples are in it: `5 samples`, `4 of 5 samples`.
    pub fn said_samples(&self) -> String {
        if self.logs == self.samples {
            crate::value::count(self.logs, "sample")
        } else {
            format!("{} of {}", self.logs, crate::value::count(self.samples, "sample"))
        }
    }
}

/// Times under so many steps of the clock are below its resolution.
const STEPS: u64 = 20;

/// The least time that the clock can tell.
pub(super) fn resolution(step: Option<u64>) -> Option<f64> {
    step.map(|step| step.saturating_mul(STEPS) as f64)
}

/// A time where there is little room: `< 640 ns` is below resolution.
pub(super) fn short(ns: f64, step: Option<u64>) -> String {
    match resolution(step) {
        Some(least) if below_resolution(ns, step) => format!("< {}", DisplayNs(least)),
        _ => time(ns, step),
    }
}

/// What is said of the line at the resolution.
pub(super) const RESOLUTION_SAID: &str =
    " The dotted line is at 20 steps of the clock: what is shorter is below resolution.";

/// Places of letters, so that none lies on another.
#[derive(Default)]
pub(super) struct Marks(Vec<(f64, f64)>);

impl Marks {
    /// The first of these places that is free, or the first if none is.
    pub fn place(&mut self, places: impl Iterator<Item = (f64, f64)>) -> Option<(f64, f64)> {
        let places: Vec<(f64, f64)> = places.collect();
        let free = |at: &&(f64, f64)| {
            self.0.iter().all(|other| (at.0 - other.0).abs() > 17.0 || (at.1 - other.1).abs() > 11.5)
        };
        let found = *places.iter().find(free).or(places.first())?;
        self.0.push(found);
        Some(found)
    }
}

/// The streams of a run, in the order of its cells.
pub(super) fn streams<'a>(run: &Prepared<'a>) -> Streams<'a> {
    let Some(read) = run.view.streams else { return Streams { shown: Vec::new(), there: 0 } };
    let mut shown = Vec::new();
    let mut there = 0;
    for cell in cells(run) {
        let Some(found) = read.cells.get(&cell.summary.cell.id) else { continue };
        let mut named: Vec<_> = found.latencies.iter().filter(|(_, one)| !one.histogram.is_empty()).collect();
        named.sort_by_key(|(name, _)| name.as_str() != "round_trip");
        for (number, (name, latencies)) in named.into_iter().enumerate() {
            there += 1;
            if shown.len() >= MOST {
                continue;
            }
            let label = match name.as_str() {
                "round_trip" => cell.label.clone(),
                "two_phase_round_trip" => format!("{} (two-phase beside)", cell.label),
                other => format!("{} ({})", cell.label, plain(other)),
            };
            shown.push(Stream {
                label,
                letter: letter(shown.len()),
                cell: cell.series,
                dash: cell.series + number,
                void: run.is_void(cell),
                logs: found.logs,
                samples: cell.summary.samples_valid,
                latencies,
            });
        }
    }
    Streams { shown, there }
}
