//! Checkpoints of sandboxes that isodyne itself owns: machines above all, and containers of the lab. Their owner keeps the
//! state by the backend's own power; the archive around it is the one of all checkpoints.

mod keep;
mod restore;

pub use keep::{KeepMachine, KeptMachine, keep};
pub use restore::{Restorable, is_ours, restorable};

use isodyne_core::cell::{BackendName, Cell};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The file of an archive that says what the sandbox was.
const SANDBOX: &str = "sandbox.json";
/// No description is longer.
const LIMIT_BYTES: u64 = 1 << 20;

/// What the sandbox was, so that the same can be made to take the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KeptSandbox {
    /// Its name.
    name: String,
    /// What it was made from.
    cell: Cell,
    /// Whether the agent of what comes back says hello.
    hello_again: bool,
}

/// Whether it is a machine with a kernel of its own.
fn is_machine(backend: BackendName) -> bool {
    matches!(backend, BackendName::Qemu | BackendName::Firecracker | BackendName::CloudHypervisor)
}

/// Where in an archive a backend has its state: containers have a layout of their own, in which the images are one part.
fn state_of(root: &Path, backend: BackendName) -> PathBuf {
    if is_machine(backend) { root.join(super::archive::IMAGES) } else { root.to_owned() }
}
