//! Watching a run: which look is due, and what it says.

use super::{LookRecord, StopRecord, StopRule, Values, judge};
use crate::cell::CellId;
use crate::sample::Sample;
use crate::schedule::Progress;

/// What a rule has seen of a run so far.
#[derive(Clone, Debug)]
pub struct Watch {
    rule: StopRule,
    values: Values,
    /// The look that comes next, by its index.
    next: usize,
    looks: Vec<LookRecord>,
    stopped_after: Option<u32>,
}

impl Watch {
    /// At the beginning of a run.
    pub fn new(rule: &StopRule) -> Self {
        Self { rule: rule.clone(), values: Values::new(), next: 0, looks: Vec::new(), stopped_after: None }
    }

    /// Goes through what earlier sessions have taken, as they did: every sample is recorded in `progress`, and every look
    /// that was due is made again. `None` without a rule.
    ///
    /// Only after the last round can a look stop the run: what lies behind an earlier one has been taken since, because a
    /// cell that could run then cannot now.
    pub fn replay(rule: Option<&StopRule>, progress: &mut Progress, samples: &[Sample]) -> Option<Self> {
        let mut watch = rule.map(Self::new);
        let mut last = None;
        for sample in samples {
            if let (Some(watch), Some(round)) = (&mut watch, last.filter(|round| *round < sample.round)) {
                watch.after_round(progress, round);
                watch.stopped_after = None;
            }
            progress.record_sample(sample);
            watch.iter_mut().for_each(|watch| watch.add(sample));
            last = last.max(Some(sample.round));
        }
        if let (Some(watch), Some(round)) = (&mut watch, last) {
            watch.after_round(progress, round);
        }
        watch
    }

    /// Takes note of a sample.
    pub fn add(&mut self, sample: &Sample) {
        if let Some(value) = sample.metrics.get(&self.rule.metric).filter(|value| sample.counts() && value.is_finite())
        {
            self.values.entry(sample.cell.clone()).or_default().push((sample.round, *value));
        }
    }

    /// Looks, if a look is due after this round and the round has all its attempts.
    ///
    /// A look that was missed because the cell that had kept the others waiting was given up is not made up for: the latest
    /// that is due is made.
    pub fn after_round(&mut self, progress: &Progress, round: u32) -> Option<&LookRecord> {
        if !progress.has_passed(round) {
            return None;
        }
        let whole = progress.whole_rounds()?;
        let due = self.rule.looks.iter().rposition(|after| *after <= whole).filter(|due| *due >= self.next)?;
        let cells: Vec<CellId> = progress.in_play().cloned().collect();
        let look = judge(&self.rule, due, &cells, &self.values, round)?;
        self.next = due + 1;
        if look.sure && look.after < self.rule.most() {
            self.stopped_after = Some(look.after);
        }
        self.looks.push(look);
        self.looks.last()
    }

    /// Whether the run stops here.
    pub fn stops(&self) -> bool {
        self.stopped_after.is_some()
    }

    /// What was seen, for the run's record.
    pub fn into_record(self) -> StopRecord {
        StopRecord { looks: self.looks, stopped_after: self.stopped_after }
    }
}
