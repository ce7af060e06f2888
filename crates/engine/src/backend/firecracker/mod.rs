//! Firecracker: a microVM on KVM, driven over its API or from a configuration file, with or without its jailer.

use crate::application::Application;
use crate::backend::snapshot::Restorer;
use crate::backend::vmm::api::ApiCall;
use crate::backend::vmm::{card, guest, kvm, pin::Pin};
use crate::backend::{Backend, Description, Launcher, Place, PrepareError, Sandbox, Step, text};
use crate::host::inspect_tool;
use crate::image::Transport;
use crate::image::app::OverlayKind;
use crate::lab::Lab;
use crate::network::NetworkKind;
use config::{Config, DiskConfig, Setup};
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
pub mod metadata;
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
        let tool = match kvm::find_monitor(lab, PROGRAM, INSTALL_HINT) {
            Ok(tool) => tool,
            Err(unavailable) => return *unavailable,
        };
        let version = match driven(&tool) {
            Ok(version) => format!("{version} ({})", tool.version.as_deref().unwrap_or_default()),
            Err(reason) => {
                return Probe::Unavailable { reason, hint: INSTALL_HINT.to_owned(), version: tool.version };
            }
        };
        let jailer = inspect_tool(JAILER, &["--version"]);
        let mut notes = vec!["runs on /dev/kvm".to_owned()];
        notes.push(match (&jailer, lab.host.root) {
            (Some(_), true) => "jailer: yes".to_owned(),
            (Some(_), false) => "jailer: only as root".to_owned(),
            (None, _) => "jailer: not on this host".to_owned(),
        });
        notes.extend(guest::missing_note(lab));
        let tools = std::iter::once(tool).chain(jailer).collect();
        Probe::Available(Capabilities { version: Some(version), accuracy: kvm::accuracy(lab), tools, notes })
    }

    fn prepare(&self, cell: &Cell, lab: &Lab) -> Result<Box<dyn Launcher>, PrepareError> {
        let tool = kvm::monitor_of(cell, lab, PROGRAM, INSTALL_HINT)?;
        let version =
            driven(&tool).map_err(|reason| PrepareError::Unavailable { reason, hint: INSTALL_HINT.to_owned() })?;
        let mut config = Config::from_factors(&cell.factors, version)?;
        Pin::check(config.pin.as_ref())?;
        let jailer = if config.jailer { Some(jailer(lab)?) } else { None };
        // Once more with what this host has: the factors are words only.
        card::check(cell, lab)?;
        let mut found = Vec::new();
        if let Some(path) = cell.factors.get("mmds").and_then(|value| value.as_text()).filter(|path| !path.is_empty()) {
            let (document, asset) = metadata::read(Path::new(path))?;
            config.metadata = Some(document);
            found.push(asset);
        }
        if let Some(app) = Application::of(cell, lab)? {
            let (disk, asset) = DiskConfig::of(&app, OverlayKind::Raw, lab)?;
            config.disk = Some(disk);
            found.extend([app.asset(), asset]);
        }
        let mut assets = boot_from(&mut config, cell, lab)?;
        assets.extend(found);
        Ok(Box::new(FirecrackerLauncher { config, tool, jailer, assets, accuracy: kvm::accuracy(lab) }))
    }
}

/// The program's version, if it is one that is driven.
fn driven(tool: &Tool) -> Result<Version, String> {
    let said = tool.version.as_deref().unwrap_or("nothing");
    Version::parse(said)
        .filter(|version| *version >= Version::OLDEST)
        .ok_or_else(|| format!("{} says `{said}`; {} or newer is driven", tool.path, Version::OLDEST))
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
    let disk = config.disk.as_ref();
    let devices = guest::Devices::of(config.channel, config.entropy, config.balloon_bytes, config.network, disk);
    let initramfs = guest::initramfs_for(&guest, transport, devices, kernel.is_some())?;
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
            Some(jail) => {
                let namespace = (self.config.network != NetworkKind::None).then(|| card::namespace_path(place));
                jail.argv(place, namespace.as_deref(), &arguments)
            }
            None => std::iter::once(self.tool.path.clone()).chain(arguments).collect(),
        }
    }

    /// The requests, in order; the last one starts the machine. None where a file describes it.
    pub(super) fn calls(&self, place: &Place) -> Vec<ApiCall> {
        if self.config.setup == Setup::File {
            return Vec::new();
        }
        let (_, seen) = self.paths(place);
        let mut calls = requests::configure(&self.config, &seen, place);
        calls.push(requests::start());
        calls
    }

    /// The configuration file, if one is used.
    pub(super) fn file(&self, place: &Place) -> Option<String> {
        let (_, seen) = self.paths(place);
        (self.config.setup == Setup::File).then(|| requests::file(&self.config, &seen, place))
    }

    /// The document of the metadata service, if Firecracker reads it from a file.
    pub(super) fn metadata_file(&self) -> Option<String> {
        self.config.metadata.as_ref().filter(|_| self.config.setup == Setup::File).map(ToString::to_string)
    }
}

impl Launcher for FirecrackerLauncher {
    fn describe(&self, place: &Place) -> Description {
        let (paths, _) = self.paths(place);
        let write = |path: &Path, content| Step::Write { path: text(path), content };
        let mut steps = self.config.network.steps(&place.name);
        steps.extend(self.config.disk.as_ref().map(|disk| disk.step(&paths.disk)));
        steps.extend(self.file(place).map(|content| write(&paths.config, content)));
        steps.extend(self.metadata_file().map(|content| write(&paths.metadata, content)));
        let socket = text(&paths.api);
        let calls = self.calls(place);
        steps.push(Step::Run { argv: self.argv(place) });
        steps.extend(calls.iter().map(|call| call.step(&socket)));
        steps.extend(self.config.pin.iter().flat_map(Pin::steps));
        Description { steps }
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
