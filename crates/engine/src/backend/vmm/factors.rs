//! Reading a cell's factors for a virtual machine: what is left open is decided, and what cannot be is refused by its key.

use crate::backend::PrepareError;
use crate::network::NetworkKind;
use isodyne_core::cell::{BackendName, UnknownName};
use isodyne_core::factor::Factors;
use std::path::PathBuf;
use std::str::FromStr;

/// Less than any kernel of a distribution boots in; a guest that runs out of memory is a result, not a mistake.
const MEMORY_LEAST: u64 = 16 << 20;
const MEMORY_MOST: u64 = 1 << 40;

/// The factors of one cell on one backend.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// Named in errors.
    pub backend: BackendName,
    /// All of them.
    pub factors: &'a Factors,
}

impl Reader<'_> {
    /// The error for a key.
    pub fn invalid(&self, key: &str, message: impl Into<String>, hint: impl Into<String>) -> PrepareError {
        PrepareError::Invalid {
            key: format!("backend.{}.{key}", self.backend),
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// A text that is there and not empty.
    pub fn word(&self, key: &str) -> Option<&str> {
        self.factors.get(key)?.as_text().filter(|text| !text.is_empty())
    }

    /// A flag; absent is `default`.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.factors.get(key).and_then(|value| value.as_flag()).unwrap_or(default)
    }

    /// One of a set of words.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`] names the words.
    pub fn choice<T: FromStr<Err = UnknownName>>(&self, key: &str) -> Result<Option<T>, PrepareError> {
        let refused = |error: UnknownName| {
            self.invalid(key, error.to_string(), format!("choose one of {}", error.known.join(", ")))
        };
        self.word(key).map(|text| text.parse().map_err(refused)).transpose()
    }

    /// As [`Reader::choice`]; `auto` is as if nothing were said.
    ///
    /// # Errors
    /// As [`Reader::choice`].
    pub fn choice_or_auto<T: FromStr<Err = UnknownName>>(&self, key: &str) -> Result<Option<T>, PrepareError> {
        if self.word(key) == Some("auto") { Ok(None) } else { self.choice(key) }
    }

    /// `memory`: the guest's memory in bytes, whole MiB; 128 MiB if nothing is said.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`].
    pub fn memory_bytes(&self) -> Result<u64, PrepareError> {
        let bytes = self.factors.get("memory").and_then(|value| value.as_bytes()).unwrap_or(128 << 20);
        if (MEMORY_LEAST..=MEMORY_MOST).contains(&bytes) && bytes.is_multiple_of(1 << 20) {
            return Ok(bytes);
        }
        Err(self.invalid(
            "memory",
            format!("{bytes} B is not a memory size for a guest"),
            "give whole MiB from 16 MiB to 1 TiB (`memory = \"128 MiB\"`)",
        ))
    }

    /// `cpus`: the guest's processors; 1 if nothing is said.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`].
    pub fn cpus(&self, most: u64) -> Result<u64, PrepareError> {
        let cpus = self.factors.get("cpus").and_then(|value| value.as_count()).unwrap_or(1);
        if (1..=most).contains(&cpus) {
            return Ok(cpus);
        }
        Err(self.invalid("cpus", format!("{cpus} is not a number of processors"), format!("give 1 to {most}")))
    }

    /// `cmdline`: what the user adds to the guest kernel's command line.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`].
    pub fn command_line(&self) -> Result<String, PrepareError> {
        let line = self.word("cmdline").unwrap_or_default();
        if line.chars().any(char::is_control) || line.len() > 1024 {
            let message = "it has control characters or more than 1024 bytes";
            return Err(self.invalid("cmdline", message, "give one short line"));
        }
        Ok(line.to_owned())
    }

    /// `balloon`: bytes that the guest gives back at its start; `None` for no balloon.
    pub fn balloon_bytes(&self) -> Option<u64> {
        self.factors.get("balloon").and_then(|value| value.as_bytes()).filter(|bytes| *bytes > 0)
    }

    /// `channel` and `console` of a monitor with a vsock and one serial port. A kernel of one's own, of whose modules
    /// nothing is known, is reached by the serial port; that is then the agent's, and the kernel prints nothing.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`].
    pub fn channel_and_console(&self) -> Result<(Channel, Console), PrepareError> {
        let channel = match self.choice_or_auto("channel")? {
            None if self.kernel().is_some() => Channel::Serial,
            other => other.unwrap_or(Channel::Vsock),
        };
        let console = match (channel, self.choice("console")?) {
            (Channel::Serial, Some(Console::Full)) => {
                let message = "the one serial port is the agent's";
                return Err(self.invalid("console", message, "use `channel = \"vsock\"`, or leave `console` out"));
            }
            (Channel::Serial, _) => Console::Off,
            (Channel::Vsock, stated) => stated.unwrap_or(Console::Phases),
        };
        Ok((channel, console))
    }

    /// `network` and `nat` of a monitor that has a card on a network of its own, or none; whether this host can give it
    /// is not known yet.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`].
    pub fn network(&self) -> Result<NetworkKind, PrepareError> {
        Ok(match self.choice("network")? {
            None | Some(CardNetwork::None) => NetworkKind::None,
            Some(CardNetwork::Own) => NetworkKind::Own { nat: self.flag("nat", false) },
        })
    }

    /// `kernel`: the guest's kernel, if it is not the one of `isodyne setup`.
    pub fn kernel(&self) -> Option<PathBuf> {
        self.word("kernel").map(PathBuf::from)
    }
}

/// An enumeration that is read from the words of a plan.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$choice_doc:meta])* $choice:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$choice_doc])* $choice),+ }
        #[allow(dead_code, reason = "not every choice is written down again")]
        impl $name {
            /// As a plan says it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$choice => $text),+ }
            }
        }
        impl std::str::FromStr for $name {
            type Err = isodyne_core::cell::UnknownName;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$choice),)+
                    _ => Err(isodyne_core::cell::UnknownName { given: text.to_owned(), known: vec![$($text),+] }),
                }
            }
        }
    };
}
pub(crate) use choices;

choices! {
    /// How much the guest's kernel prints.
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
    /// The network of a monitor that knows taps only.
    CardNetwork {
        /// Loopback alone.
        None = "none",
        /// A tap on a subnet of its own.
        Own = "own",
    }
}

choices! {
    /// The way to the agent, for a monitor with a vsock and one serial port.
    Channel {
        /// The monitor's vsock, which ends in a unix socket.
        Vsock = "vsock",
        /// The serial port; the kernel then prints nothing.
        Serial = "serial",
    }
}
