//! The whole state that a difference lies over: kept before it, and made whole by it before the restore.

use super::Cycle;
use super::storage::Storage;
use crate::backend::Launcher;
use crate::backend::snapshot::{Restorer, SnapshotKind, SnapshotOptions};
use crate::workload::life::Life;
use isodyne_core::failure::{Failure, FailureClass};

/// A kept state without its differences.
pub(super) struct Base {
    pub(super) storage: Storage,
}

impl Base {
    /// Keeps the whole state where a difference is asked for, and lets the sandbox run on. It lies in no phase.
    ///
    /// # Errors
    /// Failures of the backend, the host or the agent.
    pub(super) fn keep(cycle: &Cycle<'_>, life: &mut Life<'_>) -> Result<Option<Self>, Failure> {
        if cycle.options.snapshot.kind != SnapshotKind::Difference {
            return Ok(None);
        }
        let lab = life.lab;
        let storage = Storage::make("base", cycle.options.tmpfs, cycle.place, lab)?;
        let deadline = cycle.deadline(lab);
        let whole = SnapshotOptions { kind: SnapshotKind::Full, resume: true, ..cycle.options.snapshot };
        let power =
            life.sandbox.snapshots().ok_or_else(|| refused("the sandbox has not the power to keep its state"))?;
        let taken = power.snapshot(&storage.directory, &whole, deadline)?;
        storage.sync()?;
        life.metric("base_ns", lab.clock.now().ns_since(taken.asked));
        if taken.running_says_hello {
            life.sandbox.agent().begin_anew();
            life.sandbox.agent().hello(deadline)?;
        }
        let census = storage.census()?;
        life.metric("base_bytes", census.allocated_bytes);
        Ok(Some(Self { storage }))
    }

    /// Lays the difference over it, which makes it the whole state of the later moment.
    ///
    /// # Errors
    /// Failures of the host.
    pub(super) fn complete(&self, difference: &Storage, cycle: &Cycle<'_>, life: &mut Life<'_>) -> Result<(), Failure> {
        let restorer =
            keeper_of_differences(cycle.launcher).ok_or_else(|| refused("the backend keeps no differences"))?;
        let begin = life.lab.clock.now();
        let bytes = restorer.complete(&self.storage.directory, &difference.directory)?;
        life.metric("merge_ns", life.lab.clock.now().ns_since(begin));
        life.attempt.proofs.push(format!("{bytes} B of the difference were laid over the state before"));
        Ok(())
    }
}

/// The power to bring a difference back, if the backend has it.
pub(super) fn keeper_of_differences(launcher: &dyn Launcher) -> Option<&dyn Restorer> {
    launcher.restorer().filter(|restorer| restorer.keeps_differences())
}

fn refused(message: &str) -> Failure {
    Failure::new(FailureClass::Launch, message)
}
