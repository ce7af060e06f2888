//! Snapshots of Firecracker: the machine's state in one file, its memory in another.

use super::FirecrackerLauncher;
use super::config::Channel;
use super::requests::Paths;
use super::sandbox::{FirecrackerSandbox, MONITOR};
use super::userfault::PageServer;
use crate::backend::snapshot::{MemoryBackend, Restorer, SnapshotKind, SnapshotOptions, Snapshots, Taken, lay_over};
use crate::backend::vmm::api::ApiCall;
use crate::backend::vmm::card;
use crate::backend::{Place, Sandbox, class_of};
use crate::lab::Lab;
use crate::network::NetworkKind;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The files of a snapshot in its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFiles {
    /// Devices and processors.
    pub state: PathBuf,
    /// The guest's memory.
    pub memory: PathBuf,
}

impl SnapshotFiles {
    /// In this directory.
    pub fn of(directory: &Path) -> Self {
        Self { state: directory.join("state"), memory: directory.join("memory") }
    }
}

/// The request that stops or continues the machine.
pub fn change_state(state: &'static str) -> ApiCall {
    ApiCall::patch("/vm", json!({ "state": state }))
}

/// The request that writes a snapshot. The memory of a whole one is a file that many machines can map: it is a template too.
pub fn create(files: &SnapshotFiles, kind: SnapshotKind) -> ApiCall {
    let kind = match kind {
        SnapshotKind::Full | SnapshotKind::Template | SnapshotKind::MappedRam(_) => "Full",
        SnapshotKind::Difference => "Diff",
    };
    ApiCall::put(
        "/snapshot/create",
        json!({ "snapshot_type": kind, "snapshot_path": files.state, "mem_file_path": files.memory }),
    )
}

/// The request that brings a snapshot back and lets it run. `backend` is the memory's file, or the socket of whoever
/// brings its pages.
pub fn load(files: &SnapshotFiles, memory: MemoryBackend, backend: &Path) -> ApiCall {
    let kind = match memory {
        MemoryBackend::File => "File",
        MemoryBackend::Userfault => "Uffd",
    };
    ApiCall::put(
        "/snapshot/load",
        json!({
            "snapshot_path": files.state,
            "mem_backend": { "backend_path": backend, "backend_type": kind },
            "resume_vm": true,
        }),
    )
}

impl Snapshots for FirecrackerSandbox {
    fn snapshot(
        &mut self,
        directory: &Path,
        options: &SnapshotOptions,
        deadline: HostInstant,
    ) -> Result<Taken, Failure> {
        options.refuse_what_only_containers_have("Firecracker")?;
        options.refuse_what_only_qemu_has("Firecracker")?;
        let files = SnapshotFiles::of(directory);
        if self.config.disk.is_some() || self.config.metadata.is_some() {
            let message = "a machine with an application's disk or with metadata is not kept: neither is in a snapshot";
            return Err(Failure::new(FailureClass::Launch, message));
        }
        if self.config.network != NetworkKind::None {
            card::keep(directory, &self.name).map_err(|error| MONITOR.refused(&error))?;
        }
        let calls = [change_state("Paused"), create(&files, options.kind)];
        let taken = self.machine.keep(calls, options.resume.then(|| change_state("Resumed")), directory, deadline)?;
        // Firecracker resets every connection of a guest that it has kept.
        self.machine.agent().begin_anew();
        Ok(Taken { running_says_hello: true, restored_says_hello: true, ..taken })
    }
}

impl Restorer for FirecrackerLauncher {
    fn restore(
        &self,
        directory: &Path,
        memory: MemoryBackend,
        place: &Place,
        lab: &Lab,
    ) -> Result<Box<dyn Sandbox>, Failure> {
        let refused = |message: &str| Failure::new(FailureClass::Launch, message.to_owned());
        if self.jailer.is_some() {
            return Err(refused("a snapshot is brought back without the jailer: its files lie outside of the jail"));
        }
        if self.config.channel != Channel::Vsock {
            return Err(refused("a restored guest is reached by vsock only"));
        }
        let files = SnapshotFiles::of(directory);
        let (backend, server) = match memory {
            MemoryBackend::File => (files.memory.clone(), None),
            MemoryBackend::Userfault => {
                let socket = place.directory.join("pages");
                let server = PageServer::start(&socket, &files.memory)
                    .map_err(|error| Failure::new(FailureClass::Launch, format!("failed to serve pages: {error}")))?;
                (socket, Some(server))
            }
        };
        // The tap has the same name in every namespace: nothing of the snapshot has to be overridden.
        let network = card::make_again(self.config.network, directory, place, lab)?;
        let calls = [load(&files, memory, &backend)];
        let argv = restored_arguments(self, place);
        let sandbox = super::launch::launch_with(self, place, lab, &argv, &calls, network, server)?;
        Ok(Box::new(sandbox))
    }

    fn keeps_differences(&self) -> bool {
        true
    }

    fn complete(&self, base: &Path, difference: &Path) -> Result<u64, Failure> {
        let (base, difference) = (SnapshotFiles::of(base), SnapshotFiles::of(difference));
        let completed = lay_over(&base.memory, &difference.memory)
            .and_then(|bytes| std::fs::copy(&difference.state, &base.state).map(|_| bytes));
        completed.map_err(|error| {
            let message = format!("{} cannot be laid over the state before: {error}", difference.memory.display());
            Failure::new(class_of(&error), message)
        })
    }
}

/// The arguments of a monitor that only waits for a snapshot: what is part of the machine comes from there.
fn restored_arguments(launcher: &FirecrackerLauncher, place: &Place) -> Vec<String> {
    let config = super::config::Config {
        setup: super::config::Setup::Api,
        boot_timer: launcher.config.boot_timer,
        ..launcher.config.clone()
    };
    let paths = Paths::under(place, &config);
    let arguments = super::requests::arguments(&config, &paths, &place.name);
    std::iter::once(launcher.tool.path.clone()).chain(arguments).collect()
}
