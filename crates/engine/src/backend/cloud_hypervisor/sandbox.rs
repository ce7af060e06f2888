//! A live machine.

use super::requests;
use crate::backend::snapshot::Snapshots;
use crate::backend::vmm::api;
use crate::backend::vmm::end::{diagnose, end, patience_after};
use crate::backend::vmm::first_sign::started_by_first_sign;
use crate::backend::vmm::logs::Logs;
use crate::backend::vmm::usage::{threads_named, usage};
use crate::backend::{Sandbox, Stamp, Stopped};
use crate::channel::{AgentChannel, ShutdownHow};
use crate::clock::Clock;
use crate::http::Client;
use crate::ownership::OwnedProcess;
use crate::watch::Watcher;
use isodyne_core::failure::Failure;
use isodyne_core::unit::HostInstant;
use std::time::Duration;

/// The answer to the request that ends the monitor.
const QUIT_DEADLINE: Duration = Duration::from_millis(500);
/// The name of a thread that runs a virtual processor begins with this.
const PROCESSOR_THREAD: &str = "vcpu";

/// What a live machine is made of.
pub(super) struct Parts {
    pub(super) clock: Clock,
    pub(super) process: OwnedProcess,
    pub(super) client: Client,
    pub(super) channel: AgentChannel,
    /// Gone once everything that it can see has been seen.
    pub(super) watcher: Option<Watcher>,
    pub(super) stamps: Vec<Stamp>,
    pub(super) logs: Logs,
    pub(super) memory_bytes: u64,
}

pub(super) struct CloudHypervisorSandbox {
    parts: Parts,
}

impl CloudHypervisorSandbox {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts }
    }

    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.parts.client
    }

    fn finish_watching(&mut self) {
        if let Some(watcher) = self.parts.watcher.take() {
            self.parts.stamps.extend(watcher.finish());
        }
    }
}

impl Sandbox for CloudHypervisorSandbox {
    fn origin(&self) -> HostInstant {
        self.parts.process.forked_at
    }

    fn stamps(&self) -> Vec<Stamp> {
        let mut stamps = self.parts.stamps.clone();
        stamps.extend(self.parts.watcher.iter().flat_map(Watcher::stamps));
        started_by_first_sign(&mut stamps);
        stamps
    }

    fn agent(&mut self) -> &mut AgentChannel {
        &mut self.parts.channel
    }

    fn usage(&mut self) -> Vec<(String, f64)> {
        let pid = self.parts.process.pid();
        usage(pid, threads_named(pid, PROCESSOR_THREAD), self.parts.memory_bytes)
    }

    fn snapshots(&mut self) -> Option<&mut dyn Snapshots> {
        Some(self)
    }

    fn diagnose(&mut self, failure: Failure) -> Failure {
        let exit = self.parts.process.wait(self.parts.clock.after(patience_after(&failure)));
        if exit.is_some() {
            self.finish_watching();
        }
        diagnose("Cloud Hypervisor", failure, exit, &self.parts.logs)
    }

    fn stop(&mut self, deadline: HostInstant) -> Stopped {
        let Parts { process, channel, client, clock, .. } = &mut self.parts;
        let clock = *clock;
        // The answer does not matter, the exit does.
        let quit = || drop(api::call(client, &requests::shut_down(), clock.after(QUIT_DEADLINE)));
        let ended = end(process, channel, ShutdownHow::PowerOff, "Cloud Hypervisor", quit, clock, deadline);
        self.finish_watching();
        ended.into_stopped("Cloud Hypervisor", &self.parts.process, &self.parts.logs)
    }
}
