//! What the lab itself costs: seeing an event, and reading the host's counters around a sample.

use super::trials::{Trials, Window};
use super::{Found, skip};
use crate::host::contamination::{Before, Meter};
use crate::host::signals;
use crate::lab::Lab;
use isodyne_core::calibration::{Limit, LimitKind};
use isodyne_core::ledger::SignalName;
use std::sync::Arc;

/// What every run measures at its beginning too: from event to stamp, by signal.
pub(super) fn signals(lab: &Lab, _window: Window) -> Found {
    let tried = signals::measure_with_best(lab.clock, &lab.scratch);
    if tried.is_empty() {
        return vec![skip("signal_ns", "no signal could be tried")];
    }
    // The cost of a stamp has a limit of its own.
    let tried = tried.into_iter().filter(|tried| tried.cost.signal != SignalName::Stamp);
    let limit = |tried: signals::Tried| Limit {
        name: format!("signal_{}_ns", tried.cost.signal.as_str().replace('-', "_")),
        kind: LimitKind::Cost,
        typical: tried.cost.cost_ns,
        best: tried.best_ns,
        n: tried.n,
        method: tried.cost.method,
    };
    tried.map(|tried| Ok(limit(tried))).collect()
}

/// One of the two readings around each sample.
pub(super) fn contamination(lab: &Lab, window: Window) -> Found {
    let meter = Arc::new(Meter::open(&lab.host));
    let trials = window.trials(10, 20_000, || -> Result<f64, &str> {
        let begin = lab.clock.now();
        std::hint::black_box(Before::read(&meter));
        Ok(lab.clock.now().ns_since(begin) as f64)
    });
    let method = "one reading of the counters of steal, pressure, switches, throttling and load; each sample has two, \
                  outside of its measured time";
    vec![Trials::limit(trials, "contamination_reading_ns", LimitKind::Cost, method.to_owned())]
}
