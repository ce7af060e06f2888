//! What it takes to see an event: resolution and cost of each signal, measured at the beginning of a run.
//!
//! Each is tried some fifty times on this host. The cost is the median; the resolution of a signal that has to wake a
//! thread is the spread of the middle half of the trials, and never less than a clock step: two events that lie closer
//! together than that cannot be told apart by such a signal. A call that returns when the event has happened resolves
//! what the clock resolves.

mod exit;
mod wake;

use super::fingerprint::clock_step_ns;
use super::tools::find_tool;
use crate::clock::Clock;
use isodyne_core::ledger::SignalName;
use isodyne_core::record::SignalCost;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

const TRIALS: usize = 50;
/// Programs take longer to start than threads to wake.
const EXEC_TRIALS: usize = 25;

/// A signal as tried, with what a run does not keep.
pub(crate) struct Tried {
    /// Its resolution and cost.
    pub cost: SignalCost,
    /// The shortest of the trials, in nanoseconds.
    pub best_ns: f64,
    /// How many trials.
    pub n: u64,
}

/// Measures all signals; takes less than 300 ms. A signal that this host cannot try is left out. `scratch` is a directory
/// for a few short-lived files.
pub fn measure(clock: Clock, scratch: &Path) -> Vec<SignalCost> {
    measure_with_best(clock, scratch).into_iter().map(|tried| tried.cost).collect()
}

/// As [`measure`], and the best of each.
pub(crate) fn measure_with_best(clock: Clock, scratch: &Path) -> Vec<Tried> {
    let step_ns = clock_step_ns(clock).unwrap_or(1) as f64;
    let one_way = wake::pipe(clock, TRIALS);
    let round_trip = wake::round_trip(clock, TRIALS);
    let cost = |signal, trials: &Option<Vec<u64>>, method: &str| summarise(signal, trials.as_deref()?, step_ns, method);
    [
        exec(clock, step_ns),
        cost(
            SignalName::Reply,
            &round_trip,
            "one byte to another thread and back over a pair of unix sockets; the work of the one who replies is not in \
             it",
        ),
        cost(
            SignalName::Frame,
            &round_trip,
            "one byte to another thread and back over a pair of unix sockets: a round trip, of which the way to the host \
             is a part; what a virtual device adds is not in it",
        ),
        cost(
            SignalName::Console,
            &one_way,
            "from before a byte is written to a pipe until poll has returned in the watching thread; what the VMM or \
             runtime needs to hand the byte on is not in it",
        ),
        cost(
            SignalName::DebugPort,
            &one_way,
            "as for the console: from before a byte is written to a pipe until poll has returned in the watching thread; \
             the VMM's emulation of the port is not in it",
        ),
        cost(
            SignalName::LogLine,
            &one_way,
            "as for the console: from before a byte is written to a pipe until poll has returned in the watching thread; \
             what the VMM needs to write its line is not in it",
        ),
        cost(
            SignalName::Notify,
            &wake::notify(clock, TRIALS, scratch),
            "from before a file is created until poll on inotify has returned in the watching thread; the creation of the \
             file is in it",
        ),
        cost(
            SignalName::Exit,
            &exit::exits(clock, TRIALS),
            "from a child's last stamp before it exits until poll on its pidfd has returned; the kernel's removal of the \
             child is in it",
        ),
        cost(
            SignalName::Event,
            &one_way,
            "lower bound: from before a byte is written to a pipe until poll has returned in the watching thread; what \
             the daemon needs to notice and report its event is not known",
        ),
        Some(stamp(clock, step_ns)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn summarise(signal: SignalName, trials: &[u64], step_ns: f64, method: &str) -> Option<Tried> {
    let mut sorted = trials.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| sorted.get(((sorted.len() as f64 - 1.0) * share).round() as usize).map(|ns| *ns as f64);
    let spread = at(0.75)? - at(0.25)?;
    let cost = SignalCost {
        signal,
        resolution_ns: spread.max(step_ns),
        cost_ns: at(0.5)?,
        method: format!("{method} (median of {} trials; resolution: spread of the middle half)", sorted.len()),
    };
    Some(Tried { cost, best_ns: at(0.0)?, n: sorted.len() as u64 })
}

fn stamp(clock: Clock, step_ns: f64) -> Tried {
    const READINGS: u32 = 10_000;
    let begin = clock.now();
    for _ in 0..READINGS {
        std::hint::black_box(clock.now());
    }
    let cost_ns = clock.now().ns_since(begin) as f64 / f64::from(READINGS);
    let method = format!("mean of {READINGS} readings of the clock; resolution: the smallest step seen");
    let cost = SignalCost { signal: SignalName::Stamp, resolution_ns: step_ns, cost_ns, method };
    Tried { cost, best_ns: cost_ns, n: 1 }
}

fn exec(clock: Clock, step_ns: f64) -> Option<Tried> {
    let program = find_tool("/bin/true").or_else(|| find_tool("true"))?;
    let mut trials = Vec::with_capacity(EXEC_TRIALS);
    for _ in 0..EXEC_TRIALS {
        let mut command = Command::new(&program);
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let begin = clock.now();
        let mut child = command.spawn().ok()?;
        trials.push(clock.now().ns_since(begin));
        child.wait().ok()?;
    }
    let found = summarise(SignalName::Exec, &trials, step_ns, "")?;
    let method = format!(
        "upper bound: the whole of fork and exec of a trivial program, from before the fork to the return that says that \
         the exec succeeded (median of {EXEC_TRIALS} trials); the return is the event, so it resolves what the clock does"
    );
    Some(Tried { cost: SignalCost { resolution_ns: step_ns, method, ..found.cost }, ..found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn every_signal_has_a_cost_and_a_method() {
        let scratch = tempfile::tempdir().unwrap();
        let begin = Instant::now();
        let costs = measure(Clock, scratch.path());
        let took = begin.elapsed();
        let found: Vec<SignalName> = costs.iter().map(|cost| cost.signal).collect();
        let observed = SignalName::ALL.iter().copied().filter(|signal| *signal != SignalName::Script);
        for signal in observed {
            assert!(found.contains(&signal), "{signal} is missing");
        }
        for cost in &costs {
            assert!(cost.cost_ns > 0.0 && cost.resolution_ns > 0.0 && !cost.method.is_empty(), "{cost:?}");
        }
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
        // The goal is 300 ms; a busy machine gets more room.
        assert!(took < Duration::from_secs(3), "{took:?}");
    }

    #[test]
    fn the_resolution_is_never_finer_than_the_clock() {
        let cost = summarise(SignalName::Exit, &[500; 50], 22.0, "x").unwrap().cost;
        assert_eq!((cost.cost_ns, cost.resolution_ns), (500.0, 22.0));
        let spread: Vec<u64> = (0..=100).collect();
        let spread = summarise(SignalName::Exit, &spread, 22.0, "x").unwrap();
        assert_eq!((spread.cost.resolution_ns, spread.best_ns, spread.n), (50.0, 0.0, 101));
        assert!(summarise(SignalName::Exit, &[], 22.0, "x").is_none());
    }
}
