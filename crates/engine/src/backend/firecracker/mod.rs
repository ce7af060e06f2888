//! Firecracker: a microVM on KVM, driven over its API or from a configuration file, with or without its jailer.

use crate::backend::snapshot::Restorer;
use crate::backend::vmm::api::ApiCall;
use crate::backend::vmm::{guest, kvm};
use crate::backend::{Backend, Description, Launcher, Place, PrepareError, Sandbox, Step, program, text};
use crate::host::inspect_tool;
use crate::image::{self, Driver, Transport};
use crate::lab::Lab;
use config::{Channel, Config, Setup};
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::failure::Failure;
use isodyne_core::probe::{Capabilities, Probe, Tool};
use isodyne_core::record::Asset;
use isodyne_core::sample::Accuracy;
use jail::Jail;
use requests::Paths;
use std::path::Path;
use version::Version;

pub mod config;
pub mod jail;
mod launch;
pub mod requests;
mod sandbox;
pub mod snapshot;
pub mod userfault;
pub mod version;

const PROGRAM: &str = "firecracker";
const JAILER: &str = "jailer";
const INSTALL_HINT: &str =
    "install Firecracker 1.7 or newer (Alpine and Arch package it; releases are on its GitHub page)";

/// The backend.
pub struct FirecrackerBackend;

impl Backend for FirecrackerBackend {
    fn name(&self) -> BackendName {
        BackendName::Firecracker
    }

    fn probe(&self, lab: &Lab) -> Probe {
        let tool = inspect_tool(PROGRAM, &["--version"]);
        let version = tool.as_ref().and_then(|tool| tool.version.clone());
        let unavailable =
            |reason: String, hint: &str| Probe::Unavailable { reason, hint: hint.to_owned(), version: version.clone() };
        let missing = tool.is_none().then(|| format!("there is no `{PROGRAM}` on this host"));
        if let Some((reason, hint)) = kvm::trouble(lab.host.kvm()) {
            let reason = [Some(reason.to_owned()), missing].into_iter().flatten().collect::<Vec<_>>().join("; ");
            return unavailable(reason, hint);
        }
        let Some(tool) = tool else { return unavailable(missing.unwrap_or_default(), INSTALL_HINT) };
        let parsed = version.as_deref().and_then(Version::parse);
        let Some(parsed) = parsed.filter(|version| *version >= Version::OLDEST) else {
            return unavailable(format!("its version is unknown or older than {}", Version::OLDEST), INSTALL_HINT);
        };
        let jailer = inspect_tool(JAILER, &["--version"]);
        let mut notes = vec!["runs on /dev/kvm".to_owned()];
        notes.push(match (&jailer, lab.host.root) {
            (Some(_), true) => "jailer: yes".to_owned(),
            (Some(_), false) => "jailer: only as root".to_owned(),
            (None, _) => "jailer: not on this host".to_owned(),
        });
        notes.extend(guest::missing_note(lab));
        let version = Some(format!("{parsed} ({})", version.unwrap_or_default()));
        let tools = std::iter::once(tool).chain(jailer).collect();
        Probe::Available(Capabilities { version, accuracy: kvm::accuracy(lab), tools, notes })
    }

    fn prepare(&self, cell: &Cell, lab: &Lab) -> Result<Box<dyn Launcher>, PrepareError> {
        crate::application::Application::refuse(cell)?;
        let unavailable = |reason: String, hint: &str| PrepareError::Unavailable { reason, hint: hint.to_owned() };
        if let Some((reason, hint)) = kvm::trouble(lab.host.kvm()) {
            return Err(unavailable(reason.to_owned(), hint));
        }
        let Some(tool) = program::stated(cell)?.or_else(|| inspect_tool(PROGRAM, &["--version"])) else {
            return Err(unavailable(format!("there is no `{PROGRAM}` on this host"), INSTALL_HINT));
        };
        let version = tool.version.as_deref().and_then(Version::parse).filter(|version| *version >= Version::OLDEST);
        let Some(version) = version else {
            let said = tool.version.as_deref().unwrap_or("nothing");
            let reason = format!("{} says `{said}`; {} or newer is driven", tool.path, Version::OLDEST);
            return Err(unavailable(reason, INSTALL_HINT));
        };
        let mut config = Config::from_factors(&cell.factors, version)?;
        let jailer = if config.jailer { Some(jailer(lab)?) } else { None };
        let assets = boot_from(&mut config, cell, lab)?;
        Ok(Box::new(FirecrackerLauncher { config, tool, jailer, assets, accuracy: kvm::accuracy(lab) }))
    }
}

fn jailer(lab: &Lab) -> Result<Tool, PrepareError> {
    let unavailable =
        |reason: &str, hint: &str| PrepareError::Unavailable { reason: reason.to_owned(), hint: hint.to_owned() };
    if !lab.host.root {
        return Err(unavailable("the jailer needs root", "run as root, or leave `jailer` out"));
    }
    inspect_tool(JAILER, &["--version"])
        .ok_or_else(|| unavailable("there is no `jailer` on this host", "it comes with Firecracker's releases"))
}

/// Chooses kernel and initramfs.
fn boot_from(config: &mut Config, cell: &Cell, lab: &Lab) -> Result<Vec<Asset>, PrepareError> {
    let kernel = cell.factors.get("kernel").and_then(|value| value.as_text()).filter(|path| !path.is_empty());
    let guest = guest::guest_for(lab, BackendName::Firecracker, kernel.map(Path::new))?;
    config.kernel = match &guest.pvh_elf {
        Some(elf) => elf.clone(),
        None if requests::takes_bzimage(config) => guest.image.clone(),
        None => {
            return Err(PrepareError::Invalid {
                key: "backend.firecracker.kernel".to_owned(),
                message: format!("Firecracker {} boots an ELF, and there is none in this kernel", config.version),
                hint: "name a vmlinux, or use Firecracker 1.17 or newer".to_owned(),
            });
        }
    };
    let transport = if config.pci { Transport::Pci } else { Transport::Mmio };
    let mut drivers = Vec::new();
    drivers.extend((config.channel == Channel::Vsock).then_some(Driver::Vsock));
    drivers.extend(config.entropy.then_some(Driver::Entropy));
    drivers.extend(config.balloon_bytes.map(|_| Driver::Balloon));
    let initramfs = guest.initramfs(transport, &drivers).map_err(|error| PrepareError::Unavailable {
        reason: format!("the guest lacks a driver: {}", image::chain(&error)),
        hint: "use `channel = \"serial\"` without devices, or the kernel of `isodyne setup`".to_owned(),
    })?;
    config.initramfs.clone_from(&initramfs.path);
    config.modules.clone_from(&initramfs.modules);
    Ok(guest.assets(&initramfs, guest.pvh_elf.is_some()))
}

/// A machine that is ready to be started any number of times.
pub(super) struct FirecrackerLauncher {
    pub(super) config: Config,
    pub(super) tool: Tool,
    pub(super) jailer: Option<Tool>,
    assets: Vec<Asset>,
    accuracy: Accuracy,
}

impl FirecrackerLauncher {
    pub(super) fn jail(&self) -> Option<Jail> {
        let jailer = self.jailer.as_ref()?;
        Some(Jail { jailer: jailer.path.clone(), program: self.tool.path.clone() })
    }

    /// The files as the host sees them, and as Firecracker does.
    pub(super) fn paths(&self, place: &Place) -> (Paths, Paths) {
        match self.jail() {
            Some(jail) => (Paths::inside(&jail.root(place)), Paths::inside(Path::new("/"))),
            None => {
                let paths = Paths::under(place, &self.config);
                (paths.clone(), paths)
            }
        }
    }

    pub(super) fn argv(&self, place: &Place) -> Vec<String> {
        let (_, seen) = self.paths(place);
        let arguments = requests::arguments(&self.config, &seen, &place.name);
        match self.jail() {
            Some(jail) => jail.argv(place, &arguments),
            None => std::iter::once(self.tool.path.clone()).chain(arguments).collect(),
        }
    }

    /// The requests, in order; the last one starts the machine. None where a file describes it.
    pub(super) fn calls(&self, place: &Place) -> Vec<ApiCall> {
        if self.config.setup == Setup::File {
            return Vec::new();
        }
        let (_, seen) = self.paths(place);
        let mut calls = requests::configure(&self.config, &seen, place.agent_patience_s);
        calls.push(requests::start());
        calls
    }

    /// The configuration file, if one is used.
    pub(super) fn file(&self, place: &Place) -> Option<String> {
        let (_, seen) = self.paths(place);
        (self.config.setup == Setup::File).then(|| requests::file(&self.config, &seen, place.agent_patience_s))
    }
}

impl Launcher for FirecrackerLauncher {
    fn describe(&self, place: &Place) -> Description {
        let (paths, _) = self.paths(place);
        let file = self.file(place).map(|content| Step::Write { path: text(&paths.config), content });
        let socket = text(&paths.api);
        let calls = self.calls(place);
        let steps = file
            .into_iter()
            .chain([Step::Run { argv: self.argv(place) }])
            .chain(calls.iter().map(|call| call.step(&socket)));
        Description { steps: steps.collect() }
    }

    fn launch(&self, place: &Place, lab: &Lab) -> Result<Box<dyn Sandbox>, Failure> {
        Ok(Box::new(launch::launch(self, place, lab)?))
    }

    fn restorer(&self) -> Option<&dyn Restorer> {
        Some(self)
    }

    fn accuracy(&self) -> Accuracy {
        self.accuracy
    }

    fn assets(&self) -> Vec<Asset> {
        self.assets.clone()
    }

    fn tools(&self) -> Vec<Tool> {
        std::iter::once(self.tool.clone()).chain(self.jailer.clone()).collect()
    }
}
