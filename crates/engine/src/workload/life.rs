//! The life of one sandbox in a sample: it begins, says hello, is worked with, is stopped, and its ledger closes.
//!
//! Every benchmark is what it does between [`Life::begin`] and [`Life::end`]. What began the sandbox is the benchmark's own: a
//! launch, or the restore of a kept state. A life that is dropped before its end leaves the clean-up to its sandbox.

use super::Attempt;
use crate::backend::{Sandbox, Stamp, Stopped};
use crate::lab::Lab;
use isodyne_core::cell::BenchmarkName;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{Ledger, Milestone, MilestoneName, SignalName};
use isodyne_core::unit::HostInstant;
use std::time::Duration;

/// How long a sandbox may take to end before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// How long a failed sandbox may take to end: it is probably stuck.
const FAILED_STOP_PATIENCE: Duration = Duration::from_millis(500);
/// How long the backend's own proofs may take, behind the measured time.
const PROOF_PATIENCE: Duration = Duration::from_secs(30);

/// A sandbox that lives, and what is known of the sample so far.
#[must_use = "a life that does not come to its end gives no sample"]
pub(super) struct Life<'a> {
    /// The lab it lives in.
    pub(super) lab: &'a Lab,
    /// The sandbox.
    pub(super) sandbox: Box<dyn Sandbox>,
    /// What the sample will be. Its ledger is made at the end.
    pub(super) attempt: Attempt,
    benchmark: BenchmarkName,
    /// t0: of the sandbox that it began with.
    origin: HostInstant,
    /// The benchmark's own stamps, and those of a sandbox that was retired; the one that lives has others.
    stamps: Vec<Stamp>,
    /// Whether the sandbox has been stopped already, and which one it is.
    retired: bool,
    successor: bool,
}

impl<'a> Life<'a> {
    /// Launches or restores a sandbox. What comes before its t0 is `prepare_ns`.
    ///
    /// # Errors
    /// That of `start`.
    pub(super) fn begin(
        benchmark: BenchmarkName,
        lab: &'a Lab,
        start: impl FnOnce() -> Result<Box<dyn Sandbox>, Failure>,
    ) -> Result<Self, Failure> {
        let prepared_from = lab.clock.now();
        let sandbox = start()?;
        let mut attempt = Attempt::default();
        attempt.metrics.insert("prepare_ns".to_owned(), sandbox.origin().ns_since(prepared_from) as f64);
        let origin = sandbox.origin();
        Ok(Self { lab, sandbox, attempt, benchmark, origin, stamps: Vec::new(), retired: false, successor: false })
    }

    /// The instant that lies so long after t0.
    pub(super) fn after_origin(&self, time: Duration) -> HostInstant {
        HostInstant(self.origin.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Waits for the agent's hello, which is the milestone `agent`.
    ///
    /// # Errors
    /// As [`crate::channel::AgentChannel::hello`].
    pub(super) fn hello(&mut self, deadline: HostInstant) -> Result<(), Failure> {
        let (_, at) = self.sandbox.agent().hello(deadline)?;
        self.stamps.push(Stamp { name: MilestoneName::Agent, at, asked: None, signal: SignalName::Frame });
        Ok(())
    }

    /// t0: of the sandbox that it began with.
    pub(super) fn origin(&self) -> HostInstant {
        self.origin
    }

    /// Adds a value.
    pub(super) fn metric(&mut self, name: &str, value: u64) {
        self.attempt.metrics.insert(name.to_owned(), value as f64);
    }

    /// Adds a milestone.
    pub(super) fn stamp(
        &mut self,
        name: MilestoneName,
        asked: Option<HostInstant>,
        at: HostInstant,
        signal: SignalName,
    ) {
        self.stamps.push(Stamp { name, at, asked, signal });
    }

    /// Stops the sandbox before the sample's end. What the first one used keeps its names with `cold_` in front.
    ///
    /// # Errors
    /// If it did not end well.
    pub(super) fn retire(&mut self, patience: Duration) -> Result<(), Failure> {
        if self.retired {
            return Ok(());
        }
        let prefix = if self.successor { "" } else { "cold_" };
        let mut used = self.sandbox.usage();
        let asked = self.lab.clock.now();
        let stopped = self.sandbox.stop(self.lab.clock.after(patience));
        self.retired = true;
        if !self.successor {
            self.stamps.extend(self.sandbox.stamps());
            if let (Some(gone), Some(signal)) = (stopped.gone, stopped.signal) {
                // What ended as its state was kept was gone before it was asked.
                self.stamp(MilestoneName::Ended, Some(asked), gone.max(asked), signal);
            }
        }
        used.extend(stopped.usage.iter().cloned());
        self.attempt.metrics.extend(used.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)));
        bad_end(stopped, patience).map_or(Ok(()), Err)
    }

    /// Whether the sandbox has been stopped before the sample's end.
    pub(super) fn is_retired(&self) -> bool {
        self.retired
    }

    /// Goes on with another sandbox.
    pub(super) fn succeed(&mut self, sandbox: Box<dyn Sandbox>) {
        self.sandbox = sandbox;
        self.retired = false;
        self.successor = true;
    }

    /// Adds a milestone that the agent's answer to a question is.
    pub(super) fn answered(&mut self, name: MilestoneName, asked: HostInstant, at: HostInstant) {
        self.stamps.push(Stamp { name, at, asked: Some(asked), signal: SignalName::Frame });
    }

    /// Ends the total, with a stamp of its own: what was checked since the last milestone shows in the residue.
    pub(super) fn total(&mut self) {
        let total_ns = self.lab.clock.now().ns_since(self.origin);
        self.attempt.metrics.insert("total_ns".to_owned(), total_ns as f64);
    }

    /// Ends the life: usage and the backend's own proofs if the work went well, the stop, the ledger.
    pub(super) fn end(self, worked: Result<(), Failure>) -> Attempt {
        self.end_after(worked, |_| ())
    }

    /// As [`Self::end`], with something to do between the proofs and the stop, whether the work went well or not.
    pub(super) fn end_after(mut self, worked: Result<(), Failure>, last: impl FnOnce(&mut Self)) -> Attempt {
        let patience = if worked.is_ok() { STOP_PATIENCE } else { FAILED_STOP_PATIENCE };
        if self.retired {
            self.attempt.failure = worked.err();
            last(&mut self);
            self.close();
            return self.attempt;
        }
        let proved = worked.and_then(|()| {
            self.attempt.metrics.extend(self.sandbox.usage());
            self.sandbox.prove(self.lab.clock.after(PROOF_PATIENCE))
        });
        match proved {
            Ok(more) => self.attempt.proofs.extend(more),
            Err(failure) => self.attempt.failure = Some(self.sandbox.diagnose(failure)),
        }
        last(&mut self);
        self.stop(patience);
        self.attempt
    }

    /// Stops the sandbox, and closes the ledger.
    fn stop(&mut self, patience: Duration) {
        let asked = self.lab.clock.now();
        let stopped = self.sandbox.stop(self.lab.clock.after(patience));
        let (stamps, attempt) = (&mut self.stamps, &mut self.attempt);
        // The stamps of a successor are in the sample's ledger by names of their own.
        if !self.successor {
            stamps.extend(self.sandbox.stamps());
        }
        if attempt.failure.is_none() {
            let signal = SignalName::Stamp;
            stamps.push(Stamp { name: MilestoneName::StopRequested, at: asked, asked: None, signal });
        }
        if let (Some(gone), Some(signal)) = (stopped.gone, stopped.signal) {
            stamps.push(Stamp { name: MilestoneName::Gone, at: gone, asked: None, signal });
            if attempt.failure.is_none() && !stopped.killed {
                attempt.metrics.insert("stop_ns".to_owned(), gone.ns_since(asked) as f64);
                attempt.metrics.insert("lifecycle_ns".to_owned(), gone.ns_since(self.origin) as f64);
            }
        }
        attempt.metrics.extend(stopped.usage.iter().cloned());
        if attempt.failure.is_none() {
            attempt.failure = bad_end(stopped, patience);
        }
        self.close();
    }

    /// Makes the ledger, and closes it if the sample is good so far.
    fn close(&mut self) {
        self.attempt.ledger = ledger(self.origin, &self.stamps);
        if self.attempt.failure.is_none() {
            self.attempt.failure = close(self.benchmark, &mut self.attempt).err();
        }
    }
}

/// Why an end was not a good one.
fn bad_end(stopped: Stopped, patience: Duration) -> Option<Failure> {
    if let Some(survivor) = stopped.survivors.first() {
        Some(Failure::new(FailureClass::Leak, format!("after the stop {survivor}")))
    } else if stopped.killed {
        let message = format!("it did not stop within {} s and was killed", patience.as_secs());
        Some(Failure::new(FailureClass::Leak, message))
    } else {
        stopped.complaint.map(|complaint| Failure::new(FailureClass::Crash, complaint))
    }
}

/// Computes the residue of a total, and refuses a ledger that does not close.
fn close(benchmark: BenchmarkName, attempt: &mut Attempt) -> Result<(), Failure> {
    let Some(total_ns) = attempt.metrics.get("total_ns").copied() else { return Ok(()) };
    let refused = |message| Failure::new(FailureClass::Ledger, message);
    let last = benchmark
        .last_milestone(&attempt.ledger)
        .ok_or_else(|| refused(format!("no milestone of `{benchmark}` ends its total")))?;
    let residue = attempt.ledger.residue_ns(last, total_ns as u64).map_err(|error| refused(error.to_string()))?;
    attempt.metrics.insert("residue_ns".to_owned(), residue as f64);
    Ok(())
}

fn ledger(origin: HostInstant, stamps: &[Stamp]) -> Ledger {
    let mut ledger = Ledger::default();
    for stamp in stamps {
        ledger.add(Milestone {
            name: stamp.name,
            at_ns: stamp.at.ns_since(origin),
            asked_ns: stamp.asked.map(|asked| asked.ns_since(origin)),
            signal: stamp.signal,
        });
    }
    ledger
}

#[cfg(test)]
mod tests;
