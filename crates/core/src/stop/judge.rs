//! The decision of one look, from the values so far.

use super::{Goal, LookRecord, StopRule};
use crate::cell::CellId;
use crate::compare::sides::{Pairing, Sides};
use crate::stats::{Level, Sorted, Step, benjamini_hochberg, series_interval};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The values of the rule's metric by cell: round and value of every sample that counts, in the order of the rounds.
pub type Values = BTreeMap<CellId, Vec<(u32, f64)>>;

/// The cell that is furthest from what is wanted, or was at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// The cell, or the variant of a pair.
    pub cell: CellId,
    /// Of a precision: half the width of the interval, as a share of the median. Absent where there is no interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_width: Option<f64>,
    /// Of a decision: the p-value of "no change", corrected for the number of variants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Of a decision: the interval of the relative change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<[f64; 2]>,
}

/// What one cell or pair says: how far it is from sure (above 1: not there yet), and with which figures.
struct Opinion {
    distance: f64,
    figures: Pending,
}

/// Judges the cells at a look, by its index, with the values up to a round; `None` if the rule has no such look.
///
/// `cells` are those that have not been given up; with none of them nothing is sure.
pub fn judge(rule: &StopRule, look: usize, cells: &[CellId], values: &Values, round: u32) -> Option<LookRecord> {
    let after = *rule.looks.get(look)?;
    let level = rule.level(look);
    let upto = |cell: &CellId| values.get(cell).map_or(&[][..], |all| until(all, round));
    let opinions: Vec<Opinion> = match rule.goal {
        Goal::Precision(wanted) => cells.iter().map(|cell| precision(cell, upto(cell), wanted, level)).collect(),
        Goal::Decide { margin } => {
            let base = |cell: &CellId| cells.iter().find(|other| other.as_str() == cell.base()).cloned();
            let variants = cells.iter().filter(|cell| cell.as_str() != cell.base());
            let pairs: Vec<(&CellId, Option<Sides>)> =
                variants.filter_map(|cell| Some((cell, paired(upto(&base(cell)?), upto(cell))))).collect();
            decisions(rule, after, &pairs, margin, level)
        }
    };
    let open = opinions.iter().filter(|opinion| !is_there(opinion)).count();
    let sure = open == 0 && !opinions.is_empty();
    let samples = cells.iter().map(|cell| upto(cell).len()).min().unwrap_or(0);
    let furthest = opinions.into_iter().max_by(|one, other| one.distance.total_cmp(&other.distance));
    Some(LookRecord {
        after,
        samples: u32::try_from(samples).unwrap_or(u32::MAX),
        round,
        share: level.share(),
        open: u32::try_from(open).unwrap_or(u32::MAX),
        furthest: furthest.map(|opinion| opinion.figures),
        sure,
    })
}

fn is_there(opinion: &Opinion) -> bool {
    opinion.distance <= 1.0
}

/// The values up to and with a round.
fn until(values: &[(u32, f64)], round: u32) -> &[(u32, f64)] {
    &values[..values.partition_point(|(of, _)| *of <= round)]
}

fn precision(cell: &CellId, values: &[(u32, f64)], wanted: f64, level: Level) -> Opinion {
    let series: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
    let half_width = Sorted::new(series.iter().copied()).and_then(|sorted| {
        let interval = series_interval(&series, &sorted, 0.5, level.confidence())?;
        let share = (interval.high - interval.low) / 2.0 / sorted.quantile(0.5)?.abs();
        share.is_finite().then_some(share)
    });
    let distance = half_width.map_or(f64::INFINITY, |half| half / wanted);
    let distance = if distance.is_nan() { f64::INFINITY } else { distance };
    Opinion { distance, figures: Pending { cell: cell.clone(), half_width, p_value: None, change: None } }
}

/// The values of two cells that share a round.
fn paired(baseline: &[(u32, f64)], candidate: &[(u32, f64)]) -> Option<Sides> {
    let place = |round: u32| baseline.binary_search_by_key(&round, |(of, _)| *of).ok();
    let both = candidate.iter().enumerate();
    let rows = both.filter_map(|(row, (round, _))| Some((place(*round)?, row))).collect();
    let column = |values: &[(u32, f64)]| -> Vec<f64> { values.iter().map(|(_, value)| *value).collect() };
    Sides::paired(&Pairing { rows, incomplete: 0 }, &column(baseline), &column(candidate))
}

/// A difference is sure when the test says so at the level of the look, corrected for the number of variants, or when its
/// interval lies within the margin.
fn decisions(
    rule: &StopRule,
    after: u32,
    pairs: &[(&CellId, Option<Sides>)],
    margin: f64,
    level: Level,
) -> Vec<Opinion> {
    let p_of = |sides: &Option<Sides>| sides.as_ref().and_then(Sides::p_value).unwrap_or(f64::NAN);
    let p_values: Vec<f64> = pairs.iter().map(|(_, sides)| p_of(sides)).collect();
    let looks = rule.looks();
    let opinion = |((cell, sides), p): (&(&CellId, Option<Sides>), f64)| {
        let shift = sides.as_ref().and_then(|sides| {
            let shift = sides.shift(level.confidence())?;
            Some([sides.scale.change(shift.low), sides.scale.change(shift.high)])
        });
        let significant = looks.as_ref().is_some_and(|looks| looks.step(u64::from(after), p) == Step::Stop);
        let differs = significant && shift.is_some_and(|[low, high]| low > 0.0 || high < 0.0);
        let same = shift.is_some_and(|[low, high]| low > -margin && high < margin);
        let p_value = Some(p).filter(|p| p.is_finite());
        // Among those that are not sure the least probable to become so soon: the one with the largest p.
        let distance = if differs || same { p_value.unwrap_or(1.0) } else { 1.0 + p_value.unwrap_or(1.0).max(1e-9) };
        Opinion { distance, figures: Pending { cell: (*cell).clone(), half_width: None, p_value, change: shift } }
    };
    pairs.iter().zip(benjamini_hochberg(&p_values)).map(opinion).collect()
}
