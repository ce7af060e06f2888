//! The factors of this backend, resolved: what is left open is decided here, and what cannot be is refused.

use crate::backend::PrepareError;
use crate::network::NetworkKind;
use isodyne_core::cell::UnknownName;
use isodyne_core::factor::Factors;
use isodyne_core::fingerprint::KvmState;
use std::path::PathBuf;
use std::str::FromStr;

/// Less than any kernel of a distribution boots in; a guest that runs out of memory is a result, not a mistake.
const MEMORY_LEAST: u64 = 16 << 20;
const MEMORY_MOST: u64 = 1 << 40;

macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$choice_doc:meta])* $choice:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$choice_doc])* $choice),+ }
        impl FromStr for $name {
            type Err = UnknownName;
            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text {
                    $($text => Ok(Self::$choice),)+
                    _ => Err(UnknownName { given: text.to_owned(), known: vec![$($text),+] }),
                }
            }
        }
    };
}

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
    }
}

choices! {
    /// How much the kernel prints.
    Console {
        /// The first line and errors: enough to see the kernel begin and to see it die.
        Phases = "phases",
        /// Everything.
        Full = "full",
        /// Nothing: no milestone `kernel`, and no word of a panic.
        Off = "off",
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
    /// `cpus`.
    pub cpus: u64,
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
    /// The number of processors.
    pub cpus: u64,
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
}

fn invalid(key: &str, message: impl Into<String>, hint: impl Into<String>) -> PrepareError {
    PrepareError::Invalid { key: format!("backend.qemu.{key}"), message: message.into(), hint: hint.into() }
}

impl Wish {
    /// Reads the factors of a cell.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`] names the key; [`PrepareError::Unavailable`] if KVM is asked for and is not here.
    pub fn from_factors(factors: &Factors, kvm: KvmState) -> Result<Self, PrepareError> {
        let machine = choice(factors, "machine")?.unwrap_or(Machine::Q35);
        let memory_bytes = factors.get("memory").and_then(|value| value.as_bytes()).unwrap_or(128 << 20);
        if !(MEMORY_LEAST..=MEMORY_MOST).contains(&memory_bytes) || !memory_bytes.is_multiple_of(1 << 20) {
            return Err(invalid(
                "memory",
                format!("{memory_bytes} B is not a memory size for a guest"),
                "give whole MiB from 16 MiB to 1 TiB (`memory = \"128 MiB\"`)",
            ));
        }
        let cpus = factors.get("cpus").and_then(|value| value.as_count()).unwrap_or(1);
        if !(1..=255).contains(&cpus) {
            return Err(invalid("cpus", format!("{cpus} is not a number of processors"), "give 1 to 255"));
        }
        let channel = match choice_or_auto(factors, "channel")? {
            Some(Channel::VirtioSerial) if machine == Machine::Microvm => {
                return Err(invalid(
                    "channel",
                    "`virtio-serial` needs PCI, which `machine = \"microvm\"` does not have",
                    "use `channel = \"serial\"` or another machine",
                ));
            }
            Some(Channel::VirtioSerial) if word(factors, "kernel").is_some() => {
                return Err(invalid(
                    "channel",
                    "`virtio-serial` needs the modules of the distribution's kernel",
                    "use `channel = \"serial\"` with a kernel of your own",
                ));
            }
            other => other.unwrap_or(Channel::Serial),
        };
        let network = match choice(factors, "network")? {
            Some(WishedNetwork::None) | None => NetworkKind::None,
            Some(_) if machine == Machine::Microvm => {
                return Err(invalid(
                    "network",
                    "a network card needs PCI, which `machine = \"microvm\"` does not have",
                    "use another machine, or leave `network` at \"none\"",
                ));
            }
            Some(WishedNetwork::Own) => {
                NetworkKind::Own { nat: factors.get("nat").and_then(|value| value.as_flag()).unwrap_or(false) }
            }
            Some(WishedNetwork::User) => NetworkKind::User,
        };
        let command_line = word(factors, "cmdline").unwrap_or_default().to_owned();
        if command_line.chars().any(|c| c.is_control()) || command_line.len() > 1024 {
            return Err(invalid("cmdline", "it has control characters or more than 1024 bytes", "give one short line"));
        }
        let cpu = word(factors, "cpu").map(str::to_owned);
        if cpu.as_ref().is_some_and(|model| model.starts_with('-') || model.chars().any(|c| c.is_control())) {
            return Err(invalid("cpu", "it is not the name of a model", "see `qemu-system-x86_64 -cpu help`"));
        }
        Ok(Self {
            machine,
            accelerator: accelerator(choice_or_auto(factors, "accel")?, kvm)?,
            memory_bytes,
            cpus,
            cpu,
            kernel: word(factors, "kernel").map(PathBuf::from),
            channel,
            console: choice(factors, "console")?.unwrap_or(Console::Phases),
            entry: choice_or_auto(factors, "entry")?,
            command_line,
            network,
        })
    }
}

/// KVM if it works here, else TCG. Asked for by name, it is never replaced by the other.
fn accelerator(asked: Option<Accelerator>, kvm: KvmState) -> Result<Accelerator, PrepareError> {
    let reason = match kvm {
        KvmState::Works => return Ok(asked.unwrap_or(Accelerator::Kvm)),
        KvmState::Absent => "this host has no /dev/kvm",
        KvmState::Forbidden => "this user may not open /dev/kvm",
        KvmState::Paravirtual => "/dev/kvm is paravirtual here and runs no stock kernel",
    };
    if asked == Some(Accelerator::Kvm) {
        let hint = match kvm {
            KvmState::Forbidden => "add yourself to the group `kvm`, or use `accel = \"tcg\"`",
            _ => "use `accel = \"tcg\"`, or a host with hardware virtualisation",
        };
        return Err(PrepareError::Unavailable { reason: reason.to_owned(), hint: hint.to_owned() });
    }
    Ok(Accelerator::Tcg)
}

/// A text that is there and not empty.
fn word<'a>(factors: &'a Factors, key: &str) -> Option<&'a str> {
    factors.get(key)?.as_text().filter(|text| !text.is_empty())
}

fn choice<T: FromStr<Err = UnknownName>>(factors: &Factors, key: &str) -> Result<Option<T>, PrepareError> {
    word(factors, key)
        .map(|text| {
            text.parse().map_err(|error: UnknownName| {
                invalid(key, error.to_string(), format!("choose one of {}", error.known.join(", ")))
            })
        })
        .transpose()
}

fn choice_or_auto<T: FromStr<Err = UnknownName>>(factors: &Factors, key: &str) -> Result<Option<T>, PrepareError> {
    if word(factors, key) == Some("auto") { Ok(None) } else { choice(factors, key) }
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
        let both = [("machine", says("microvm")), ("channel", says("virtio-serial"))];
        assert!(matches!(wish(&both, KvmState::Absent), Err(PrepareError::Invalid { .. })));
        assert!(matches!(wish(&[("accel", says("kvm"))], KvmState::Absent), Err(PrepareError::Unavailable { .. })));
    }
}
