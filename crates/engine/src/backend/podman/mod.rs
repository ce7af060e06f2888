//! podman, by its command line.
//!
//! The lab uses a store of its own in the run's scratch directory, with its own configuration, so that the user's
//! containers, images and locks are never touched and the user's settings do not change what is measured. One
//! `podman run` is the sandbox; conmon, which podman leaves beside it, is waited for as well.

mod export;
mod image;
mod launcher;
mod remove;
mod sandbox;
mod snapshot;
mod store;

pub use remove::{list_with_prefix, remove, remove_image};

use super::oci;
use super::{Backend, Launcher, PrepareError, bound, program};
use crate::application::Application;
use crate::host::{find_tool, inspect_tool};
use crate::lab::Lab;
use crate::network::NetworkKind;
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::probe::{Capabilities, Probe, Tool};
use isodyne_core::sample::Accuracy;
use launcher::{Content, PodmanLauncher, SLIRP};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use store::Store;

/// The backend.
pub struct PodmanBackend;

/// What was tried: the store's directory, wish, and the outcome.
type Trial = (PathBuf, String, Result<Store, Refusal>);

/// The runtimes that have been tried in this process.
static TRIED: Mutex<Vec<Trial>> = Mutex::new(Vec::new());

/// Reason and hint.
type Refusal = (String, String);

fn podman() -> Result<Tool, Refusal> {
    inspect_tool("podman", &["--version"]).ok_or_else(|| {
        ("there is no program `podman` in PATH".to_owned(), "install it: `apt install podman`".to_owned())
    })
}

/// The store with a runtime that starts containers here. `auto` tries crun, podman's own choice, and then runc.
/// Another podman than the one in PATH gets a store of its own: versions do not read each other's.
fn working_store(podman: &Tool, own_store: bool, wish: &str, lab: &Lab) -> Result<Store, Refusal> {
    let digest = podman.sha256.as_deref().filter(|_| own_store);
    let directory = match digest.and_then(|digest| digest.get(..8)) {
        Some(digest) => lab.scratch.join(format!("podman-{digest}")),
        None => lab.scratch.join("podman"),
    };
    let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((.., known)) = tried.iter().find(|(tried, asked, _)| *tried == directory && asked == wish) {
        return known.clone();
    }
    let outcome = try_runtimes(podman, &directory, wish, lab);
    tried.push((directory, wish.to_owned(), outcome.clone()));
    outcome
}

fn try_runtimes(podman: &Tool, directory: &Path, wish: &str, lab: &Lab) -> Result<Store, Refusal> {
    let candidates = if wish == "auto" { vec!["crun", "runc"] } else { vec![wish] };
    let mut refusals = Vec::new();
    for candidate in candidates {
        let Some(runtime) = inspect_tool(candidate, &["--version"]) else {
            refusals.push(format!("{candidate}: there is no such program"));
            continue;
        };
        let store = Store::at(podman.clone(), runtime, directory.to_owned(), lab.host.root);
        match launcher::trial(&store, lab) {
            Ok(()) => return Ok(store),
            Err(reason) => refusals.push(format!("{candidate}: {reason}")),
        }
    }
    let hint = if lab.host.root {
        "run `podman run --rm -i --network none --rootfs DIR COMMAND` by hand to see more; `apt install runc crun conmon`"
    } else {
        "rootless podman needs `apt install uidmap` and entries in /etc/subuid and /etc/subgid; or run as root"
    };
    Err((format!("a trial container did not start: {}", refusals.join("; ")), hint.to_owned()))
}

/// Whether podman's own way of keeping containers is measured.
fn is_native(cell: &Cell) -> bool {
    cell.factors.get("engine").and_then(|value| value.as_text()) == Some("native")
}

impl Backend for PodmanBackend {
    fn name(&self) -> BackendName {
        BackendName::Podman
    }

    fn probe(&self, lab: &Lab) -> Probe {
        let tool = match podman() {
            Ok(tool) => tool,
            Err((reason, hint)) => return Probe::Unavailable { reason, hint, version: None },
        };
        let version = oci::version_of(&tool);
        match working_store(&tool, false, "auto", lab) {
            Err((reason, hint)) => Probe::Unavailable { reason, hint, version },
            Ok(store) => {
                let mut notes = vec![format!("runtime {}, in a store of its own", store.runtime.name)];
                if !lab.host.root {
                    notes.push("rootless: no cgroup of its own".to_owned());
                }
                let tools = vec![tool, store.runtime];
                Probe::Available(Capabilities { version, accuracy: Accuracy::Container, tools, notes })
            }
        }
    }

    fn prepare(&self, cell: &Cell, lab: &Lab) -> Result<Box<dyn Launcher>, PrepareError> {
        let unavailable = |(reason, hint)| PrepareError::Unavailable { reason, hint };
        let stated = program::stated(cell)?;
        let own_store = stated.is_some();
        let tool = stated.map_or_else(podman, Ok).map_err(unavailable)?;
        let wish = cell.factors.get("runtime").and_then(|value| value.as_text()).unwrap_or("auto");
        let store = working_store(&tool, own_store, wish, lab).map_err(unavailable)?;
        let memory_bytes = oci::memory_limit(cell, lab)?;
        let opened = store
            .open(lab)
            .map_err(|reason| unavailable((reason, "run `podman ps` by hand to see more".to_owned())))?;
        let content = match Application::of(cell, lab)? {
            Some(app) => Content::Image(image::load(&store, &app, lab).map_err(|reason| {
                unavailable((reason, "look at the free space of the temporary directory".to_owned()))
            })?),
            None if is_native(cell) => Content::Imported(image::of_agent(&store, lab).map_err(|reason| {
                unavailable((reason, "look at the free space of the temporary directory".to_owned()))
            })?),
            None => Content::rootfs(lab)?,
        };
        let run_id = lab.run_id.clone();
        let network = NetworkKind::of(cell, lab, "use `network = \"user\"`")?;
        if network == NetworkKind::User && find_tool(SLIRP).is_none() {
            return Err(unavailable((
                format!("there is no `{SLIRP}` on this host, which Podman's network without root takes"),
                format!("install it: `apt install {SLIRP}`"),
            )));
        }
        let (exports, bind_mounts) = (is_native(cell), bound::asked(cell));
        Ok(Box::new(PodmanLauncher {
            store,
            memory_bytes,
            network,
            content,
            exports,
            bind_mounts,
            run_id,
            _session: Some(opened),
        }))
    }
}
