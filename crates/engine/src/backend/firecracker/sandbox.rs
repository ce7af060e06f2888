//! A live machine.

use super::userfault::PageServer;
use crate::backend::snapshot::Snapshots;
use crate::backend::vmm::api::{self, ApiCall};
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
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// The answer to a request that tells the monitor to end.
const QUIT_DEADLINE: Duration = Duration::from_millis(500);
/// The name of a thread that runs a virtual processor begins with this.
const PROCESSOR_THREAD: &str = "fc_vcpu";

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
    /// Where Firecracker writes its metrics, and where the run keeps them.
    pub(super) metrics: (PathBuf, PathBuf),
    pub(super) memory_bytes: u64,
    /// Brings the memory of a restored machine.
    pub(super) pages: Option<PageServer>,
}

pub(super) struct FirecrackerSandbox {
    parts: Parts,
}

impl FirecrackerSandbox {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts }
    }

    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.parts.client
    }

    pub(super) fn channel(&mut self) -> &mut AgentChannel {
        &mut self.parts.channel
    }

    /// Once Firecracker has ended nothing more arrives: the watcher reads what is left and ends, and the logs are whole.
    fn finish_watching(&mut self) {
        if let Some(watcher) = self.parts.watcher.take() {
            self.parts.stamps.extend(watcher.finish());
        }
    }

    /// Keeps the metrics of a machine whose files go away with its jail.
    fn keep_metrics(&self) {
        let (from, to) = &self.parts.metrics;
        if from != to {
            // Evidence that cannot be copied is missed in the run's logs; the sample stands without it.
            let _ = std::fs::copy(from, to);
        }
    }
}

impl Sandbox for FirecrackerSandbox {
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
        let mut values = usage(pid, threads_named(pid, PROCESSOR_THREAD), self.parts.memory_bytes);
        values.extend(self.parts.pages.as_ref().map(|pages| ("faults_served".to_owned(), pages.served() as f64)));
        values
    }

    fn snapshots(&mut self) -> Option<&mut dyn Snapshots> {
        Some(self)
    }

    fn diagnose(&mut self, failure: Failure) -> Failure {
        let exit = self.parts.process.wait(self.parts.clock.after(patience_after(&failure)));
        if exit.is_some() {
            self.finish_watching();
        }
        diagnose("Firecracker", failure, exit, &self.parts.logs)
    }

    fn stop(&mut self, deadline: HostInstant) -> Stopped {
        let Parts { process, channel, client, clock, .. } = &mut self.parts;
        let clock = *clock;
        // A guest with a keyboard driver ends by this; any other leaves it to the kill.
        let quit = || {
            let call = ApiCall::put("/actions", json!({ "action_type": "SendCtrlAltDel" }));
            let _ = api::call(client, &call, clock.after(QUIT_DEADLINE));
        };
        let ended = end(process, channel, ShutdownHow::Reboot, "Firecracker", quit, clock, deadline);
        self.finish_watching();
        self.keep_metrics();
        ended.into_stopped("Firecracker", &self.parts.process, &self.parts.logs)
    }
}
