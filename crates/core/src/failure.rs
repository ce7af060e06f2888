//! Failure is data: the classes a failed sample can have.

use crate::cell::{UnknownName, named};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

named! {
    /// What kind of failure a sample ended in. The names are stable.
    FailureClass {
        /// The guest's kernel ran out of memory.
        OomGuest = "oom_guest",
        /// The sandbox's cgroup ran out of memory.
        OomCgroup = "oom_cgroup",
        /// No space was left on a device.
        Enospc = "enospc",
        /// A deadline passed.
        Timeout = "timeout",
        /// The sandbox, its runtime or its VMM died.
        Crash = "crash",
        /// The sandbox could not be started: its runtime or VMM refused.
        Launch = "launch",
        /// What the guest sent is no valid frame, or is beyond a limit.
        Protocol = "protocol",
        /// The command inside could not be run or ended with an error.
        Exec = "exec",
        /// A server answered with a client error (4xx).
        Http4xx = "http_4xx",
        /// A server answered with a server error (5xx).
        Http5xx = "http_5xx",
        /// What came back from a checkpoint is not what went into it.
        RestoreMismatch = "restore_mismatch",
        /// Another tool says that it failed, and not how.
        Reported = "reported",
        /// The answer was not the right one.
        Integrity = "integrity",
        /// The sandbox could not be stopped, or something of it survived.
        Leak = "leak",
        /// The ledger does not close or its stamps are out of order.
        Ledger = "ledger",
        /// The sandbox lacks what the benchmark needs, as only its launch could show: the cell cannot run here.
        Unavailable = "unavailable",
        /// The run was interrupted during the sample.
        Interrupted = "interrupted",
    }
}

/// A failure with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{class}: {message}")]
pub struct Failure {
    /// The class.
    pub class: FailureClass,
    /// One line for people: what happened and where.
    pub message: String,
    /// What would make it work, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where to read on: log files, relative to the run directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

impl Failure {
    /// A failure without evidence files yet.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, evidence: Vec::new() }
    }

    /// The cell cannot run here: why, and what would make it work.
    pub fn unavailable(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..Self::new(FailureClass::Unavailable, reason) }
    }
}
