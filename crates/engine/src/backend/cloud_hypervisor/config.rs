//! The factors of this backend, resolved: what is left open is decided here, and what cannot be is refused.

use crate::backend::PrepareError;
pub use crate::backend::vmm::disk::DiskConfig;
pub use crate::backend::vmm::factors::{Channel, Console};
use crate::backend::vmm::factors::{Reader, choices};
use crate::backend::vmm::pin::Pin;
use crate::network::NetworkKind;
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use std::path::PathBuf;

/// More virtual processors are refused by Cloud Hypervisor on x86-64.
const CPUS_MOST: u64 = 254;

choices! {
    /// What guest memory is made of.
    HugePages {
        /// Ordinary pages.
        None = "none",
        /// Pages that the kernel may join to huge ones.
        Transparent = "transparent",
        /// Reserved huge pages of the host's default size.
        Reserved = "reserved",
    }
}

/// A machine as Cloud Hypervisor is told to make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `memory`.
    pub memory_bytes: u64,
    /// `cpus`.
    pub cpus: u64,
    /// `pin`.
    pub pin: Option<Pin>,
    /// `huge_pages`.
    pub huge_pages: HugePages,
    /// `prefault`: all of the guest's memory is made at its start.
    pub prefault: bool,
    /// `seccomp`.
    pub seccomp: bool,
    /// `entropy`.
    pub entropy: bool,
    /// `balloon`: bytes that the guest gives back at its start; `None` for no balloon.
    pub balloon_bytes: Option<u64>,
    /// `channel`, resolved.
    pub channel: Channel,
    /// `console`.
    pub console: Console,
    /// `kernel`, if the user names one.
    pub own_kernel: Option<PathBuf>,
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
    /// The disk with a user's own application.
    pub disk: Option<DiskConfig>,
}

impl Config {
    /// Reads the factors of a cell; the guest's files are filled in by the caller.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`] names the key.
    pub fn from_factors(factors: &Factors) -> Result<Self, PrepareError> {
        let reader = Reader { backend: BackendName::CloudHypervisor, factors };
        let (channel, console) = reader.channel_and_console()?;
        let cpus = reader.cpus(CPUS_MOST)?;
        Ok(Self {
            memory_bytes: reader.memory_bytes()?,
            cpus,
            pin: Pin::from_factors(reader, cpus)?,
            huge_pages: reader.choice("huge_pages")?.unwrap_or(HugePages::Transparent),
            prefault: reader.flag("prefault", false),
            seccomp: reader.flag("seccomp", true),
            entropy: reader.flag("entropy", false),
            balloon_bytes: reader.balloon_bytes(),
            channel,
            console,
            own_kernel: reader.kernel(),
            kernel: PathBuf::new(),
            initramfs: PathBuf::new(),
            modules: Vec::new(),
            command_line: reader.command_line()?,
            network: reader.network()?,
            disk: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_core::factor::FactorValue;

    #[test]
    fn what_is_left_open_is_decided_and_what_cannot_be_is_refused() {
        let plain = Config::from_factors(&Factors::new()).unwrap();
        assert_eq!((plain.channel, plain.console, plain.seccomp), (Channel::Vsock, Console::Phases, true));
        let says = |text: &str| FactorValue::Text(text.to_owned());
        for (key, value) in [("cpus", FactorValue::Count(255)), ("channel", says("smoke")), ("network", says("user"))] {
            let error = Config::from_factors(&Factors::from([(key.to_owned(), value)])).unwrap_err().to_string();
            assert!(error.starts_with(&format!("backend.cloud-hypervisor.{key}: ")), "{error}");
        }
    }
}
