//! One metric, one phase: the figures of a comparison.

use super::sides::{Pairing, Sides};
use super::{Change, Direction, MetricComparison, PhaseComparison, direction};
use crate::columns::CellColumns;
use crate::stats::{Level, benjamini_hochberg, detectable};
use crate::unit::unit_of_metric;

/// The probability with which the minimum detectable effect would have been found.
pub(crate) const POWER: f64 = 0.9;
/// The false-discovery rate over all metrics and cells that are compared.
pub(super) const DISCOVERY: f64 = 0.05;
/// The metric that holds what the phases leave of the total.
const RESIDUE_METRIC: &str = "residue_ns";

/// The two sides of a metric; `None` if one of them has no value, or no relative change means anything.
pub(crate) fn sides(
    pairing: Option<&Pairing>,
    baseline: &CellColumns,
    candidate: &CellColumns,
    metric: &str,
) -> Option<Sides> {
    let (one, other) = (baseline.metrics.get(metric)?, candidate.metrics.get(metric)?);
    match pairing {
        Some(pairing) => Sides::paired(pairing, one, other),
        None => Sides::separate(baseline.counting(one), candidate.counting(other)),
    }
}

/// Everything about a metric but the correction for many; see [`decide`].
pub(super) fn metric(
    name: &str,
    sides: &Sides,
    incomplete: u64,
    margin: f64,
    level: Level,
) -> Option<MetricComparison> {
    let shift = sides.shift(level.confidence());
    let [baseline_p50, candidate_p50] = sides.quantiles(0.5)?;
    let scale = sides.scale;
    // Too few for an interval: the ratio of the medians is all there is.
    let change = match shift {
        Some(shift) => scale.change(shift.value),
        None => sides.shift(0.5).map_or(candidate_p50 / baseline_p50 - 1.0, |shift| scale.change(shift.value)),
    };
    Some(MetricComparison {
        metric: name.to_owned(),
        unit: unit_of_metric(name).to_owned(),
        direction: direction(name),
        design: sides.design,
        n: sides.n() as u64,
        incomplete,
        baseline_p50,
        candidate_p50,
        change,
        change_ci95: shift.map(|shift| [scale.change(shift.low), scale.change(shift.high)]),
        p_value: sides.p_value(),
        p_adjusted: None,
        minimum_detectable: shift
            .and_then(|shift| detectable(&shift, level.confidence(), POWER))
            .map(|effect| scale.change(effect)),
        margin,
        verdict: Change::Unclear,
    })
}

/// Corrects the p-values of all that was compared for their number (Benjamini–Hochberg), and decides.
pub(super) fn decide<'a>(all: impl Iterator<Item = &'a mut MetricComparison>, level: Level) {
    let mut all: Vec<&mut MetricComparison> = all.collect();
    let p_values: Vec<f64> = all.iter().map(|one| one.p_value.unwrap_or(f64::NAN)).collect();
    for (one, adjusted) in all.iter_mut().zip(benjamini_hochberg(&p_values)) {
        one.p_adjusted = Some(adjusted).filter(|p| p.is_finite());
        one.verdict = verdict(one, level);
    }
}

fn verdict(one: &MetricComparison, level: Level) -> Change {
    let (Some([low, high]), Some(p)) = (one.change_ci95, one.p_adjusted) else { return Change::Unclear };
    if low > -one.margin && high < one.margin {
        return Change::Same;
    }
    let rose = low > 0.0;
    if p > level.error(DISCOVERY) || (!rose && high >= 0.0) {
        return Change::Unclear;
    }
    if rose == (one.direction == Direction::HigherIsBetter) { Change::Better } else { Change::Worse }
}

/// The share of a phase's change in the change of the total.
pub(super) fn share(change_ns: f64, total_change_ns: Option<f64>) -> Option<f64> {
    total_change_ns.filter(|total| *total != 0.0).map(|total| change_ns / total)
}

/// The phases of the ledger that surely moved, the largest change first, the residue among them.
pub(crate) fn phases(
    pairing: Option<&Pairing>,
    baseline: &CellColumns,
    candidate: &CellColumns,
    total_change_ns: Option<f64>,
    level: Level,
) -> Vec<PhaseComparison> {
    let phases = baseline.phases.iter().filter_map(|(name, phase)| {
        Some((name.as_str(), [phase.lengths_ns.as_slice(), candidate.phases.get(name)?.lengths_ns.as_slice()]))
    });
    let residues = baseline.metrics.get(RESIDUE_METRIC).zip(candidate.metrics.get(RESIDUE_METRIC));
    let residue = residues.map(|(one, other)| ("residue", [one.as_slice(), other.as_slice()]));
    let compared: Vec<(&str, Sides)> = phases
        .chain(residue)
        .map(|(name, columns)| (name, Sides::plain(pairing, baseline, candidate, columns)))
        .collect();
    let p_values: Vec<f64> = compared.iter().map(|(_, sides)| sides.p_value().unwrap_or(f64::NAN)).collect();
    let mut moved: Vec<PhaseComparison> = compared
        .iter()
        .zip(benjamini_hochberg(&p_values))
        // The test costs little, the shift with its interval much.
        .filter(|(_, adjusted)| *adjusted <= level.error(DISCOVERY))
        .filter_map(|((name, sides), _)| {
            let shift = sides.shift(level.confidence())?;
            let sure = shift.low > 0.0 || shift.high < 0.0;
            sure.then(|| PhaseComparison {
                phase: (*name).to_owned(),
                change_ns: shift.value,
                change_ci95_ns: Some([shift.low, shift.high]),
                share: share(shift.value, total_change_ns),
            })
        })
        .collect();
    moved.sort_by(|one, other| other.change_ns.abs().total_cmp(&one.change_ns.abs()));
    moved
}
