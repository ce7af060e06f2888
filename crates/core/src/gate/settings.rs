//! How sure the gate must be.

use crate::sample::Provenance;

/// How sure the gate must be. The default is what `docs/comparing.md` states and `isodyne selfcheck` measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// A budget is broken only where "no change for the worse" (relative), or "within the bound" (absolute), would show
    /// this with at most this probability. Over several relative budgets it is the false-discovery rate.
    pub false_alarms: f64,
    /// A relative budget is broken only where the change is beyond the margin with at least this (one-sided) confidence.
    pub beyond_margin: f64,
    /// A relative budget holds only where the change is within the margin with this (one-sided) confidence: half of what
    /// an interval of 95 % leaves out.
    pub within_margin: f64,
    /// An absolute budget holds only where the figure is within the bound with this (one-sided) confidence.
    pub within_bound: f64,
    /// The provenance that counts: `measured`. Only the lab's check of itself accepts its own synthetic samples.
    pub accepted: Provenance,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            false_alarms: 0.01,
            beyond_margin: 0.9,
            within_margin: 0.975,
            within_bound: 0.95,
            accepted: Provenance::Measured,
        }
    }
}
