//! Ownership: everything that a run makes has one owner that removes it, whatever ends the run.

mod process;

pub use process::{ExitReport, OwnedProcess, SpawnError};

use crate::clock::Clock;
use std::process::Command;

/// The owner of everything that must not outlive the run.
#[derive(Clone)]
pub struct Owner {
    clock: Clock,
}

impl Owner {
    /// The one function that starts a process: in a process group of its own, marked with the run's name, killed if the
    /// lab dies. Standard streams and environment are as the command says.
    ///
    /// # Errors
    /// [`SpawnError`] names the program and says why it did not start.
    pub fn spawn(&self, command: Command) -> Result<OwnedProcess, SpawnError> {
        process::spawn(self.clock, command)
    }
}
