//! Starting Cloud Hypervisor: pipes and sockets first, then the process, then the two requests that make the machine run.

use super::CloudHypervisorLauncher;
use super::config::Channel;
use super::requests::Paths;
use super::sandbox::{CloudHypervisorSandbox, Parts};
use crate::backend::oci::launcher::command;
use crate::backend::vmm::api::{self, ApiCall};
use crate::backend::vmm::console::{ConsoleLog, DebugPort};
use crate::backend::vmm::logs::Logs;
use crate::backend::vmm::{pipe, vsock, way::Way};
use crate::backend::{Place, Stamp};
use crate::channel::ConnectingTransport;
use crate::clock::Clock;
use crate::http::{Client, HttpError};
use crate::lab::Lab;
use crate::ownership::OwnedProcess;
use crate::watch::{Source, Watcher};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{MilestoneName, SignalName};
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::process::Stdio;

/// Starts one machine by two requests: one that makes it, one that lets it run. Nothing is left running if this fails.
pub(super) fn launch(
    launcher: &CloudHypervisorLauncher,
    place: &Place,
    lab: &Lab,
    calls: &[ApiCall; 2],
) -> Result<CloudHypervisorSandbox, Failure> {
    let logs = Logs::under(&place.log_prefix, "cloud-hypervisor");
    let paths = Paths::under(place);
    let refused = |error: io::Error| {
        let class = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureClass::Enospc,
            _ => FailureClass::Launch,
        };
        Failure::new(class, format!("failed to make what Cloud Hypervisor needs: {error}"))
    };
    let pipe = |path: &Path| pipe::reader_at(path).map_err(refused);
    let mut sources: Vec<Box<dyn Source>> = vec![
        Box::new(ConsoleLog::new(pipe(&paths.console)?, &logs.console, MilestoneName::Kernel).map_err(refused)?),
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
    let watcher = Watcher::start(lab.clock, sources).map_err(refused)?;
    let mut process =
        lab.owner.spawn(command).map_err(|error| Failure::new(FailureClass::Launch, crate::backend::chain(&error)))?;
    let channel = way.channel(&process, lab.clock).map_err(refused)?;
    match converse(calls, &paths.api, &mut process, lab.clock) {
        Ok((stamps, client)) => Ok(CloudHypervisorSandbox::new(Parts {
            clock: lab.clock,
            process,
            client,
            channel,
            watcher: Some(watcher),
            stamps,
            logs,
            memory_bytes: launcher.config.memory_bytes,
        })),
        Err(error) => Err(api::explain("Cloud Hypervisor", &error, &mut process, watcher, &logs, lab.clock)),
    }
}

/// From the socket to the running guest.
fn converse(
    [make, run]: &[ApiCall; 2],
    socket: &Path,
    process: &mut OwnedProcess,
    clock: Clock,
) -> Result<(Vec<Stamp>, Client), HttpError> {
    let deadline = clock.after(api::ANSWER_DEADLINE);
    let mut client = api::connect(socket, process, clock, deadline)?;
    let connected = clock.now();
    let created = api::call(&mut client, make, deadline)?;
    let booted = api::call(&mut client, run, deadline)?;
    let stamp = |name, at, asked, signal| Stamp { name, at, asked, signal };
    let stamps = vec![
        stamp(MilestoneName::Spawned, process.spawned_at, Some(process.forked_at), SignalName::Exec),
        stamp(MilestoneName::ApiReady, connected, None, SignalName::Notify),
        stamp(MilestoneName::Configured, created.at, Some(created.asked), SignalName::Reply),
        stamp(MilestoneName::Started, booted.at, Some(booted.asked), SignalName::Reply),
    ];
    Ok((stamps, client))
}
