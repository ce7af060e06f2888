//! The gate's check on a real run: variants that are alike, one that is known to be slower, cut into windows.

use super::{Noise, Outcome, relative_budget};
use crate::cell::Cell;
use crate::columns::{CellColumns, RunColumns};
use crate::compare::metric::{phases, sides};
use crate::compare::sides::{Pairing, median};
use crate::compare::{BASE, ComparedRun, HEADLINE, PhaseComparison, variant_of};
use crate::gate::{Settings, Verdict, evaluate};
use crate::record::RunRecord;
use crate::sample::Provenance;
use crate::stats::Level;
use serde::Serialize;
use std::collections::BTreeSet;

/// Variants whose names begin like this differ from `base` in nothing that takes time.
pub const SAME: &str = "same";
/// The variant that is slower by a known time.
pub const DELAYED: &str = "delayed";

/// What the gate said of a run whose truth is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunCheck {
    /// The run.
    pub run_id: String,
    /// The cell without its variants.
    pub cell: String,
    /// Rounds in each window; windows have no round in common.
    pub window: u64,
    /// How many windows there are.
    pub windows: u64,
    /// Comparisons of variants that are alike, two by two within each window.
    pub alike: Outcome,
    /// Comparisons of the slower variant with `base`, one in each window.
    pub delayed: Outcome,
    /// The delay over all rounds, in nanoseconds (Hodges–Lehmann).
    pub delay_ns: Option<f64>,
    /// Its interval of 95 %.
    pub delay_ci95_ns: Option<[f64; 2]>,
    /// The phases of the ledger that surely moved over all rounds: where the delay was found.
    pub phases: Vec<PhaseComparison>,
    /// The median of `base`, in nanoseconds.
    pub base_p50_ns: Option<f64>,
}

/// Whether a run has the variants that this check needs.
pub fn is_selfcheck(record: &RunRecord) -> bool {
    let variants: BTreeSet<&str> = record.cells.iter().map(variant_of).collect();
    variants.contains(BASE) && variants.iter().any(|name| name.starts_with(SAME))
}

/// Cuts a run into disjoint windows of rounds and puts each through the whole gate: all pairs of variants that are
/// alike, and the slower one against `base`. One check for each cell that has variants.
///
/// Two comparisons in one window share a variant now and then; their rate is as right as that of independent ones, its
/// interval a little too narrow.
pub fn windows(record: &RunRecord, columns: &RunColumns, window: u32, margin: f64) -> Vec<RunCheck> {
    let bases: Vec<&Cell> = record.cells.iter().filter(|cell| variant_of(cell) == BASE).collect();
    bases.into_iter().filter_map(|base| check(record, columns, base, window.max(1), margin)).collect()
}

fn check(record: &RunRecord, columns: &RunColumns, base: &Cell, window: u32, margin: f64) -> Option<RunCheck> {
    let family: Vec<&Cell> = record.cells.iter().filter(|cell| cell.base_id() == base.base_id()).collect();
    let alike: Vec<&Cell> =
        family.iter().copied().filter(|cell| variant_of(cell) == BASE || variant_of(cell).starts_with(SAME)).collect();
    let delayed = family.iter().copied().find(|cell| variant_of(cell) == DELAYED);
    if alike.len() < 2 {
        return None;
    }
    let base_columns = columns.cells.get(&base.id)?;
    let accepted = base_columns.valid().next().map_or(Provenance::Measured, |row| base_columns.rows[row].provenance);
    let settings = Settings { accepted, ..Settings::default() };
    let rounds: BTreeSet<u32> = base_columns.valid().map(|row| base_columns.rows[row].round).collect();
    let rounds: Vec<u32> = rounds.into_iter().collect();
    let (mut same_verdicts, mut delayed_verdicts) = (Vec::new(), Vec::new());
    let mut count = 0;
    // What is left over at the end is too short for a window.
    for chunk in rounds.chunks_exact(window as usize) {
        let (first, last) = (*chunk.first()?, *chunk.last()?);
        let mut part = RunColumns::default();
        for cell in &family {
            if let Some(whole) = columns.cells.get(&cell.id) {
                part.cells.insert(cell.id.clone(), cut(whole, first, last));
            }
        }
        let run = ComparedRun { name: "window", record, columns: &part };
        let judge = |one: &Cell, other: &Cell| -> Option<Verdict> {
            let budget = relative_budget(HEADLINE, variant_of(one), variant_of(other), margin);
            let result = evaluate(run, None, &[budget], &settings);
            result.verdicts.into_iter().find(|verdict| verdict.cell == other.id).map(|verdict| verdict.verdict)
        };
        for (place, one) in alike.iter().enumerate() {
            same_verdicts.extend(alike.iter().skip(place + 1).filter_map(|other| judge(one, other)));
        }
        delayed_verdicts.extend(delayed.and_then(|cell| judge(base, cell)));
        count += 1;
    }
    let slower = delayed.and_then(|cell| columns.cells.get(&cell.id));
    let slower = slower.map(|other| (other, Pairing::of(base_columns, other)));
    let delay = slower.as_ref().and_then(|(other, pairing)| {
        sides(Some(pairing), base_columns, other, HEADLINE)?.in_own_unit().shift(Level::WHOLE.confidence())
    });
    let total = delay.map(|delay| delay.value);
    let phases = slower
        .map_or_else(Vec::new, |(other, pairing)| phases(Some(&pairing), base_columns, other, total, Level::WHOLE));
    let base_p50_ns = median(&base_columns.values(HEADLINE));
    let share = total.zip(base_p50_ns).map(|(delay, base)| delay / base);
    Some(RunCheck {
        run_id: record.run_id.clone(),
        cell: base.base_id().to_owned(),
        window: u64::from(window),
        windows: count,
        alike: Outcome::new("paired", Noise::Host, 0.0, &same_verdicts),
        delayed: Outcome::new("paired", Noise::Host, share.unwrap_or(f64::NAN), &delayed_verdicts),
        delay_ns: delay.map(|delay| delay.value),
        delay_ci95_ns: delay.map(|delay| [delay.low, delay.high]),
        phases,
        base_p50_ns,
    })
}

/// The samples of some rounds, with the headline metric only.
fn cut(whole: &CellColumns, first: u32, last: u32) -> CellColumns {
    let chosen: Vec<usize> = (0..whole.rows.len())
        .filter(|row| (first..=last).contains(&whole.rows[*row].round) && !whole.rows[*row].warmup)
        .collect();
    let mut part = CellColumns { rows: chosen.iter().map(|row| whole.rows[*row]).collect(), ..CellColumns::default() };
    if let Some(column) = whole.metrics.get(HEADLINE) {
        part.metrics.insert(HEADLINE.to_owned(), chosen.iter().map(|row| column[*row]).collect());
    }
    part
}
