//! A live machine.

use crate::backend::qemu::config::Config;
use crate::backend::qemu::memory::MemoryFile;
use crate::backend::qemu::processors;
use crate::backend::qemu::qmp::QmpClient;
use crate::backend::shared_memory::SharedMemory;
use crate::backend::snapshot::Snapshots;
use crate::backend::vmm::disk;
use crate::backend::vmm::end::{diagnose, end, end_without_guest, patience_after};
use crate::backend::vmm::first_sign::started_by_first_sign;
use crate::backend::vmm::logs::{Logs, tail};
use crate::backend::vmm::usage::usage;
use crate::backend::{AppRoot, Sandbox, Stamp, Stopped};
use crate::channel::{AgentChannel, ShutdownHow};
use crate::clock::Clock;
use crate::host::accounting;
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
    pub(super) clock: Clock,
    pub(super) process: OwnedProcess,
    pub(super) qmp: QmpClient,
    pub(super) agent: AgentChannel,
    /// Gone once everything it can see has been seen.
    pub(super) watcher: Option<Watcher>,
    pub(super) stamps: Vec<Stamp>,
    pub(super) logs: Logs,
    pub(super) config: Config,
    /// The sandbox that the guest's addresses follow from: another one than this, if the guest came back.
    pub(super) name: String,
    /// Whether it began with a state that was kept.
    pub(super) came_back: bool,
    /// Whether it was left standing by what kept its state.
    pub(super) stands_still: bool,
    /// The guest's memory, if it is a file that nobody else has.
    pub(super) memory: Option<MemoryFile>,
    pub(super) network: Option<Arc<dyn Network>>,
    pub(super) shared: Option<Arc<SharedMemory>>,
}

impl QemuSandbox {
    /// Once QEMU has ended nothing more arrives: the watcher reads what is left and ends, and the logs are whole.
    fn finish_watching(&mut self) {
        if let Some(watcher) = self.watcher.take() {
            let seen = watcher.finish();
            if !self.came_back {
                self.stamps.extend(seen);
            }
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
        // What a guest that came back says on its console is not the beginning of anything.
        let watcher = self.watcher.iter().filter(|_| !self.came_back);
        stamps.extend(watcher.flat_map(Watcher::stamps));
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
        disk::app_root(self.config.disk.as_ref().map(|disk| disk.method))
    }

    fn monitor(&self) -> Option<u32> {
        Some(self.process.pid())
    }

    fn usage(&mut self) -> Vec<(String, f64)> {
        let pid = self.process.pid();
        let guest_cpu_ns = self.processor_threads_ns();
        usage(pid, guest_cpu_ns, self.config.memory_bytes)
    }

    fn snapshots(&mut self) -> Option<&mut dyn Snapshots> {
        Some(self)
    }

    fn diagnose(&mut self, failure: Failure) -> Failure {
        let exit = self.process.wait(self.clock.after(patience_after(&failure)));
        if exit.is_some() {
            self.finish_watching();
        }
        let failure =
            if self.config.disk.is_some() { disk::without_disk(failure, &tail(&self.logs.console)) } else { failure };
        diagnose("QEMU", failure, exit, &self.logs)
    }

    fn stop(&mut self, deadline: HostInstant) -> Stopped {
        let how = if self.config.machine.ends_by_reset() { ShutdownHow::Reboot } else { ShutdownHow::PowerOff };
        let qmp = &mut self.qmp;
        // The answer to `quit` does not matter, the exit does.
        let quit = || drop(qmp.send("quit", None));
        if self.stands_still {
            // A guest that stands still hears nobody.
            let ended = end_without_guest(&mut self.process, quit, deadline);
            self.finish_watching();
            return ended.into_stopped("QEMU", &self.process, &self.logs);
        }
        let ended = end(&mut self.process, &mut self.agent, how, "QEMU", quit, self.clock, deadline);
        self.finish_watching();
        ended.into_stopped("QEMU", &self.process, &self.logs)
    }
}
