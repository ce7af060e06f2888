//! Calibration: what this host can do, and what the lab itself costs (DESIGN §2.8).
//!
//! Every limit is measured by repeated trials within a share of the time that is allowed. Nothing is estimated: what
//! cannot be tried here is skipped with the reason. Threads that are pinned are made for it and end with it, so that no
//! affinity outlives a measurement.

mod caches;
mod copying;
mod cost;
mod digest;
mod line;
mod memory;
mod message;
pub(crate) mod pin;
mod spawn;
mod storage;
mod trials;

use crate::host::fingerprint::clock_step_ns;
use crate::lab::Lab;
use isodyne_core::calibration::{CALIBRATION_SCHEMA, CALIBRATION_VERSION, Calibration, Limit, LimitKind, SkippedLimit};
use std::time::Duration;
use trials::{Trials, Window};

/// How long all measurements may take together, as a rule.
pub const FULL: Duration = Duration::from_secs(10);
/// The same for a quick look.
pub const QUICK: Duration = Duration::from_secs(2);

/// What is measured next.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// In words.
    pub what: &'static str,
    /// How many measurements are done.
    pub done: u32,
    /// How many there are.
    pub of: u32,
}

/// What one measurement found.
type Found = Vec<Result<Limit, SkippedLimit>>;

/// One measurement: its words, its share of the time, and what does it.
struct Step {
    what: &'static str,
    share: u32,
    measure: fn(&Lab, Window) -> Found,
}

/// All measurements. Shares are parts of the sum of all.
const STEPS: &[Step] = &[
    Step { what: "clock", share: 2, measure: clock },
    Step { what: "memory copy", share: 24, measure: memory::copies },
    Step { what: "memory copy of a frame", share: 12, measure: memory::frames },
    Step { what: "SHA-256", share: 6, measure: digest::sha256 },
    Step { what: "cache line between cores", share: 10, measure: line::round_trip },
    Step { what: "fsync", share: 12, measure: storage::fsync },
    Step { what: "TCP loopback", share: 12, measure: message::loopback },
    Step { what: "unix socket", share: 9, measure: message::unix },
    Step { what: "pipe", share: 9, measure: message::pipe },
    Step { what: "fork and exec", share: 10, measure: spawn::fork_exec },
    Step { what: "signals", share: 3, measure: cost::signals },
    Step { what: "contamination reading", share: 3, measure: cost::contamination },
];

/// Measures everything within about `allowed`; `tell` hears what comes next, between measurements and never during one.
/// `now` is the time of the day (RFC 3339, UTC).
pub fn calibrate(lab: &Lab, allowed: Duration, now: &str, tell: &mut dyn FnMut(Progress)) -> Calibration {
    let mut calibration = Calibration {
        schema: CALIBRATION_SCHEMA.to_owned(),
        version: CALIBRATION_VERSION,
        measured_at: now.to_owned(),
        fingerprint: lab.host.clone().with_storage(&lab.cache).fingerprint,
        limits: Vec::new(),
        skipped: Vec::new(),
    };
    let shares: u32 = STEPS.iter().map(|step| step.share).sum();
    for (done, step) in (0..).zip(STEPS) {
        tell(Progress { what: step.what, done, of: STEPS.len() as u32 });
        let window = Window::open(lab.clock, allowed * step.share / shares);
        for found in (step.measure)(lab, window) {
            match found {
                Ok(limit) => calibration.limits.push(limit),
                Err(skipped) => calibration.skipped.push(skipped),
            }
        }
    }
    calibration
}

fn clock(lab: &Lab, window: Window) -> Found {
    let [steps, stamps] = window.split();
    let step = steps.trials(3, 500, || clock_step_ns(lab.clock).map(|ns| ns as f64).ok_or("the clock never moved"));
    let stamp = stamps.trials(3, 500, || -> Result<f64, &str> {
        let begin = lab.clock.now();
        for _ in 0..1_000 {
            std::hint::black_box(lab.clock.now());
        }
        Ok(lab.clock.now().ns_since(begin) as f64 / 1_000.0)
    });
    vec![
        Trials::limit(
            step,
            "clock_step_ns",
            LimitKind::Floor,
            "the smallest difference above 0 between two readings of CLOCK_MONOTONIC that follow each other, among 4000 \
             readings; one thread"
                .to_owned(),
        ),
        Trials::limit(
            stamp,
            "stamp_ns",
            LimitKind::Cost,
            "mean of 1000 readings of CLOCK_MONOTONIC in a row".to_owned(),
        ),
    ]
}

/// A measurement that cannot be made.
fn skip(name: &str, reason: impl std::fmt::Display) -> Result<Limit, SkippedLimit> {
    Err(SkippedLimit { name: name.to_owned(), reason: reason.to_string() })
}

#[cfg(test)]
mod tests;
