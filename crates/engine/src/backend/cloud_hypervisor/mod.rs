//! Cloud Hypervisor: a virtual machine on KVM, driven over its API.

use crate::backend::snapshot::Restorer;
use crate::backend::vmm::{api::ApiCall, guest, kvm, vsock};
use crate::backend::{Backend, Description, Launcher, Place, PrepareError, Sandbox, Step, program, text};
use crate::host::inspect_tool;
use crate::image::{self, Driver, Transport};
use crate::lab::Lab;
use config::{Channel, Config};
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
        let notes = std::iter::once("runs on /dev/kvm".to_owned()).chain(guest::missing_note(lab)).collect();
        let version = version.map(|line| line.strip_prefix("cloud-hypervisor ").unwrap_or(&line).to_owned());
        Probe::Available(Capabilities { version, accuracy: kvm::accuracy(lab), tools: vec![tool], notes })
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
        let mut config = Config::from_factors(&cell.factors)?;
        let assets = boot_from(&mut config, lab)?;
        Ok(Box::new(CloudHypervisorLauncher { config, tool, assets, accuracy: kvm::accuracy(lab) }))
    }
}

/// Chooses kernel and initramfs.
fn boot_from(config: &mut Config, lab: &Lab) -> Result<Vec<Asset>, PrepareError> {
    let guest = guest::guest_for(lab, BackendName::CloudHypervisor, config.own_kernel.as_deref())?;
    // An ELF is entered by PVH and needs no unpacking; a bzImage is taken as well.
    config.kernel = guest.pvh_elf.clone().unwrap_or_else(|| guest.image.clone());
    let mut drivers = Vec::new();
    drivers.extend((config.channel == Channel::Vsock).then_some(Driver::Vsock));
    drivers.extend(config.entropy.then_some(Driver::Entropy));
    drivers.extend(config.balloon_bytes.map(|_| Driver::Balloon));
    let initramfs = guest.initramfs(Transport::Pci, &drivers).map_err(|error| PrepareError::Unavailable {
        reason: format!("the guest lacks a driver: {}", image::chain(&error)),
        hint: "use `channel = \"serial\"` without devices, or the kernel of `isodyne setup`".to_owned(),
    })?;
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
        [requests::create(&self.config, place.agent_patience_s), requests::boot()]
    }
}

impl Launcher for CloudHypervisorLauncher {
    fn describe(&self, place: &Place) -> Description {
        let paths = Paths::under(place);
        let socket = text(&paths.api);
        let run = Step::Run { argv: self.argv(&paths) };
        let calls = self.calls(place);
        Description { steps: std::iter::once(run).chain(calls.iter().map(|call| call.step(&socket))).collect() }
    }

    fn launch(&self, place: &Place, lab: &Lab) -> Result<Box<dyn Sandbox>, Failure> {
        vsock::check_path(&Paths::under(place).api)?;
        Ok(Box::new(launch::launch(self, place, lab, &self.calls(place))?))
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
