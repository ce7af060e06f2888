//! The ledger: milestones of one sample on one clock, the phases between them, and the residue.
//!
//! A phase is the time that is *attributed* to a milestone. For something the sandbox does by itself (a kernel that
//! boots) the phase begins at the milestone before. For something the lab asks for (an API call, an exec) the phase
//! begins when the lab begins to ask: what the lab spent between two phases is nobody's and shows as residue.

use crate::cell::{UnknownName, named};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

named! {
    /// An event in the life of a sandbox. The names are stable.
    MilestoneName {
        /// The process of the VMM or runtime has been forked and has executed its program.
        Spawned = "spawned",
        /// The control socket answered for the first time.
        ApiReady = "api_ready",
        /// The monitor has taken the whole description of the machine.
        Configured = "configured",
        /// The runtime has created the container.
        Created = "created",
        /// The runtime or VMM says that the guest or container has been started.
        Started = "started",
        /// The firmware showed its first sign of life.
        Firmware = "firmware",
        /// The kernel wrote its first byte to the console.
        Kernel = "kernel",
        /// The kernel handed over to init: the agent's first instruction that can be seen outside.
        Init = "init",
        /// The agent's hello arrived.
        Agent = "agent",
        /// The first command's output arrived and is correct.
        FirstExec = "first_exec",
        /// The program of the user's own application has been executed.
        AppStarted = "app_started",
        /// The application is ready, as its plan says what that is.
        Ready = "ready",
        /// The subject inside holds the state that is to be kept.
        Prepared = "prepared",
        /// The sandbox stands still, for its state to be written.
        Frozen = "frozen",
        /// The engine says that the state is written.
        Written = "written",
        /// Every file of the kept state, and the directories that name them, are on stable storage.
        Durable = "durable",
        /// The sandbox whose state was kept is gone.
        Ended = "ended",
        /// The restored subject answered for the first time, and right.
        FirstReply = "first_reply",
        /// The lab asked the sandbox to stop.
        StopRequested = "stop_requested",
        /// The last process of the sandbox has ended and been reaped.
        Gone = "gone",
    }
}

named! {
    /// How an event becomes known on the host. Its resolution and cost are measured for each run.
    SignalName {
        /// The return of fork and exec.
        Exec = "exec",
        /// A reply on a control socket.
        Reply = "reply",
        /// A byte or frame on the agent's channel.
        Frame = "frame",
        /// The first byte on the console.
        Console = "console",
        /// A line in the monitor's log.
        LogLine = "log_line",
        /// A byte written to a debug port.
        DebugPort = "debug_port",
        /// A notification of a change of a file.
        Notify = "notify",
        /// The end of a process, as waited for.
        Exit = "exit",
        /// An event on a daemon's event stream.
        Event = "event",
        /// A scripted time: nothing was observed.
        Script = "script",
        /// A stamp that the lab itself takes.
        Stamp = "stamp",
    }
}

/// An event with its time, relative to t0 of the sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestone {
    /// Which event.
    pub name: MilestoneName,
    /// When, in nanoseconds after t0.
    pub at_ns: u64,
    /// When the lab began to ask for it, in nanoseconds after t0; absent if the sandbox came to it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_ns: Option<u64>,
    /// How it was seen.
    pub signal: SignalName,
}

/// The milestones of one sample, in the order of their times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// In the order of their times.
    pub milestones: Vec<Milestone>,
}

/// The time attributed to one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// A short name for the step: `spawn`, `kernel`, `exec`, …
    pub name: String,
    /// The milestone that ends it.
    pub until: MilestoneName,
    /// Where it begins, in nanoseconds after t0.
    pub begin_ns: u64,
    /// Its length in nanoseconds.
    pub length_ns: u64,
}

/// A [`Phase`] that owns nothing, for reading very many ledgers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// As [`Phase::name`].
    pub name: &'static str,
    /// As [`Phase::until`].
    pub until: MilestoneName,
    /// As [`Phase::begin_ns`].
    pub begin_ns: u64,
    /// As [`Phase::length_ns`].
    pub length_ns: u64,
}

/// Why a ledger cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A milestone that must be there is not.
    #[error("milestone `{0}` was never seen")]
    Missing(MilestoneName),
    /// A phase begins before the one in front of it has ended, or ends before it begins.
    #[error("milestone `{0}` is out of order")]
    Order(MilestoneName),
}

impl Ledger {
    /// Adds a milestone and keeps the order of times (ties: the order of the life cycle).
    pub fn add(&mut self, milestone: Milestone) {
        self.milestones.push(milestone);
        self.milestones.sort_by_key(|milestone| (milestone.at_ns, milestone.name));
    }

    /// When the milestone happened, if it did.
    pub fn at_ns(&self, name: MilestoneName) -> Option<u64> {
        self.milestones.iter().find(|milestone| milestone.name == name).map(|milestone| milestone.at_ns)
    }

    /// The phases from t0 up to and including the milestone `last`.
    ///
    /// # Errors
    /// If `last` is missing, if milestones are not in the order of a life cycle, or if two phases overlap.
    pub fn phases(&self, last: MilestoneName) -> Result<Vec<Phase>, LedgerError> {
        let mut steps = Vec::new();
        self.steps(last, &mut steps)?;
        let phase = |step: Step| Phase {
            name: step.name.to_owned(),
            until: step.until,
            begin_ns: step.begin_ns,
            length_ns: step.length_ns,
        };
        Ok(steps.into_iter().map(phase).collect())
    }

    /// As [`Ledger::phases`], into a list that is used again and again; it holds nothing of use after an error.
    ///
    /// # Errors
    /// As [`Ledger::phases`].
    pub fn steps(&self, last: MilestoneName, steps: &mut Vec<Step>) -> Result<(), LedgerError> {
        steps.clear();
        let end =
            self.milestones.iter().position(|milestone| milestone.name == last).ok_or(LedgerError::Missing(last))?;
        let mut before: Option<&Milestone> = None;
        for milestone in &self.milestones[..=end] {
            let previous_at = before.map_or(0, |previous| previous.at_ns);
            let begin_ns = milestone.asked_ns.unwrap_or(previous_at);
            if before.is_some_and(|previous| previous.name >= milestone.name) {
                if milestone.name.is_spine() {
                    return Err(LedgerError::Order(milestone.name));
                }
                // A by-signal that was overtaken (a runtime removes its start file after the container already runs; a
                // VMM answers after the guest's first byte): the stamp stays in the ledger, but it bounds no phase.
                continue;
            }
            if begin_ns < previous_at || milestone.at_ns < begin_ns {
                return Err(LedgerError::Order(milestone.name));
            }
            steps.push(Step {
                name: phase_name(before.map(|previous| previous.name), milestone.name),
                until: milestone.name,
                begin_ns,
                length_ns: milestone.at_ns - begin_ns,
            });
            before = Some(milestone);
        }
        Ok(())
    }

    /// What the phases up to `last` leave of `total_ns`: time that is attributed to nothing.
    ///
    /// # Errors
    /// As [`Ledger::phases`], and [`LedgerError::Order`] if the phases are longer than the total.
    pub fn residue_ns(&self, last: MilestoneName, total_ns: u64) -> Result<u64, LedgerError> {
        let attributed: u64 = self.phases(last)?.iter().map(|phase| phase.length_ns).sum();
        total_ns.checked_sub(attributed).ok_or(LedgerError::Order(last))
    }
}

impl MilestoneName {
    /// Whether every sandbox passes it and only in this order; the others are by-signals that may be overtaken.
    pub fn is_spine(self) -> bool {
        matches!(
            self,
            Self::Spawned
                | Self::Agent
                | Self::FirstExec
                | Self::AppStarted
                | Self::Ready
                | Self::Prepared
                | Self::Written
                | Self::Durable
                | Self::Ended
                | Self::FirstReply
                | Self::StopRequested
                | Self::Gone
        )
    }
}

/// The short name of the phase between two milestones, as tables and figures show it.
pub fn phase_name(from: Option<MilestoneName>, until: MilestoneName) -> &'static str {
    use MilestoneName as M;
    match (from, until) {
        (_, M::Spawned) => "spawn",
        (_, M::ApiReady) => "api",
        (_, M::Configured) => "configure",
        (_, M::Created) => "create",
        (_, M::Started) => "start",
        (_, M::Firmware) => "firmware",
        (Some(M::Firmware), M::Kernel) => "firmware",
        (_, M::Kernel) => "load",
        (Some(M::Kernel), M::Init) => "kernel",
        (_, M::Init) => "load+kernel",
        (_, M::Agent) => "init",
        (_, M::FirstExec) => "exec",
        (_, M::AppStarted) => "app",
        (_, M::Ready) => "ready",
        (_, M::Prepared) => "fill",
        (_, M::Frozen) => "freeze",
        (_, M::Written) => "dump",
        (_, M::Durable) => "sync",
        (_, M::Ended) => "end",
        (_, M::FirstReply) => "restore",
        (_, M::StopRequested) => "idle",
        (_, M::Gone) => "stop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MilestoneName as M;

    fn milestone(name: M, at_ns: u64, asked_ns: Option<u64>) -> Milestone {
        Milestone { name, at_ns, asked_ns, signal: SignalName::Stamp }
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.add(milestone(M::Agent, 70, None));
        ledger.add(milestone(M::Spawned, 10, None));
        ledger.add(milestone(M::FirstExec, 95, Some(75)));
        ledger
    }

    #[test]
    fn phases_and_residue_add_up_to_the_total() {
        let phases = ledger().phases(M::FirstExec).unwrap();
        let lengths: Vec<_> = phases.iter().map(|phase| (phase.name.as_str(), phase.length_ns)).collect();
        assert_eq!(lengths, [("spawn", 10), ("init", 60), ("exec", 20)]);
        assert_eq!(ledger().residue_ns(M::FirstExec, 100), Ok(10));
    }

    #[test]
    fn a_total_smaller_than_its_phases_is_refused() {
        assert_eq!(ledger().residue_ns(M::FirstExec, 80), Err(LedgerError::Order(M::FirstExec)));
    }

    #[test]
    fn a_life_cycle_out_of_order_is_refused() {
        let mut ledger = Ledger::default();
        ledger.add(milestone(M::Agent, 10, None));
        ledger.add(milestone(M::Spawned, 80, None));
        ledger.add(milestone(M::FirstExec, 95, Some(85)));
        assert_eq!(ledger.phases(M::FirstExec), Err(LedgerError::Order(M::Spawned)));
        assert_eq!(ledger.phases(M::Gone), Err(LedgerError::Missing(M::Gone)));
    }

    #[test]
    fn an_overtaken_notification_bounds_no_phase() {
        let mut ledger = ledger();
        ledger.add(milestone(M::Started, 72, Some(60)));
        let names: Vec<_> = ledger.phases(M::FirstExec).unwrap().into_iter().map(|phase| phase.name).collect();
        assert_eq!(names, ["spawn", "init", "exec"]);
    }

    #[test]
    fn a_phase_asked_for_before_the_one_in_front_ended_is_refused() {
        let mut ledger = Ledger::default();
        ledger.add(milestone(M::Agent, 70, None));
        ledger.add(milestone(M::FirstExec, 95, Some(60)));
        assert_eq!(ledger.phases(M::FirstExec), Err(LedgerError::Order(M::FirstExec)));
    }
}
