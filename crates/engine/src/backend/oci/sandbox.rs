//! A live container of an OCI runtime.

use super::Runtime;
use super::command::last_line;
use super::diagnose::{Evidence, explain, tail};
use super::group;
use super::launcher::{command, open_log, state_root};
use super::remove::{is_left, remove};
use crate::application::SampleRoot;
use crate::backend::bound::Bound;
use crate::backend::snapshot::{Snapshots, WasKept};
use crate::backend::{AppRoot, Place, Sandbox, Stamp, Stopped};
use crate::channel::{AgentChannel, ShutdownHow};
use crate::checkpoint::criu;
use crate::clock::Clock;
use crate::host::accounting;
use crate::host::cgroup::CgroupUsage;
use crate::http::socket;
use crate::network::{self, Network, OwnNetwork};
use crate::ownership::{ExitReport, Owned, OwnedProcess, Owner};
use crate::watch::Watcher;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{MilestoneName, SignalName};
use isodyne_core::unit::HostInstant;
use rustix::event::PollFlags;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// How long a runtime may take to notice that its container has ended.
const AFTERMATH: Duration = Duration::from_millis(500);
/// How long `delete` may take.
const DELETE: Duration = Duration::from_secs(10);

/// What a sandbox consists of.
pub(super) struct Parts {
    pub(super) clock: Clock,
    pub(super) owner: Owner,
    pub(super) runtime: Runtime,
    pub(super) place: Place,
    pub(super) memory_bytes: Option<u64>,
    pub(super) log: PathBuf,
    /// `spawned` first, and in a split life cycle `created` and `started`.
    pub(super) stamps: Vec<Stamp>,
    pub(super) watcher: Option<Watcher>,
    pub(super) channel: AgentChannel,
    /// The runtime's `run`, or its `start`, which has ended.
    pub(super) process: OwnedProcess,
    /// What earlier calls of the runtime have used.
    pub(super) calls_used: Vec<ExitReport>,
    /// The container's first process in a split life cycle.
    pub(super) init: Option<OwnedFd>,
    pub(super) network: Option<Arc<OwnNetwork>>,
    /// The host's directories that are mounted in it.
    pub(super) bound: Bound,
    // Dropped in this order: a container must be gone before its root is.
    pub(super) guard: Option<Owned>,
    pub(super) root: Option<SampleRoot>,
    /// Where CRIU says why a container did not come back; `None` for one that was started.
    pub(super) restore_log: Option<PathBuf>,
}

/// The sandbox. Dropped, its guard removes the container.
pub(super) struct OciSandbox {
    pub(super) parts: Parts,
    origin: HostInstant,
    seen: CgroupUsage,
    pub(super) kept: WasKept,
}

impl OciSandbox {
    pub(super) fn new(parts: Parts) -> Self {
        let origin = parts.stamps.first().and_then(|stamp| stamp.asked).unwrap_or(parts.process.forked_at);
        Self { parts, origin, seen: CgroupUsage::default(), kept: WasKept::No }
    }

    fn is_started(&self) -> bool {
        self.stamps().iter().any(|stamp| stamp.name == MilestoneName::Started)
    }

    /// Waits for the runtime's process (run) or the container's first process (split).
    fn wait(&mut self, deadline: HostInstant) -> bool {
        match &self.parts.init {
            None => self.parts.process.wait(deadline).is_some(),
            Some(init) => wait_for_orphan(init, deadline, self.parts.clock),
        }
    }

    /// After the container's first process has ended, the runtime's `delete` takes its state away.
    fn delete(&mut self) -> Option<ExitReport> {
        let argv = self.parts.runtime.argv(&self.parts.place, &["delete", &self.parts.place.name]);
        let mut delete = command(&argv);
        delete.stdin(Stdio::null()).stdout(Stdio::null()).stderr(open_log(&self.parts.log).ok()?);
        let mut process = self.parts.owner.spawn(delete).ok()?;
        process.wait(self.parts.clock.after(DELETE))
    }

    fn evidence(&self, exit: Option<ExitStatus>) -> Evidence<'_> {
        Evidence {
            runtime: self.parts.runtime.name.as_str(),
            exit,
            started: self.is_started(),
            group: group::usage_with_kills_below(&self.parts.place.name),
            memory_bytes: self.parts.memory_bytes,
            log: &self.parts.log,
        }
    }

    fn used(&self, calls: &[ExitReport]) -> Vec<(String, f64)> {
        usage_of(calls, self.seen, self.parts.init.is_none())
    }
}

/// Waits for the end of a process that is nobody's child that we know, and reaps it if it has come to us as an orphan.
pub(crate) fn wait_for_orphan(process: &OwnedFd, deadline: HostInstant, clock: Clock) -> bool {
    if socket::wait(process, PollFlags::IN, deadline, clock).is_err() {
        return false;
    }
    // "No child of yours" is fine: then somebody else reaps it.
    let _ = waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    true
}

/// What the runtime's processes used, from `wait4`. A `run` waits for the container, so that its CPU time is in there.
pub(crate) fn usage_of(calls: &[ExitReport], group: CgroupUsage, waits_for_guest: bool) -> Vec<(String, f64)> {
    if calls.is_empty() {
        return Vec::new();
    }
    let cpu_ns: u64 = calls.iter().map(|call| call.user_ns + call.system_ns).sum();
    let peak = calls.iter().filter_map(|call| call.peak_rss_bytes).max();
    let mut usage = Vec::new();
    usage.extend(peak.map(|peak| ("runtime_peak_rss_bytes".to_owned(), peak as f64)));
    let (all, runtime) = match (waits_for_guest, group.cpu_ns) {
        (true, Some(guest)) => (Some(cpu_ns), cpu_ns.checked_sub(guest)),
        (true, None) => (Some(cpu_ns), None),
        (false, guest) => (guest.map(|guest| guest + cpu_ns), Some(cpu_ns)),
    };
    usage.extend(all.map(|ns| ("cpu_ns".to_owned(), ns as f64)));
    usage.extend(runtime.map(|ns| ("runtime_cpu_ns".to_owned(), ns as f64)));
    usage
}

impl Sandbox for OciSandbox {
    fn origin(&self) -> HostInstant {
        self.origin
    }

    fn stamps(&self) -> Vec<Stamp> {
        let watched = self.parts.watcher.as_ref().map(Watcher::stamps).unwrap_or_default();
        self.parts.stamps.iter().copied().chain(watched).collect()
    }

    fn agent(&mut self) -> &mut AgentChannel {
        &mut self.parts.channel
    }

    fn network(&self) -> Option<Arc<dyn Network>> {
        self.parts.network.clone().map(|network| network as Arc<dyn Network>)
    }

    fn app_root(&self) -> AppRoot {
        AppRoot::Own { how: self.parts.root.as_ref().map(|root| root.how.clone()).unwrap_or_default() }
    }

    fn usage(&mut self) -> Vec<(String, f64)> {
        self.seen = group::usage(&self.parts.place.name);
        let mut usage = group::metrics(&self.seen);
        // With `run`, the runtime lives as long as the container; its own peak is there to be read.
        let runtime = accounting::peak_rss_bytes(self.parts.process.pid()).filter(|_| self.parts.init.is_none());
        usage.extend(runtime.map(|bytes| ("runtime_peak_rss_bytes".to_owned(), bytes as f64)));
        usage
    }

    fn snapshots(&mut self) -> Option<&mut dyn Snapshots> {
        super::snapshot::is_possible(self.parts.runtime.name).then_some(self as &mut dyn Snapshots)
    }

    fn diagnose(&mut self, failure: Failure) -> Failure {
        // The end of a stream reaches us before the end of the process that held it.
        let aftermath = if failure.class == FailureClass::Timeout { Duration::ZERO } else { AFTERMATH };
        let ended = self.wait(self.parts.clock.after(aftermath));
        let exit = self.parts.process.wait(self.origin).filter(|_| ended && self.parts.init.is_none());
        if let (Some(log), Some(exit)) = (&self.parts.restore_log, exit)
            && !exit.status.success()
            && !criu::is_restored(log)
        {
            let said = last_line(&tail(&self.parts.log)).unwrap_or_else(|| exit.status.to_string());
            let refused = Failure::from(criu::explain(log, &said));
            return explain(refused, &self.evidence(None));
        }
        explain(failure, &self.evidence(exit.map(|exit| exit.status)))
    }

    fn stop(&mut self, deadline: HostInstant) -> Stopped {
        let mut stopped = Stopped::default();
        let others = if self.parts.init.is_some() { group::handles(&self.parts.place.name) } else { Vec::new() };
        // A channel that is broken already is what the wait below shows.
        let _ = self.parts.channel.shutdown(ShutdownHow::Exit, deadline);
        stopped.killed = !self.wait(deadline);
        // gVisor's file server ends a moment after the sandbox, and its `delete` would wait for the zombie.
        let aftermath = self.parts.clock.after(if stopped.killed { Duration::ZERO } else { AFTERMATH });
        for process in &others {
            wait_for_orphan(process, aftermath, self.parts.clock);
        }
        let mut calls = self.parts.calls_used.clone();
        if stopped.killed {
            self.parts.process.kill();
        }
        let own = self.parts.process.wait(self.parts.clock.now());
        calls.extend(own);
        let mut end = own;
        if self.parts.init.is_some() {
            // A `start` that has long ended says nothing about the end of the container.
            end = if stopped.killed { None } else { self.delete() };
            calls.extend(end);
        }
        let root = state_root(&self.parts.place);
        let program = Path::new(&self.parts.runtime.tool.path);
        if stopped.killed || end.is_none() || is_left(&root, &self.parts.place.name) {
            stopped.survivors = remove(program, &root, &self.parts.place.name);
            end = None;
        }
        stopped.gone = stopped.survivors.is_empty().then(|| end.map_or_else(|| self.parts.clock.now(), |end| end.at));
        stopped.signal = stopped.gone.map(|_| SignalName::Exit);
        stopped.usage = self.used(&calls);
        if let Some(exit) = own.filter(|exit| !exit.status.success() && !stopped.killed && self.kept != WasKept::Ended)
        {
            stopped.complaint = Some(format!("{} ended with {}", self.parts.runtime.name, exit.status));
        }
        stopped.survivors.extend(self.parts.process.end_group().err());
        stopped.survivors.extend(self.parts.root.iter_mut().flat_map(SampleRoot::remove));
        if stopped.survivors.is_empty()
            && let Some(guard) = self.parts.guard.take()
        {
            guard.release();
        }
        if self.kept == WasKept::RanOn {
            network::kept::left(&self.parts.place.name, self.parts.network.as_ref());
        }
        stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn call(user_ns: u64, peak_rss_bytes: u64) -> ExitReport {
        let peak_rss_bytes = Some(peak_rss_bytes);
        ExitReport { status: ExitStatus::from_raw(0), at: HostInstant(0), user_ns, system_ns: 1, peak_rss_bytes }
    }

    #[test]
    fn the_guests_share_is_taken_apart_where_it_is_known() {
        let guest = CgroupUsage { cpu_ns: Some(40), ..CgroupUsage::default() };
        let named = |usage: Vec<(String, f64)>| usage.into_iter().collect::<std::collections::BTreeMap<_, _>>();
        let run = named(usage_of(&[call(99, 7)], guest, true));
        assert_eq!((run["cpu_ns"], run["runtime_cpu_ns"], run["runtime_peak_rss_bytes"]), (100.0, 60.0, 7.0));
        let split = named(usage_of(&[call(9, 7), call(19, 5)], guest, false));
        assert_eq!((split["cpu_ns"], split["runtime_cpu_ns"], split["runtime_peak_rss_bytes"]), (70.0, 30.0, 7.0));
        let blind = named(usage_of(&[call(99, 7)], CgroupUsage::default(), true));
        assert!(!blind.contains_key("runtime_cpu_ns"));
        assert!(usage_of(&[], guest, true).is_empty());
    }
}
