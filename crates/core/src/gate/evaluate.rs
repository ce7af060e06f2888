//! The gate: every budget on every cell that it is for, and the worst of their verdicts.

use super::relative::{Case, decide};
use super::{Budget, BudgetVerdict, Figure, GateResult, Limit, Settings, Verdict, absolute};
use crate::cell::{Cell, CellId};
use crate::columns::{CellColumns, RunColumns};
use crate::compare::cells::stop_warnings;
use crate::compare::metric::{phases, sides};
use crate::compare::sides::Pairing;
use crate::compare::trust::{incomparable, not_accepted, other_host, other_parts};
use crate::compare::{BASE, ComparedRun, HEADLINE, MARGIN, variant_of};
use crate::factor::{FactorValue, Factors};
use crate::record::RunRecord;
use crate::runner::Runner;
use crate::stats::Level;
use std::collections::BTreeSet;

/// Holds a run to its budgets.
///
/// `against` is the stored run for limits that are relative to one.
pub fn evaluate(
    run: ComparedRun<'_>,
    against: Option<ComparedRun<'_>>,
    budgets: &[Budget],
    settings: &Settings,
) -> GateResult {
    evaluate_with(run, against, budgets, settings, Runner::ALONE)
}

/// As [`evaluate`], with each cell held to its budgets where the runner says.
pub fn evaluate_with(
    run: ComparedRun<'_>,
    against: Option<ComparedRun<'_>>,
    budgets: &[Budget],
    settings: &Settings,
    runner: Runner<'_>,
) -> GateResult {
    let mut warnings = Vec::new();
    if run.record.ended.is_none() {
        warnings.push("the run has not ended: the verdict is of what is there".to_owned());
    }
    let host = against.map_or_else(Vec::new, |against| other_host(against.record, run.record));
    if let Some(against) = against {
        warnings.push(format!(
            "{} was measured separately, not interleaved: drift between the two runs is part of the difference",
            against.name
        ));
        warnings.extend(host.iter().cloned());
        warnings.extend(other_parts(against.record, run.record));
    }
    let level = run.record.level();
    match against {
        Some(against) => warnings.extend(stop_warnings(&[against, run])),
        None => warnings.extend(run.record.stop_summary().map(|stop| stop.words)),
    }
    let gate = Gate { level, run, against, host, settings };
    let (mut verdicts, mut cases) = (Vec::new(), Vec::new());
    for (place, budget) in budgets.iter().enumerate() {
        for judged in gate.judge(budget, runner) {
            match judged {
                Judged::Verdict(verdict) => verdicts.push((place, *verdict)),
                Judged::Case(case) => cases.push((place, *case)),
            }
        }
    }
    let (places, cases): (Vec<usize>, Vec<Case>) = cases.into_iter().unzip();
    verdicts.extend(places.into_iter().zip(decide(cases, settings)));
    // In the order of the budgets; stable, so cells stay in the order of the run.
    verdicts.sort_by_key(|(place, _)| *place);
    let verdicts: Vec<BudgetVerdict> = verdicts.into_iter().map(|(_, verdict)| verdict).collect();
    GateResult {
        schema: "isodyne-gate".to_owned(),
        version: 1,
        run_id: run.record.run_id.clone(),
        verdict: worst(verdicts.iter().map(|verdict| verdict.verdict)),
        verdicts,
        warnings,
    }
}

/// What the gate holds a run to that states no budget: the headline metric of every variant is no worse than `base` by
/// more than the default margin, or that of every cell no worse than in the stored run. Empty where there is neither.
pub fn default_budgets(record: &RunRecord, against: bool) -> Vec<Budget> {
    let variants: BTreeSet<&str> = record.cells.iter().map(variant_of).collect();
    let limit = if against {
        Limit::AgainstRun(MARGIN)
    } else if variants.len() > 1 && variants.contains(BASE) {
        Limit::AgainstVariant { variant: BASE.to_owned(), share: MARGIN }
    } else {
        return Vec::new();
    };
    vec![Budget {
        name: format!("{HEADLINE} p50 (default)"),
        benchmark: String::new(),
        metric: HEADLINE.to_owned(),
        figure: Figure::Quantile(0.5),
        limit,
        grades: Vec::new(),
        when: Factors::new(),
    }]
}

/// The worst of all: fail, then not comparable, then inconclusive, then pass. Nothing at all is not comparable.
fn worst(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let badness = |verdict: &Verdict| match verdict {
        Verdict::Pass => 0,
        Verdict::Inconclusive => 1,
        Verdict::NotComparable => 2,
        Verdict::Fail => 3,
    };
    verdicts.max_by_key(badness).unwrap_or(Verdict::NotComparable)
}

struct Gate<'a> {
    /// What a figure of the run alone may spend.
    level: Level,
    run: ComparedRun<'a>,
    against: Option<ComparedRun<'a>>,
    /// Why the two runs may not be held against each other.
    host: Vec<String>,
    settings: &'a Settings,
}

/// One budget on one cell: decided, or to be decided with the others.
enum Judged {
    Verdict(Box<BudgetVerdict>),
    Case(Box<Case>),
}

impl Gate<'_> {
    fn judge(&self, budget: &Budget, runner: Runner<'_>) -> Vec<Judged> {
        let refused = |cell: &CellId, words: String| {
            Judged::Verdict(Box::new(budget.verdict(cell, Verdict::NotComparable, words)))
        };
        let measured: Vec<&Cell> = self.run.record.cells.iter().filter(|cell| applies(budget, cell)).collect();
        let mut judged = runner.map(measured.len(), |index| {
            let cell = measured[index];
            match self.run.columns.cells.get(&cell.id) {
                Some(columns) => self.cell(budget, cell, columns).unwrap_or_else(|words| refused(&cell.id, words)),
                None => refused(&cell.id, "no sample".to_owned()),
            }
        });
        let skipped = self.run.record.skipped.iter().filter(|skipped| applies(budget, &skipped.cell));
        judged.extend(skipped.map(|skipped| refused(&skipped.cell.id, format!("skipped: {}", skipped.reason))));
        if judged.is_empty() {
            // A budget that is for nothing must not look as if it held.
            judged.push(refused(&CellId(String::new()), "no cell of the run is meant by this budget".to_owned()));
        }
        judged
    }

    /// One budget on one cell; the error says why that cannot be judged.
    fn cell(&self, budget: &Budget, cell: &Cell, columns: &CellColumns) -> Result<Judged, String> {
        let case = |share, pairing: Option<&Pairing>, baseline: &CellColumns, level: Level| {
            let both = [baseline, columns];
            let mut case = Case::measure(budget, share, &cell.id, pairing, both, level, self.settings);
            case.moved = (budget.metric == HEADLINE).then(|| moved(pairing, both, level)).flatten();
            Judged::Case(Box::new(case))
        };
        match &budget.limit {
            Limit::Ceiling(_) | Limit::Floor(_) => {
                if let Some(found) = not_accepted(columns, self.settings.accepted) {
                    return Err(format!("its samples are {found}"));
                }
                let classes: BTreeSet<_> = columns.valid().map(|row| columns.rows[row].accuracy).collect();
                if classes.len() > 1 {
                    return Err("its samples are of different accuracy classes".to_owned());
                }
                Ok(Judged::Verdict(Box::new(absolute::verdict(budget, &cell.id, columns, self.level, self.settings))))
            }
            Limit::AgainstVariant { variant, share } => {
                let same = |other: &&Cell| other.base_id() == cell.base_id() && variant_of(other) == variant;
                let measure = self.run.record.cells.iter().find(same);
                let measure = measure.ok_or_else(|| format!("there is no variant {variant} of it"))?;
                let baseline = self.columns_of(self.run.columns, measure)?;
                self.may(incomparable(baseline, columns, self.settings.accepted))?;
                Ok(case(*share, Some(&Pairing::of(baseline, columns)), baseline, self.level))
            }
            Limit::AgainstRun(share) => {
                let against = self.against.ok_or("it is relative to a stored run: name one with --against RUN")?;
                let baseline = self.columns_of(against.columns, cell)?;
                self.may(self.host.iter().cloned().chain(incomparable(baseline, columns, self.settings.accepted)))?;
                Ok(case(*share, None, baseline, self.level.and(against.record.level())))
            }
        }
    }

    fn columns_of<'c>(&self, columns: &'c RunColumns, cell: &Cell) -> Result<&'c CellColumns, String> {
        let found = columns.cells.get(&cell.id).filter(|found| found.valid().next().is_some());
        found.ok_or_else(|| format!("the baseline has no valid sample of {}", cell.id))
    }

    fn may(&self, reasons: impl IntoIterator<Item = String>) -> Result<(), String> {
        let reasons: Vec<String> = reasons.into_iter().collect();
        if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) }
    }
}

/// Whether a budget is for a cell. The variant that a limit is relative to is not held against itself.
fn applies(budget: &Budget, cell: &Cell) -> bool {
    let holds = |(key, value): (&String, &FactorValue)| match key.as_str() {
        "backend" => value.as_text() == Some(cell.backend.as_str()),
        "variant" => value.as_text() == Some(variant_of(cell)),
        _ => cell.factors.get(key) == Some(value),
    };
    let itself = matches!(&budget.limit, Limit::AgainstVariant { variant, .. } if variant_of(cell) == variant);
    let benchmark = budget.benchmark.is_empty() || budget.benchmark == cell.benchmark.as_str();
    benchmark && !itself && budget.when.iter().all(holds)
}

/// The phase that moved most in the direction of the total's change.
fn moved(pairing: Option<&Pairing>, columns: [&CellColumns; 2], level: Level) -> Option<String> {
    let total = sides(pairing, columns[0], columns[1], HEADLINE)?.in_own_unit().shift(level.confidence())?;
    let phases = phases(pairing, columns[0], columns[1], Some(total.value), level);
    let with = phases.into_iter().filter(|phase| phase.change_ns.signum() == total.value.signum());
    let first = with.into_iter().next()?;
    let share = first.share.map_or_else(String::new, |share| format!(", {:.0} % of the change", share * 100.0));
    let change = crate::unit::DisplayNs(first.change_ns);
    let plus = if first.change_ns > 0.0 { "+" } else { "" };
    Some(format!("{} ({plus}{change}{share})", first.phase))
}
