//! Blocks: the cells of one base id, which are taken together in a round so that they can be compared pair by pair.

use super::progress::Outcome;
use crate::cell::CellId;
use std::collections::{BTreeMap, BTreeSet};

/// So many failures without a single valid sample say that a cell does not work here.
pub(super) const HOPELESS_AFTER: u32 = 3;

/// How much a run wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Valid samples of each cell, in rounds of which the whole block is valid.
    pub(super) samples: u32,
    /// Rounds in front that do not count.
    pub(super) warmup_rounds: u32,
}

impl Wanted {
    /// How many samples of a cell may fail before it is given up.
    pub(super) fn failures_allowed(self) -> u32 {
        (self.samples / 2).max(HOPELESS_AFTER)
    }
}

/// What has been taken of one cell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) warmup_valid: u32,
    pub(super) warmup_failed: u32,
    pub(super) valid: u32,
    pub(super) failed: u32,
    /// Of all that failed, those that said that the cell cannot run here.
    pub(super) impossible: u32,
}

impl Counts {
    fn counter(&mut self, warmup: bool, valid: bool) -> &mut u32 {
        match (warmup, valid) {
            (true, true) => &mut self.warmup_valid,
            (true, false) => &mut self.warmup_failed,
            (false, true) => &mut self.valid,
            (false, false) => &mut self.failed,
        }
    }

    /// Whether it has failed often and never worked.
    pub(super) fn is_hopeless(&self) -> bool {
        self.valid + self.warmup_valid == 0 && self.failed + self.warmup_failed >= HOPELESS_AFTER
    }

    /// Whether it has said that it cannot run here, and never worked.
    pub(super) fn is_impossible(&self) -> bool {
        self.valid + self.warmup_valid == 0 && self.impossible > 0
    }

    /// Whether it gets no more samples: it has never worked, or has failed more often than a half of the samples it needs
    /// (and more than three times). At least one failure in a round that counts is on record then.
    fn is_out(&self, wanted: Wanted) -> bool {
        self.is_impossible() || (self.is_hopeless() && self.failed > 0) || self.failed > wanted.failures_allowed()
    }
}

/// One cell of a block.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) cell: CellId,
    /// The rounds with an attempt, and whether it was valid.
    pub(super) attempts: BTreeMap<u32, bool>,
    /// The rounds whose attempts said that the cell cannot run here.
    impossible: BTreeSet<u32>,
    pub(super) counts: Counts,
}

/// The cells of one base id.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) members: Vec<Member>,
    /// Which members go on, and the counting rounds in which all of those were valid.
    active: Vec<bool>,
    complete: u32,
}

impl Block {
    pub(super) fn new(cells: Vec<CellId>) -> Self {
        let member =
            |cell| Member { cell, attempts: BTreeMap::new(), impossible: BTreeSet::new(), counts: Counts::default() };
        let active = vec![true; cells.len()];
        Self { members: cells.into_iter().map(member).collect(), active, complete: 0 }
    }

    /// Records an attempt of one member; false if it has one in that round already.
    pub(super) fn record(&mut self, index: usize, round: u32, outcome: Outcome, wanted: Wanted) -> bool {
        let member = &mut self.members[index];
        if member.attempts.contains_key(&round) {
            return false;
        }
        let valid = outcome == Outcome::Valid;
        member.attempts.insert(round, valid);
        if outcome == Outcome::Impossible {
            member.impossible.insert(round);
            member.counts.impossible += 1;
        }
        let warmup = round < wanted.warmup_rounds;
        *member.counts.counter(warmup, valid) += 1;
        let active: Vec<bool> = self.members.iter().map(|member| !member.counts.is_out(wanted)).collect();
        if active != self.active {
            self.complete = self.complete_rounds(&active, wanted);
            self.active = active;
        } else if !warmup && valid && self.active[index] && self.is_complete_in(round, &self.active) {
            self.complete += 1;
        }
        true
    }

    /// The members to take in a round, judged by what was known before it: a round that was cut short is gone on with as
    /// it was begun, whatever its first samples were.
    pub(super) fn needs(&self, round: u32, wanted: Wanted) -> Vec<usize> {
        let before: Vec<Counts> = self.members.iter().map(|member| member.counts_before(round, wanted)).collect();
        let active: Vec<bool> = before.iter().map(|counts| !counts.is_out(wanted)).collect();
        let all = if active == self.active { self.complete } else { self.complete_rounds(&active, wanted) };
        let in_this = round >= wanted.warmup_rounds && self.is_complete_in(round, &active);
        if all - u32::from(in_this) >= wanted.samples {
            return Vec::new();
        }
        let takes_part =
            |index: &usize| active[*index] && (round >= wanted.warmup_rounds || !before[*index].is_hopeless());
        let open = |index: &usize| !self.members[*index].attempts.contains_key(&round);
        (0..self.members.len()).filter(takes_part).filter(open).collect()
    }

    /// Whether a member is given up: out, and without the samples that are wanted. One that others are compared with is
    /// missed in later rounds even when it has enough of its own.
    pub(super) fn is_given_up(&self, index: usize, wanted: Wanted) -> bool {
        let counts = &self.members[index].counts;
        counts.is_out(wanted) && (self.members.len() > 1 || counts.valid < wanted.samples)
    }

    /// The counting rounds in which all members that go on were valid; `None` if none goes on.
    pub(super) fn whole_rounds(&self) -> Option<u32> {
        self.active.contains(&true).then_some(self.complete)
    }

    /// Whether a member goes on.
    pub(super) fn is_active(&self, index: usize) -> bool {
        self.active.get(index).copied().unwrap_or(false)
    }

    /// Samples of a member still to take if none fails.
    pub(super) fn left(&self, index: usize, latest_round: u32, wanted: Wanted) -> u64 {
        if !self.active[index] || self.complete >= wanted.samples {
            return 0;
        }
        let member = &self.members[index];
        let attempt = member.attempts.get(&latest_round);
        let warmups = wanted.warmup_rounds.saturating_sub(latest_round);
        let warmups = warmups.saturating_sub(u32::from(attempt.is_some()));
        let warmups = if member.counts.is_hopeless() { 0 } else { warmups };
        // A sample of a round that the others have still to finish will count if they are valid too.
        let others = || self.members.iter().zip(&self.active).filter(|(_, active)| **active).map(|(member, _)| member);
        let pending = latest_round >= wanted.warmup_rounds
            && attempt == Some(&true)
            && others().any(|other| !other.attempts.contains_key(&latest_round))
            && others().all(|other| other.attempts.get(&latest_round) != Some(&false));
        u64::from(warmups) + u64::from(wanted.samples - self.complete - u32::from(pending))
    }

    /// The counting rounds in which every active member was valid; none if no member is active.
    fn complete_rounds(&self, active: &[bool], wanted: Wanted) -> u32 {
        let Some(first) = active.iter().position(|active| *active) else { return 0 };
        let rounds = self.members[first].attempts.range(wanted.warmup_rounds..);
        let complete = rounds.filter(|(round, _)| self.is_complete_in(**round, active)).count();
        u32::try_from(complete).unwrap_or(u32::MAX)
    }

    fn is_complete_in(&self, round: u32, active: &[bool]) -> bool {
        let mut members = self.members.iter().zip(active).filter(|(_, active)| **active).peekable();
        members.peek().is_some() && members.all(|(member, _)| member.attempts.get(&round) == Some(&true))
    }
}

impl Member {
    fn counts_before(&self, round: u32, wanted: Wanted) -> Counts {
        let mut counts = self.counts;
        if let Some(valid) = self.attempts.get(&round) {
            *counts.counter(round < wanted.warmup_rounds, *valid) -= 1;
            counts.impossible -= u32::from(self.impossible.contains(&round));
        }
        counts
    }
}
