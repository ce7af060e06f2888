//! A live machine.

use super::config::Config;
use super::requests;
use crate::backend::snapshot::Snapshots;
use crate::backend::vmm::machine::{Machine, Monitor};
use crate::backend::{AppRoot, Sandbox, Stamp, Stopped};
use crate::channel::{AgentChannel, ShutdownHow};
use crate::network::Network;
use isodyne_core::failure::Failure;
use isodyne_core::unit::HostInstant;
use std::sync::Arc;

/// What it is called and how it ends.
pub(super) const MONITOR: Monitor = Monitor {
    name: "Cloud Hypervisor",
    processor_thread: "vcpu",
    guest_ends_by: ShutdownHow::PowerOff,
    ends_by_request: true,
};

pub(super) struct CloudHypervisorSandbox {
    pub(super) machine: Machine,
    pub(super) name: String,
    pub(super) config: Config,
}

impl Sandbox for CloudHypervisorSandbox {
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

    fn usage(&mut self) -> Vec<(String, f64)> {
        self.machine.usage()
    }

    fn snapshots(&mut self) -> Option<&mut dyn Snapshots> {
        Some(self)
    }

    fn diagnose(&mut self, failure: Failure) -> Failure {
        self.machine.diagnose(failure)
    }

    fn stop(&mut self, deadline: HostInstant) -> Stopped {
        self.machine.stop(&requests::shut_down(), deadline)
    }
}
