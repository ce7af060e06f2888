//! Docker, by the Engine API over the daemon's unix socket, each call timed.
//!
//! `created` and `started` are the daemon's replies, with the stamps at which the lab began to ask. The agent's channel is
//! the hijacked connection of `attach`.

pub(crate) mod api;
mod bridge;
pub(crate) mod copies;
mod image;
mod launcher;
mod native;
mod remove;
mod sandbox;
mod snapshot;
pub(crate) mod stream;

pub use copies::{list_with_prefix as list_copies, remove as remove_copies};
pub use remove::{list_networks, list_with_prefix, remove, remove_image, remove_network};

use super::{Backend, Launcher, PrepareError, bound};
use crate::application::Application;
use crate::http::HttpError;
use crate::lab::Lab;
use crate::network::uplink;
use api::Daemon;
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::probe::{Capabilities, Probe};
use isodyne_core::sample::Accuracy;
use launcher::DockerLauncher;
use std::io;
use std::path::PathBuf;

/// The backend.
pub struct DockerBackend;

/// Reason and hint.
pub(crate) type Refusal = (String, String);

/// The daemon's socket, from `DOCKER_HOST` or where daemons put it.
pub(crate) fn socket(docker_host: Option<&str>, runtime_directory: Option<&str>) -> Result<PathBuf, Refusal> {
    match docker_host {
        Some(host) if !host.is_empty() => match host.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
            _ => Err((
                format!("DOCKER_HOST is `{host}`, and only a daemon on this host can be measured"),
                "unset DOCKER_HOST, or set it to `unix:///path/of/docker.sock`".to_owned(),
            )),
        },
        _ => {
            let system = PathBuf::from("/var/run/docker.sock");
            let rootless = runtime_directory.map(|directory| PathBuf::from(directory).join("docker.sock"));
            Ok(rootless.filter(|path| !system.exists() && path.exists()).unwrap_or(system))
        }
    }
}

fn refusal(error: &HttpError, socket: &std::path::Path) -> Refusal {
    let start = "start the daemon: `systemctl start docker`, or `dockerd &` as root (Debian: `apt install docker.io`)";
    let HttpError::Connect { source, .. } = error else {
        return (format!("the Docker daemon on {} does not answer: {error}", socket.display()), start.to_owned());
    };
    let place = socket.display();
    match source.kind() {
        io::ErrorKind::NotFound => (format!("no Docker daemon runs: there is no socket {place}"), start.to_owned()),
        io::ErrorKind::PermissionDenied => (
            format!("this user may not talk to the Docker daemon on {place}"),
            "run as root, or join the group: `sudo usermod -aG docker $USER` and log in again".to_owned(),
        ),
        io::ErrorKind::ConnectionRefused => (format!("no Docker daemon listens on {place}"), start.to_owned()),
        _ => (format!("the Docker daemon cannot be reached on {place}: {source}"), start.to_owned()),
    }
}

fn daemon(lab: &Lab) -> Result<Daemon, Refusal> {
    let host = std::env::var("DOCKER_HOST").ok();
    let socket = socket(host.as_deref(), std::env::var("XDG_RUNTIME_DIR").ok().as_deref())?;
    Daemon::meet(&socket, lab.clock).map_err(|error| refusal(&error, &socket))
}

impl Backend for DockerBackend {
    fn name(&self) -> BackendName {
        BackendName::Docker
    }

    fn probe(&self, lab: &Lab) -> Probe {
        let daemon = match daemon(lab) {
            Ok(daemon) => daemon,
            Err((reason, hint)) => return Probe::Unavailable { reason, hint, version: None },
        };
        let version = Some(daemon.version.clone());
        if let Err(reason) = launcher::trial(&daemon, lab) {
            return Probe::Unavailable {
                reason: format!("a trial container did not start: {reason}"),
                hint: "look into the daemon's log (`journalctl -u docker`)".to_owned(),
                version,
            };
        }
        let notes = vec![format!("API {}, cgroup driver {}", daemon.api_version, daemon.cgroup_driver)];
        Probe::Available(Capabilities { version, accuracy: Accuracy::Container, tools: daemon.tools(), notes })
    }

    fn prepare(&self, cell: &Cell, lab: &Lab) -> Result<Box<dyn Launcher>, PrepareError> {
        let unavailable = |(reason, hint)| PrepareError::Unavailable { reason, hint };
        let daemon = daemon(lab).map_err(unavailable)?;
        let bridge = cell.factors.get("network").and_then(|value| value.as_text()) == Some("bridge");
        if bridge && daemon.rootless {
            return Err(unavailable((
                "the daemon is rootless: its bridges are in a network namespace that the lab is not in".to_owned(),
                "measure a daemon that runs as root, or leave `network` at \"none\"".to_owned(),
            )));
        }
        let bridge = bridge.then(uplink::forwards_v6);
        if bridge == Some(false) && cell.factors.get("family").and_then(|value| value.as_text()) == Some("ipv6") {
            return Err(unavailable((
                "the host does not forward IPv6, and Docker would switch that on for a bridge with IPv6".to_owned(),
                "run `sysctl net.ipv6.conf.all.forwarding=1` if that is wanted, or use `family = \"ipv4\"`".to_owned(),
            )));
        }
        let app = Application::of(cell, lab)?;
        let image = match &app {
            Some(app) => image::of_app(&daemon, app, lab),
            None => image::of_run(&daemon, lab),
        };
        let image = image.map_err(|reason| {
            unavailable((reason, "look into the daemon's log, and whether its disk is full".to_owned()))
        })?;
        // The daemon has the rights, whoever asks it.
        let memory_bytes = cell.factors.get("memory").and_then(|value| value.as_bytes());
        let (run_id, bind_mounts) = (lab.run_id.clone(), bound::asked(cell));
        Ok(Box::new(DockerLauncher { daemon, image, memory_bytes, run_id, bridge, bind_mounts }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_found_as_the_user_says() {
        let path = |host: Option<&str>| socket(host, None).map(|path| path.display().to_string());
        assert_eq!(path(Some("unix:///x/d.sock")), Ok("/x/d.sock".to_owned()));
        assert_eq!(path(None), Ok("/var/run/docker.sock".to_owned()));
        assert_eq!(path(Some("")), path(None));
        assert!(path(Some("tcp://example:2375")).unwrap_err().0.contains("only a daemon on this host"));
        assert!(path(Some("unix://relative")).is_err());
    }

    #[test]
    fn each_refusal_has_its_own_way_out() {
        let at = |kind: io::ErrorKind| {
            let error = HttpError::Connect { socket: "/s".into(), source: kind.into() };
            refusal(&error, std::path::Path::new("/s"))
        };
        assert!(at(io::ErrorKind::NotFound).1.contains("dockerd"));
        assert!(at(io::ErrorKind::PermissionDenied).1.contains("usermod"));
        assert!(at(io::ErrorKind::ConnectionRefused).0.contains("listens"));
    }
}
