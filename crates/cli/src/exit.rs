//! Exit codes: documented, stable, and chosen in one place.

use std::fmt::Display;

/// How the program ends. The numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// Something unexpected: a file cannot be written, a disk is full.
    Unexpected = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The plan is wrong.
    PlanInvalid = 3,
    /// Nothing could run: every cell was skipped.
    NothingRan = 4,
    /// Some samples or cells failed, or something survived the run.
    CellsFailed = 5,
    /// A budget is broken.
    Regression = 10,
    /// The samples cannot tell whether a budget holds.
    Inconclusive = 11,
    /// There is no baseline, or it may not be held against.
    NotComparable = 12,
    /// Asked to stop by a signal; the run is consistent and can be resumed.
    Interrupted = 130,
}

/// Why a command did not do what it was asked, for people: what, why or where, and what to do.
#[derive(Debug)]
pub struct Trouble {
    /// The exit code.
    pub exit: Exit,
    /// One or more lines; the first says what.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

impl Trouble {
    /// A trouble with a way out.
    pub fn new(exit: Exit, message: impl Display, hint: impl Display) -> Self {
        Self { exit, message: message.to_string(), hint: Some(hint.to_string()) }
    }

    /// The command line is wrong.
    pub fn usage(message: impl Display, hint: impl Display) -> Self {
        Self::new(Exit::Usage, message, hint)
    }

    /// Something unexpected, with its causes.
    pub fn unexpected(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Unexpected, message: format!("{:#}", error.into()), hint: None }
    }
}
