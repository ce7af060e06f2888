//! Starting Cloud Hypervisor: pipes and sockets first, then the process, then the two requests that make the machine run.

use super::CloudHypervisorLauncher;
use super::config::Channel;
use super::requests::Paths;
use super::sandbox::{CloudHypervisorSandbox, MONITOR};
use crate::backend::Place;
use crate::backend::oci::launcher::command;
use crate::backend::vmm::api::ApiCall;
use crate::backend::vmm::console::DebugPort;
use crate::backend::vmm::logs::Logs;
use crate::backend::vmm::machine::{Machine, Pinning, Start};
use crate::backend::vmm::{pipe, vsock, way::Way};
use crate::channel::ConnectingTransport;
use crate::lab::Lab;
use crate::network::OwnNetwork;
use crate::watch::Source;
use isodyne_core::failure::Failure;
use isodyne_core::ledger::MilestoneName;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

/// Starts one machine by two requests: one that makes it, one that lets it run. Nothing is left running if this fails.
pub(super) fn launch(
    launcher: &CloudHypervisorLauncher,
    place: &Place,
    lab: &Lab,
    calls: &[ApiCall; 2],
    network: Option<Arc<OwnNetwork>>,
) -> Result<CloudHypervisorSandbox, Failure> {
    let logs = Logs::under(&place.log_prefix, "cloud-hypervisor");
    let paths = Paths::under(place);
    let refused = |error: io::Error| MONITOR.refused(&error);
    let pipe = |path: &Path| pipe::reader_at(path).map_err(refused);
    let mut sources: Vec<Box<dyn Source>> = vec![
        MONITOR.console(pipe(&paths.console)?, &logs)?,
        Box::new(DebugPort::new(pipe(&paths.debug)?, MilestoneName::Init, Some(b'I')).map_err(refused)?),
    ];
    let way = match launcher.config.channel {
        Channel::Vsock => Way::Listen(vsock::listen(&paths.vsock, lab.clock)?),
        Channel::Serial => {
            // The serial port has no console then.
            sources.remove(0);
            let transport = ConnectingTransport::new(&paths.serial, lab.clock);
            Way::Serial(Box::new(transport))
        }
    };
    let mut command = command(&launcher.argv(&paths));
    let words = OpenOptions::new().create(true).append(true).open(&logs.monitor).map_err(refused)?;
    command
        .current_dir(&place.directory)
        .stdin(Stdio::null())
        .stdout(words.try_clone().map_err(refused)?)
        .stderr(words);
    let start = Start {
        monitor: MONITOR,
        command,
        socket: paths.api,
        calls,
        sources,
        way,
        logs,
        memory_bytes: launcher.config.memory_bytes,
        pinning: Pinning::of(launcher.config.pin.as_ref(), Pinning::ByMonitor),
        network,
        joins: false,
        disk: launcher.config.disk.as_ref().map(|disk| disk.method),
    };
    let config = launcher.config.clone();
    Ok(CloudHypervisorSandbox { machine: Machine::start(start, lab)?, name: place.name.clone(), config })
}
