//! The seam that every backend implements.
//!
//! `Backend` answers whether it can run here and turns a cell into a `Launcher`; a `Launcher` says exactly what it would
//! do (`describe`, pure) and does it (`launch`); a `Sandbox` is the live thing. To add a backend: write a module beside
//! these, add it to [`all`], and give it golden tests for `describe`.

use crate::channel::AgentChannel;
use crate::lab::Lab;
use crate::network::Network;
use crate::workload::Attempt;
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{MilestoneName, SignalName};
use isodyne_core::probe::{Probe, Tool};
use isodyne_core::record::Asset;
use isodyne_core::sample::{Accuracy, Provenance};
use isodyne_core::unit::HostInstant;
use shared_memory::SharedMemory;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) mod bound;
pub mod cloud_hypervisor;
pub mod docker;
pub mod firecracker;
pub mod imported;
pub mod notify;
pub mod oci;
pub mod podman;
pub mod process;
pub(crate) mod program;
pub mod qemu;
pub mod scripted;
pub mod shared_memory;
pub mod snapshot;
pub mod vmm;

/// A way to run a sandbox.
pub trait Backend: Send + Sync {
    /// Its name.
    fn name(&self) -> BackendName;

    /// Whether it can run on this host, or why not and what would fix it. Starts nothing that outlives the call.
    fn probe(&self, lab: &Lab) -> Probe;

    /// Resolves a cell: paths, digests, defaults. Done once per cell and run, outside any measured time.
    ///
    /// # Errors
    /// [`PrepareError`] if the cell cannot run here or asks for something impossible.
    fn prepare(&self, cell: &Cell, lab: &Lab) -> Result<Box<dyn Launcher>, PrepareError>;
}

/// Why a cell cannot be launched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// This host cannot run it: the cell is skipped.
    #[error("{reason}")]
    Unavailable {
        /// Why not.
        reason: String,
        /// What would fix it.
        hint: String,
    },
    /// The plan asks for something that cannot be: the plan is refused.
    #[error("{key}: {message}")]
    Invalid {
        /// The plan's key (`backend.qemu.kernel`).
        key: String,
        /// What is wrong with its value.
        message: String,
        /// What to do.
        hint: String,
    },
}

/// A cell that is ready to be launched any number of times.
pub trait Launcher: Send + Sync {
    /// Exactly what `launch` would run and send. Pure: no file, no process, no clock.
    fn describe(&self, place: &Place) -> Description;

    /// Starts one sandbox. Files and images of the sandbox are made first; t0 ([`Sandbox::origin`]) is stamped right
    /// before the fork or the first API call.
    ///
    /// # Errors
    /// A classed failure with its evidence. Nothing is left running.
    fn launch(&self, place: &Place, lab: &Lab) -> Result<Box<dyn Sandbox>, Failure>;

    /// A made-up attempt instead of a launch. Only the scripted backend has one; its provenance says so.
    fn script(&self, _seed: u64) -> Option<Attempt> {
        None
    }

    /// The power to bring back a kept state, if the backend has it.
    fn restorer(&self) -> Option<&dyn snapshot::Restorer> {
        None
    }

    /// The path inside the sandbox of the directory [`shared_directory`], if host and sandbox share one for the benchmark
    /// `shm`.
    fn shared_inside(&self, _place: &Place) -> Option<PathBuf> {
        None
    }

    /// What stands between the sandbox and the hardware.
    fn accuracy(&self) -> Accuracy;

    /// `Measured` for everything but the scripted backend.
    fn provenance(&self) -> Provenance {
        Provenance::Measured
    }

    /// The kernels, initramfs and images that take part.
    fn assets(&self) -> Vec<Asset>;

    /// The programs that take part.
    fn tools(&self) -> Vec<Tool>;
}

/// Where one sandbox lives and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Unique on this host, safe as a container, cgroup or socket name: `isodyne-<run id>-<number>`.
    pub name: String,
    /// Its private directory (0700), made empty before `launch` and removed by the caller after `stop`.
    pub directory: PathBuf,
    /// Prefix of its log files in the run directory: `<logs>/<number>-<backend>`; a backend adds `.console.log` etc.
    pub log_prefix: PathBuf,
    /// Seconds that the agent inside waits for its host before it gives up and ends.
    pub agent_patience_s: u32,
}

impl Place {
    /// The log file of this sandbox for one kind of text (`console`, `runc`, …).
    pub fn log(&self, kind: &str) -> PathBuf {
        let mut name = self.log_prefix.clone().into_os_string();
        name.push(format!(".{kind}.log"));
        name.into()
    }
}

/// The directory on the host's tmpfs that is shared with a sandbox. The benchmark makes it before the launch.
pub fn shared_directory(place: &Place) -> PathBuf {
    Path::new("/dev/shm").join(&place.name)
}

/// What a launcher would do, for `--dry-run`, `run.json` and golden tests.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Description {
    /// In order.
    pub steps: Vec<Step>,
}

/// One step of a description.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A file that is written, with its exact text.
    Write {
        /// Its path.
        path: String,
        /// Its text, or a line in brackets for binary content.
        content: String,
    },
    /// A program that is run.
    Run {
        /// The exact argument vector.
        argv: Vec<String>,
    },
    /// A request to an API.
    Request {
        /// The socket.
        socket: String,
        /// `PUT /boot-source`, or a QMP command's name.
        call: String,
        /// The body, if there is one.
        body: Option<serde_json::Value>,
    },
    /// A thread that runs a virtual processor, kept on one processor of the host.
    Pin {
        /// The guest's processor, from 0.
        virtual_processor: usize,
        /// The host's.
        processor: usize,
    },
}

/// A milestone with absolute stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which event.
    pub name: MilestoneName,
    /// When it was seen.
    pub at: HostInstant,
    /// When the lab began to ask for it; `None` if the sandbox came to it by itself.
    pub asked: Option<HostInstant>,
    /// How it was seen.
    pub signal: SignalName,
}

/// One live sandbox: it owns its processes, sockets, cgroups and files. `Drop` removes what `stop` did not.
pub trait Sandbox: Send {
    /// t0: the stamp right before the fork or the first API call.
    fn origin(&self) -> HostInstant;

    /// The milestones seen so far, in any order. `agent`, `first_exec` and `stop_requested` are added by the workload.
    fn stamps(&self) -> Vec<Stamp>;

    /// The channel to the agent inside.
    fn agent(&mut self) -> &mut AgentChannel;

    /// The power of being connected to; `None` for a sandbox without a network.
    fn network(&self) -> Option<Arc<dyn Network>> {
        None
    }

    /// The power of sharing memory; `None` for a sandbox that shares none with the host.
    fn shared_memory(&self) -> Option<Arc<SharedMemory>> {
        None
    }

    /// The process of this host in which all of the sandbox runs; `None` for one that is many processes, or none of its own.
    fn monitor(&self) -> Option<u32> {
        None
    }

    /// Where a user's own application finds its root: in the agent's own, if the backend does not say otherwise.
    fn app_root(&self) -> AppRoot {
        AppRoot::Own { how: String::new() }
    }

    /// Shows, after the measured time, that what the backend gives the guest has arrived; what was shown, one line each.
    ///
    /// # Errors
    /// A classed failure if it has not: the sample is not valid then.
    fn prove(&mut self, _deadline: HostInstant) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    /// What the sandbox has used so far, by metric name (`peak_memory_bytes`, `cpu_ns`, `vmm_cpu_ns`, …). A value that
    /// cannot be had is absent. Called once, after the work and before `stop`.
    fn usage(&mut self) -> Vec<(String, f64)>;

    /// The power to keep the sandbox's state, if it has it.
    fn snapshots(&mut self) -> Option<&mut dyn snapshot::Snapshots> {
        None
    }

    /// A sandbox that was restored has given its first right answer, which is stamped: what only the restore needed can go.
    fn came_back(&mut self) {}

    /// Says more about a failure from what only the backend sees: exit status, console, runtime log.
    fn diagnose(&mut self, failure: Failure) -> Failure;

    /// Asks the sandbox to end, waits until everything of it is gone, and removes what it left. The agent has not been
    /// told to shut down before. After `deadline` it is killed.
    fn stop(&mut self, deadline: HostInstant) -> Stopped;
}

/// The root of a user's own application, as the agent sees it, and in words how it was made for this sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppRoot {
    /// The agent's own.
    Own {
        /// How it was made.
        how: String,
    },
    /// A directory.
    Directory {
        /// Its path.
        path: PathBuf,
        /// How it was made.
        how: String,
    },
    /// On a block device of the machine.
    Device {
        /// The device's node.
        device: &'static str,
        /// The type of its file system.
        file_system: &'static str,
        /// How it was made.
        how: String,
    },
}

impl AppRoot {
    /// How it was made.
    pub fn how(&self) -> &str {
        match self {
            Self::Own { how } | Self::Directory { how, .. } | Self::Device { how, .. } => how,
        }
    }
}

/// The report of a stop.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stopped {
    /// When the last process of the sandbox had ended and been reaped (or the runtime said so); `None` if never seen.
    pub gone: Option<HostInstant>,
    /// How that was seen.
    pub signal: Option<SignalName>,
    /// Whether it had to be killed.
    pub killed: bool,
    /// What could not be removed, one line each; empty is good.
    pub survivors: Vec<String>,
    /// Values that are only known at the end (CPU time and peak memory from `wait4`), by metric name.
    pub usage: Vec<(String, f64)>,
    /// Why the end was not a good one (exit status, runtime's message); `None` if it was.
    pub complaint: Option<String>,
}

/// Finds a backend by name.
pub fn find(name: BackendName) -> Box<dyn Backend> {
    match name {
        BackendName::Process => Box::new(process::ProcessBackend),
        BackendName::Runc | BackendName::Crun | BackendName::Runsc => Box::new(oci::OciBackend::new(name)),
        BackendName::Podman => Box::new(podman::PodmanBackend),
        BackendName::Docker => Box::new(docker::DockerBackend),
        BackendName::Qemu => Box::new(qemu::QemuBackend),
        BackendName::Scripted => Box::new(scripted::ScriptedBackend),
        BackendName::Firecracker => Box::new(firecracker::FirecrackerBackend),
        BackendName::CloudHypervisor => Box::new(cloud_hypervisor::CloudHypervisorBackend),
        BackendName::Imported => Box::new(imported::ImportedBackend),
    }
}

/// All backends, in the order of the documentation.
pub fn all() -> Vec<Box<dyn Backend>> {
    BackendName::ALL.iter().map(|name| find(*name)).collect()
}

/// The class of a failure of the lab's own side of a launch: a full disk is one of its own.
pub(crate) fn class_of(error: &std::io::Error) -> FailureClass {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => FailureClass::Enospc,
        _ => FailureClass::Launch,
    }
}

/// The text of a path in a description or argument list.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
