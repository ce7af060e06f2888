//! The factors of this backend, resolved: what is left open is decided here, and what cannot be is refused.

use crate::backend::PrepareError;
use crate::backend::qemu::ivshmem::DeviceConfig;
pub use crate::backend::vmm::disk::DiskConfig;
pub use crate::backend::vmm::factors::Console;
use crate::backend::vmm::factors::{Reader, choices};
use crate::backend::vmm::kvm::trouble;
use crate::backend::vmm::pin::Pin;
use crate::network::NetworkKind;
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use isodyne_core::fingerprint::KvmState;
use std::path::PathBuf;

choices! {
    /// The machine that QEMU emulates.
    Machine {
        /// The PC with PCI Express.
        Q35 = "q35",
        /// The PC of 1996.
        Pc = "pc",
        /// A minimal machine without PCI and ACPI.
        Microvm = "microvm",
    }
}

choices! {
    /// What runs the guest's instructions.
    Accelerator {
        /// The processor.
        Kvm = "kvm",
        /// QEMU's translator.
        Tcg = "tcg",
    }
}

choices! {
    /// The way to the agent.
    Channel {
        /// The second serial port: every kernel has the driver built in.
        Serial = "serial",
        /// A port of virtio-serial on PCI, by modules in the initramfs.
        VirtioSerial = "virtio-serial",
    }
}

choices! {
    /// The guest's network, as a plan says it.
    WishedNetwork {
        /// Loopback alone.
        None = "none",
        /// A tap on a subnet of its own.
        Own = "own",
        /// QEMU's own network stack.
        User = "user",
        /// The program `passt`.
        Passt = "passt",
    }
}

choices! {
    /// How the kernel is entered.
    Entry {
        /// As an uncompressed ELF, by its entry for PVH: nothing is unpacked in the guest.
        Pvh = "pvh",
        /// As a compressed image that unpacks itself.
        BzImage = "bzimage",
    }
}

impl Machine {
    /// Whether its firmware is SeaBIOS, which says so on its debug port.
    pub fn has_seabios(self) -> bool {
        self != Self::Microvm
    }

    /// Whether it has no power-off, so that a guest ends by a reset.
    pub fn ends_by_reset(self) -> bool {
        self == Self::Microvm
    }
}

/// What a plan asks for, with the defaults of what it leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// `machine`.
    pub machine: Machine,
    /// `accel`, resolved for this host.
    pub accelerator: Accelerator,
    /// `memory`.
    pub memory_bytes: u64,
    /// `memory_file`.
    pub memory_file: bool,
    /// `cpus`.
    pub cpus: u64,
    /// `pin`.
    pub pin: Option<Pin>,
    /// `cpu`.
    pub cpu: Option<String>,
    /// `kernel`.
    pub kernel: Option<PathBuf>,
    /// `channel`, resolved.
    pub channel: Channel,
    /// `console`.
    pub console: Console,
    /// `entry`; `None` takes the best that the kernel offers.
    pub entry: Option<Entry>,
    /// `cmdline`.
    pub command_line: String,
    /// `network`; whether this host can give it is not known yet.
    pub network: NetworkKind,
    /// `vmgenid`.
    pub vmgenid: bool,
    /// `ivshmem` and what belongs to it.
    pub ivshmem: Option<DeviceConfig>,
}

/// Everything that QEMU's command line is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The machine.
    pub machine: Machine,
    /// What runs the guest's instructions.
    pub accelerator: Accelerator,
    /// The guest's memory, a multiple of 1 MiB.
    pub memory_bytes: u64,
    /// Whether it is a file of its own, which a template can be made of.
    pub memory_file: bool,
    /// The number of processors.
    pub cpus: u64,
    /// Where they run.
    pub pin: Option<Pin>,
    /// The processor's model, if it is not the default.
    pub cpu: Option<String>,
    /// The way to the agent.
    pub channel: Channel,
    /// How much the kernel prints.
    pub console: Console,
    /// The kernel's file, of the format that is booted.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// Files of modules that the agent loads, in this order.
    pub modules: Vec<String>,
    /// What the user adds to the kernel's command line.
    pub command_line: String,
    /// The guest's network.
    pub network: NetworkKind,
    /// The disk with a user's own application.
    pub disk: Option<DiskConfig>,
    /// Whether it has the device that tells a guest that it came back.
    pub vmgenid: bool,
    /// The device that shares memory.
    pub ivshmem: Option<DeviceConfig>,
}

impl Wish {
    /// Reads the factors of a cell.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`] names the key; [`PrepareError::Unavailable`] if KVM is asked for and is not here.
    pub fn from_factors(factors: &Factors, kvm: KvmState) -> Result<Self, PrepareError> {
        let reader = Reader { backend: BackendName::Qemu, factors };
        let machine = reader.choice("machine")?.unwrap_or(Machine::Q35);
        let channel = match reader.choice_or_auto("channel")? {
            Some(Channel::VirtioSerial) if machine == Machine::Microvm => {
                return Err(reader.invalid(
                    "channel",
                    "`virtio-serial` needs PCI, which `machine = \"microvm\"` does not have",
                    "use `channel = \"serial\"` or another machine",
                ));
            }
            Some(Channel::VirtioSerial) if reader.kernel().is_some() => {
                return Err(reader.invalid(
                    "channel",
                    "`virtio-serial` needs the modules of the distribution's kernel",
                    "use `channel = \"serial\"` with a kernel of your own",
                ));
            }
            other => other.unwrap_or(Channel::Serial),
        };
        let network = match reader.choice("network")? {
            Some(WishedNetwork::None) | None => NetworkKind::None,
            Some(_) if machine == Machine::Microvm => {
                return Err(reader.invalid(
                    "network",
                    "a network card needs PCI, which `machine = \"microvm\"` does not have",
                    "use another machine, or leave `network` at \"none\"",
                ));
            }
            Some(WishedNetwork::Own) => NetworkKind::Own { nat: reader.flag("nat", false) },
            Some(WishedNetwork::User) => NetworkKind::User,
            Some(WishedNetwork::Passt) => NetworkKind::Passt,
        };
        let cpu = reader.word("cpu").map(str::to_owned);
        if cpu.as_ref().is_some_and(|model| model.starts_with('-') || model.chars().any(|c| c.is_control())) {
            return Err(reader.invalid("cpu", "it is not the name of a model", "see `qemu-system-x86_64 -cpu help`"));
        }
        let vmgenid = reader.flag("vmgenid", false);
        if vmgenid && machine == Machine::Microvm {
            let message = "the device needs ACPI, which `machine = \"microvm\"` does not have here";
            return Err(reader.invalid("vmgenid", message, "use `machine = \"q35\"`"));
        }
        let cpus = reader.cpus(255)?;
        Ok(Self {
            machine,
            accelerator: accelerator(reader.choice_or_auto("accel")?, kvm)?,
            memory_bytes: reader.memory_bytes()?,
            memory_file: reader.flag("memory_file", false),
            cpus,
            pin: Pin::from_factors(reader, cpus)?,
            cpu,
            kernel: reader.kernel(),
            channel,
            console: reader.choice("console")?.unwrap_or(Console::Phases),
            entry: reader.choice_or_auto("entry")?,
            command_line: reader.command_line()?,
            network,
            vmgenid,
            ivshmem: DeviceConfig::of(&reader, machine)?,
        })
    }
}

/// KVM if it works here, else TCG. Asked for by name, it is never replaced by the other.
fn accelerator(asked: Option<Accelerator>, kvm: KvmState) -> Result<Accelerator, PrepareError> {
    let Some((reason, hint)) = trouble(kvm) else { return Ok(asked.unwrap_or(Accelerator::Kvm)) };
    if asked == Some(Accelerator::Kvm) {
        return Err(PrepareError::Unavailable { reason: reason.to_owned(), hint: hint.to_owned() });
    }
    Ok(Accelerator::Tcg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_core::factor::FactorValue;

    fn wish(stated: &[(&str, FactorValue)], kvm: KvmState) -> Result<Wish, PrepareError> {
        Wish::from_factors(&stated.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(), kvm)
    }

    fn says(text: &str) -> FactorValue {
        FactorValue::Text(text.to_owned())
    }

    #[test]
    fn what_is_left_open_is_decided() {
        let plain = wish(&[], KvmState::Paravirtual).unwrap();
        assert_eq!(
            (plain.machine, plain.accelerator, plain.channel),
            (Machine::Q35, Accelerator::Tcg, Channel::Serial)
        );
        assert_eq!((plain.memory_bytes, plain.cpus, plain.console), (128 << 20, 1, Console::Phases));
        assert_eq!(wish(&[("accel", says("auto"))], KvmState::Works).unwrap().accelerator, Accelerator::Kvm);
        assert_eq!(wish(&[("accel", says("tcg"))], KvmState::Works).unwrap().accelerator, Accelerator::Tcg);
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_key() {
        for (key, value) in [
            ("machine", says("q36")),
            ("memory", FactorValue::Bytes(1 << 20)),
            ("memory", FactorValue::Bytes((64 << 20) + 1)),
            ("cpus", FactorValue::Count(0)),
            ("console", says("loud")),
            ("cmdline", says("a\nb")),
            ("cpu", says("-x")),
        ] {
            let error = wish(&[(key, value)], KvmState::Absent).unwrap_err();
            assert!(error.to_string().starts_with(&format!("backend.qemu.{key}: ")), "{error}");
        }
        let both = [("machine", says("microvm")), ("network", says("own"))];
        assert!(matches!(wish(&both, KvmState::Absent), Err(PrepareError::Invalid { .. })));
        for (machine, device) in [("microvm", "plain"), ("microvm", "doorbell"), ("pc", "doorbell")] {
            let both = [("machine", says(machine)), ("ivshmem", says(device))];
            let error = wish(&both, KvmState::Absent).unwrap_err().to_string();
            assert!(error.starts_with("backend.qemu.ivshmem: ") && error.contains(machine), "{error}");
        }
        for (key, value) in [("ivshmem_size", FactorValue::Bytes(3 << 20)), ("ivshmem_vectors", FactorValue::Count(65))]
        {
            let error = wish(&[("ivshmem", says("doorbell")), (key, value)], KvmState::Absent).unwrap_err();
            assert!(error.to_string().starts_with(&format!("backend.qemu.{key}: ")), "{error}");
        }
        let both = [("machine", says("microvm")), ("vmgenid", FactorValue::Flag(true))];
        assert!(matches!(wish(&both, KvmState::Absent), Err(PrepareError::Invalid { .. })));
        let both = [("ivshmem", says("plain")), ("ivshmem_server", says("/run/shm"))];
        assert!(matches!(wish(&both, KvmState::Absent), Err(PrepareError::Invalid { .. })));
        let both = [("machine", says("microvm")), ("channel", says("virtio-serial"))];
        assert!(matches!(wish(&both, KvmState::Absent), Err(PrepareError::Invalid { .. })));
        assert!(matches!(wish(&[("accel", says("kvm"))], KvmState::Absent), Err(PrepareError::Unavailable { .. })));
    }
}
