//! The backend `process`: the agent as a plain process of the host.
//!
//! It is the floor of every comparison: what remains when there is no VMM and no runtime. With `isolation = auto` the
//! process gets namespaces of its own (mount, IPC, host name, network, and a user namespace without root) and a cgroup
//! where that is permitted.

use super::{AppRoot, Backend, Description, Launcher, Place, PrepareError, Sandbox, Stamp, Step, Stopped, text};
use crate::application::{Application, SampleRoot, root_steps};
use crate::backend::oci;
use crate::channel::{AgentChannel, FdTransport, ShutdownHow};
use crate::clock::Clock;
use crate::host::accounting;
use crate::host::cgroup::{Cgroup, CgroupLayout};
use crate::image::rootfs::AGENT_PATH;
use crate::lab::Lab;
use crate::network::{Namespace, Network, NetworkKind, OwnNetwork};
use crate::ownership::{Owned, OwnedProcess, Resource, name_prefix};
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::factor::FactorValue;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{MilestoneName, SignalName};
use isodyne_core::probe::{Capabilities, Probe, Tool};
use isodyne_core::record::Asset;
use isodyne_core::sample::Accuracy;
use isodyne_core::unit::HostInstant;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// The backend.
pub struct ProcessBackend;

impl Backend for ProcessBackend {
    fn name(&self) -> BackendName {
        BackendName::Process
    }

    fn probe(&self, lab: &Lab) -> Probe {
        let mut notes = Vec::new();
        match namespaces(lab.host.root) {
            Some(_) if !lab.host.root => notes.push("namespaces through a user namespace".to_owned()),
            Some(_) => {}
            None => notes.push("no namespaces: this host lets no ordinary user make a user namespace".to_owned()),
        }
        if let Err(error) = try_cgroup(lab) {
            notes.push(format!("no cgroup of its own: {error}"));
        }
        Probe::Available(Capabilities { version: None, accuracy: Accuracy::Process, tools: Vec::new(), notes })
    }

    fn prepare(&self, cell: &Cell, lab: &Lab) -> Result<Box<dyn Launcher>, PrepareError> {
        let isolation = cell.factors.get("isolation").and_then(|value| value.as_text()).unwrap_or("auto");
        let unshare = if isolation == "none" { None } else { namespaces(lab.host.root) };
        if isolation == "namespaces" && unshare.is_none() {
            return Err(PrepareError::Unavailable {
                reason: "this host lets no ordinary user make a user namespace".to_owned(),
                hint: "run as root, or set kernel.unprivileged_userns_clone=1, or use isolation = \"none\"".to_owned(),
            });
        }
        let memory_bytes = cell.factors.get("memory").and_then(FactorValue::as_bytes);
        let cgroup = match try_cgroup(lab) {
            _ if isolation == "none" && memory_bytes.is_none() => None,
            Ok(()) => Some(lab.host.cgroups.clone()),
            Err(_) if memory_bytes.is_none() && isolation == "auto" => None,
            Err(error) => {
                return Err(PrepareError::Unavailable {
                    reason: format!("no cgroup for the process: {error}"),
                    hint: "run as root, or have a cgroup delegated to this user, or leave out isolation and memory"
                        .to_owned(),
                });
            }
        };
        // The same file as in the containers' image, so that all of them run one program.
        let (image, asset) = oci::rootfs(lab, "rootfs")?;
        let agent = image.join(AGENT_PATH.trim_start_matches('/'));
        let network = NetworkKind::of(cell, lab, "leave `network` at \"none\"")?;
        let app = Application::of(cell, lab)?.map(|app| Ok((app.base_directory(lab)?, app))).transpose()?;
        if app.is_some() && !lab.host.root {
            return Err(PrepareError::Unavailable {
                reason: "a plain process changes its root to the application's, which takes root".to_owned(),
                hint: "run as root, or measure [app] on other backends".to_owned(),
            });
        }
        Ok(Box::new(ProcessLauncher { agent, asset, unshare, cgroup, memory_bytes, network, app }))
    }
}

/// The namespaces that this user may have; `None` if none. Tried in a child, so that the lab itself never changes.
fn namespaces(root: bool) -> Option<UnshareFlags> {
    let mut flags = UnshareFlags::NEWNS
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWCGROUP;
    if !root {
        flags |= UnshareFlags::NEWUSER;
    }
    let mut trial = Command::new("/bin/true");
    trial.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    enter_namespaces(&mut trial, flags);
    trial.status().is_ok().then_some(flags)
}

fn enter_namespaces(command: &mut Command, flags: UnshareFlags) {
    // SAFETY: unshare is one system call: async-signal-safe, and it touches no memory of ours. The child is
    // single-threaded and about to execute another program, so no other thread can hold a file-table reference.
    unsafe {
        command.pre_exec(move || rustix::thread::unshare_unsafe(flags).map_err(io::Error::from));
    }
}

/// Has the child join a network namespace that the lab holds until the child has been started.
fn enter_network(command: &mut Command, namespace: &Namespace) {
    let number = namespace.as_fd().as_raw_fd();
    // SAFETY: setns is one system call: async-signal-safe, and it touches no memory of ours.
    unsafe {
        command.pre_exec(move || {
            // SAFETY: the descriptor is open as long as the namespace, which the caller keeps over the spawn.
            let namespace = BorrowedFd::borrow_raw(number);
            Ok(move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?)
        });
    }
}

/// Makes a cgroup and removes it again, to see whether this user may.
fn try_cgroup(lab: &Lab) -> io::Result<()> {
    let name = format!("{}-trial", name_prefix(&lab.run_id));
    let _owned = lab.owner.own(Resource::Cgroup(name.clone()));
    Cgroup::create(&lab.host.cgroups, &name)?.remove()
}

fn enter_cgroup(command: &mut Command, cgroup: &Cgroup) -> io::Result<()> {
    let entry = cgroup.entry()?;
    // SAFETY: `enter` only writes to files that are open already: async-signal-safe, and it allocates nothing.
    unsafe {
        command.pre_exec(move || entry.enter());
    }
    Ok(())
}

struct ProcessLauncher {
    agent: PathBuf,
    asset: Asset,
    unshare: Option<UnshareFlags>,
    cgroup: Option<CgroupLayout>,
    memory_bytes: Option<u64>,
    network: NetworkKind,
    /// The application with its image's unpacked root.
    app: Option<(PathBuf, Application)>,
}

impl ProcessLauncher {
    fn argv(&self, place: &Place) -> Vec<String> {
        let patience = place.agent_patience_s.to_string();
        [&text(&self.agent), "serve", "--channel", "stdio", "--patience", &patience].map(str::to_owned).to_vec()
    }
}

impl Launcher for ProcessLauncher {
    fn describe(&self, place: &Place) -> Description {
        let mut steps = self.network.steps(&place.name);
        steps.extend(self.app.as_ref().map(|(base, _)| root_steps(base, place, true)));
        if self.cgroup.is_some() {
            let group = format!("cgroup isodyne/{}", place.name);
            if let Some(bytes) = self.memory_bytes {
                steps.push(Step::Write { path: format!("{group}: memory limit"), content: bytes.to_string() });
            }
            steps.push(Step::Write { path: format!("{group}: cgroup.procs"), content: "0".to_owned() });
        }
        steps.push(Step::Run { argv: self.argv(place) });
        Description { steps }
    }

    fn launch(&self, place: &Place, lab: &Lab) -> Result<Box<dyn Sandbox>, Failure> {
        let refused = |what: &str, error: &dyn std::error::Error| {
            Failure::new(FailureClass::Launch, format!("{what}: {}", crate::backend::chain(error)))
        };
        let argv = self.argv(place);
        let mut command = Command::new(&self.agent);
        command.args(&argv[1..]).current_dir(&place.directory).env_clear();
        let log = std::fs::File::create(place.log("agent")).map_err(|error| refused("agent log", &error))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let cgroup = match &self.cgroup {
            None => None,
            Some(layout) => {
                let owned = lab.owner.own(Resource::Cgroup(place.name.clone()));
                let cgroup = Cgroup::create(layout, &place.name).map_err(|error| refused("cgroup", &error))?;
                if let Some(bytes) = self.memory_bytes {
                    cgroup.set_memory_limit(bytes).map_err(|error| refused("memory limit", &error))?;
                }
                enter_cgroup(&mut command, &cgroup).map_err(|error| refused("cgroup", &error))?;
                Some((cgroup, owned))
            }
        };
        let network = self.network.for_container(&place.name, lab)?;
        let root = self.app.as_ref().map(|(base, app)| SampleRoot::make(app, base, place, true, lab)).transpose()?;
        // What an application listens on is looked at over loopback, which is down in a new namespace.
        let has_own = self.unshare.is_some_and(|flags| flags.contains(UnshareFlags::NEWNET));
        let loopback = (root.is_some() && has_own && network.is_none()).then(OwnNetwork::loopback).transpose();
        let loopback = loopback.map_err(|error| refused("network namespace", &error))?;
        if let Some(flags) = self.unshare {
            let flags =
                if network.is_some() || loopback.is_some() { flags.difference(UnshareFlags::NEWNET) } else { flags };
            enter_namespaces(&mut command, flags);
        }
        if let Some(namespace) = network.as_ref().and_then(|network| network.sandbox()).or(loopback.as_ref()) {
            enter_network(&mut command, namespace);
        }
        let mut process = lab.owner.spawn(command).map_err(|error| refused("agent", &error))?;
        let (Some(stdin), Some(stdout), _) = process.take_stdio() else {
            return Err(Failure::new(FailureClass::Launch, "the agent's standard streams are missing"));
        };
        let transport = FdTransport::new(OwnedFd::from(stdout), OwnedFd::from(stdin), lab.clock)
            .map_err(|error| refused("agent's pipes", &error))?;
        let channel = AgentChannel::new(Box::new(transport), lab.clock);
        Ok(Box::new(ProcessSandbox { process, channel, cgroup, root, network }))
    }

    fn shared_inside(&self, place: &Place) -> Option<PathBuf> {
        Some(super::shared_directory(place))
    }

    fn accuracy(&self) -> Accuracy {
        Accuracy::Process
    }

    fn assets(&self) -> Vec<Asset> {
        std::iter::once(self.asset.clone()).chain(self.app.as_ref().map(|(_, app)| app.asset())).collect()
    }

    fn tools(&self) -> Vec<Tool> {
        Vec::new()
    }
}

/// How long after its last stream a process may end.
const AFTERMATH: Duration = Duration::from_millis(500);

struct ProcessSandbox {
    // Dropped in this order: the process must be dead before its cgroup can be removed.
    process: OwnedProcess,
    channel: AgentChannel,
    cgroup: Option<(Cgroup, Owned)>,
    root: Option<SampleRoot>,
    network: Option<Arc<OwnNetwork>>,
}

impl Sandbox for ProcessSandbox {
    fn origin(&self) -> HostInstant {
        self.process.forked_at
    }

    fn stamps(&self) -> Vec<Stamp> {
        vec![Stamp {
            name: MilestoneName::Spawned,
            at: self.process.spawned_at,
            asked: Some(self.process.forked_at),
            signal: SignalName::Exec,
        }]
    }

    fn agent(&mut self) -> &mut AgentChannel {
        &mut self.channel
    }

    fn network(&self) -> Option<Arc<dyn Network>> {
        self.network.clone().map(|network| network as Arc<dyn Network>)
    }

    fn app_root(&self) -> AppRoot {
        match &self.root {
            Some(root) => AppRoot::Directory { path: root.path.clone(), how: root.how.clone() },
            None => AppRoot::Own { how: String::new() },
        }
    }

    fn usage(&mut self) -> Vec<(String, f64)> {
        let charged = self.cgroup.as_ref().and_then(|(cgroup, _)| cgroup.usage().peak_memory_bytes);
        // Of the agent's own program: what `wait4` tells later counts the lab's memory, in which it was before its exec.
        let resident = accounting::peak_rss_bytes(self.process.pid());
        let values = [("peak_memory_bytes", charged), ("peak_rss_bytes", resident)];
        values.into_iter().filter_map(|(name, bytes)| Some((name.to_owned(), bytes? as f64))).collect()
    }

    fn diagnose(&mut self, failure: Failure) -> Failure {
        if failure.class != FailureClass::Crash {
            return failure;
        }
        // The end of a stream reaches us before the end of the process that held it.
        match self.process.wait(Clock.after(AFTERMATH)) {
            Some(exit) => {
                let how = match exit.status.signal() {
                    Some(signal) => format!("the agent was killed by signal {signal}"),
                    None => format!("the agent ended with {}", exit.status),
                };
                Failure { message: format!("{how}; {}", failure.message), ..failure }
            }
            None => failure,
        }
    }

    fn stop(&mut self, deadline: HostInstant) -> Stopped {
        let mut stopped = Stopped::default();
        // A channel that is broken already is what the wait below shows.
        let _ = self.channel.shutdown(ShutdownHow::Exit, deadline);
        let exit = self.process.wait(deadline).or_else(|| {
            stopped.killed = true;
            self.process.kill()
        });
        if let Some(exit) = exit {
            stopped.gone = Some(exit.at);
            stopped.signal = Some(SignalName::Exit);
            stopped.usage = vec![("cpu_ns".to_owned(), (exit.user_ns + exit.system_ns) as f64)];
            if !exit.status.success() && !stopped.killed {
                stopped.complaint = Some(format!("the agent ended with {}", exit.status));
            }
        }
        stopped.survivors.extend(self.process.end_group().err());
        if let Some((mut cgroup, owned)) = self.cgroup.take() {
            // An agent that was killed (on Ctrl-C, say) leaves what it was running to nobody.
            if exit.is_some_and(|exit| exit.status.signal().is_some()) {
                cgroup.kill(deadline);
            }
            stopped.survivors.extend(cgroup.remove().err().map(|error| error.to_string()));
            owned.release();
        }
        stopped.survivors.extend(self.root.iter_mut().flat_map(SampleRoot::remove));
        stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describe_is_exact() {
        let launcher = ProcessLauncher {
            agent: "/cache/agent".into(),
            asset: Asset { role: "agent".into(), name: "isodyne-agent".into(), sha256: String::new(), size_bytes: 0 },
            unshare: None,
            cgroup: None,
            memory_bytes: None,
            network: NetworkKind::None,
            app: None,
        };
        let place = Place {
            name: "isodyne-7f3a-1".into(),
            directory: "/scratch/1".into(),
            log_prefix: "/run/logs/1-process".into(),
            agent_patience_s: 30,
        };
        let steps = launcher.describe(&place).steps;
        let expected = ["/cache/agent", "serve", "--channel", "stdio", "--patience", "30"].map(str::to_owned).to_vec();
        assert_eq!(steps, [Step::Run { argv: expected }]);
    }
}
