//! A live machine.

use super::config::Config;
use super::metadata;
use super::requests;
use super::userfault::PageServer;
use crate::backend::snapshot::Snapshots;
use crate::backend::vmm::machine::{Machine, Monitor};
use crate::backend::{AppRoot, Sandbox, Stamp, Stopped};
use crate::channel::{AgentChannel, ShutdownHow};
use crate::network::Network;
use isodyne_core::failure::Failure;
use isodyne_core::unit::HostInstant;
use std::path::PathBuf;
use std::sync::Arc;

/// What it is called and how it ends.
pub(super) const MONITOR: Monitor = Monitor {
    name: "Firecracker",
    processor_thread: "fc_vcpu",
    guest_ends_by: ShutdownHow::Reboot,
    ends_by_request: false,
};

pub(super) struct FirecrackerSandbox {
    pub(super) machine: Machine,
    /// Where Firecracker writes its metrics, and where the run keeps them.
    pub(super) metrics: (PathBuf, PathBuf),
    /// Brings the memory of a restored machine.
    pub(super) pages: Option<PageServer>,
    pub(super) name: String,
    pub(super) config: Config,
}

impl FirecrackerSandbox {
    /// Keeps the metrics of a machine whose files go away with its jail.
    fn keep_metrics(&self) {
        let (from, to) = &self.metrics;
        if from != to {
            // Evidence that cannot be copied is missed in the run's logs; the sample stands without it.
            let _ = std::fs::copy(from, to);
        }
    }
}

impl Sandbox for FirecrackerSandbox {
    fn origin(&self) -> HostInstant {
        self.machine.origin()
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.machine.stamps()
    }

    fn agent(&mut self) -> &mut AgentChannel {
        self.machine.agent()
    }

    fn network(&self) -> Option<Arc<dyn Network>> {
        self.machine.network()
    }

    fn app_root(&self) -> AppRoot {
        self.machine.app_root()
    }

    fn prove(&mut self, deadline: HostInstant) -> Result<Vec<String>, Failure> {
        match &self.config.metadata {
            Some(document) => metadata::prove(document, self.machine.agent(), deadline),
            None => Ok(Vec::new()),
        }
    }

    fn usage(&mut self) -> Vec<(String, f64)> {
        let mut values = self.machine.usage();
        values.extend(self.pages.as_ref().map(|pages| ("faults_served".to_owned(), pages.served() as f64)));
        values
    }

    fn snapshots(&mut self) -> Option<&mut dyn Snapshots> {
        Some(self)
    }

    fn diagnose(&mut self, failure: Failure) -> Failure {
        self.machine.diagnose(failure)
    }

    fn stop(&mut self, deadline: HostInstant) -> Stopped {
        // A guest with a keyboard driver ends by this; any other leaves it to the kill.
        let stopped = self.machine.stop(&requests::control_alt_delete(), deadline);
        self.keep_metrics();
        stopped
    }
}
