//! Starting Firecracker: files and sockets first, then the process, then the requests that make the machine run.

use super::FirecrackerLauncher;
use super::config::Channel;
use super::jail::own;
use super::requests::{self, Paths};
use super::sandbox::{FirecrackerSandbox, MONITOR};
use super::userfault::PageServer;
use crate::backend::oci::launcher::command;
use crate::backend::vmm::api::ApiCall;
use crate::backend::vmm::console::LogLines;
use crate::backend::vmm::logs::Logs;
use crate::backend::vmm::machine::{Machine, Pinning, Start};
use crate::backend::vmm::{card, pipe, vsock, way::Way};
use crate::backend::{Place, class_of, text};
use crate::channel::FdTransport;
use crate::lab::Lab;
use crate::network::OwnNetwork;
use crate::watch::Source;
use isodyne_core::failure::Failure;
use isodyne_core::ledger::MilestoneName;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

/// What the log says when the guest's first program has written to the boot timer.
const BOOT_TIMER_LINE: &[u8] = b"Guest-boot-time";

/// Starts one machine. Nothing is left running if this fails.
pub(super) fn launch(launcher: &FirecrackerLauncher, place: &Place, lab: &Lab) -> Result<FirecrackerSandbox, Failure> {
    let (paths, _) = launcher.paths(place);
    vsock::check_path(&paths.api)?;
    furnish(launcher, place, &paths)?;
    let network = card::make(launcher.config.network, place, lab)?;
    launch_with(launcher, place, lab, &launcher.argv(place), &launcher.calls(place), network, None)
}

/// Starts a monitor and sends it these requests, of which the last one makes the machine run. Its files are there.
pub(super) fn launch_with(
    launcher: &FirecrackerLauncher,
    place: &Place,
    lab: &Lab,
    argv: &[String],
    calls: &[ApiCall],
    network: Option<Arc<OwnNetwork>>,
    pages: Option<PageServer>,
) -> Result<FirecrackerSandbox, Failure> {
    let logs = Logs::under(&place.log_prefix, "firecracker");
    let (paths, _) = launcher.paths(place);
    let refused = |error: io::Error| MONITOR.refused(&error);
    let log = pipe::reader_at(&paths.log).map_err(refused)?;
    if launcher.jailer.is_some() {
        own(&paths.log).map_err(refused)?;
    }
    let wanted = launcher.config.boot_timer.then_some((BOOT_TIMER_LINE, MilestoneName::Init));
    let mut sources: Vec<Box<dyn Source>> = vec![Box::new(LogLines::new(log, &logs.monitor, wanted).map_err(refused)?)];
    let (ours, theirs) = console_pair().map_err(refused)?;
    let mut command = command(argv);
    // What it says before it has opened its log, and when it cannot.
    let errors = OpenOptions::new().create(true).append(true).open(&logs.monitor).map_err(refused)?;
    command.current_dir(&place.directory).stderr(errors);
    let way = match launcher.config.channel {
        Channel::Vsock => {
            command.stdin(Stdio::null()).stdout(theirs);
            sources.push(MONITOR.console(ours, &logs)?);
            let transport = vsock::listen(&paths.vsock, lab.clock)?;
            if launcher.jailer.is_some() {
                own(&vsock::agent_socket(&paths.vsock)).map_err(refused)?;
            }
            Way::Listen(transport)
        }
        Channel::Serial => {
            command.stdin(theirs.try_clone().map_err(refused)?).stdout(theirs);
            let transport = FdTransport::from_socket(ours, lab.clock).map_err(refused)?;
            Way::Serial(Box::new(transport))
        }
    };
    if let Some(network) = network.as_ref().filter(|_| launcher.jailer.is_some()) {
        card::link_namespace(network, place)?;
    }
    let start = Start {
        monitor: MONITOR,
        command,
        socket: paths.api,
        calls,
        sources,
        way,
        logs,
        memory_bytes: launcher.config.memory_bytes,
        pinning: Pinning::of(launcher.config.pin.as_ref(), |pin| Pinning::ByLab(pin, requests::instance())),
        network,
        joins: launcher.jailer.is_some(),
        disk: launcher.config.disk.as_ref().map(|disk| disk.method),
    };
    let machine = Machine::start(start, lab)?;
    Ok(FirecrackerSandbox {
        machine,
        metrics: (paths.metrics, place.log("metrics")),
        pages,
        name: place.name.clone(),
        config: launcher.config.clone(),
    })
}

/// Puts files where Firecracker looks for them.
fn furnish(launcher: &FirecrackerLauncher, place: &Place, paths: &Paths) -> Result<(), Failure> {
    let config = &launcher.config;
    let failed = |path: &Path| {
        let path = text(path);
        move |error: io::Error| Failure::new(class_of(&error), format!("failed to write {path}: {error}"))
    };
    let jail = launcher.jail();
    match &jail {
        Some(jail) => jail.furnish(place, &config.kernel, &config.initramfs)?,
        None => std::fs::write(&paths.metrics, "").map_err(failed(&paths.metrics))?,
    }
    let files = [(&paths.config, launcher.file(place)), (&paths.metadata, launcher.metadata_file())];
    for (path, content) in files {
        if let Some(content) = content {
            std::fs::write(path, content).map_err(failed(path))?;
        }
    }
    if let Some(disk) = &config.disk {
        disk.make(&paths.disk)?;
        if jail.is_some() {
            own(&paths.disk).map_err(failed(&paths.disk))?;
        }
    }
    Ok(())
}

fn console_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}
