//! Stopping a run early, by a rule that its plan declares beforehand.
//!
//! The plan names what is wanted and after how many samples it is looked for; `samples` is the maximum. At a look all
//! cells are judged with what whole rounds have given, and either all go on or all stop. Everything here is pure: a run that
//! is resumed makes the same decisions from the same samples, and so does whoever checks them later.
//!
//! Who looks often and stops when he likes what he sees is fooled by chance more often than his intervals say. So the looks
//! share the error (see [`Level`]), and every interval that is printed of such a run is wider for it.

mod judge;
mod record;
mod watch;

#[cfg(test)]
mod tests;

pub use judge::{Pending, Values, judge};
pub use record::{LookRecord, StopRecord, StopSummary};
pub use watch::Watch;

use crate::stats::{Level, StoppingRule};
use serde::{Deserialize, Serialize};

/// The most looks of a rule: each makes the intervals of all others wider.
pub const MOST_LOOKS: usize = 20;
/// The error of the test by which a difference is sure, two-sided and over all looks: the gate's own 1 % a side.
pub const TEST_ERROR: f64 = 0.02;

/// When a run may stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopRule {
    /// What every cell must have reached.
    pub goal: Goal,
    /// Of which metric.
    pub metric: String,
    /// After how many samples a cell it is looked for, rising; the last is the maximum.
    pub looks: Vec<u32>,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The printed interval of the median is no wider, to either side of its middle, than this share of the median.
    Precision(f64),
    /// Of every variant it is sure that it differs from `base`, or that it differs by less than the margin.
    Decide {
        /// The relative change that does not matter.
        margin: f64,
    },
}

impl StopRule {
    /// The looks with the level of a test at each: even for a precision, little at first for a decision.
    ///
    /// `None` for looks that do not rise, which only a foreign file can hold.
    pub fn looks(&self) -> Option<StoppingRule> {
        let looks: Vec<u64> = self.looks.iter().map(|look| u64::from(*look)).collect();
        let rule = match self.goal {
            Goal::Precision(_) => StoppingRule::even(&looks, TEST_ERROR),
            Goal::Decide { .. } => StoppingRule::new(&looks, TEST_ERROR),
        };
        rule.ok()
    }

    /// What may be spent at a look, by its index.
    pub fn level(&self, look: usize) -> Level {
        let share = self.looks().and_then(|rule| rule.looks().get(look).map(|look| look.level / TEST_ERROR));
        share.map_or(self.even(), Level::of_share)
    }

    /// The same share for every look: of a run that has not come to one.
    fn even(&self) -> Level {
        Level::of_share(1.0 / self.looks.len().max(1) as f64)
    }

    /// The most samples a cell.
    pub fn most(&self) -> u32 {
        self.looks.last().copied().unwrap_or(0)
    }
}
