//! Networks: a sandbox's own, in namespaces of its own, or in user mode without root.
//!
//! With `own` nothing is made in the host's namespace: the lab's end and the sandbox's end lie in namespaces that only
//! the lab's descriptors and the sandbox hold, so that sandboxes, runs and the host never meet, and the end of the lab is
//! the end of all of it. The host's end of every connection is a socket that a thread of the lab has opened inside.

mod bridge;
pub(crate) mod kept;
mod namespace;
mod netlink;
mod nft;
mod own;
mod passt;
mod subnet;
mod tap;
pub(crate) mod uplink;
mod user;

pub use bridge::BridgeNetwork;
pub use namespace::Namespace;
pub use own::{LAB_CARD, OwnNetwork, SANDBOX_CARD};
pub use passt::{PasstNetwork, argv as passt_argv};
pub use subnet::Subnet;
pub use user::{INSIDE, UserNetwork};

use crate::backend::{PrepareError, Step};
use crate::clock::Clock;
use crate::lab::Lab;
use isodyne_core::cell::Cell;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use std::io;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;

/// The port of the agent's end of the benchmark `network`; user-mode networks forward it.
pub const AGENT_PORT: u16 = 5201;

/// What a cell asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkKind {
    /// The loopback interface alone.
    #[default]
    None,
    /// A card on a subnet of its own.
    Own {
        /// Whether the sandbox can reach out through the host.
        nat: bool,
    },
    /// Through the backend's own program that speaks for the guest; without root.
    User,
    /// Through `passt`, which speaks for the guest; without root.
    Passt,
}

/// The family of a connection's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The power of a sandbox that has a network: to be connected to.
pub trait Network: Send + Sync {
    /// Connects from the lab's end to a port of the sandbox. One attempt.
    ///
    /// # Errors
    /// The host's; `Unsupported` for a family that this network does not carry.
    fn connect(&self, port: u16, family: Family, deadline: HostInstant) -> io::Result<TcpStream>;

    /// The addresses of the sandbox, as the lab's end sees them.
    fn addresses(&self) -> Vec<IpAddr>;

    /// What kind of network it is and which subnet it has, in one line, for a sample's evidence.
    fn describe(&self) -> String;
}

impl NetworkKind {
    /// What a cell asks for, if this host can give it.
    ///
    /// # Errors
    /// [`PrepareError::Unavailable`] without root for `own`; `rootless` is what to do then.
    pub fn of(cell: &Cell, lab: &Lab, rootless: &str) -> Result<Self, PrepareError> {
        let word = cell.factors.get("network").and_then(|value| value.as_text()).unwrap_or("none");
        let nat = cell.factors.get("nat").and_then(|value| value.as_flag()).unwrap_or(false);
        if nat && word != "own" {
            return Err(PrepareError::Invalid {
                key: format!("backend.{}.nat", cell.backend),
                message: format!("`nat = true` needs `network = \"own\"`, and it is \"{word}\""),
                hint: "add `network = \"own\"`, or leave `nat` out".to_owned(),
            });
        }
        if nat && lab.host.root {
            uplink::check()?;
        }
        match word {
            "none" => Ok(Self::None),
            "user" => Ok(Self::User),
            "passt" => Ok(Self::Passt),
            "own" if lab.host.root => match Namespace::create() {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(PrepareError::Unavailable {
                    reason: error.to_string(),
                    hint: format!("give the lab these capabilities (a container: `--privileged`), or {rootless}"),
                }),
                // Any other refusal is of this moment: a sample that meets it says so.
                _ => Ok(Self::Own { nat }),
            },
            "own" => Err(PrepareError::Unavailable {
                reason: "a network of its own takes network namespaces, which takes root".to_owned(),
                hint: format!("run as root, or {rootless}"),
            }),
            other => Err(PrepareError::Invalid {
                key: format!("backend.{}.network", cell.backend),
                message: format!("unknown kind of network `{other}`"),
                hint: "use `none` or `own`, `user` with QEMU and podman, or `passt` with QEMU".to_owned(),
            }),
        }
    }

    /// What is made before the sandbox, for a description.
    pub(crate) fn steps(self, name: &str) -> Vec<Step> {
        let Self::Own { nat } = self else { return Vec::new() };
        let mut content = format!("subnet {}, in network namespaces of its own", Subnet::of(name));
        if nat {
            content.push_str("; out through the host by an nftables table of this name");
        }
        vec![Step::Write { path: format!("network {name}"), content }]
    }

    /// The network of a sandbox that shares the host's kernel: a pair of cards between two namespaces. `None` for `none`.
    ///
    /// # Errors
    /// Class `launch`, with what the host refused.
    pub fn for_container(self, name: &str, lab: &Lab) -> Result<Option<Arc<OwnNetwork>>, Failure> {
        match self {
            Self::None | Self::User | Self::Passt => Ok(None),
            Self::Own { nat } => {
                let made = OwnNetwork::for_container(name).and_then(|mut network| {
                    if nat {
                        network.reach_out(name, &lab.owner)?;
                    }
                    Ok(network)
                });
                made.map(|network| Some(Arc::new(network))).map_err(refused)
            }
        }
    }
}

/// A network that cannot be made.
pub(crate) fn refused(error: io::Error) -> Failure {
    let class = match error.raw_os_error() {
        Some(libc::ENOSPC | libc::ENOMEM) => FailureClass::Enospc,
        _ => FailureClass::Launch,
    };
    Failure::new(class, format!("failed to make the sandbox's network: {error}"))
}

/// Connects within the deadline; small messages go out at once.
fn connect(address: (IpAddr, u16), deadline: HostInstant) -> io::Result<TcpStream> {
    let left = Clock.until(deadline);
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let stream = TcpStream::connect_timeout(&address.into(), left)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
