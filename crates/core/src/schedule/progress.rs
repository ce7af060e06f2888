//! Progress: what has been taken of a run, and what is still to take.

use super::order::shuffled;
use crate::cell::CellId;
use crate::sample::Sample;
use std::collections::{BTreeMap, BTreeSet};

/// So many failures without a single valid sample say that a cell does not work here.
const HOPELESS_AFTER: u32 = 3;

/// How an attempt at a sample ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A valid sample.
    Valid,
    /// A failed one.
    Failed,
    /// The run was interrupted: says nothing about the cell, and the attempt is made again.
    Interrupted,
}

/// A round, or what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Its number; warm-up rounds count from 0 with the others.
    pub number: u32,
    /// Whether it is a warm-up.
    pub warmup: bool,
    /// The cells to take, in their random order, each once.
    pub order: Vec<CellId>,
}

/// What has been taken of a run, and what is still to take.
#[derive(Clone, Debug)]
pub struct Progress {
    cells: Vec<CellId>,
    states: BTreeMap<CellId, State>,
    wanted: u32,
    warmup_rounds: u32,
    seed: u64,
    latest_round: u32,
}

/// What has been taken of one cell.
#[derive(Clone, Debug, Default)]
struct State {
    rounds: BTreeSet<u32>,
    warmup_valid: u32,
    warmup_failed: u32,
    valid: u32,
    failed: u32,
}

impl Progress {
    /// A run of which nothing has been taken. The order of the cells is part of the order of the rounds: give them as
    /// the plan does.
    pub fn new(cells: &[CellId], wanted: u32, warmup_rounds: u32, seed: u64) -> Self {
        Self {
            cells: cells.to_vec(),
            states: cells.iter().map(|cell| (cell.clone(), State::default())).collect(),
            wanted,
            warmup_rounds,
            seed,
            latest_round: 0,
        }
    }

    /// Records a sample of this or an earlier session.
    pub fn record_sample(&mut self, sample: &Sample) {
        let outcome = match &sample.failure {
            None => Outcome::Valid,
            Some(_) if sample.is_interrupted() => Outcome::Interrupted,
            Some(_) => Outcome::Failed,
        };
        self.record(&sample.cell, sample.round, outcome);
    }

    /// Records an attempt. A cell that is not of this run is ignored, and so is a second attempt in one round.
    pub fn record(&mut self, cell: &CellId, round: u32, outcome: Outcome) {
        let Some(state) = self.states.get_mut(cell) else { return };
        if outcome == Outcome::Interrupted || !state.rounds.insert(round) {
            return;
        }
        self.latest_round = self.latest_round.max(round);
        let counter = match (round < self.warmup_rounds, outcome) {
            (true, Outcome::Valid) => &mut state.warmup_valid,
            (true, _) => &mut state.warmup_failed,
            (false, Outcome::Valid) => &mut state.valid,
            (false, _) => &mut state.failed,
        };
        *counter += 1;
    }

    /// The round to take next, or what is left of the current one; `None` when the run is complete.
    pub fn next_round(&self) -> Option<Round> {
        // A round before the latest one is never gone back to: a cell that misses a sample gets one in a later round.
        // The rounds behind the latest one are all alike but for the step from warm-up to counting.
        let fresh = self.latest_round.saturating_add(1);
        [self.latest_round, fresh, fresh.max(self.warmup_rounds)].into_iter().find_map(|number| {
            let warmup = number < self.warmup_rounds;
            let order: Vec<CellId> = shuffled(self.seed, number, self.cells.len())
                .into_iter()
                .filter_map(|index| self.cells.get(index))
                .filter(|cell| self.states.get(*cell).is_some_and(|state| self.needs(state, number)))
                .cloned()
                .collect();
            (!order.is_empty()).then_some(Round { number, warmup, order })
        })
    }

    fn needs(&self, state: &State, round: u32) -> bool {
        if state.rounds.contains(&round) || state.valid >= self.wanted {
            return false;
        }
        if round < self.warmup_rounds { !state.is_hopeless() } else { !self.is_given_up(state) }
    }

    /// A cell is given up when it has never worked, or has failed more often than a half of the samples it needs (and
    /// more than three times). At least one failure in a round that counts is on record then.
    fn is_given_up(&self, state: &State) -> bool {
        state.valid < self.wanted
            && ((state.is_hopeless() && state.failed > 0) || state.failed > self.failures_allowed())
    }

    /// How many samples of a cell may fail before it is given up.
    pub fn failures_allowed(&self) -> u32 {
        (self.wanted / 2).max(HOPELESS_AFTER)
    }

    /// Why a cell is given up; `None` if it is not.
    pub fn given_up(&self, cell: &CellId) -> Option<String> {
        let state = self.states.get(cell).filter(|state| self.is_given_up(state))?;
        Some(if state.is_hopeless() {
            format!("all of its {} samples failed, warm-ups included", state.warmup_failed + state.failed)
        } else {
            format!("{} samples failed, {} were valid, {} are wanted", state.failed, state.valid, self.wanted)
        })
    }

    /// All cells that are given up, with the reasons, in the order of the plan.
    pub fn all_given_up(&self) -> Vec<(CellId, String)> {
        self.cells.iter().filter_map(|cell| Some((cell.clone(), self.given_up(cell)?))).collect()
    }

    /// Whether every cell has its samples or is given up.
    pub fn is_complete(&self) -> bool {
        self.next_round().is_none()
    }

    /// Valid samples of a cell that count.
    pub fn valid(&self, cell: &CellId) -> u32 {
        self.states.get(cell).map_or(0, |state| state.valid)
    }

    /// Attempts recorded so far, warm-ups included.
    pub fn taken(&self) -> u64 {
        self.states.values().map(|state| state.rounds.len() as u64).sum()
    }

    /// Samples still to take if none fails, warm-ups included: for the time left.
    pub fn left(&self) -> u64 {
        let left = |state: &State| {
            if self.is_given_up(state) || state.valid >= self.wanted {
                return 0;
            }
            let begun = u32::from(state.rounds.contains(&self.latest_round));
            let warmups = self.warmup_rounds.saturating_sub(self.latest_round).saturating_sub(begun);
            let warmups = if state.is_hopeless() { 0 } else { warmups };
            u64::from(warmups) + u64::from(self.wanted - state.valid)
        };
        self.states.values().map(left).sum()
    }
}

impl State {
    /// Whether it has failed often and never worked.
    fn is_hopeless(&self) -> bool {
        self.valid + self.warmup_valid == 0 && self.failed + self.warmup_failed >= HOPELESS_AFTER
    }
}

#[cfg(test)]
mod tests;
