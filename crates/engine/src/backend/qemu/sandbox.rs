//! A live machine.

use crate::backend::qemu::config::Config;
use crate::backend::qemu::diagnose;
use crate::backend::qemu::qmp::QmpClient;
use crate::backend::{Sandbox, Stamp, Stopped};
use crate::channel::{AgentChannel, ShutdownHow};
use crate::clock::Clock;
use crate::host::accounting::{self, GuestMapping};
use crate::network::Network;
use crate::ownership::{ExitReport, OwnedProcess};
use crate::watch::Watcher;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{MilestoneName, SignalName};
use isodyne_core::unit::HostInstant;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How much of a log's end is read for a diagnosis.
const TAIL_BYTES: u64 = 64 << 10;
/// QEMU answers a question about its processors at once or not at all.
const QUESTION_DEADLINE: Duration = Duration::from_millis(500);
/// When the channel has ended, QEMU's exit is a moment away.
const EXIT_AFTER_CHANNEL: Duration = Duration::from_millis(500);

/// The log files of one machine.
pub(super) struct Logs {
    pub(super) console: PathBuf,
    pub(super) qemu: PathBuf,
}

impl Logs {
    pub(super) fn under(prefix: &Path) -> Self {
        let with = |suffix: &str| {
            let mut name = prefix.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        Self { console: with(".console.log"), qemu: with(".qemu.log") }
    }

    /// The files that say something, relative to the run directory.
    pub(super) fn evidence(&self) -> Vec<String> {
        [&self.console, &self.qemu]
            .into_iter()
            .filter(|path| path.metadata().is_ok_and(|status| status.len() > 0))
            .map(|path| {
                let parts: Vec<_> = path.components().rev().take(2).map(|part| part.as_os_str()).collect();
                parts.into_iter().rev().collect::<PathBuf>().to_string_lossy().into_owned()
            })
            .collect()
    }
}

/// The end of a log, as text; empty if there is none.
pub(super) fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let begin = file.metadata()?.len().saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(begin))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

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
    network: Option<Arc<dyn Network>>,
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
            network,
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

    /// Asks in order of kindness until QEMU ends; says how far it had to go.
    fn end(&mut self, deadline: HostInstant) -> (Option<ExitReport>, bool, Option<String>) {
        if let Some(exit) = self.process.wait(self.clock.now()) {
            return (Some(exit), false, Some(format!("QEMU had ended before it was stopped ({})", exit.status)));
        }
        // Most of the time is the guest's, the rest is for QEMU.
        let guests_share = self.clock.until(deadline).mul_f64(0.7);
        let guests_deadline = self.clock.after(guests_share);
        let how = if self.ends_by_reset { ShutdownHow::Reboot } else { ShutdownHow::PowerOff };
        let told = self.agent.shutdown(how, guests_deadline);
        let complaint = match told {
            Ok(()) => match self.process.wait(guests_deadline) {
                Some(exit) => return (Some(exit), false, None),
                None => "the guest was told to end and did not".to_owned(),
            },
            Err(error) => {
                // A guest that ends as it is told may close the channel before it has said goodbye.
                if let Some(exit) = self.process.wait(self.clock.after(EXIT_AFTER_CHANNEL)) {
                    return (Some(exit), false, None);
                }
                format!("the guest could not be told to end: {error}")
            }
        };
        // The answer to `quit` does not matter, the exit does.
        let _ = self.qmp.send("quit", None);
        if let Some(exit) = self.process.wait(deadline.max(self.clock.after(EXIT_AFTER_CHANNEL))) {
            return (Some(exit), false, Some(format!("{complaint}; QEMU was told to quit")));
        }
        (self.process.kill(), true, Some(format!("{complaint}; QEMU did not quit and was killed")))
    }
}

/// A guest that shows a sign of life has been started, even if the word of it is read later: two threads read the two
/// sockets. The first sign is then also how the start was seen.
fn started_by_first_sign(stamps: &mut [Stamp]) {
    let first = stamps.iter().filter(|stamp| stamp.name > MilestoneName::Started).min_by_key(|stamp| stamp.at).copied();
    let started = stamps.iter_mut().find(|stamp| stamp.name == MilestoneName::Started);
    if let (Some(first), Some(started)) = (first, started)
        && first.at < started.at
    {
        (started.at, started.signal) = (first.at, first.signal);
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

    fn usage(&mut self) -> Vec<(String, f64)> {
        let pid = self.process.pid();
        let guest_cpu_ns = self.processor_threads_ns();
        let process = accounting::process(pid).unwrap_or_default();
        let memory = accounting::guest_memory(pid, GuestMapping::Size(self.memory_bytes));
        let beside =
            |all: Option<u64>, guest: Option<u64>| all.zip(guest).and_then(|(all, guest)| all.checked_sub(guest));
        let values = [
            ("guest_cpu_ns", guest_cpu_ns),
            ("vmm_cpu_ns", beside(process.cpu_ns, guest_cpu_ns)),
            ("peak_memory_bytes", process.peak_rss_bytes),
            ("guest_memory_bytes", memory.map(|memory| memory.rss_bytes)),
            ("vmm_overhead_bytes", beside(process.pss_bytes, memory.map(|memory| memory.pss_bytes))),
        ];
        values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value? as f64))).collect()
    }

    fn diagnose(&mut self, mut failure: Failure) -> Failure {
        let ended_channel = matches!(failure.class, FailureClass::Protocol | FailureClass::Crash);
        let patience = if ended_channel { EXIT_AFTER_CHANNEL } else { Duration::ZERO };
        let exit = self.process.wait(self.clock.after(patience));
        if exit.is_some() {
            self.finish_watching();
        }
        if let Some((class, words)) = diagnose::read_console(&tail(&self.logs.console)) {
            failure = Failure::new(class, format!("{words} ({})", failure.message));
        } else if let Some(exit) = exit {
            let words = diagnose::last_words(&tail(&self.logs.qemu));
            let why = words.unwrap_or_else(|| "the guest reset or powered off by itself".to_owned());
            failure =
                Failure::new(FailureClass::Crash, format!("QEMU ended ({}): {why} ({})", exit.status, failure.message));
        }
        failure.evidence.extend(self.logs.evidence());
        failure
    }

    fn stop(&mut self, deadline: HostInstant) -> Stopped {
        let (exit, killed, complaint) = self.end(deadline);
        self.finish_watching();
        let complaint = complaint.or_else(|| {
            let status = exit.map(|exit| exit.status).filter(|status| !status.success())?;
            let words = diagnose::last_words(&tail(&self.logs.qemu)).unwrap_or_default();
            Some(format!("QEMU ended with {status}: {words}"))
        });
        let survivors = match exit {
            Some(_) => Vec::new(),
            None => vec![format!("process {} ({})", self.process.pid(), self.process.program())],
        };
        Stopped {
            gone: exit.map(|exit| exit.at),
            signal: exit.map(|_| SignalName::Exit),
            killed,
            survivors,
            usage: exit.map(|exit| ("cpu_ns".to_owned(), (exit.user_ns + exit.system_ns) as f64)).into_iter().collect(),
            complaint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_of_life_that_overtakes_the_word_of_the_start_is_the_start() {
        let stamp = |name, at, signal| Stamp { name, at: HostInstant(at), asked: Some(HostInstant(5)), signal };
        let mut stamps = [
            stamp(MilestoneName::ApiReady, 5, SignalName::Reply),
            stamp(MilestoneName::Started, 30, SignalName::Event),
            stamp(MilestoneName::Firmware, 20, SignalName::DebugPort),
        ];
        started_by_first_sign(&mut stamps);
        assert_eq!((stamps[1].at, stamps[1].signal), (HostInstant(20), SignalName::DebugPort));
        started_by_first_sign(&mut stamps);
        assert_eq!(stamps[1].at, HostInstant(20));
    }

    #[test]
    fn evidence_is_named_from_the_run_directory() {
        let directory = tempfile::tempdir().unwrap();
        let logs = Logs::under(&directory.path().join("logs/7-qemu"));
        assert!(logs.evidence().is_empty());
        std::fs::create_dir(directory.path().join("logs")).unwrap();
        std::fs::write(&logs.console, "x").unwrap();
        std::fs::write(&logs.qemu, "").unwrap();
        assert_eq!(logs.evidence(), ["logs/7-qemu.console.log"]);
        assert_eq!(tail(&logs.console), "x");
    }
}
