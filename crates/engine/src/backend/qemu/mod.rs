//! QEMU: a virtual machine on an emulated PC or a minimal machine, by KVM or by translation, driven over QMP.

use crate::application::Application;
use crate::backend::snapshot::Restorer;
use crate::backend::vmm::{disk, guest, kvm, pin::Pin};
use crate::backend::{Backend, Description, Launcher, Place, PrepareError, Sandbox, Step, program};
use crate::host::inspect_tool;
use crate::image::app::OverlayKind;
use crate::image::{self, Driver, GuestAssets, SetupError, Transport};
use crate::lab::Lab;
use crate::network::{NetworkKind, OwnNetwork, passt_argv};
use crate::ownership::name_prefix;
use config::{Accelerator, Channel, Config, DiskConfig, Entry, Machine, Wish};
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::failure::Failure;
use isodyne_core::probe::{Capabilities, Probe, Tool};
use isodyne_core::record::Asset;
use isodyne_core::sample::Accuracy;
use ivshmem::DeviceConfig;

pub mod arguments;
pub mod config;
pub mod ivshmem;
mod kept;
mod launch;
mod memory;
mod migration;
mod processors;
pub mod qmp;
mod sandbox;
mod snapshot;
mod stub;

/// The program.
const PROGRAM: &str = "qemu-system-x86_64";
const INSTALL_HINT: &str = "install QEMU (`apt-get install qemu-system-x86`, `dnf install qemu-system-x86-core`)";

/// The backend.
pub struct QemuBackend;

impl Backend for QemuBackend {
    fn name(&self) -> BackendName {
        BackendName::Qemu
    }

    fn probe(&self, lab: &Lab) -> Probe {
        let unavailable =
            |reason: String, hint: &str, version| Probe::Unavailable { reason, hint: hint.to_owned(), version };
        if std::env::consts::ARCH != "x86_64" {
            let reason = format!("guests are x86-64, and this host is {}", std::env::consts::ARCH);
            return unavailable(reason, "use an x86-64 host", None);
        }
        let Some(tool) = inspect_tool(PROGRAM, &["--version"]) else {
            return unavailable(format!("there is no `{PROGRAM}` on this host"), INSTALL_HINT, None);
        };
        let version = tool.version.as_deref().map(short_version);
        let Ok(wish) = Wish::from_factors(&isodyne_core::factor::Factors::new(), lab.host.kvm()) else {
            return unavailable("its defaults cannot be resolved here".to_owned(), INSTALL_HINT, version);
        };
        let mut notes = vec![match wish.accelerator {
            Accelerator::Kvm => "runs on /dev/kvm".to_owned(),
            Accelerator::Tcg => format!("runs under TCG (software emulation): {}", lab.host.kvm_note),
        }];
        notes.extend(guest::missing_note(lab));
        Probe::Available(Capabilities { version, accuracy: accuracy(wish.accelerator, lab), tools: vec![tool], notes })
    }

    fn prepare(&self, cell: &Cell, lab: &Lab) -> Result<Box<dyn Launcher>, PrepareError> {
        let wish = Wish::from_factors(&cell.factors, lab.host.kvm())?;
        Pin::check(wish.pin.as_ref())?;
        let Some(tool) = program::stated(cell)?.or_else(|| inspect_tool(PROGRAM, &["--version"])) else {
            let reason = format!("there is no `{PROGRAM}` on this host");
            return Err(PrepareError::Unavailable { reason, hint: INSTALL_HINT.to_owned() });
        };
        let guest = guest::guest_for(lab, BackendName::Qemu, wish.kernel.as_deref())?;
        // Once more with what this host has: the wish knows the words only.
        if let NetworkKind::Own { .. } = NetworkKind::of(cell, lab, "use `network = \"user\"`")? {
            let trial = OwnNetwork::for_machine(&format!("{}-trial-qemu", name_prefix(&lab.run_id)));
            trial.map_err(|error| PrepareError::Unavailable {
                reason: error.to_string(),
                hint: "use `network = \"user\"`, which takes neither root nor a tap".to_owned(),
            })?;
        }
        let passt = if wish.network == NetworkKind::Passt { Some(passt(&tool)?) } else { None };
        let app = Application::of(cell, lab)?;
        if app.is_some() && wish.machine == Machine::Microvm {
            return Err(PrepareError::Invalid {
                key: "backend.qemu.machine".to_owned(),
                message: "an application's disk needs PCI, which `machine = \"microvm\"` does not have".to_owned(),
                hint: "use `machine = \"q35\"` with [app]".to_owned(),
            });
        }
        let disk = app.as_ref().map(|app| DiskConfig::of(app, OverlayKind::RawOrQcow2, lab)).transpose()?;
        let (base, disk_asset) = disk.unzip();
        let (mut config, entry, mut assets) = resolve(wish, &guest, base.is_some())?;
        config.disk = base;
        assets.extend(app.iter().map(Application::asset).chain(disk_asset));
        let accuracy = accuracy(config.accelerator, lab);
        Ok(Box::new(QemuLauncher { accuracy, config, entry, tool, passt, assets }))
    }
}

/// The program `passt`, for a QEMU that can speak to it.
fn passt(qemu: &Tool) -> Result<Tool, PrepareError> {
    let unavailable = |reason: String, hint: &str| PrepareError::Unavailable { reason, hint: hint.to_owned() };
    let version = qemu.version.as_deref().map(short_version).unwrap_or_default();
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    if let (Some(major), minor) = (numbers.next(), numbers.next().unwrap_or(0))
        && (major, minor) < (7, 2)
    {
        let reason = format!("QEMU {version} has no stream sockets for networks, which passt takes");
        return Err(unavailable(reason, "use QEMU 7.2 or later, or `network = \"user\"`"));
    }
    inspect_tool("passt", &["--version"]).ok_or_else(|| {
        unavailable(
            "there is no `passt` on this host".to_owned(),
            "install it (`apt-get install passt`), or use `network = \"user\"`",
        )
    })
}

/// `QEMU emulator version 7.2.22 (Debian …)` → `7.2.22 (Debian …)`.
fn short_version(line: &str) -> String {
    line.strip_prefix("QEMU emulator version ").unwrap_or(line).to_owned()
}

fn accuracy(accelerator: Accelerator, lab: &Lab) -> Accuracy {
    match accelerator {
        Accelerator::Tcg => Accuracy::Tcg,
        Accelerator::Kvm => kvm::accuracy(lab),
    }
}

/// Brings the wish and the guest together.
fn resolve(wish: Wish, guest: &GuestAssets, has_disk: bool) -> Result<(Config, Entry, Vec<Asset>), PrepareError> {
    let entry = wish.entry.unwrap_or(if guest.pvh_elf.is_some() { Entry::Pvh } else { Entry::BzImage });
    let pvh_elf = guest.pvh_elf.as_ref().filter(|_| entry == Entry::Pvh);
    let kernel = match (entry, pvh_elf) {
        (Entry::Pvh, Some(elf)) => elf.clone(),
        (Entry::BzImage, _) if guest.pvh_elf.as_ref() != Some(&guest.image) => guest.image.clone(),
        _ => {
            return Err(PrepareError::Invalid {
                key: "backend.qemu.entry".to_owned(),
                message: "the kernel does not offer this entry".to_owned(),
                hint: "use `entry = \"auto\"`".to_owned(),
            });
        }
    };
    let mut drivers = Vec::new();
    drivers.extend((wish.channel == Channel::VirtioSerial).then_some(Driver::VirtioSerial));
    // A kernel that the user named has the driver built in, or its guest cannot be reached.
    drivers.extend((wish.network != NetworkKind::None && wish.kernel.is_none()).then_some(Driver::Network));
    drivers.extend((has_disk && wish.kernel.is_none()).then_some(Driver::Block));
    let interrupts = wish.ivshmem.as_ref().is_some_and(DeviceConfig::has_interrupts);
    drivers.extend((interrupts && wish.kernel.is_none()).then_some(Driver::Vfio));
    let initramfs = guest.initramfs(Transport::Pci, &drivers).map_err(|error| PrepareError::Unavailable {
        reason: image::chain(&error),
        hint: match error {
            SetupError::Drivers { .. } => {
                "leave `channel`, `network`, `ivshmem` and [app] alone, or run `isodyne setup` with the distribution's kernel"
            }
            _ => guest::SETUP_HINT,
        }
        .to_owned(),
    })?;
    let config = Config {
        machine: wish.machine,
        accelerator: wish.accelerator,
        memory_bytes: wish.memory_bytes,
        memory_file: wish.memory_file,
        cpus: wish.cpus,
        pin: wish.pin,
        cpu: wish.cpu,
        channel: wish.channel,
        console: wish.console,
        kernel,
        initramfs: initramfs.path.clone(),
        modules: initramfs.modules.clone(),
        command_line: wish.command_line,
        network: wish.network,
        disk: None,
        vmgenid: wish.vmgenid,
        ivshmem: wish.ivshmem,
    };
    let assets = guest.assets(&initramfs, pvh_elf.is_some());
    Ok((config, entry, assets))
}

/// A machine that is ready to be started any number of times.
struct QemuLauncher {
    config: Config,
    /// How the kernel is entered.
    entry: Entry,
    tool: Tool,
    /// The program that speaks for the guest, if it is that one.
    passt: Option<Tool>,
    assets: Vec<Asset>,
    accuracy: Accuracy,
}

impl QemuLauncher {
    fn passt(&self) -> &str {
        self.passt.as_ref().map_or("passt", |tool| &tool.path)
    }
}

impl Launcher for QemuLauncher {
    fn describe(&self, place: &Place) -> Description {
        let request = |call: &str| Step::Request {
            socket: format!("descriptor {} of {PROGRAM}", arguments::descriptor::QMP),
            call: call.to_owned(),
            body: None,
        };
        let argv = arguments::argv(&self.config, &self.tool.path, place);
        let mut steps = self.config.network.steps(&place.name);
        steps.extend(self.passt.iter().map(|tool| Step::Run { argv: passt_argv(&tool.path, &place.name) }));
        steps.extend(self.config.disk.as_ref().map(|disk| disk.step(&disk::path(&place.directory))));
        steps.extend(self.config.memory_file.then(|| Step::Write {
            path: format!("descriptor {} of {PROGRAM}", arguments::descriptor::MEMORY),
            content: format!("[{} B of memory, in a file without a name]", self.config.memory_bytes),
        }));
        steps.extend(self.config.ivshmem.as_ref().map(|device| Step::Write {
            path: format!("descriptor {} of {PROGRAM}", arguments::descriptor::IVSHMEM),
            content: format!("[{device}]"),
        }));
        steps.extend([Step::Run { argv }, request("qmp_capabilities")]);
        if let Some(pin) = &self.config.pin {
            steps.push(request(processors::QUESTION));
            steps.extend(pin.steps());
        }
        steps.push(request("cont"));
        Description { steps }
    }

    fn launch(&self, place: &Place, lab: &Lab) -> Result<Box<dyn Sandbox>, Failure> {
        let argv = arguments::argv(&self.config, &self.tool.path, place);
        Ok(Box::new(launch::launch(&self.config, &argv, self.passt(), None, place, lab)?))
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
        std::iter::once(&self.tool).chain(&self.passt).cloned().collect()
    }
}
