//! Progress: what has been taken of a run, and what is still to take.

use super::block::{Block, Wanted};
use super::order::{shuffled, stable_hash};
use crate::cell::CellId;
use crate::failure::FailureClass;
use crate::sample::Sample;
use std::collections::BTreeMap;

/// How an attempt at a sample ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A valid sample.
    Valid,
    /// A failed one.
    Failed,
    /// One that says that the cell cannot run here. It is taken no more, unless it has worked before: then it is a failed one.
    Impossible,
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
    /// Cells of one base id make a block; blocks are in the order of their first cells.
    blocks: Vec<Block>,
    /// Block and place in it, by cell.
    places: BTreeMap<CellId, (usize, usize)>,
    wanted: Wanted,
    seed: u64,
    latest_round: u32,
}

impl Progress {
    /// A run of which nothing has been taken. The order of the cells is part of the order of the rounds: give them as
    /// the plan does.
    pub fn new(cells: &[CellId], wanted: u32, warmup_rounds: u32, seed: u64) -> Self {
        let mut by_base: BTreeMap<&str, usize> = BTreeMap::new();
        let mut members: Vec<Vec<CellId>> = Vec::new();
        let mut places = BTreeMap::new();
        for cell in cells {
            let block = *by_base.entry(cell.base()).or_insert_with(|| {
                members.push(Vec::new());
                members.len() - 1
            });
            places.insert(cell.clone(), (block, members[block].len()));
            members[block].push(cell.clone());
        }
        Self {
            cells: cells.to_vec(),
            blocks: members.into_iter().map(Block::new).collect(),
            places,
            wanted: Wanted { samples: wanted, warmup_rounds },
            seed,
            latest_round: 0,
        }
    }

    /// Records a sample of this or an earlier session.
    pub fn record_sample(&mut self, sample: &Sample) {
        let outcome = match &sample.failure {
            None => Outcome::Valid,
            Some(_) if sample.is_interrupted() => Outcome::Interrupted,
            Some(failure) if failure.class == FailureClass::Unavailable => Outcome::Impossible,
            Some(_) => Outcome::Failed,
        };
        self.record(&sample.cell, sample.round, outcome);
    }

    /// Records an attempt. A cell that is not of this run is ignored, and so is a second attempt in one round.
    pub fn record(&mut self, cell: &CellId, round: u32, outcome: Outcome) {
        let Some((block, index)) = self.places.get(cell).copied() else { return };
        if outcome != Outcome::Interrupted && self.blocks[block].record(index, round, outcome, self.wanted) {
            self.latest_round = self.latest_round.max(round);
        }
    }

    /// The round to take next, or what is left of the current one; `None` when the run is complete.
    pub fn next_round(&self) -> Option<Round> {
        // A round before the latest one is never gone back to: a cell that misses a sample gets one in a later round.
        // The rounds behind the latest one are all alike but for the step from warm-up to counting.
        let fresh = self.latest_round.saturating_add(1);
        let warmup_rounds = self.wanted.warmup_rounds;
        [self.latest_round, fresh, fresh.max(warmup_rounds)].into_iter().find_map(|number| {
            let blocks = shuffled(self.seed, number, self.blocks.len());
            let order: Vec<CellId> = blocks.into_iter().flat_map(|block| self.of_block(block, number)).collect();
            (!order.is_empty()).then_some(Round { number, warmup: number < warmup_rounds, order })
        })
    }

    /// What a block needs in a round, one cell right behind the other, in a random order of the block's own.
    fn of_block(&self, block: usize, round: u32) -> impl Iterator<Item = CellId> {
        let block = &self.blocks[block];
        let needed = block.needs(round, self.wanted);
        let base = block.members.first().map_or("", |member| member.cell.base());
        // The same order whether all or only the rest of the block is asked for.
        let order = shuffled(self.seed ^ stable_hash(base.bytes()), round, block.members.len());
        order.into_iter().filter(move |index| needed.contains(index)).map(|index| block.members[index].cell.clone())
    }

    /// How many samples of a cell may fail before it is given up.
    pub fn failures_allowed(&self) -> u32 {
        self.wanted.failures_allowed()
    }

    /// Why a cell is given up; `None` if it is not.
    pub fn given_up(&self, cell: &CellId) -> Option<String> {
        let (block, index) = *self.places.get(cell)?;
        let block = &self.blocks[block];
        if !block.is_given_up(index, self.wanted) {
            return None;
        }
        let (counts, wanted) = (&block.members[index].counts, self.wanted.samples);
        Some(if counts.is_hopeless() {
            format!("all of its {} samples failed, warm-ups included", counts.warmup_failed + counts.failed)
        } else {
            format!("{} samples failed, {} were valid, {wanted} are wanted", counts.failed, counts.valid)
        })
    }

    /// Whether a cell has said that it cannot run here, and never worked.
    pub fn is_impossible(&self, cell: &CellId) -> bool {
        self.places.get(cell).is_some_and(|(block, index)| self.blocks[*block].members[*index].counts.is_impossible())
    }

    /// All cells that are given up, with the reasons, in the order of the plan.
    pub fn all_given_up(&self) -> Vec<(CellId, String)> {
        self.cells.iter().filter_map(|cell| Some((cell.clone(), self.given_up(cell)?))).collect()
    }

    /// Whether every cell has its samples or is given up.
    pub fn is_complete(&self) -> bool {
        self.next_round().is_none()
    }

    /// Valid samples of a cell that count. A cell with variants can have more than are wanted: a round in which one of
    /// them fails is taken again for all of them.
    pub fn valid(&self, cell: &CellId) -> u32 {
        self.places.get(cell).map_or(0, |(block, index)| self.blocks[*block].members[*index].counts.valid)
    }

    /// The rounds that count and are whole, of the block that has the fewest: every cell that is still taken has at least so
    /// many valid samples. `None` if none is taken any more.
    pub fn whole_rounds(&self) -> Option<u32> {
        self.blocks.iter().filter_map(Block::whole_rounds).min()
    }

    /// The cells that have not failed too often, in the order of the plan.
    pub fn in_play(&self) -> impl Iterator<Item = &CellId> {
        let plays =
            |cell: &&CellId| self.places.get(*cell).is_some_and(|(block, index)| self.blocks[*block].is_active(*index));
        self.cells.iter().filter(plays)
    }

    /// Whether a round has all the attempts that it will get.
    pub fn has_passed(&self, round: u32) -> bool {
        self.next_round().is_none_or(|next| next.number > round)
    }

    /// Attempts recorded so far, warm-ups included.
    pub fn taken(&self) -> u64 {
        let members = self.blocks.iter().flat_map(|block| &block.members);
        members.map(|member| member.attempts.len() as u64).sum()
    }

    /// Samples still to take if none fails, warm-ups included: for the time left.
    pub fn left(&self) -> u64 {
        let of_block = |block: &Block| -> u64 {
            (0..block.members.len()).map(|index| block.left(index, self.latest_round, self.wanted)).sum()
        };
        self.blocks.iter().map(of_block).sum()
    }
}

#[cfg(test)]
mod tests;
