//! Launching a container by an OCI runtime.

use super::diagnose::{Evidence, explain, log_path};
use super::sandbox::{OciSandbox, Parts};
use super::{Runtime, config, signals};
use crate::application::{self, Application, SampleRoot, root_steps};
use crate::backend::bound::Bound;
use crate::backend::notify::FileNotify;
use crate::backend::snapshot::Restorer;
use crate::backend::{Description, Launcher, Place, Sandbox, Stamp, Step, shared_directory, text};
use crate::channel::{AgentChannel, FdTransport};
use crate::host::cgroup::CgroupUsage;
use crate::lab::Lab;
use crate::network::{NetworkKind, OwnNetwork};
use crate::ownership::{OwnedProcess, Resource};
use crate::watch::{Source, Watcher};
use isodyne_core::cell::BackendName;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{MilestoneName, SignalName};
use isodyne_core::probe::Tool;
use isodyne_core::record::Asset;
use isodyne_core::sample::Accuracy;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long `create` and `start` may take each.
const CALL: Duration = Duration::from_secs(30);

/// Which calls make a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifecycle {
    /// One `run`.
    Run,
    /// `create`, then `start`.
    Split,
}

/// A cell on an OCI runtime, ready to be launched.
pub(super) struct OciLauncher {
    pub(super) runtime: Runtime,
    pub(super) lifecycle: Lifecycle,
    pub(super) memory_bytes: Option<u64>,
    pub(super) network: NetworkKind,
    pub(super) rootfs: PathBuf,
    pub(super) asset: Asset,
    /// The application, whose unpacked root `rootfs` then is: each sample has a layer of its own over it.
    pub(super) app: Option<Application>,
    /// Whether host and container share a directory.
    pub(super) shared: bool,
    /// How many directories of the host are mounted in each container.
    pub(super) bind_mounts: u64,
}

/// Where the runtime keeps the state of this one container.
pub(super) fn state_root(place: &Place) -> PathBuf {
    place.directory.join("state")
}

fn pid_file(place: &Place) -> PathBuf {
    place.directory.join("pid")
}

impl Runtime {
    /// The exact call of a subcommand.
    pub(super) fn argv(&self, place: &Place, rest: &[&str]) -> Vec<String> {
        let mut argv = vec![self.tool.path.clone(), "--root".to_owned(), text(&state_root(place))];
        argv.extend(self.options.iter().cloned());
        argv.extend(rest.iter().map(|part| (*part).to_owned()));
        argv
    }

    /// The text of `config.json` for some program inside.
    pub(super) fn config(
        &self,
        place: &Place,
        rootfs: &Path,
        args: Vec<String>,
        memory_bytes: Option<u64>,
        app: bool,
        network: Option<&str>,
    ) -> String {
        config::text(&self.wanted(place, rootfs, args, memory_bytes, app, network))
    }

    /// What the container of some program inside is to be.
    fn wanted<'a>(
        &'a self,
        place: &'a Place,
        rootfs: &'a Path,
        args: Vec<String>,
        memory_bytes: Option<u64>,
        app: bool,
        network: Option<&'a str>,
    ) -> config::Wanted<'a> {
        config::Wanted {
            name: &place.name,
            args,
            rootfs,
            memory_bytes,
            app,
            rootless: self.rootless,
            // gVisor has cgroups of its own inside.
            cgroup_namespace: self.name != BackendName::Runsc,
            shared: None,
            bound: None,
            network,
        }
    }

    /// Writes the bundle and makes the state directory.
    pub(super) fn write_bundle(&self, place: &Place, config: &str) -> Result<(), Failure> {
        let write = |path: PathBuf, result: std::io::Result<()>| {
            result.map_err(|error| {
                Failure::new(crate::backend::class_of(&error), format!("failed to write {}: {error}", path.display()))
            })
        };
        let file = place.directory.join("config.json");
        write(file.clone(), std::fs::write(&file, config))?;
        let root = state_root(place);
        write(root.clone(), std::fs::create_dir_all(&root))
    }

    /// The resource that removes the container.
    pub(super) fn resource(&self, place: &Place) -> Resource {
        Resource::OciContainer {
            program: PathBuf::from(&self.tool.path),
            root: state_root(place),
            name: place.name.clone(),
        }
    }
}

/// A command from its argument vector.
pub(crate) fn command(argv: &[String]) -> Command {
    let mut command = Command::new(argv.first().map_or("", String::as_str));
    command.args(argv.get(1..).unwrap_or_default());
    command
}

/// Opens a sandbox's log for appending: gVisor writes standard error at the file's own offset, others share it.
pub(crate) fn open_log(path: &Path) -> Result<File, Failure> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|error| Failure::new(FailureClass::Launch, format!("failed to open {}: {error}", path.display())))
}

/// An error of the lab's own side of a launch.
pub(crate) fn refused(what: &str, error: &dyn std::error::Error) -> Failure {
    let cause = error.source().map_or_else(String::new, |source| format!(": {source}"));
    Failure::new(FailureClass::Launch, format!("{what}: {error}{cause}"))
}

/// The channel to the agent on a process's standard streams.
pub(crate) fn stdio_channel(process: &mut OwnedProcess, lab: &Lab) -> Result<AgentChannel, Failure> {
    stdio_transport(process, lab).map(|transport| AgentChannel::new(Box::new(transport), lab.clock))
}

/// What carries the bytes of such a channel.
pub(crate) fn stdio_transport(process: &mut OwnedProcess, lab: &Lab) -> Result<FdTransport, Failure> {
    let (Some(stdin), Some(stdout), _) = process.take_stdio() else {
        return Err(Failure::new(FailureClass::Launch, "the runtime's standard streams are missing"));
    };
    FdTransport::new(OwnedFd::from(stdout), OwnedFd::from(stdin), lab.clock)
        .map_err(|error| refused("the agent's pipes", &error))
}

/// The stamp of a process that has been forked and has executed its program.
pub(crate) fn spawned(process: &OwnedProcess) -> Stamp {
    Stamp {
        name: MilestoneName::Spawned,
        at: process.spawned_at,
        asked: Some(process.forked_at),
        signal: SignalName::Exec,
    }
}

impl OciLauncher {
    fn calls(&self, place: &Place) -> Vec<Vec<String>> {
        let (bundle, pid) = (text(&place.directory), text(&pid_file(place)));
        let name = place.name.as_str();
        match self.lifecycle {
            Lifecycle::Run => vec![self.runtime.argv(place, &["run", "--bundle", &bundle, name])],
            Lifecycle::Split => vec![
                self.runtime.argv(place, &["create", "--bundle", &bundle, "--pid-file", &pid, name]),
                self.runtime.argv(place, &["start", name]),
            ],
        }
    }

    pub(super) fn config(&self, place: &Place, network: Option<&str>, bound: &Bound) -> String {
        let args = config::serve(place.agent_patience_s);
        let own_root = self.app.as_ref().map(|_| application::path_of(place));
        let rootfs = own_root.as_deref().unwrap_or(&self.rootfs);
        let directory = self.shared.then(|| shared_directory(place));
        let wanted = self.runtime.wanted(place, rootfs, args, self.memory_bytes, self.app.is_some(), network);
        config::text(&config::Wanted { shared: directory.as_deref(), bound: Some(bound), ..wanted })
    }

    /// The root of one sandbox's application.
    pub(super) fn make_root(&self, place: &Place, lab: &Lab) -> Result<Option<SampleRoot>, Failure> {
        self.app.as_ref().map(|app| SampleRoot::make(app, &self.rootfs, place, false, lab)).transpose()
    }

    /// Waits for one call of a split life cycle.
    fn finish(&self, process: &mut OwnedProcess, call: &str, log: &Path, lab: &Lab) -> Result<Stamp, Failure> {
        let name = if call == "create" { MilestoneName::Created } else { MilestoneName::Started };
        let Some(exit) = process.wait(lab.clock.after(CALL)) else {
            let message = format!("`{} {call}` did not end within {} s", self.runtime.name, CALL.as_secs());
            return Err(Failure::new(FailureClass::Timeout, message));
        };
        if !exit.status.success() {
            let failure = Failure::new(FailureClass::Launch, format!("`{} {call}` failed", self.runtime.name));
            return Err(explain(failure, &self.evidence(Some(exit.status), log)));
        }
        Ok(Stamp { name, at: exit.at, asked: None, signal: SignalName::Exit })
    }

    fn evidence<'a>(&'a self, exit: Option<std::process::ExitStatus>, log: &'a Path) -> Evidence<'a> {
        Evidence {
            runtime: self.runtime.name.as_str(),
            exit,
            started: false,
            group: CgroupUsage::default(),
            memory_bytes: self.memory_bytes,
            log,
        }
    }
}

impl Launcher for OciLauncher {
    fn describe(&self, place: &Place) -> Description {
        let config = Step::Write {
            path: text(&place.directory.join("config.json")),
            content: self.config(place, network_of(self.network), &Bound::of(place, self.bind_mounts)),
        };
        let runs = self.calls(place).into_iter().map(|argv| Step::Run { argv });
        let root = self.app.as_ref().map(|_| root_steps(&self.rootfs, place, self.runtime.rootless.is_none()));
        let before = self.network.steps(&place.name).into_iter().chain(root);
        Description { steps: before.chain([config]).chain(runs).collect() }
    }

    fn launch(&self, place: &Place, lab: &Lab) -> Result<Box<dyn Sandbox>, Failure> {
        let root = self.make_root(place, lab)?;
        let network = self.network.for_container(&place.name, lab)?;
        let namespace = path_of(network.as_deref());
        let bound = Bound::of(place, self.bind_mounts);
        bound.make()?;
        self.runtime.write_bundle(place, &self.config(place, namespace.as_deref(), &bound))?;
        let log = log_path(place, self.runtime.name.as_str());
        let log_file = open_log(&log)?;
        let guard = lab.owner.own(self.runtime.resource(place));
        let watcher = match self.lifecycle {
            Lifecycle::Run => {
                let rules = signals::rules(self.runtime.name, &place.name);
                let notify = FileNotify::new(&state_root(place), rules).map_err(|error| refused("inotify", &error))?;
                let sources: Vec<Box<dyn Source>> = vec![Box::new(notify)];
                Some(Watcher::start(lab.clock, sources).map_err(|error| refused("watcher", &error))?)
            }
            Lifecycle::Split => None,
        };
        let calls = self.calls(place);
        let mut first = command(&calls[0]);
        first.current_dir(&place.directory).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log_file);
        let mut process = lab.owner.spawn(first).map_err(|error| refused(self.runtime.name.as_str(), &error))?;
        let mut stamps = vec![spawned(&process)];
        let channel = stdio_channel(&mut process, lab)?;
        let mut calls_used = Vec::new();
        let mut init = None;
        if let Some(start) = calls.get(1) {
            let created = self.finish(&mut process, "create", &log, lab)?;
            stamps.push(created);
            init = Some(container_init(place)?);
            calls_used.extend(process.wait(created.at));
            let mut start = command(start);
            start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(open_log(&log)?);
            process = lab.owner.spawn(start).map_err(|error| refused(self.runtime.name.as_str(), &error))?;
            let started = self.finish(&mut process, "start", &log, lab)?;
            stamps.push(Stamp { asked: Some(process.forked_at), ..started });
        }
        Ok(Box::new(OciSandbox::new(Parts {
            clock: lab.clock,
            owner: lab.owner.clone(),
            runtime: self.runtime.clone(),
            place: place.clone(),
            memory_bytes: self.memory_bytes,
            log,
            stamps,
            watcher,
            channel,
            process,
            calls_used,
            init,
            network,
            bound,
            guard: Some(guard),
            root,
            restore_log: None,
        })))
    }

    fn restorer(&self) -> Option<&dyn Restorer> {
        super::snapshot::is_possible(self.runtime.name).then_some(self as &dyn Restorer)
    }

    fn shared_inside(&self, _: &Place) -> Option<PathBuf> {
        self.shared.then(|| PathBuf::from(config::SHARED_INSIDE))
    }

    fn accuracy(&self) -> Accuracy {
        Accuracy::Container
    }

    fn assets(&self) -> Vec<Asset> {
        vec![self.asset.clone()]
    }

    fn tools(&self) -> Vec<Tool> {
        vec![self.runtime.tool.clone()]
    }
}

/// The namespace's path as a description can tell it: its number is known when it is made.
pub(crate) fn network_of(kind: NetworkKind) -> Option<&'static str> {
    matches!(kind, NetworkKind::Own { .. }).then_some("/proc/<lab>/fd/<network namespace>")
}

/// The path of the namespace that a container is to join.
pub(crate) fn path_of(network: Option<&OwnNetwork>) -> Option<String> {
    network.and_then(OwnNetwork::sandbox).map(|namespace| text(&namespace.path()))
}

/// A handle on the first process of a created container, which is nobody's child that we know.
fn container_init(place: &Place) -> Result<OwnedFd, Failure> {
    let file = pid_file(place);
    let pid = std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| {
        Failure::new(FailureClass::Launch, format!("the runtime wrote no process id into {}", file.display()))
    })?;
    pidfd_open(pid, PidfdFlags::empty())
        .map_err(|error| Failure::new(FailureClass::Crash, format!("the container's init is gone already: {error}")))
}

#[cfg(test)]
#[path = "golden.rs"]
mod tests;
