//! The network card of a machine whose monitor knows its tap by a name: the monitor runs in the namespace that the tap is
//! in, and so every machine's tap can have the same name. A snapshot that comes back in another namespace finds it again.

use crate::backend::{Place, PrepareError};
use crate::lab::Lab;
use crate::network::{self, NetworkKind, OwnNetwork, Subnet};
use crate::ownership::{OwnedProcess, name_prefix};
use isodyne_core::cell::Cell;
use isodyne_core::failure::{Failure, FailureClass};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// The file of a snapshot that says whose addresses its guest has.
const KEPT: &str = "network";
/// No sandbox has a longer name.
const NAME_MOST: u64 = 255;

/// Says why a cell cannot have the network that it asks for on this host, if so: tried once.
///
/// # Errors
/// As [`NetworkKind::of`], and [`PrepareError::Unavailable`] without a usable `/dev/net/tun`.
pub fn check(cell: &Cell, lab: &Lab) -> Result<(), PrepareError> {
    if let NetworkKind::Own { .. } = NetworkKind::of(cell, lab, "leave `network` out")? {
        let name = format!("{}-trial-{}", name_prefix(&lab.run_id), cell.backend);
        OwnNetwork::for_monitor(Subnet::of(&name)).map_err(|error| PrepareError::Unavailable {
            reason: error.to_string(),
            hint: "leave `network` out, or use qemu with `network = \"user\"`".to_owned(),
        })?;
    }
    Ok(())
}

/// The network of a new machine; `None` for `none`.
///
/// # Errors
/// Class `launch`, with what the host refused.
pub fn make(kind: NetworkKind, place: &Place, lab: &Lab) -> Result<Option<Arc<OwnNetwork>>, Failure> {
    with_subnet(kind, Subnet::of(&place.name), place, lab)
}

/// The network of a machine that comes back: its guest keeps its addresses, in a namespace of its own.
///
/// # Errors
/// As [`make`]; class `launch` if the snapshot does not say which addresses its guest has.
pub fn make_again(
    kind: NetworkKind,
    directory: &Path,
    place: &Place,
    lab: &Lab,
) -> Result<Option<Arc<OwnNetwork>>, Failure> {
    if kind == NetworkKind::None {
        return Ok(None);
    }
    let path = directory.join(KEPT);
    let mut name = String::new();
    File::open(&path).and_then(|file| file.take(NAME_MOST).read_to_string(&mut name)).map_err(|error| {
        let message = format!("the snapshot does not say which addresses its guest has: {}: {error}", path.display());
        Failure::new(FailureClass::Launch, message)
    })?;
    with_subnet(kind, Subnet::of(name.trim()), place, lab)
}

fn with_subnet(
    kind: NetworkKind,
    subnet: Subnet,
    place: &Place,
    lab: &Lab,
) -> Result<Option<Arc<OwnNetwork>>, Failure> {
    let NetworkKind::Own { nat } = kind else { return Ok(None) };
    let made = OwnNetwork::for_monitor(subnet).and_then(|mut network| {
        if nat {
            network.reach_out(&place.name, &lab.owner)?;
        }
        Ok(network)
    });
    made.map(|network| Some(Arc::new(network))).map_err(network::refused)
}

/// Notes in a snapshot's directory whose addresses its guest has: those of the sandbox with this name.
///
/// # Errors
/// What the host says.
pub fn keep(directory: &Path, name: &str) -> std::io::Result<()> {
    std::fs::write(directory.join(KEPT), name)
}

/// Starts a monitor in the namespace of its tap: by a thread that is inside, so that nothing runs between fork and exec.
///
/// # Errors
/// Class `launch`.
pub fn spawn_inside(network: &OwnNetwork, command: Command, lab: &Lab) -> Result<OwnedProcess, Failure> {
    let spawned = network.lab().within(|| Ok(lab.owner.spawn(command)));
    let spawned = spawned.map_err(network::refused)?;
    spawned.map_err(|error| Failure::new(FailureClass::Launch, crate::backend::chain(&error)))
}

/// A path for the network's namespace that is known beforehand, for a program that joins it by itself.
pub fn namespace_path(place: &Place) -> PathBuf {
    place.directory.join("netns")
}

/// Makes [`namespace_path`], as long as the network lives.
///
/// # Errors
/// Class `launch`.
pub fn link_namespace(network: &OwnNetwork, place: &Place) -> Result<(), Failure> {
    std::os::unix::fs::symlink(network.lab().path(), namespace_path(place)).map_err(network::refused)
}
