//! Relative budgets: no worse than a baseline by more than a margin.
//!
//! A budget is broken when two things hold: the change is real (one-sided, after control of the false discoveries over
//! all relative budgets), and it is beyond the margin. It holds when the bad end of the 95 % interval is within the
//! margin. `docs/comparing.md` has the reasons and what a simulation says of them.

use super::quantile_change;
use super::{Budget, BudgetVerdict, Figure, Settings, Verdict};
use crate::cell::CellId;
use crate::columns::CellColumns;
use crate::compare::metric::{POWER, sides};
use crate::compare::sides::{Pairing, Scale, Sides};
use crate::compare::words::{percent, signed_percent};
use crate::compare::{Design, Direction, direction};
use crate::stats::{Estimate, LEAST_FOR_INTERVAL, Level, benjamini_hochberg, detectable, samples_needed};
use crate::unit::display_metric;

/// One relative budget on one cell, everything known but the verdict.
pub(super) struct Case {
    budget: String,
    cell: CellId,
    metric: String,
    figure: String,
    design: Design,
    /// The margin as the budget states it: the share by which the metric may get worse.
    share: f64,
    /// The same on the scale of the estimates, where more is worse.
    margin: Option<f64>,
    scale: Scale,
    /// What the intervals and the test may spend.
    level: Level,
    /// +1 where more is worse, −1 where less is.
    sign: f64,
    n: usize,
    observed: Option<f64>,
    baseline: Option<f64>,
    /// On the scale, more is worse.
    estimates: Option<Estimates>,
    /// The one-sided p-value of "not worse".
    p_worse: Option<f64>,
    /// Why there are no estimates.
    lacking: Option<(String, Option<u64>)>,
    /// The phase that moved, for the headline metric.
    pub moved: Option<String>,
}

/// A change with the intervals that decide.
#[derive(Clone, Copy)]
pub(super) struct Estimates {
    /// 95 %.
    pub shown: Estimate,
    /// The interval whose good end tells whether the change is beyond the margin.
    pub beyond: Estimate,
}

impl Case {
    /// Measures the change. `pairing` is that of one run; two runs have none.
    pub(super) fn measure(
        budget: &Budget,
        share: f64,
        cell: &CellId,
        pairing: Option<&Pairing>,
        columns: [&CellColumns; 2],
        level: Level,
        settings: &Settings,
    ) -> Self {
        let sign = if direction(&budget.metric) == Direction::LowerIsBetter { 1.0 } else { -1.0 };
        let design = if pairing.is_some() { Design::Paired } else { Design::Separate };
        let mut case = Self {
            budget: budget.name.clone(),
            cell: cell.clone(),
            metric: budget.metric.clone(),
            figure: budget.figure.text(),
            design,
            share,
            margin: None,
            scale: Scale::Log,
            level,
            sign,
            n: 0,
            observed: None,
            baseline: None,
            estimates: None,
            p_worse: None,
            lacking: None,
            moved: None,
        };
        let Some(sides) = sides(pairing, columns[0], columns[1], &budget.metric) else {
            case.lacking = Some((format!("no values of {} on both sides that can be divided", budget.metric), None));
            return case;
        };
        case.n = sides.n();
        case.scale = sides.scale;
        case.margin = sides.scale.difference(sign * share).map(|margin| sign * margin);
        let q = if let Figure::Quantile(q) = budget.figure { q } else { 0.5 };
        [case.baseline, case.observed] = sides.quantiles(q).map_or([None; 2], |both| both.map(Some));
        if q == 0.5 {
            case.shift(&sides, settings);
        } else {
            case.quantiles(&sides, q, settings);
        }
        case
    }

    /// The median of the change: the Hodges–Lehmann shift and the signed-rank (or rank-sum) test.
    fn shift(&mut self, sides: &Sides, settings: &Settings) {
        let beyond = sides.shift(self.beyond(settings));
        match (sides.shift(self.level.confidence()), beyond, sides.p_value()) {
            (Some(shown), Some(beyond), Some(p)) => self.set(shown, beyond, p),
            // Six would do if they were independent; fewer than 15 that look correlated carry none.
            _ => {
                let least = if sides.n() < 6 { 6 } else { LEAST_FOR_INTERVAL as u64 };
                self.lacking = Some((format!("{} cannot carry an interval", self.count()), Some(least)));
            }
        }
    }

    fn quantiles(&mut self, sides: &Sides, q: f64, settings: &Settings) {
        let least = samples_needed(q);
        if (sides.n() as u64) < least {
            (self.observed, self.baseline) = (None, None);
            let what = format!("{} cannot carry {}", self.count(), self.figure);
            self.lacking = Some((what, Some(least)));
            return;
        }
        let confidences = [self.level.confidence(), self.beyond(settings)];
        match quantile_change::measure(sides, q, confidences, self.sign) {
            Some((shown, beyond, p_worse)) => {
                self.set(shown, beyond, 1.0);
                self.p_worse = Some(p_worse);
            }
            None => {
                self.lacking = Some((format!("{} cannot carry an interval for {}", self.count(), self.figure), None));
            }
        }
    }

    /// The two-sided confidence of the interval whose good end must be beyond the margin.
    fn beyond(&self, settings: &Settings) -> f64 {
        2.0 * self.level.sharpen(settings.beyond_margin) - 1.0
    }

    fn set(&mut self, shown: Estimate, beyond: Estimate, p_two_sided: f64) {
        let turned = |found: Estimate| {
            if self.sign > 0.0 {
                found
            } else {
                Estimate { value: -found.value, low: -found.high, high: -found.low, ..found }
            }
        };
        let (shown, beyond) = (turned(shown), turned(beyond));
        self.p_worse = Some(if shown.value > 0.0 { p_two_sided / 2.0 } else { 1.0 - p_two_sided / 2.0 });
        self.estimates = Some(Estimates { shown, beyond });
    }

    fn count(&self) -> String {
        let noun = if self.design == Design::Paired { "pair" } else { "sample" };
        let ending = if self.n == 1 { "" } else { "s" };
        let sides = if self.design == Design::Paired { "" } else { " a side" };
        format!("{} {noun}{ending}{sides}", self.n)
    }

    /// A difference on the scale (more is worse) as a relative change.
    fn change(&self, difference: f64) -> f64 {
        self.scale.change(self.sign * difference)
    }

    fn verdict(&self, adjusted: f64, settings: &Settings) -> Verdict {
        let (Some(found), Some(margin)) = (self.estimates, self.margin) else { return Verdict::Inconclusive };
        if adjusted <= settings.false_alarms && found.beyond.low > margin {
            Verdict::Fail
        } else if found.shown.high <= margin {
            Verdict::Pass
        } else {
            Verdict::Inconclusive
        }
    }

    /// How many pairs (or samples a side) like these would have told: enough to see the budget itself, and enough to
    /// part the estimate from it. `None` where the estimate lies on the margin.
    fn needed(&self) -> Option<u64> {
        const MOST: f64 = 1e7;
        let (found, margin) = (self.estimates?, self.margin?);
        let seen = detectable(&found.shown, self.level.confidence(), POWER)?;
        let enough = |effect: f64| self.n as f64 * (seen / effect).powi(2);
        let gap = (found.shown.value - margin).abs();
        let wanted = if margin > 0.0 { enough(margin).max(enough(gap.max(margin / 2.0))) } else { enough(gap) };
        (wanted.is_finite() && wanted <= MOST).then(|| (wanted.ceil() as u64).max(self.n as u64 + 1))
    }

    fn into_verdict(self, adjusted: f64, settings: &Settings) -> BudgetVerdict {
        let verdict = self.verdict(adjusted, settings);
        let shown = self.estimates.map(|found| found.shown);
        let ends = |found: Estimate| {
            let (one, other) = (self.change(found.low), self.change(found.high));
            [one.min(other), one.max(other)]
        };
        let seen = shown
            .and_then(|found| detectable(&found, self.level.confidence(), POWER))
            .map(|effect| self.change(effect).abs());
        let samples_needed = match (&self.lacking, verdict) {
            (Some((_, least)), _) => *least,
            (None, Verdict::Inconclusive) => self.needed(),
            _ => None,
        };
        let mut result = BudgetVerdict {
            verdict,
            observed: self.observed,
            observed_ci95: None,
            allowed: self.sign * self.share,
            baseline: self.baseline,
            change: shown.map(|found| self.change(found.value)),
            change_ci95: shown.map(ends),
            grade: None,
            minimum_detectable: seen,
            samples_needed,
            words: String::new(),
            budget: self.budget.clone(),
            cell: self.cell.clone(),
            metric: self.metric.clone(),
            figure: self.figure.clone(),
        };
        result.words = self.words(&result);
        result
    }

    fn words(&self, result: &BudgetVerdict) -> String {
        let budget = format!("budget {}", signed_percent(result.allowed));
        if let Some((what, least)) = &self.lacking {
            return match least {
                Some(least) => format!("{what}: {least} would do"),
                None => what.clone(),
            };
        }
        let (Some(change), Some([low, high])) = (result.change, result.change_ci95) else { return budget };
        let interval = format!("95 %: {} to {}, {budget}, {}", signed_percent(low), signed_percent(high), self.count());
        let values = match (self.baseline, self.observed) {
            (Some(baseline), Some(observed)) => {
                format!("{} → {}, ", display_metric(&self.metric, baseline), display_metric(&self.metric, observed))
            }
            _ => String::new(),
        };
        let told = format!("{values}{} ({interval})", signed_percent(change));
        match result.verdict {
            Verdict::Inconclusive => format!("{told}; {}", self.why_not(result)),
            _ => match &self.moved {
                Some(phase) if result.verdict == Verdict::Fail => format!("{told}; phase that moved: {phase}"),
                _ => told,
            },
        }
    }

    fn why_not(&self, result: &BudgetVerdict) -> String {
        let seen = result
            .minimum_detectable
            .map_or_else(String::new, |seen| format!("{} can see ±{} in 9 of 10 cases", self.count(), percent(seen)));
        let noun = if self.design == Design::Paired { "pairs" } else { "samples a side" };
        match result.samples_needed {
            Some(needed) => format!("{seen}; {needed} {noun} would do"),
            None => format!("{seen}; the change lies on the budget, where no number of {noun} tells"),
        }
    }
}

/// The verdicts of all relative budgets, their false discoveries controlled together.
///
/// A p-value of a run that could have been stopped earlier counts for more by what it may not spend: it is held to its own
/// share of the false alarms.
pub(super) fn decide(cases: Vec<Case>, settings: &Settings) -> Vec<BudgetVerdict> {
    let p_values: Vec<f64> =
        cases.iter().map(|case| case.p_worse.map_or(f64::NAN, |p| (p / case.level.share()).min(1.0))).collect();
    let adjusted = benjamini_hochberg(&p_values);
    cases.into_iter().zip(adjusted).map(|(case, adjusted)| case.into_verdict(adjusted, settings)).collect()
}
