//! Where containers are kept: a runtime's state directory, an engine's store, a daemon.

use super::resource::Resource;
use crate::backend::{docker, oci, podman};
use std::path::PathBuf;

/// A place that can be asked for the containers in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Home {
    /// The state directory of an OCI runtime.
    Oci(PathBuf),
    /// A store of podman's, by the program and its global options.
    Podman(Vec<String>),
    /// A Docker daemon, by its socket.
    Docker(PathBuf),
}

impl Home {
    /// Where a container lives; `None` for what is no container.
    pub(super) fn of(resource: &Resource) -> Option<Self> {
        match resource {
            Resource::OciContainer { root, .. } => Some(Self::Oci(root.clone())),
            // Without root, a call of podman would leave a process behind that holds its user namespace open. A container
            // shows by its monitor's command line there, and an ended one goes with its store.
            Resource::PodmanContainer { command, .. } if rustix::process::geteuid().is_root() => {
                Some(Self::Podman(command.clone()))
            }
            Resource::DockerContainer { socket, .. } | Resource::DockerNetwork { socket, .. } => {
                Some(Self::Docker(socket.clone()))
            }
            _ => None,
        }
    }

    /// The containers in it, the networks, and containerd's copies of containers' images, whose names begin with `prefix`, one line each.
    pub(super) fn containers(&self, prefix: &str) -> Vec<String> {
        let (names, place) = match self {
            Self::Oci(root) => (oci::list(root, prefix), root.display().to_string()),
            Self::Podman(command) => (podman::list_with_prefix(command, prefix), "podman's store".to_owned()),
            Self::Docker(socket) => (docker::list_with_prefix(socket, prefix), socket.display().to_string()),
        };
        let (networks, copies) = match self {
            Self::Docker(socket) => (docker::list_networks(socket, prefix), docker::list_copies(prefix)),
            Self::Oci(_) | Self::Podman(_) => (Vec::new(), Vec::new()),
        };
        let containers = names.into_iter().map(|name| format!("container {name} in {place}"));
        let networks = networks.into_iter().map(|name| format!("network {name} in {place}"));
        containers.chain(networks).chain(copies).collect()
    }
}
