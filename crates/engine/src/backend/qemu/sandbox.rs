//! A live machine.

use crate::backend::qemu::config::Config;
use crate::backend::qemu::processors;
use crate::backend::qemu::qmp::QmpClient;
use crate::backend::shared_memory::SharedMemory;
use crate::backend::vmm::disk;
use crate::backend::vmm::end::{diagnose, end, patience_after};
use crate::backend::vmm::first_sign::started_by_first_sign;
use crate::backend::vmm::logs::{Logs, tail};
use crate::backend::vmm::usage::usage;
use crate::backend::{AppRoot, Sandbox, Stamp, Stopped};
use crate::channel::{AgentChannel, ShutdownHow};
use crate::clock::Clock;
use crate::host::accounting;
use crate::image::app::OverlayMethod;
use crate::network::Network;
use crate::ownership::OwnedProcess;
use crate::watch::Watcher;
use isodyne_core::failure::Failure;
use isodyne_core::unit::HostInstant;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// QEMU answers a question about its processors at once or not at all.
const QUESTION_DEADLINE: Duration = Duration::from_millis(500);

pub(super) struct QemuSandbox {
    clock: Clock,
    process: OwnedProcess,
    qmp: QmpClient,
    agent: AgentChannel,
    /// Gone once everything it can see has been seen.
    watcher: Option<Watcher>,
    stamps: Vec<Stamp>,
    logs: Logs,
    memory_bytes: u64,
    ends_by_reset: bool,
    /// How the disk of the application was made, if there is one.
    disk: Option<OverlayMethod>,
    network: Option<Arc<dyn Network>>,
    shared: Option<Arc<SharedMemory>>,
}

impl QemuSandbox {
    #[expect(clippy::too_many_arguments, reason = "the parts of one value, put together in one place")]
    pub(super) fn new(
        clock: Clock,
        process: OwnedProcess,
        qmp: QmpClient,
        agent: AgentChannel,
        watcher: Watcher,
        stamps: Vec<Stamp>,
        logs: Logs,
        config: &Config,
        network: Option<Arc<dyn Network>>,
        shared: Option<Arc<SharedMemory>>,
    ) -> Self {
        Self {
            clock,
            process,
            qmp,
            agent,
            watcher: Some(watcher),
            stamps,
            logs,
            memory_bytes: config.memory_bytes,
            ends_by_reset: config.machine.ends_by_reset(),
            disk: config.disk.as_ref().map(|disk| disk.method),
            network,
            shared,
        }
    }

    /// Once QEMU has ended nothing more arrives: the watcher reads what is left and ends, and the logs are whole.
    fn finish_watching(&mut self) {
        if let Some(watcher) = self.watcher.take() {
            self.stamps.extend(watcher.finish());
        }
    }

    /// CPU time of the virtual processors so far, by the threads that QEMU names.
    fn processor_threads_ns(&mut self) -> Option<u64> {
        let deadline = self.clock.after(QUESTION_DEADLINE);
        // A thread that several processors share counts once.
        let processors: BTreeSet<u32> = processors::threads(&mut self.qmp, deadline).ok()?.into_iter().collect();
        let threads = accounting::threads(self.process.pid());
        let times: Vec<u64> =
            threads.iter().filter(|thread| processors.contains(&thread.tid)).map(|thread| thread.cpu_ns).collect();
        (times.len() == processors.len()).then(|| times.iter().sum())
    }
}

impl Sandbox for QemuSandbox {
    fn origin(&self) -> HostInstant {
        self.process.forked_at
    }

    fn stamps(&self) -> Vec<Stamp> {
        let mut stamps = self.stamps.clone();
        stamps.extend(self.watcher.iter().flat_map(Watcher::stamps));
        started_by_first_sign(&mut stamps);
        stamps
    }

    fn agent(&mut self) -> &mut AgentChannel {
        &mut self.agent
    }

    fn network(&self) -> Option<Arc<dyn Network>> {
        self.network.clone()
    }

    fn shared_memory(&self) -> Option<Arc<SharedMemory>> {
        self.shared.clone()
    }

    fn app_root(&self) -> AppRoot {
        disk::app_root(self.disk)
    }

    fn monitor(&self) -> Option<u32> {
        Some(self.process.pid())
    }

    fn usage(&mut self) -> Vec<(String, f64)> {
        let pid = self.process.pid();
        let guest_cpu_ns = self.processor_threads_ns();
        usage(pid, guest_cpu_ns, self.memory_bytes)
    }

    fn diagnose(&mut self, failure: Failure) -> Failure {
        let exit = self.process.wait(self.clock.after(patience_after(&failure)));
        if exit.is_some() {
            self.finish_watching();
        }
        let failure =
            if self.disk.is_some() { disk::without_disk(failure, &tail(&self.logs.console)) } else { failure };
        diagnose("QEMU", failure, exit, &self.logs)
    }

    fn stop(&mut self, deadline: HostInstant) -> Stopped {
        let how = if self.ends_by_reset { ShutdownHow::Reboot } else { ShutdownHow::PowerOff };
        let qmp = &mut self.qmp;
        // The answer to `quit` does not matter, the exit does.
        let quit = || drop(qmp.send("quit", None));
        let ended = end(&mut self.process, &mut self.agent, how, "QEMU", quit, self.clock, deadline);
        self.finish_watching();
        ended.into_stopped("QEMU", &self.process, &self.logs)
    }
}
