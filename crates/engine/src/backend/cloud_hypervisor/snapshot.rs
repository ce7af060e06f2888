//! Snapshots of Cloud Hypervisor: a directory with the machine's configuration, its state and its memory.

use super::CloudHypervisorLauncher;
use super::config::Channel;
use super::sandbox::{CloudHypervisorSandbox, MONITOR};
use crate::backend::snapshot::{MemoryBackend, Restorer, SnapshotKind, SnapshotOptions, Snapshots, Taken};
use crate::backend::vmm::api::ApiCall;
use crate::backend::vmm::card;
use crate::backend::{Place, Sandbox, text};
use crate::lab::Lab;
use crate::network::NetworkKind;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use serde_json::json;
use std::path::Path;

fn url(directory: &Path) -> String {
    format!("file://{}", text(directory))
}

/// The request that stops the machine.
pub fn pause() -> ApiCall {
    ApiCall::put_nothing("/api/v1/vm.pause")
}

/// The request that lets it run again.
pub fn resume() -> ApiCall {
    ApiCall::put_nothing("/api/v1/vm.resume")
}

/// The request that writes a snapshot.
pub fn create(directory: &Path) -> ApiCall {
    ApiCall::put("/api/v1/vm.snapshot", json!({ "destination_url": url(directory) }))
}

/// The request that brings a snapshot back; the machine stands still then.
pub fn restore(directory: &Path) -> ApiCall {
    ApiCall::put("/api/v1/vm.restore", json!({ "source_url": url(directory) }))
}

impl Snapshots for CloudHypervisorSandbox {
    fn snapshot(
        &mut self,
        directory: &Path,
        options: &SnapshotOptions,
        deadline: HostInstant,
    ) -> Result<Taken, Failure> {
        options.refuse_what_only_containers_have("Cloud Hypervisor")?;
        options.refuse_what_only_qemu_has("Cloud Hypervisor")?;
        if options.kind != SnapshotKind::Full {
            let message = "Cloud Hypervisor writes whole snapshots only";
            return Err(Failure::new(FailureClass::Launch, message));
        }
        if self.config.disk.is_some() {
            let message = "a machine with an application's disk is not kept: the disk is not in a snapshot";
            return Err(Failure::new(FailureClass::Launch, message));
        }
        let taken =
            self.machine.keep([pause(), create(directory)], options.resume.then(resume), directory, deadline)?;
        if self.config.network != NetworkKind::None {
            card::keep(directory, &self.name).map_err(|error| MONITOR.refused(&error))?;
        }
        // The connection of a guest that comes back is another monitor's; that of one that runs on has only waited.
        Ok(Taken { restored_says_hello: true, ..taken })
    }
}

impl Restorer for CloudHypervisorLauncher {
    fn restore(
        &self,
        directory: &Path,
        memory: MemoryBackend,
        place: &Place,
        lab: &Lab,
    ) -> Result<Box<dyn Sandbox>, Failure> {
        let refused = |message: &str| Failure::new(FailureClass::Launch, message.to_owned());
        if memory == MemoryBackend::Userfault {
            return Err(refused("Cloud Hypervisor takes its memory from the file only"));
        }
        if self.config.channel != Channel::Vsock {
            return Err(refused("a restored guest is reached by vsock only"));
        }
        // The tap has the same name in every namespace: nothing of the snapshot has to be changed.
        let network = card::make_again(self.config.network, directory, place, lab)?;
        Ok(Box::new(super::launch::launch(self, place, lab, &[restore(directory), resume()], network)?))
    }
}
