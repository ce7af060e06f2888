//! The OCI runtimes `runc`, `crun` and `runsc`: one backend, three programs.
//!
//! With `lifecycle = run` (the default) one call of the runtime is the sandbox: its standard streams are the agent's
//! channel and its end is the end. With `lifecycle = split` the calls `create`, `start` and `delete` are made, and timed,
//! one by one. Everything of a sandbox, the runtime's state included, lies in the sandbox's own directory.

pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod diagnose;
pub mod group;
pub(crate) mod launcher;
mod remove;
pub(crate) mod sandbox;
pub(crate) mod signals;
pub(crate) mod snapshot;
mod trial;

pub use remove::{list, list_with_prefix, remove};

use super::{Backend, Launcher, PrepareError, bound, program};
use crate::application::Application;
use crate::channel::agent_binary;
use crate::host::inspect_tool;
use crate::image::rootfs::Rootfs;
use crate::lab::Lab;
use crate::network::NetworkKind;
use isodyne_core::cell::{BackendName, BenchmarkName, Cell};
use isodyne_core::probe::{Capabilities, Probe, Tool};
use isodyne_core::record::Asset;
use isodyne_core::sample::Accuracy;
use launcher::{Lifecycle, OciLauncher};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// An OCI runtime as a backend.
pub struct OciBackend {
    name: BackendName,
}

/// A runtime's program and how it is called.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    pub(crate) name: BackendName,
    pub(crate) tool: Tool,
    /// Global options behind `--root`.
    pub(crate) options: Vec<String>,
    /// User and group of an ordinary user.
    pub(crate) rootless: Option<(u32, u32)>,
}

impl OciBackend {
    /// The backend of one of the three.
    pub fn new(name: BackendName) -> Self {
        Self { name }
    }

    fn missing(&self) -> (String, String) {
        let name = self.name;
        let hint = match name {
            BackendName::Runsc => {
                "install runsc: https://gvisor.dev/docs/user_guide/install (Debian: `apt install runsc`)"
            }
            BackendName::Crun => "install it: `apt install crun`",
            _ => "install it: `apt install runc`",
        };
        (format!("there is no program `{name}` in PATH"), hint.to_owned())
    }

    fn runtime(&self, cell: Option<&Cell>, lab: &Lab) -> Result<Runtime, PrepareError> {
        let stated = cell.map(program::stated).transpose()?.flatten();
        let Some(tool) = stated.or_else(|| inspect_tool(self.name.as_str(), &["--version"])) else {
            let (reason, hint) = self.missing();
            return Err(PrepareError::Unavailable { reason, hint });
        };
        let rootless =
            (!lab.host.root).then(|| (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()));
        let mut options = Vec::new();
        if self.name == BackendName::Runsc {
            let stated = cell.and_then(|cell| cell.factors.get("platform")).and_then(|value| value.as_text());
            options.push(format!("--platform={}", platform(stated.unwrap_or("auto"), &tool)?));
            // With a network of its own, gVisor's stack takes over the card that it finds in its namespace.
            let own =
                cell.and_then(|cell| cell.factors.get("network")).and_then(|value| value.as_text()) == Some("own");
            options.push(format!("--network={}", if own { "sandbox" } else { "none" }));
        }
        if rootless.is_some() {
            options.push(if self.name == BackendName::Runsc { "--rootless" } else { "--rootless=true" }.to_owned());
        }
        if self.name == BackendName::Crun {
            // It finds out by itself and knows no such option.
            options.clear();
        }
        Ok(Runtime { name: self.name, tool, options, rootless })
    }
}

/// The platform that this gVisor knows: `systrap` where there is one, else `ptrace`.
fn platform(stated: &str, tool: &Tool) -> Result<String, PrepareError> {
    let mut flags = Command::new(&tool.path);
    flags.arg("flags");
    let known = command::run(flags, Duration::from_secs(5)).map(|finished| finished.stdout + &finished.stderr);
    let known = known.unwrap_or_default();
    let line = known.lines().find(|line| line.contains("which platform to use")).unwrap_or_default();
    match stated {
        "auto" => Ok(if line.contains("systrap") { "systrap" } else { "ptrace" }.to_owned()),
        _ if line.is_empty() || line.contains(stated) => Ok(stated.to_owned()),
        _ => Err(PrepareError::Unavailable {
            reason: format!("this runsc has no platform `{stated}`: {}", line.trim()),
            hint: "choose another platform, or install a newer runsc".to_owned(),
        }),
    }
}

impl Backend for OciBackend {
    fn name(&self) -> BackendName {
        self.name
    }

    fn probe(&self, lab: &Lab) -> Probe {
        let unavailable = |reason, hint, version| Probe::Unavailable { reason, hint, version };
        let runtime = match self.runtime(None, lab) {
            Ok(runtime) => runtime,
            Err(PrepareError::Unavailable { reason, hint } | PrepareError::Invalid { message: reason, hint, .. }) => {
                return unavailable(reason, hint, None);
            }
        };
        let version = version_of(&runtime.tool);
        if let Err((reason, hint)) = trial::run(&runtime, NetworkKind::None, lab) {
            return unavailable(reason, hint, version);
        }
        let mut notes = vec!["no capabilities, read-only root".to_owned()];
        if runtime.rootless.is_some() {
            notes.push("as an ordinary user: in a user namespace, without a cgroup of its own".to_owned());
        }
        notes.extend(runtime.options.iter().find(|option| option.starts_with("--platform=")).cloned());
        Probe::Available(Capabilities { version, accuracy: Accuracy::Container, tools: vec![runtime.tool], notes })
    }

    fn prepare(&self, cell: &Cell, lab: &Lab) -> Result<Box<dyn Launcher>, PrepareError> {
        let runtime = self.runtime(Some(cell), lab)?;
        let invalid = |key: &str, message: String, hint: &str| PrepareError::Invalid {
            key: format!("backend.{}.{key}", self.name),
            message,
            hint: hint.to_owned(),
        };
        let lifecycle = match cell.factors.get("lifecycle").and_then(|value| value.as_text()).unwrap_or("run") {
            "run" => Lifecycle::Run,
            "split" => Lifecycle::Split,
            other => return Err(invalid("lifecycle", format!("unknown lifecycle `{other}`"), "use `run` or `split`")),
        };
        let memory_bytes = memory_limit(cell, lab)?;
        // The probe has tried what PATH holds, with its defaults.
        let network = NetworkKind::of(cell, lab, "leave `network` at \"none\"")?;
        let differs = ["platform", "program"].iter().any(|key| cell.factors.contains_key(*key));
        if differs || network != NetworkKind::None {
            trial::run(&runtime, network, lab).map_err(|(reason, hint)| PrepareError::Unavailable { reason, hint })?;
        }
        let app = Application::of(cell, lab)?;
        let (rootfs, asset) = match &app {
            Some(app) => (app.base_directory(lab)?, app.asset()),
            None => rootfs(lab, "rootfs")?,
        };
        let shared = cell.benchmark == BenchmarkName::Shm && app.is_none();
        let bind_mounts = bound::asked(cell);
        Ok(Box::new(OciLauncher { runtime, lifecycle, memory_bytes, network, rootfs, asset, app, shared, bind_mounts }))
    }
}

/// The memory limit that a cell asks for, if this host can set one.
pub(crate) fn memory_limit(cell: &Cell, lab: &Lab) -> Result<Option<u64>, PrepareError> {
    let Some(limit) = cell.factors.get("memory").and_then(|value| value.as_bytes()) else { return Ok(None) };
    let refuse =
        |reason: &str, hint: &str| Err(PrepareError::Unavailable { reason: reason.to_owned(), hint: hint.to_owned() });
    let cgroups = &lab.host.cgroups;
    if !lab.host.root {
        return refuse(
            "a memory limit needs a cgroup, which an ordinary user has not",
            "run as root, or leave `memory` out",
        );
    }
    if !cgroups.v1.contains_key("memory") && !cgroups.v2_controllers.iter().any(|name| name == "memory") {
        return refuse("this host's cgroups have no memory controller", "boot with `cgroup_enable=memory`");
    }
    Ok(Some(limit))
}

/// Writes the image into a directory of the run, once, and says what it is.
pub(crate) fn rootfs(lab: &Lab, directory: &str) -> Result<(PathBuf, Asset), PrepareError> {
    let path = lab.scratch.join(directory);
    let image = Rootfs::with_agent(agent_binary());
    let made = image.write_to(&path).and_then(|()| asset(&image));
    made.map(|asset| (path, asset)).map_err(|error| PrepareError::Unavailable {
        reason: format!("the container image cannot be written: {error}"),
        hint: "free some space in the temporary directory, or name another with TMPDIR".to_owned(),
    })
}

/// The image as a file that takes part.
pub(crate) fn asset(image: &Rootfs) -> std::io::Result<Asset> {
    Ok(Asset {
        role: "image".to_owned(),
        name: "isodyne-agent (made on the spot)".to_owned(),
        sha256: image.sha256()?,
        size_bytes: image.to_tar()?.len() as u64,
    })
}

/// `1.1.5` of `runc version 1.1.5`.
pub(crate) fn version_of(tool: &Tool) -> Option<String> {
    let line = tool.version.as_deref()?;
    let version = line.split_once("version ").map_or(line, |(_, version)| version);
    Some(version.split_whitespace().next().unwrap_or(version).trim_end_matches(',').to_owned())
}
