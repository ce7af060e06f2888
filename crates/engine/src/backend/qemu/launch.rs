//! Starting QEMU: descriptors first, then the process, then the conversation that lets the guest run.

use crate::backend::qemu::arguments::descriptor;
use crate::backend::qemu::config::Config;
use crate::backend::qemu::kept::KeptMachine;
use crate::backend::qemu::memory::MemoryFile;
use crate::backend::qemu::qmp::{QmpClient, QmpError};
use crate::backend::qemu::sandbox::QemuSandbox;
use crate::backend::qemu::{migration, processors};
use crate::backend::vmm::console::{ConsoleLog, DebugPort};
use crate::backend::vmm::diagnose::last_words;
use crate::backend::vmm::disk;
use crate::backend::vmm::logs::{Logs, tail};
use crate::backend::vmm::pin::Pin;
use crate::backend::{Place, Stamp, class_of};
use crate::channel::{AgentChannel, FdTransport};
use crate::clock::Clock;
use crate::lab::Lab;
use crate::network::{self, Network, NetworkKind, OwnNetwork, PasstNetwork, UserNetwork};
use crate::ownership::OwnedProcess;
use crate::watch::{Source, Watcher};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{MilestoneName, SignalName};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// QEMU answers within 0.1 s on an idle host, and within ten seconds where the processor itself is emulated.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// The ends that the child inherits are made above the numbers they get there.
const LOWEST_SPARE_DESCRIPTOR: RawFd = 256;

/// A machine's network, and what QEMU is to inherit for it: a descriptor, and the number it gets there.
type Card = (Option<Arc<dyn Network>>, Option<(OwnedFd, RawFd)>);

/// A state that a machine begins with.
pub(super) struct Kept {
    /// What it says of itself.
    pub machine: KeptMachine,
    /// Devices and processors.
    pub state: OwnedFd,
    /// The guest's memory, if that is a file of its own.
    pub memory: Option<OwnedFd>,
}

/// Makes the network. Before t0. A guest that comes back keeps the addresses of the sandbox that it was.
fn make_network(config: &Config, passt: &str, kept: Option<&Kept>, place: &Place, lab: &Lab) -> Result<Card, Failure> {
    Ok(match config.network {
        NetworkKind::None => (None, None),
        NetworkKind::User => (Some(Arc::new(UserNetwork::of(&place.name))), None),
        NetworkKind::Passt => {
            let (network, socket) = PasstNetwork::start(passt, &place.name, &place.log("passt"), lab)?;
            (Some(Arc::new(network)), Some((socket, descriptor::PASST)))
        }
        NetworkKind::Own { nat } => {
            let name = kept.map_or(&place.name, |kept| &kept.machine.name);
            let mut network = OwnNetwork::for_machine(name).map_err(network::refused)?;
            if nat {
                network.reach_out(&place.name, &lab.owner).map_err(network::refused)?;
            }
            let tap = network.take_tap().map(|tap| (tap, descriptor::TAP));
            (Some(Arc::new(network)), tap)
        }
    })
}

/// Starts one machine: from its boot, or from a state that was kept. Nothing is left running if this fails.
pub(super) fn launch(
    config: &Config,
    argv: &[String],
    passt: &str,
    kept: Option<Kept>,
    place: &Place,
    lab: &Lab,
) -> Result<QemuSandbox, Failure> {
    let logs = Logs::under(&place.log_prefix, "qemu");
    let needed = |error: &io::Error| Failure::new(class_of(error), format!("failed to make what QEMU needs: {error}"));
    let (network, card) = make_network(config, passt, kept.as_ref(), place, lab)?;
    if let Some(disk) = &config.disk {
        disk.make(&disk::path(&place.directory))?;
    }
    let (shared, device) = match &config.ivshmem {
        None => (None, None),
        Some(device) => {
            let (shared, end) = device.open(lab.clock)?;
            (Some(Arc::new(shared)), Some(end))
        }
    };
    let mut given: Vec<(OwnedFd, RawFd)> =
        card.into_iter().chain(device.map(|end| (end, descriptor::IVSHMEM))).collect();
    let mut memory = None;
    let kept = match kept {
        Some(kept) => {
            given.push((kept.state, descriptor::STATE));
            given.extend(kept.memory.map(|memory| (memory, descriptor::MEMORY)));
            Some(kept.machine)
        }
        None if config.memory_file => {
            let file = MemoryFile::new(config.memory_bytes).map_err(|error| needed(&error))?;
            let end = file.as_fd().try_clone_to_owned().map_err(|error| needed(&error))?;
            given.push((end, descriptor::MEMORY));
            memory = Some(file);
            None
        }
        None => None,
    };
    let prepared = prepare(config, argv, &logs, given).map_err(|error| needed(&error))?;
    let Prepared { command, inherited, qmp, agent, sources } = prepared;
    let refused = |error: &io::Error| Failure::new(FailureClass::Launch, format!("the host refused: {error}"));
    let watcher = Watcher::start(lab.clock, sources).map_err(|error| refused(&error))?;
    let mut qmp = QmpClient::new(qmp, lab.clock).map_err(|error| refused(&error))?;
    let transport = Box::new(FdTransport::from_socket(agent, lab.clock).map_err(|error| refused(&error))?);
    let mut process =
        lab.owner.spawn(command).map_err(|error| Failure::new(FailureClass::Launch, crate::image::chain(&error)))?;
    // Only QEMU holds the other ends now: its end is the end of every conversation.
    drop(inherited);

    let stamps = match converse(&mut qmp, &process, config.pin.as_ref(), kept.as_ref(), lab.clock) {
        Ok(stamps) => stamps,
        Err(Trouble::Qmp(error)) => return Err(explain(&error, kept.is_some(), &mut process, &logs, lab.clock)),
        Err(Trouble::Other(failure)) => return Err(failure),
    };
    // The agent of a guest that comes back does not notice: it goes on reading where it stood.
    let agent = match kept {
        Some(_) => AgentChannel::continued(transport, lab.clock, None),
        None => AgentChannel::new(transport, lab.clock),
    };
    Ok(QemuSandbox {
        clock: lab.clock,
        process,
        qmp,
        agent,
        watcher: Some(watcher),
        stamps,
        logs,
        config: config.clone(),
        name: kept.as_ref().map_or_else(|| place.name.clone(), |kept| kept.name.clone()),
        came_back: kept.is_some(),
        stands_still: false,
        memory,
        network,
        shared,
    })
}

struct Prepared {
    command: Command,
    inherited: Vec<OwnedFd>,
    qmp: OwnedFd,
    agent: OwnedFd,
    sources: Vec<Box<dyn Source>>,
}

/// Makes logs, socket pairs and the command. Before t0.
fn prepare(config: &Config, argv: &[String], logs: &Logs, given: Vec<(OwnedFd, RawFd)>) -> io::Result<Prepared> {
    let mut inherited = Vec::new();
    let mut numbers: Vec<(RawFd, RawFd)> = Vec::new();
    let mut pair = |number: RawFd| -> io::Result<OwnedFd> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let theirs = rustix::io::fcntl_dupfd_cloexec(&theirs, LOWEST_SPARE_DESCRIPTOR)?;
        numbers.push((theirs.as_raw_fd(), number));
        inherited.push(theirs);
        Ok(ours)
    };
    let qmp = pair(descriptor::QMP)?;
    let agent = pair(descriptor::AGENT)?;
    let mut sources: Vec<Box<dyn Source>> = vec![
        Box::new(ConsoleLog::new(pair(descriptor::CONSOLE)?, &logs.console, MilestoneName::Kernel)?),
        Box::new(DebugPort::new(pair(descriptor::INIT)?, MilestoneName::Init, Some(b'I'))?),
    ];
    if config.machine.has_seabios() {
        sources.push(Box::new(DebugPort::new(pair(descriptor::FIRMWARE)?, MilestoneName::Firmware, None)?));
    }

    for (end, number) in given {
        let end = rustix::io::fcntl_dupfd_cloexec(&end, LOWEST_SPARE_DESCRIPTOR)?;
        numbers.push((end.as_raw_fd(), number));
        inherited.push(end);
    }

    let log = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&logs.monitor)?;
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // SAFETY: between fork and exec only dup2 is called, which is safe there; the descriptors are open in the parent
    // until the spawn has returned, and dup2 clears the flag that would close them at exec.
    unsafe {
        command.pre_exec(move || {
            for (from, to) in &numbers {
                if libc::dup2(*from, *to) < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    Ok(Prepared { command, inherited, qmp, agent, sources })
}

/// Why the guest does not run.
enum Trouble {
    Qmp(QmpError),
    Other(Failure),
}

impl From<QmpError> for Trouble {
    fn from(error: QmpError) -> Self {
        Self::Qmp(error)
    }
}

/// From the greeting to the running guest. Capabilities and `cont` go out together: one round trip, not two. A guest that
/// is pinned takes a question in between, and one that comes back its state: none of it runs before.
fn converse(
    qmp: &mut QmpClient,
    process: &OwnedProcess,
    pin: Option<&Pin>,
    kept: Option<&KeptMachine>,
    clock: Clock,
) -> Result<Vec<Stamp>, Trouble> {
    let deadline = clock.after(ANSWER_DEADLINE);
    let stamp = |name, at, asked, signal| Stamp { name, at, asked, signal };
    let greeted = qmp.greeting(deadline)?;
    let mut stamps = vec![
        stamp(MilestoneName::Spawned, process.spawned_at, None, SignalName::Exec),
        stamp(MilestoneName::ApiReady, greeted, None, SignalName::Reply),
    ];
    if let Some(kept) = kept {
        kept.is_for(qmp.version()).map_err(Trouble::Other)?;
    }
    let mut asked = clock.now();
    let capabilities = qmp.send("qmp_capabilities", None)?;
    if let Some(pin) = pin {
        pin.apply(&processors::threads(qmp, deadline)?).map_err(Trouble::Other)?;
    }
    if let Some(kept) = kept {
        let loaded = migration::load(qmp, kept.form(), descriptor::STATE, deadline)?;
        stamps.push(stamp(MilestoneName::Configured, loaded, Some(asked), SignalName::Event));
        asked = clock.now();
    }
    let resume = qmp.send("cont", None)?;
    qmp.wait(&capabilities, deadline)?;
    let (_, answered) = qmp.wait(&resume, deadline)?;
    // QEMU announces the guest right before it lets it run; the answer comes after, when the guest is long under way.
    let announced = qmp.take_events().into_iter().find(|event| event.name == "RESUME").map(|event| event.at);
    let (running, signal) = announced.map_or((answered, SignalName::Reply), |announced| (announced, SignalName::Event));
    stamps.push(stamp(MilestoneName::Started, running, Some(asked), signal));
    Ok(stamps)
}

/// QEMU did not come up: its own last words say most.
fn explain(error: &QmpError, came_back: bool, process: &mut OwnedProcess, logs: &Logs, clock: Clock) -> Failure {
    let class = match error {
        QmpError::Deadline(_) => FailureClass::Timeout,
        QmpError::Parse(_) => FailureClass::Protocol,
        _ => FailureClass::Launch,
    };
    // When the socket closes, the exit is a moment away.
    let exit = process.wait(clock.after(Duration::from_millis(500))).or_else(|| process.kill());
    let status = exit.map(|exit| format!(" ({})", exit.status)).unwrap_or_default();
    let words = last_words(&tail(&logs.monitor));
    let message = match (class, words) {
        (FailureClass::Launch, Some(words)) if came_back => {
            format!("QEMU did not take the kept machine{status}: {words}")
        }
        (FailureClass::Launch, Some(words)) => format!("QEMU did not start{status}: {words}"),
        (_, Some(words)) => format!("{error}{status}; QEMU's last words: {words}"),
        (_, None) => format!("{error}{status}"),
    };
    let mut failure = Failure::new(class, message);
    failure.evidence = logs.evidence();
    failure
}
