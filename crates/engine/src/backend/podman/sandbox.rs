//! A live container of podman.

use super::launcher::files;
use super::remove::{monitors, remove};
use super::store::Store;
use crate::backend::bound::Bound;
use crate::backend::oci::diagnose::{Evidence, explain};
use crate::backend::oci::group;
use crate::backend::oci::sandbox::{usage_of, wait_for_orphan};
use crate::backend::snapshot::{Snapshots, WasKept};
use crate::backend::{Place, Sandbox, Stamp, Stopped};
use crate::channel::{AgentChannel, ShutdownHow};
use crate::clock::Clock;
use crate::host::cgroup::CgroupUsage;
use crate::network::{self, Network, OwnNetwork, UserNetwork};
use crate::ownership::{Owned, OwnedProcess, Owner};
use crate::watch::Watcher;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{MilestoneName, SignalName};
use isodyne_core::unit::HostInstant;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long podman may take to notice that its container has ended.
const AFTERMATH: Duration = Duration::from_secs(1);

/// What a sandbox consists of.
pub(super) struct Parts {
    pub(super) clock: Clock,
    pub(super) owner: Owner,
    pub(super) store: Store,
    /// t0: the fork of the first call.
    pub(super) origin: HostInstant,
    /// podman with its options and environment, for the clean-up.
    pub(super) command: Vec<String>,
    pub(super) runtime_root: PathBuf,
    pub(super) place: Place,
    /// The cgroup above the container's own, where that is not this sandbox's alone; by the name of whose it was.
    pub(super) group_parent: Option<String>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) log: PathBuf,
    pub(super) spawned: Stamp,
    /// What sees the container begin; one that came back began long ago.
    pub(super) watcher: Option<Watcher>,
    pub(super) channel: AgentChannel,
    pub(super) process: OwnedProcess,
    /// The host's directories that are mounted in it.
    pub(super) bound: Bound,
    /// The namespace that it is in, if the lab made one.
    pub(super) own_network: Option<Arc<OwnNetwork>>,
    /// Podman's network for users without root.
    pub(super) user_network: Option<Arc<UserNetwork>>,
    pub(super) guard: Option<Owned>,
}

/// The sandbox. Dropped, its guard removes the container.
pub(super) struct PodmanSandbox {
    pub(super) parts: Parts,
    seen: CgroupUsage,
    pub(super) kept: WasKept,
}

impl PodmanSandbox {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts, seen: CgroupUsage::default(), kept: WasKept::No }
    }

    pub(super) fn file(&self, name: &str) -> Option<String> {
        let text = std::fs::read_to_string(files(&self.parts.place).join(name)).ok()?;
        Some(text.trim().to_owned())
    }

    /// The sandbox whose cgroup the container's is below.
    pub(super) fn group_parent(&self) -> &str {
        self.parts.group_parent.as_deref().unwrap_or(&self.parts.place.name)
    }

    /// The cgroup that holds nothing but this container, below the lab's.
    fn group(&self) -> String {
        match (&self.parts.group_parent, self.file("cid").filter(|id| !id.is_empty())) {
            (Some(parent), Some(id)) => format!("{parent}/libpod-{id}"),
            _ => self.parts.place.name.clone(),
        }
    }

    /// A handle on conmon, which is not our child; it ends after podman's clean-up, which it starts and waits for.
    pub(super) fn conmon(&self) -> Option<OwnedFd> {
        if self.parts.group_parent.is_some() {
            // What podman imports writes the first container's files anew: they may be about another one.
            return monitors(&self.parts.place.name).into_iter().map(|(_, monitor)| monitor).next();
        }
        let pid = self.file("conmon")?.parse().ok().and_then(Pid::from_raw)?;
        pidfd_open(pid, PidfdFlags::empty()).ok()
    }

    /// Whether the runtime still knows the container, or its cgroup still has a process.
    fn is_left(&self) -> bool {
        let root = &self.parts.runtime_root;
        let known = self.file("cid").is_some_and(|id| !id.is_empty() && root.join(id).exists());
        known || !group::processes(&self.group()).is_empty()
    }
}

impl Sandbox for PodmanSandbox {
    fn origin(&self) -> HostInstant {
        self.parts.origin
    }

    fn stamps(&self) -> Vec<Stamp> {
        let watched = self.parts.watcher.as_ref().map(Watcher::stamps).unwrap_or_default();
        std::iter::once(self.parts.spawned).chain(watched).collect()
    }

    fn agent(&mut self) -> &mut AgentChannel {
        &mut self.parts.channel
    }

    fn network(&self) -> Option<Arc<dyn Network>> {
        let own = self.parts.own_network.clone().map(|network| network as Arc<dyn Network>);
        own.or_else(|| self.parts.user_network.clone().map(|network| network as Arc<dyn Network>))
    }

    fn usage(&mut self) -> Vec<(String, f64)> {
        self.seen = group::usage(&self.group());
        group::metrics(&self.seen)
    }

    fn snapshots(&mut self) -> Option<&mut dyn Snapshots> {
        super::snapshot::is_possible(&self.parts.store).then_some(self as &mut dyn Snapshots)
    }

    fn diagnose(&mut self, failure: Failure) -> Failure {
        // The end of a stream reaches us before the end of the process that held it.
        let aftermath = if failure.class == FailureClass::Timeout { Duration::ZERO } else { AFTERMATH };
        let exit = self.parts.process.wait(self.parts.clock.after(aftermath));
        explain(
            failure,
            &Evidence {
                runtime: "podman",
                exit: exit.map(|exit| exit.status),
                started: self.stamps().iter().any(|stamp| stamp.name == MilestoneName::Started),
                group: group::usage_with_kills_below(&self.group()),
                memory_bytes: self.parts.memory_bytes,
                log: &self.parts.log,
            },
        )
    }

    fn stop(&mut self, deadline: HostInstant) -> Stopped {
        let mut stopped = Stopped::default();
        let (conmon, group) = (self.conmon(), self.group());
        // A channel that is broken already is what the wait below shows.
        let _ = self.parts.channel.shutdown(ShutdownHow::Exit, deadline);
        let exit = self.parts.process.wait(deadline);
        let mut end = exit.map(|exit| exit.at);
        if let (Some(at), Some(conmon)) = (end, &conmon) {
            let ended = wait_for_orphan(conmon, deadline, self.parts.clock);
            end = ended.then(|| at.max(self.parts.clock.now()));
        }
        stopped.killed = end.is_none();
        if stopped.killed {
            self.parts.process.kill();
        }
        if stopped.killed || self.is_left() {
            stopped.survivors = remove(&self.parts.command, &self.parts.place.name);
            end = None;
        }
        stopped.gone = stopped.survivors.is_empty().then(|| end.unwrap_or_else(|| self.parts.clock.now()));
        stopped.signal = stopped.gone.map(|_| SignalName::Exit);
        // The parent cgroup is ours, not podman's.
        stopped.survivors.extend(group::remove(&group, Duration::from_secs(2)));
        if let Some(parent) = &self.parts.group_parent {
            // Another one that came from the same state may still be in it: the last one removes it.
            group::remove_if_empty(parent);
        }
        let own = self.parts.process.wait(self.parts.clock.now());
        stopped.usage = usage_of(own.as_slice(), self.seen, false);
        if let Some(exit) = exit.filter(|exit| !exit.status.success() && !stopped.killed && self.kept != WasKept::Ended)
        {
            stopped.complaint = Some(format!("podman ended with {}", exit.status));
        }
        stopped.survivors.extend(self.parts.process.end_group().err());
        if stopped.survivors.is_empty()
            && let Some(guard) = self.parts.guard.take()
        {
            guard.release();
        }
        if self.kept == WasKept::RanOn {
            network::kept::left(&self.parts.place.name, self.parts.own_network.as_ref());
        }
        stopped
    }
}
