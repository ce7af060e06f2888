//! Workloads: what a benchmark does with one sandbox.

mod app;
mod boot;
pub(crate) mod checkpoint;
mod life;
mod network;
mod options;
mod shm;

pub use boot::{BootOptions, boot};
pub use checkpoint::{CheckpointOptions, check as check_checkpoint, checkpoint};
pub use network::{NetworkOptions, network};
pub use options::WorkloadOptions;
pub use shm::{OpenLoop, ShmOptions, shm};

use isodyne_core::failure::Failure;
use isodyne_core::ledger::Ledger;
use std::collections::BTreeMap;

/// What came of one try at a sample, before the lab adds what it knows of the host.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    /// The milestones that were reached.
    pub ledger: Ledger,
    /// Values by metric name.
    pub metrics: BTreeMap<String, f64>,
    /// Why the attempt is not valid.
    pub failure: Option<Failure>,
    /// What was proved before the time counted.
    pub proofs: Vec<String>,
}

/// A sandbox that never came to be.
impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }
}
