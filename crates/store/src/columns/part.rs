//! The columns of one stretch of a file while they are filled: places are remembered, nothing is looked up by text
//! where it stands where it stood in the line before.

use super::fields::{CONTAMINATION, Fields};
use crate::metric_names::{METRICS_LIMIT, too_many_metrics_in_file};
use isodyne_core::cell::{BenchmarkName, CellId};
use isodyne_core::columns::{CellColumns, FAILURES_KEPT, PAGE_CACHES_KEPT, Phase, RunColumns};
use isodyne_core::ledger::Step;
use std::collections::HashMap;

/// The samples of one stretch.
#[derive(Default)]
pub(super) struct Part {
    cells: Vec<CellPart>,
    places: HashMap<String, usize>,
    steps: Vec<Step>,
}

struct CellPart {
    id: CellId,
    benchmark: Option<BenchmarkName>,
    /// Rows, failures and what has no column.
    done: CellColumns,
    metrics: Vec<(String, Vec<f64>)>,
    phases: Vec<(&'static str, Phase)>,
    contamination: [Vec<f64>; CONTAMINATION.len()],
}

impl Part {
    /// Adds a sample at the end.
    ///
    /// # Errors
    /// If its cell has too many different metrics.
    pub fn take(&mut self, fields: &Fields<'_>) -> Result<(), String> {
        let place = match self.places.get(fields.cell) {
            Some(place) => *place,
            None => {
                self.places.insert(fields.cell.to_owned(), self.cells.len());
                self.cells.push(CellPart::new(CellId(fields.cell.to_owned())));
                self.cells.len() - 1
            }
        };
        self.cells[place].take(fields, &mut self.steps)
    }

    /// As columns.
    pub fn finish(self) -> RunColumns {
        RunColumns { cells: self.cells.into_iter().map(CellPart::finish).collect() }
    }
}

impl CellPart {
    fn new(id: CellId) -> Self {
        Self {
            benchmark: id.benchmark(),
            id,
            done: CellColumns::default(),
            metrics: Vec::new(),
            phases: Vec::new(),
            contamination: Default::default(),
        }
    }

    fn take(&mut self, fields: &Fields<'_>, steps: &mut Vec<Step>) -> Result<(), String> {
        let row = self.done.rows.len();
        self.done.rows.push(fields.row);
        let mut guess = 0;
        for (name, value) in fields.metrics {
            let place = place(&self.metrics, guess, |(known, _)| known == name);
            if place == self.metrics.len() {
                if place >= METRICS_LIMIT {
                    return Err(too_many_metrics_in_file(self.id.as_str()));
                }
                self.metrics.push(((*name).to_owned(), Vec::new()));
            }
            put(&mut self.metrics[place].1, row, *value);
            guess = place + 1;
        }
        for (column, value) in self.contamination.iter_mut().zip(fields.contamination) {
            if !value.is_nan() {
                put(column, row, value);
            }
        }
        if let Some(failure) = fields.failure {
            if self.done.failures.len() < FAILURES_KEPT {
                self.done.failures.push((row, failure.clone()));
            }
            return Ok(());
        }
        if let Some(last) = self.benchmark.and_then(|benchmark| benchmark.last_milestone(fields.ledger))
            && fields.ledger.steps(last, steps).is_ok()
        {
            self.take_steps(row, steps);
        }
        if !fields.row.warmup {
            self.done.without_proof += u64::from(!fields.proved);
            if let Some(state) = fields.page_cache {
                let states = &mut self.done.page_caches;
                if states.len() < PAGE_CACHES_KEPT && !states.iter().any(|known| known == state) {
                    states.push(state.to_owned());
                }
            }
        }
        Ok(())
    }

    fn take_steps(&mut self, row: usize, steps: &[Step]) {
        let mut guess = 0;
        for step in steps {
            let place = place(&self.phases, guess, |(known, _)| *known == step.name);
            if place == self.phases.len() {
                self.phases.push((step.name, Phase { until: step.until, lengths_ns: Vec::new() }));
            }
            let phase = &mut self.phases[place].1;
            phase.until = phase.until.min(step.until);
            // Two phases of one sample may carry one name: they are one step for people.
            let before = phase.lengths_ns.get(row).copied().unwrap_or(0.0);
            put(&mut phase.lengths_ns, row, before + step.length_ns as f64);
            guess = place + 1;
        }
    }

    fn finish(self) -> (CellId, CellColumns) {
        let rows = self.done.rows.len();
        let whole = |mut column: Vec<f64>| {
            column.resize(rows, f64::NAN);
            column
        };
        let phase = |phase: Phase| Phase { until: phase.until, lengths_ns: whole(phase.lengths_ns) };
        let contamination = CONTAMINATION.into_iter().zip(self.contamination).filter(|(_, column)| !column.is_empty());
        let columns = CellColumns {
            metrics: self.metrics.into_iter().map(|(name, column)| (name, whole(column))).collect(),
            phases: self.phases.into_iter().map(|(name, own)| (name.to_owned(), phase(own))).collect(),
            contamination: contamination.map(|(name, column)| (name, whole(column))).collect(),
            ..self.done
        };
        (self.id, columns)
    }
}

/// Where an entry is: at the guess, elsewhere, or at the end if it is new.
fn place<T>(list: &[T], guess: usize, is_it: impl Fn(&T) -> bool) -> usize {
    if list.get(guess).is_some_and(&is_it) {
        return guess;
    }
    list.iter().position(is_it).unwrap_or(list.len())
}

fn put(column: &mut Vec<f64>, row: usize, value: f64) {
    if column.len() > row {
        column[row] = value;
    } else {
        column.resize(row, f64::NAN);
        column.push(value);
    }
}
