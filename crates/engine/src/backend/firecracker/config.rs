//! The factors of this backend, resolved: what is left open is decided here, and what cannot be is refused.

use super::version::{Feature, Version};
use crate::backend::PrepareError;
pub use crate::backend::vmm::disk::DiskConfig;
pub use crate::backend::vmm::factors::{Channel, Console};
use crate::backend::vmm::factors::{Reader, choices};
use crate::backend::vmm::pin::Pin;
use crate::network::NetworkKind;
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use serde_json::Value;
use std::path::PathBuf;

/// More virtual processors are refused by Firecracker.
const CPUS_MOST: u64 = 32;

choices! {
    /// How the machine is described to Firecracker.
    Setup {
        /// Request by request over the API.
        Api = "api",
        /// In one file that it reads at its start.
        File = "file",
    }
}

choices! {
    /// What guest memory is made of.
    HugePages {
        /// Ordinary pages.
        None = "none",
        /// Pages that the kernel may join to huge ones.
        Transparent = "transparent",
        /// Reserved pages of 2 MiB.
        TwoMebibytes = "2M",
    }
}

/// A machine as Firecracker is told to make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The running binary's version.
    pub version: Version,
    /// `setup`.
    pub setup: Setup,
    /// `memory`.
    pub memory_bytes: u64,
    /// `cpus`.
    pub cpus: u64,
    /// `smt`.
    pub smt: bool,
    /// `pin`.
    pub pin: Option<Pin>,
    /// `huge_pages`.
    pub huge_pages: HugePages,
    /// `cpu_template`: a static template's name.
    pub cpu_template: Option<String>,
    /// `track_dirty_pages`: needed for snapshots that hold only what has changed.
    pub track_dirty_pages: bool,
    /// `pci`.
    pub pci: bool,
    /// `seccomp`.
    pub seccomp: bool,
    /// `jailer`.
    pub jailer: bool,
    /// `entropy`.
    pub entropy: bool,
    /// `balloon`: bytes that the guest gives back at its start; `None` for no balloon.
    pub balloon_bytes: Option<u64>,
    /// `boot_timer`.
    pub boot_timer: bool,
    /// `channel`, resolved.
    pub channel: Channel,
    /// `console`.
    pub console: Console,
    /// The kernel's file.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// Files of modules that the agent loads, in this order.
    pub modules: Vec<String>,
    /// What the user adds to the kernel's command line.
    pub command_line: String,
    /// `network`.
    pub network: NetworkKind,
    /// `mmds`: the document, read by the caller.
    pub metadata: Option<Value>,
    /// The disk with a user's own application.
    pub disk: Option<DiskConfig>,
}

impl Config {
    /// Reads the factors of a cell; the guest's files are filled in by the caller.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`] names the key.
    pub fn from_factors(factors: &Factors, version: Version) -> Result<Self, PrepareError> {
        let reader = Reader { backend: BackendName::Firecracker, factors };
        let (channel, console) = reader.channel_and_console()?;
        let cpus = reader.cpus(CPUS_MOST)?;
        let config = Self {
            version,
            setup: reader.choice("setup")?.unwrap_or(Setup::Api),
            memory_bytes: reader.memory_bytes()?,
            cpus,
            pin: Pin::from_factors(reader, cpus)?,
            smt: reader.flag("smt", false),
            huge_pages: reader.choice("huge_pages")?.unwrap_or(HugePages::None),
            cpu_template: reader.word("cpu_template").map(str::to_owned),
            track_dirty_pages: reader.flag("track_dirty_pages", false),
            pci: reader.flag("pci", false),
            seccomp: reader.flag("seccomp", true),
            jailer: reader.flag("jailer", false),
            entropy: reader.flag("entropy", false),
            balloon_bytes: reader.balloon_bytes(),
            boot_timer: reader.flag("boot_timer", true),
            channel,
            console,
            kernel: PathBuf::new(),
            initramfs: PathBuf::new(),
            modules: Vec::new(),
            command_line: reader.command_line()?,
            network: reader.network()?,
            metadata: None,
            disk: None,
        };
        config.check(reader)?;
        Ok(config)
    }

    fn check(&self, reader: Reader<'_>) -> Result<(), PrepareError> {
        let needs = [
            ("pci", self.pci, Feature::Pci),
            ("huge_pages", self.huge_pages == HugePages::Transparent, Feature::TransparentHugePages),
        ];
        for (key, wanted, feature) in needs {
            if wanted && self.version < feature.since() {
                return Err(reader.invalid(
                    key,
                    format!("Firecracker {} does not have it", self.version),
                    format!("use Firecracker {} or newer, or leave `{key}` out", feature.since()),
                ));
            }
        }
        if self.network == NetworkKind::None && reader.word("mmds").is_some() {
            let message = "the guest reads its metadata over a network card, and has none";
            return Err(reader.invalid("mmds", message, "add `network = \"own\"`, or leave `mmds` out"));
        }
        if self.huge_pages == HugePages::TwoMebibytes && !self.memory_bytes.is_multiple_of(2 << 20) {
            let message = "with huge pages of 2 MiB it must be a multiple of 2 MiB";
            return Err(reader.invalid("memory", message, "give an even number of MiB"));
        }
        if self.smt && self.cpus != 1 && !self.cpus.is_multiple_of(2) {
            let message = "with `smt` it must be 1 or even";
            return Err(reader.invalid("cpus", message, "give an even number of processors"));
        }
        if let Some(template) = &self.cpu_template
            && !matches!(template.as_str(), "C3" | "T2" | "T2S" | "T2CL" | "T2A" | "V1N1" | "None")
        {
            let hint = "choose one of C3, T2, T2S, T2CL, T2A, V1N1, None";
            return Err(reader.invalid("cpu_template", format!("there is no template `{template}`"), hint));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_core::factor::FactorValue;

    const NEWEST: Version = Version { major: 1, minor: 17 };

    fn config(stated: &[(&str, FactorValue)], version: Version) -> Result<Config, PrepareError> {
        let factors = stated.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Config::from_factors(&factors, version)
    }

    fn says(text: &str) -> FactorValue {
        FactorValue::Text(text.to_owned())
    }

    #[test]
    fn what_is_left_open_is_as_in_production() {
        let plain = config(&[], NEWEST).unwrap();
        assert!(plain.seccomp && !plain.jailer && !plain.pci && plain.boot_timer);
        assert_eq!((plain.setup, plain.channel, plain.console), (Setup::Api, Channel::Vsock, Console::Phases));
        assert_eq!((plain.memory_bytes, plain.cpus), (128 << 20, 1));
        let own = config(&[("kernel", says("vmlinux"))], NEWEST).unwrap();
        assert_eq!((own.channel, own.console), (Channel::Serial, Console::Off), "no modules are known of it");
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_key() {
        let count = FactorValue::Count;
        let flag = FactorValue::Flag(true);
        let cases: &[(&str, &[(&str, FactorValue)])] = &[
            ("cpus", &[("cpus", count(33))]),
            ("cpus", &[("cpus", count(3)), ("smt", flag.clone())]),
            ("memory", &[("memory", FactorValue::Bytes(1 << 20))]),
            ("memory", &[("memory", FactorValue::Bytes(129 << 20)), ("huge_pages", says("2M"))]),
            ("cpu_template", &[("cpu_template", says("T9"))]),
            ("cmdline", &[("cmdline", says("a\nb"))]),
            ("network", &[("network", says("user"))]),
            ("mmds", &[("mmds", says("metadata.json"))]),
            ("console", &[("channel", says("serial")), ("console", says("full"))]),
        ];
        for (key, stated) in cases {
            let error = config(stated, NEWEST).unwrap_err().to_string();
            assert!(error.starts_with(&format!("backend.firecracker.{key}: ")), "{error}");
        }
        let old = config(&[("pci", flag)], Version::OLDEST).unwrap_err();
        assert_eq!(old.to_string(), "backend.firecracker.pci: Firecracker 1.7 does not have it");
    }
}
