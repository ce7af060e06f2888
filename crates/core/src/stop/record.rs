//! What the looks saw, as `run.json` keeps it, and what that means for every figure of the run.

use super::{Goal, Pending, StopRule};
use crate::compare::words::{percent, signed_percent};
use crate::record::RunRecord;
use crate::stats::Level;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LookRecord {
    /// After how many samples a cell the plan declares it.
    pub after: u32,
    /// The samples with the metric, of the cell that has the fewest.
    pub samples: u32,
    /// The last round that was judged.
    pub round: u32,
    /// The share of the error that it may spend: its intervals are of 1 − 0.05 × share.
    pub share: f64,
    /// Cells, or variants, that were not sure.
    pub open: u32,
    /// The one that was furthest from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub furthest: Option<Pending>,
    /// Whether everything that was wanted was there.
    pub sure: bool,
}

/// All looks of a run that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopRecord {
    /// The looks that were made, in their order.
    pub looks: Vec<LookRecord>,
    /// After how many samples a cell the rule stopped the run; absent for a run that went to its maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_after: Option<u32>,
}

/// What a summary says of a run with a stopping rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StopSummary {
    /// The rule.
    pub rule: StopRule,
    /// After how many samples a cell it stopped the run; `None` for a run that went to its maximum or has not ended.
    pub stopped_after: Option<u32>,
    /// The confidence of each interval that is printed, so that over all looks 95 % are left.
    pub interval_confidence: f64,
    /// The looks that were made.
    pub looks: Vec<LookRecord>,
    /// All of it in one sentence.
    pub words: String,
}

impl StopRule {
    /// What is wanted, in words.
    pub fn words(&self) -> String {
        match self.goal {
            Goal::Precision(wanted) => {
                format!("the interval of the median of {} within ±{} in every cell", self.metric, percent(wanted))
            }
            Goal::Decide { margin } => format!(
                "{} of every variant surely other than base, or surely the same within ±{}",
                self.metric,
                percent(margin)
            ),
        }
    }

    /// A look in words, for whoever waits: `look 2 of 5 after 40 samples: ±3.1 % (boot/runc), ±2 % wanted`.
    pub fn look_words(&self, look: &LookRecord) -> String {
        let index = self.looks.iter().position(|after| *after == look.after).map_or(0, |index| index + 1);
        let furthest = match (&self.goal, &look.furthest) {
            (_, None) => "nothing to judge".to_owned(),
            (Goal::Precision(wanted), Some(pending)) => {
                let found = pending.half_width.map_or("no interval".to_owned(), |half| format!("±{}", percent(half)));
                format!("{found} ({}), ±{} wanted", pending.cell, percent(*wanted))
            }
            (Goal::Decide { .. }, Some(pending)) => {
                let range = |[low, high]: [f64; 2]| format!("{} to {}", signed_percent(low), signed_percent(high));
                let found = pending.change.map_or("no interval".to_owned(), range);
                format!("{found} ({}), {} not sure", pending.cell, look.open)
            }
        };
        format!("look {index} of {} after {} samples: {furthest}", self.looks.len(), look.after)
    }
}

impl RunRecord {
    /// What each interval of the run may spend of the error: all of it, unless a rule could have stopped the run.
    pub fn level(&self) -> Level {
        if self.merged_from.is_empty() {
            return level(self.plan.stop.as_ref(), self.ended.as_ref().and_then(|end| end.stop.as_ref()));
        }
        let parts = || self.merged_from.iter().map(|part| level(self.plan.stop.as_ref(), part.stop.as_ref()));
        let shards: BTreeSet<&str> = self.merged_from.iter().filter_map(|part| part.shard.as_deref()).collect();
        if shards.len() == self.merged_from.len() {
            // Each cell is in one part only.
            let least = parts().map(Level::share).fold(1.0, f64::min);
            return Level::of_share(least);
        }
        parts().fold(Level::WHOLE, Level::and)
    }

    /// What must be said beside the figures of a run with a stopping rule.
    pub fn stop_summary(&self) -> Option<StopSummary> {
        let rule = self.plan.stop.as_ref()?;
        let stop = self.ended.as_ref().and_then(|end| end.stop.as_ref());
        let level = self.level();
        let stopped_after = stop.and_then(|stop| stop.stopped_after);
        let (most, wanted) = (rule.most(), rule.words());
        let reached = stop.and_then(|stop| stop.looks.last()).is_some_and(|look| look.sure);
        let ended = match (stopped_after, self.ended.is_some()) {
            (_, _) if !self.merged_from.is_empty() => format!("its parts were stopped by a declared rule ({wanted})"),
            (Some(after), _) => {
                format!("stopped by its declared rule after {after} of at most {most} samples a cell: {wanted}")
            }
            (None, true) if reached => {
                format!("went to its maximum of {most} samples, where its rule was met: {wanted}")
            }
            (None, true) => format!("went to its maximum of {most} samples; its rule was not met: {wanted}"),
            (None, false) => format!("may be stopped by its declared rule before {most} samples a cell: {wanted}"),
        };
        let words = format!(
            "{ended}. Looked at after {} samples; each interval is of {}, so that over all looks at least 95 % hold.",
            list(&rule.looks),
            level.confidence_words()
        );
        Some(StopSummary {
            rule: rule.clone(),
            stopped_after,
            interval_confidence: level.confidence(),
            looks: stop.map(|stop| stop.looks.clone()).unwrap_or_default(),
            words,
        })
    }
}

fn level(rule: Option<&StopRule>, stop: Option<&StopRecord>) -> Level {
    let Some(rule) = rule else { return Level::WHOLE };
    // By the rule, not by what the record says of it: the record may be foreign.
    let last = stop.and_then(|stop| stop.looks.last());
    let index = last.and_then(|look| rule.looks.iter().position(|after| *after == look.after));
    index.map_or_else(|| rule.even(), |index| rule.level(index))
}

/// `20, 40 and 60`; of many only the first and the last.
fn list(looks: &[u32]) -> String {
    match looks {
        [] => "no".to_owned(),
        [only] => only.to_string(),
        [first, second, .., last] if looks.len() > 6 => format!("{first}, {second}, … and {last}"),
        [rest @ .., last] => {
            let rest: Vec<String> = rest.iter().map(u32::to_string).collect();
            format!("{} and {last}", rest.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_listed_shortly() {
        assert_eq!(list(&[20, 40, 60]), "20, 40 and 60");
        assert_eq!(list(&[15]), "15");
        assert_eq!(list(&[1, 2, 3, 4, 5, 6, 7]), "1, 2, … and 7");
    }
}
