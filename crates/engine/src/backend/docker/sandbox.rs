//! A live container of Docker.

use super::api;
use super::bridge::{self, OwnBridge};
use super::remove::remove;
use crate::backend::bound::Bound;
use crate::backend::oci::diagnose::{Evidence, explain};
use crate::backend::oci::group;
use crate::backend::snapshot::{Snapshots, WasKept};
use crate::backend::{Sandbox, Stamp, Stopped};
use crate::channel::{AgentChannel, ShutdownHow};
use crate::clock::Clock;
use crate::host::cgroup::CgroupUsage;
use crate::http::{Client, HttpError, Reply, Request};
use crate::network::Network;
use crate::ownership::{Owned, Owner};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::SignalName;
use isodyne_core::unit::HostInstant;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

/// How long the daemon may take to notice that a container has ended.
const AFTERMATH: Duration = Duration::from_secs(1);

/// One timed call of a launch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) asked: HostInstant,
    pub(super) at: HostInstant,
}

/// What a sandbox consists of.
pub(super) struct Parts {
    pub(super) clock: Clock,
    pub(super) owner: Owner,
    pub(super) socket: PathBuf,
    pub(super) name: String,
    pub(super) memory_bytes: Option<u64>,
    pub(super) origin: HostInstant,
    pub(super) stamps: Vec<Stamp>,
    pub(super) calls: Vec<Call>,
    pub(super) client: Client,
    pub(super) channel: AgentChannel,
    pub(super) log: PathBuf,
    // Dropped in this order: a network is in use as long as its container is.
    pub(super) guard: Option<Owned>,
    pub(super) bridge: Option<Arc<OwnBridge>>,
    /// What containerd has left of the start, if it came back from images.
    pub(super) copy: Option<Owned>,
    /// The host's directories that are mounted in it.
    pub(super) bound: Bound,
}

/// The sandbox. Dropped, its guard removes the container.
pub(super) struct DockerSandbox {
    pub(super) parts: Parts,
    pub(super) kept: WasKept,
}

impl DockerSandbox {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts, kept: WasKept::No }
    }

    /// Asks to be told about the container's end, before it is made to end.
    fn wait_for_end(&self, deadline: HostInstant) -> Result<Client, HttpError> {
        let mut client = Client::connect(&self.parts.socket, self.parts.clock)?;
        client.send(&Request::new("POST", &api::wait_target(&self.parts.name)), deadline)?;
        Ok(client)
    }

    /// Removes the ended container; the reply is the end of it.
    fn delete(&mut self, deadline: HostInstant) -> Option<Reply> {
        let target = api::delete_target(&self.parts.name, false);
        let reply = self.parts.client.call(&Request::new("DELETE", &target), deadline).ok()?;
        reply.is_success().then_some(reply)
    }

    fn group(&self) -> CgroupUsage {
        group::usage_with_kills_below(&self.parts.name)
    }
}

impl Sandbox for DockerSandbox {
    fn origin(&self) -> HostInstant {
        self.parts.origin
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.parts.stamps.clone()
    }

    fn agent(&mut self) -> &mut AgentChannel {
        &mut self.parts.channel
    }

    fn network(&self) -> Option<Arc<dyn Network>> {
        self.parts.bridge.clone().map(|bridge| bridge as Arc<dyn Network>)
    }

    fn usage(&mut self) -> Vec<(String, f64)> {
        let calls = self.parts.calls.iter();
        let timed = calls.map(|call| (format!("docker_{}_ns", call.name), call.at.ns_since(call.asked) as f64));
        timed.chain(group::metrics(&self.group())).collect()
    }

    fn snapshots(&mut self) -> Option<&mut dyn Snapshots> {
        Some(self)
    }

    fn came_back(&mut self) {
        // A copy that stays is told by the leak check.
        drop(self.parts.copy.take());
    }

    fn diagnose(&mut self, failure: Failure) -> Failure {
        let (clock, target) = (self.parts.clock, api::inspect_target(&self.parts.name));
        if failure.class != FailureClass::Timeout
            && let Ok(mut client) = self.wait_for_end(clock.after(AFTERMATH))
        {
            // Whether it ended is what the inspection says.
            let _ = client.receive(clock.after(AFTERMATH));
        }
        let group = self.group();
        let inspected = api::call(&self.parts.socket, clock, &Request::new("GET", &target), AFTERMATH);
        let state = inspected.map(|reply| reply.json()["State"].clone()).unwrap_or_default();
        let code = state["ExitCode"].as_i64().filter(|_| state["Running"] == false);
        let oom_kills = if state["OOMKilled"] == true { Some(1) } else { group.oom_kills };
        explain(
            failure,
            &Evidence {
                runtime: "docker",
                // The code as a wait status has it.
                exit: code.map(|code| ExitStatus::from_raw((code as i32 & 0xff) << 8)),
                started: true,
                group: CgroupUsage { oom_kills, ..group },
                memory_bytes: self.parts.memory_bytes,
                log: &self.parts.log,
            },
        )
    }

    fn stop(&mut self, deadline: HostInstant) -> Stopped {
        let mut stopped = Stopped::default();
        let ending = self.wait_for_end(deadline);
        // A channel that is broken already is what the wait below shows.
        let _ = self.parts.channel.shutdown(ShutdownHow::Exit, deadline);
        let ended = ending.and_then(|mut client| client.receive(deadline)).ok().filter(Reply::is_success);
        stopped.killed = ended.is_none();
        let deleted = if stopped.killed { None } else { self.delete(self.parts.clock.after(api::PATIENCE)) };
        if deleted.is_none() {
            stopped.survivors = remove(&self.parts.socket, &self.parts.name);
        }
        if stopped.survivors.is_empty() {
            stopped.gone = Some(deleted.map_or_else(|| self.parts.clock.now(), |reply| reply.at));
            stopped.signal = Some(SignalName::Reply);
        }
        // The parent cgroup is ours, not Docker's.
        stopped.survivors.extend(group::remove(&self.parts.name, Duration::from_secs(2)));
        if let Some(code) = ended
            .and_then(|reply| reply.json()["StatusCode"].as_i64())
            .filter(|code| *code != 0 && self.kept != WasKept::Ended)
        {
            stopped.complaint = Some(format!("the container ended with exit code {code}"));
        }
        if stopped.survivors.is_empty()
            && let Some(guard) = self.parts.guard.take()
        {
            guard.release();
        }
        if self.kept == WasKept::RanOn {
            bridge::KEPT.left(&self.parts.name, self.parts.bridge.as_ref());
        }
        // It is free now that the container is gone, and it is no part of the sandbox's end.
        stopped.survivors.extend(self.parts.bridge.take().and_then(|bridge| bridge.leave().err()));
        stopped.survivors.extend(self.parts.copy.take().and_then(|copy| copy.remove().err()));
        stopped
    }
}
