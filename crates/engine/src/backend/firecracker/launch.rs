//! Starting Firecracker: files and sockets first, then the process, then the requests that make the machine run.

use super::FirecrackerLauncher;
use super::config::Channel;
use super::jail::own;
use super::requests::Paths;
use super::sandbox::{FirecrackerSandbox, Parts};
use super::userfault::PageServer;
use crate::backend::oci::launcher::command;
use crate::backend::vmm::api::{self, ApiCall};
use crate::backend::vmm::console::{ConsoleLog, LogLines};
use crate::backend::vmm::logs::Logs;
use crate::backend::vmm::{pipe, vsock, way::Way};
use crate::backend::{Place, Stamp, text};
use crate::channel::FdTransport;
use crate::clock::Clock;
use crate::http::{Client, HttpError};
use crate::lab::Lab;
use crate::ownership::OwnedProcess;
use crate::watch::{Source, Watcher};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{MilestoneName, SignalName};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

/// What the log says when the guest's first program has written to the boot timer.
const BOOT_TIMER_LINE: &[u8] = b"Guest-boot-time";

/// Starts one machine. Nothing is left running if this fails.
pub(super) fn launch(launcher: &FirecrackerLauncher, place: &Place, lab: &Lab) -> Result<FirecrackerSandbox, Failure> {
    let (paths, _) = launcher.paths(place);
    vsock::check_path(&paths.api)?;
    furnish(launcher, place, &paths)?;
    launch_with(launcher, place, lab, &launcher.argv(place), &launcher.calls(place), None)
}

/// Starts a monitor and sends it these requests, of which the last one makes the machine run. Its files are there.
pub(super) fn launch_with(
    launcher: &FirecrackerLauncher,
    place: &Place,
    lab: &Lab,
    argv: &[String],
    calls: &[ApiCall],
    pages: Option<PageServer>,
) -> Result<FirecrackerSandbox, Failure> {
    let logs = Logs::under(&place.log_prefix, "firecracker");
    let (paths, _) = launcher.paths(place);
    let refused = |error: io::Error| {
        let class = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureClass::Enospc,
            _ => FailureClass::Launch,
        };
        Failure::new(class, format!("failed to make what Firecracker needs: {error}"))
    };
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
            sources.push(Box::new(ConsoleLog::new(ours, &logs.console, MilestoneName::Kernel).map_err(refused)?));
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
    let watcher = Watcher::start(lab.clock, sources).map_err(refused)?;
    let mut process =
        lab.owner.spawn(command).map_err(|error| Failure::new(FailureClass::Launch, crate::backend::chain(&error)))?;
    let channel = way.channel(&process, lab.clock).map_err(refused)?;
    match converse(calls, &paths.api, &mut process, lab.clock) {
        Ok((stamps, client)) => Ok(FirecrackerSandbox::new(Parts {
            clock: lab.clock,
            process,
            client,
            channel,
            watcher: Some(watcher),
            stamps,
            logs,
            metrics: (paths.metrics, place.log("metrics")),
            memory_bytes: launcher.config.memory_bytes,
            pages,
        })),
        Err(error) => Err(api::explain("Firecracker", &error, &mut process, watcher, &logs, lab.clock)),
    }
}

/// Puts files where Firecracker looks for them.
fn furnish(launcher: &FirecrackerLauncher, place: &Place, paths: &Paths) -> Result<(), Failure> {
    let config = &launcher.config;
    let file = launcher.file(place);
    if let Some(jail) = launcher.jail() {
        return jail.furnish(place, &config.kernel, &config.initramfs, file.as_deref());
    }
    let write = |path: &Path, content: &str| {
        std::fs::write(path, content)
            .map_err(|error| Failure::new(FailureClass::Launch, format!("failed to write {}: {error}", text(path))))
    };
    write(&paths.metrics, "")?;
    file.map_or(Ok(()), |content| write(&paths.config, &content))
}

fn console_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// From the socket to the running guest.
fn converse(
    calls: &[ApiCall],
    socket: &Path,
    process: &mut OwnedProcess,
    clock: Clock,
) -> Result<(Vec<Stamp>, Client), HttpError> {
    let deadline = clock.after(api::ANSWER_DEADLINE);
    let mut client = api::connect(socket, process, clock, deadline)?;
    let connected = clock.now();
    let stamp = |name, at, asked, signal| Stamp { name, at, asked, signal };
    let mut stamps = vec![
        stamp(MilestoneName::Spawned, process.spawned_at, Some(process.forked_at), SignalName::Exec),
        stamp(MilestoneName::ApiReady, connected, None, SignalName::Notify),
    ];
    // A machine that is described by a file runs by itself, and there is no request.
    let Some((start, configure)) = calls.split_last() else { return Ok((stamps, client)) };
    let mut asked = None;
    let mut answered = None;
    for call in configure {
        let reply = api::call(&mut client, call, deadline)?;
        asked.get_or_insert(reply.asked);
        answered = Some(reply.at);
    }
    if let Some(answered) = answered {
        stamps.push(stamp(MilestoneName::Configured, answered, asked, SignalName::Reply));
    }
    let started = api::call(&mut client, start, deadline)?;
    stamps.push(stamp(MilestoneName::Started, started.at, Some(started.asked), SignalName::Reply));
    Ok((stamps, client))
}
