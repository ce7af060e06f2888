//! Absolute budgets: ceilings, floors, grades, and the share of samples that may fail.

use super::one_sided::{cdf, least_n, lower_bound, share_interval, upper_bound};
use super::{Budget, BudgetVerdict, Figure, Limit, Settings, Verdict};
use crate::cell::CellId;
use crate::columns::CellColumns;
use crate::compare::words::percent;
use crate::stats::{Level, Sorted, apparent_inflation, carries_upper_bound, series_interval};
use crate::unit::display_metric;

/// The verdict on a ceiling or a floor.
pub(super) fn verdict(
    budget: &Budget,
    cell: &CellId,
    columns: &CellColumns,
    level: Level,
    settings: &Settings,
) -> BudgetVerdict {
    let (bound, ceiling) = match budget.limit {
        Limit::Ceiling(bound) => (bound, true),
        Limit::Floor(bound) => (bound, false),
        Limit::AgainstRun(_) | Limit::AgainstVariant { .. } => {
            return budget.verdict(cell, Verdict::NotComparable, "a relative limit has no bound".to_owned());
        }
    };
    let false_alarms = level.error(settings.false_alarms);
    let within_bound = level.sharpen(settings.within_bound);
    let held = Held { budget, cell, bound, ceiling, level, false_alarms, within_bound };
    match budget.figure {
        Figure::Quantile(q) => held.quantile(columns, q),
        Figure::Max => held.max(columns),
        Figure::FailureShare => held.failures(columns),
    }
}

struct Held<'a> {
    budget: &'a Budget,
    cell: &'a CellId,
    bound: f64,
    ceiling: bool,
    level: Level,
    /// As the settings have it, at the level.
    false_alarms: f64,
    within_bound: f64,
}

impl Held<'_> {
    fn quantile(&self, columns: &CellColumns, q: f64) -> BudgetVerdict {
        let metric = &self.budget.metric;
        let values = columns.values(metric);
        let Some(sorted) = Sorted::new(values.iter().copied()).filter(|_| !values.is_empty()) else {
            return self.no_value(columns);
        };
        let n = values.len() as u64;
        let effective = values.len() as f64 / apparent_inflation(&values, &sorted, q);
        let Self { false_alarms, within_bound, .. } = *self;
        let (low_fail, high_fail) = (
            lower_bound(&sorted, q, effective, 1.0 - false_alarms),
            upper_bound(&sorted, q, effective, 1.0 - false_alarms),
        );
        let (low_pass, high_pass) =
            (lower_bound(&sorted, q, effective, within_bound), upper_bound(&sorted, q, effective, within_bound));
        // Where a value is exactly on the bound, the budget is kept.
        let (broken, kept) = if self.ceiling {
            (low_fail.is_some_and(|low| low > self.bound), high_pass.is_some_and(|high| high <= self.bound))
        } else {
            (high_fail.is_some_and(|high| high < self.bound), low_pass.is_some_and(|low| low >= self.bound))
        };
        let verdict = if broken {
            Verdict::Fail
        } else if kept {
            Verdict::Pass
        } else {
            Verdict::Inconclusive
        };
        let point = sorted.quantile(q);
        let observed = point.filter(|_| q == 0.5 || carries_upper_bound(n, q));
        let interval = series_interval(&values, &sorted, q, self.level.confidence());
        let observed_ci95 = interval.map(|interval| [interval.low, interval.high]);
        let least = least_n(if self.ceiling { q } else { 1.0 - q }, within_bound);
        let lacking = (effective.floor() as u64) < least;
        let samples_needed = match verdict {
            Verdict::Inconclusive if lacking => Some((least as f64 * n as f64 / effective).ceil() as u64),
            Verdict::Inconclusive => needed(point, [low_pass, high_pass], self.bound, n),
            _ => None,
        };
        let shown = observed.map_or_else(|| "not carried".to_owned(), |value| display_metric(metric, value));
        let mut words = format!("{shown}{}, {n} samples", self.interval(observed_ci95));
        if effective < values.len() as f64 {
            words.push_str(&format!(", correlated in time: worth {effective:.0}"));
        }
        if verdict == Verdict::Inconclusive {
            words.push_str(&match samples_needed {
                Some(needed) if lacking => {
                    format!("; they cannot carry {}: {needed} would do", self.budget.figure.text())
                }
                Some(needed) => format!("; {needed} samples would do"),
                None => "; it lies on the budget, where no number of samples tells".to_owned(),
            });
        }
        let grade = observed.and_then(|value| self.grade(value));
        let result = self.budget.verdict(self.cell, verdict, words);
        BudgetVerdict { observed, observed_ci95, samples_needed, grade, allowed: self.bound, ..result }
    }

    /// The largest value says what was seen, and nothing of what would be: there is no "surely".
    fn max(&self, columns: &CellColumns) -> BudgetVerdict {
        let metric = &self.budget.metric;
        let values = columns.values(metric);
        let Some(max) = values.iter().copied().reduce(f64::max) else { return self.no_value(columns) };
        let kept = if self.ceiling { max <= self.bound } else { max >= self.bound };
        let verdict = if kept { Verdict::Pass } else { Verdict::Fail };
        let words = format!(
            "the largest of {} was {}, budget {}",
            values.len(),
            display_metric(metric, max),
            display_metric(metric, self.bound)
        );
        let result = self.budget.verdict(self.cell, verdict, words);
        BudgetVerdict { observed: Some(max), grade: self.grade(max), allowed: self.bound, ..result }
    }

    fn failures(&self, columns: &CellColumns) -> BudgetVerdict {
        let counted = || columns.rows.iter().filter(|row| !row.warmup && !row.is_interrupted());
        let n = counted().count() as u64;
        let failed = counted().filter(|row| row.is_failed()).count() as u64;
        let none_allowed = self.bound <= 0.0;
        let Self { false_alarms, within_bound, .. } = *self;
        // P(at least as many | the bound), P(at most as many | the bound).
        let at_least = if failed == 0 { 1.0 } else { 1.0 - cdf(failed - 1, n, self.bound) };
        let at_most = cdf(failed, n, self.bound);
        let verdict = if n == 0 {
            Verdict::NotComparable
        } else if none_allowed {
            if failed == 0 { Verdict::Pass } else { Verdict::Fail }
        } else if self.bound >= 1.0 || at_most <= 1.0 - within_bound {
            Verdict::Pass
        } else if at_least <= false_alarms {
            Verdict::Fail
        } else {
            Verdict::Inconclusive
        };
        let least = (!none_allowed && self.bound < 1.0).then(|| least_n(1.0 - self.bound, within_bound));
        let samples_needed = least.filter(|least| verdict == Verdict::Inconclusive && failed == 0 && *least > n);
        let interval = share_interval(failed, n, self.level.confidence());
        let mut words = format!("{failed} of {n} failed");
        if let Some([low, high]) = interval {
            words.push_str(&format!(" (95 %: {} to {}, budget {})", percent(low), percent(high), percent(self.bound)));
        }
        if let Some(needed) = samples_needed {
            words.push_str(&format!("; {needed} samples without a failure would do"));
        }
        let observed = (n > 0).then(|| failed as f64 / n as f64);
        let result = self.budget.verdict(self.cell, verdict, words);
        BudgetVerdict { observed, observed_ci95: interval, samples_needed, allowed: self.bound, ..result }
    }

    fn no_value(&self, columns: &CellColumns) -> BudgetVerdict {
        let words = if columns.valid().next().is_none() {
            "no valid sample".to_owned()
        } else {
            let known: Vec<&str> = columns.metrics.keys().map(String::as_str).collect();
            let hint = crate::diagnostic::hint_for(&self.budget.metric, known);
            format!("no sample has the metric {}; {hint}", self.budget.metric)
        };
        self.budget.verdict(self.cell, Verdict::NotComparable, words)
    }

    fn interval(&self, ends: Option<[f64; 2]>) -> String {
        let metric = &self.budget.metric;
        let budget = format!("budget {}", display_metric(metric, self.bound));
        match ends {
            Some([low, high]) => {
                format!(" (95 %: {} to {}, {budget})", display_metric(metric, low), display_metric(metric, high))
            }
            None => format!(" ({budget})"),
        }
    }

    /// The best grade whose bound is kept.
    fn grade(&self, value: f64) -> Option<String> {
        if self.budget.grades.is_empty() {
            return None;
        }
        let kept = |bound: f64| if self.ceiling { value <= bound } else { value >= bound };
        let best = self.budget.grades.iter().find(|(_, bound)| kept(*bound));
        Some(best.map_or_else(|| "below target".to_owned(), |(name, _)| name.clone()))
    }
}

/// How many samples would bring the ends of the interval so close that the bound is outside: widths go with 1/√n.
fn needed(point: Option<f64>, ends: [Option<f64>; 2], bound: f64, n: u64) -> Option<u64> {
    const MOST: f64 = 1e7;
    let point = point?;
    let end = if bound > point { ends[1]? } else { ends[0]? };
    let wanted = n as f64 * ((end - point) / (bound - point)).powi(2);
    (wanted.is_finite() && wanted <= MOST).then(|| (wanted.ceil() as u64).max(n + 1))
}
