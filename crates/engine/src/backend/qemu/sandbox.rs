//! A live machine.

use crate::backend::qemu::config::Config;
use crate::backend::qemu::qmp::QmpClient;
use crate::backend::shared_memory::SharedMemory;
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
use isodyne_core::failure::{Failure, FailureClass};
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
        let answer = self.qmp.execute("query-cpus-fast", deadline).ok()?;
        // Under TCG several processors may share one thread; it counts once.
        let processors: BTreeSet<u64> =
            answer.as_array()?.iter().map(|cpu| cpu.get("thread-id")?.as_u64()).collect::<Option<_>>()?;
        let threads = accounting::threads(self.process.pid());
        let times: Vec<u64> = threads
            .iter()
            .filter(|thread| processors.contains(&u64::from(thread.tid)))
            .map(|thread| thread.cpu_ns)
            .collect();
        (times.len() == processors.len()).then(|| times.iter().sum())
    }
}

/// The device that the application's disk is, by its driver.
const DISK_DEVICE: &str = "/dev/vda";
const NO_SUCH_DEVICE: &str = "error number 19";

/// Says of a root that could not be mounted whether the guest's kernel has seen its disk, by its console.
fn without_disk(failure: Failure, console: &str) -> Failure {
    if failure.class != FailureClass::Launch || !failure.message.contains(NO_SUCH_DEVICE) {
        return failure;
    }
    let message = if console.contains("virtio_blk") {
        format!("{}; the guest's console names its disk's driver, but there is no {DISK_DEVICE}", failure.message)
    } else {
        format!(
            "the guest's kernel has no driver for its disk: there is no {DISK_DEVICE}, and its console never names \
             virtio_blk; build it in, or use the kernel of `isodyne setup` ({})",
            failure.message
        )
    };
    Failure { message, ..failure }
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
        let Some(method) = self.disk else { return AppRoot::Own { how: String::new() } };
        let how = match method {
            OverlayMethod::Reflink => "root: an ext4 disk, a reflink of the image's",
            OverlayMethod::Qcow2 => "root: an ext4 disk, a qcow2 over the image's",
            OverlayMethod::SparseCopy => "root: an ext4 disk, a copy of the image's",
        };
        AppRoot::Device { device: DISK_DEVICE, file_system: "ext4", how: how.to_owned() }
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
        let failure = if self.disk.is_some() { without_disk(failure, &tail(&self.logs.console)) } else { failure };
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
