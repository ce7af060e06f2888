//! Cloud Hypervisor: a virtual machine on KVM, driven over its API.

use crate::application::Application;
use crate::backend::snapshot::Restorer;
use crate::backend::vmm::{api::ApiCall, card, disk, guest, kvm, pin::Pin, vsock};
use crate::backend::{Backend, Description, Launcher, Place, PrepareError, Sandbox, Step, text};
use crate::image::Transport;
use crate::image::app::OverlayKind;
use crate::lab::Lab;
use config::{Config, DiskConfig};
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::failure::Failure;
use isodyne_core::probe::{Capabilities, Probe, Tool};
use isodyne_core::record::Asset;
use isodyne_core::sample::Accuracy;
use requests::Paths;

pub mod config;
mod launch;
pub mod requests;
mod sandbox;
pub mod snapshot;

const PROGRAM: &str = "cloud-hypervisor";
const INSTALL_HINT: &str =
    "install Cloud Hypervisor (Ubuntu, Void and Nix package it; static binaries are on its GitHub releases page)";

/// The backend.
pub struct CloudHypervisorBackend;

impl Backend for CloudHypervisorBackend {
    fn name(&self) -> BackendName {
        BackendName::CloudHypervisor
    }

    fn probe(&self, lab: &Lab) -> Probe {
        let tool = match kvm::find_monitor(lab, PROGRAM, INSTALL_HINT) {
            Ok(tool) => tool,
            Err(unavailable) => return *unavailable,
        };
        let notes = std::iter::once("runs on /dev/kvm".to_owned()).chain(guest::missing_note(lab)).collect();
        let version = tool.version.clone();
        let version = version.map(|line| line.strip_prefix("cloud-hypervisor ").unwrap_or(&line).to_owned());
        Probe::Available(Capabilities { version, accuracy: kvm::accuracy(lab), tools: vec![tool], notes })
    }

    fn prepare(&self, cell: &Cell, lab: &Lab) -> Result<Box<dyn Launcher>, PrepareError> {
        let tool = kvm::monitor_of(cell, lab, PROGRAM, INSTALL_HINT)?;
        let mut config = Config::from_factors(&cell.factors)?;
        Pin::check(config.pin.as_ref())?;
        // Once more with what this host has: the factors are words only.
        card::check(cell, lab)?;
        let mut found = Vec::new();
        if let Some(app) = Application::of(cell, lab)? {
            let (disk, asset) = DiskConfig::of(&app, OverlayKind::Raw, lab)?;
            config.disk = Some(disk);
            found.extend([app.asset(), asset]);
        }
        let mut assets = boot_from(&mut config, lab)?;
        assets.extend(found);
        Ok(Box::new(CloudHypervisorLauncher { config, tool, assets, accuracy: kvm::accuracy(lab) }))
    }
}

/// Chooses kernel and initramfs.
fn boot_from(config: &mut Config, lab: &Lab) -> Result<Vec<Asset>, PrepareError> {
    let guest = guest::guest_for(lab, BackendName::CloudHypervisor, config.own_kernel.as_deref())?;
    // An ELF is entered by PVH and needs no unpacking; a bzImage is taken as well.
    config.kernel = guest.pvh_elf.clone().unwrap_or_else(|| guest.image.clone());
    let disk = config.disk.as_ref();
    let devices = guest::Devices::of(config.channel, config.entropy, config.balloon_bytes, config.network, disk);
    let initramfs = guest::initramfs_for(&guest, Transport::Pci, devices, config.own_kernel.is_some())?;
    config.initramfs.clone_from(&initramfs.path);
    config.modules.clone_from(&initramfs.modules);
    Ok(guest.assets(&initramfs, guest.pvh_elf.is_some()))
}

/// A machine that is ready to be started any number of times.
pub(super) struct CloudHypervisorLauncher {
    pub(super) config: Config,
    pub(super) tool: Tool,
    assets: Vec<Asset>,
    accuracy: Accuracy,
}

impl CloudHypervisorLauncher {
    pub(super) fn argv(&self, paths: &Paths) -> Vec<String> {
        requests::argv(&self.config, &self.tool.path, paths)
    }

    /// The requests, in order; the last one starts the machine.
    pub(super) fn calls(&self, place: &Place) -> [ApiCall; 2] {
        [requests::create(&self.config, place), requests::boot()]
    }
}

impl Launcher for CloudHypervisorLauncher {
    fn describe(&self, place: &Place) -> Description {
        let paths = Paths::under(place);
        let socket = text(&paths.api);
        let run = Step::Run { argv: self.argv(&paths) };
        let calls = self.calls(place);
        let mut steps = self.config.network.steps(&place.name);
        steps.extend(self.config.disk.as_ref().map(|disk| disk.step(&disk::path(&place.directory))));
        steps.push(run);
        steps.extend(calls.iter().map(|call| call.step(&socket)));
        Description { steps }
    }

    fn launch(&self, place: &Place, lab: &Lab) -> Result<Box<dyn Sandbox>, Failure> {
        vsock::check_path(&Paths::under(place).api)?;
        if let Some(disk) = &self.config.disk {
            disk.make(&disk::path(&place.directory))?;
        }
        let network = card::make(self.config.network, place, lab)?;
        Ok(Box::new(launch::launch(self, place, lab, &self.calls(place), network)?))
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
        vec![self.tool.clone()]
    }
}
