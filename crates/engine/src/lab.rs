//! The lab: what one run shares between its sandboxes.

use crate::clock::Clock;
use crate::host::HostFacts;
use crate::ownership::Owner;
use std::path::PathBuf;

/// What one run shares between its sandboxes.
pub struct Lab {
    /// The one clock.
    pub clock: Clock,
    /// The owner of everything that must not outlive the run.
    pub owner: Owner,
    /// What this host is, as found once at the beginning.
    pub host: HostFacts,
    /// A private directory (0700, short path) for sockets and state; removed at the end.
    pub scratch: PathBuf,
    /// Where consoles and runtime logs of this run go.
    pub logs: PathBuf,
    /// The cache of kernels, initramfs and images.
    pub cache: PathBuf,
    /// A short random name of the run, in hexadecimal; every owned resource carries it.
    pub run_id: String,
}
