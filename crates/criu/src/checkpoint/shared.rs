//! What belongs to a checkpoint as a whole.

use super::ReadError;
use super::reader::Reader;
use crate::image::{self, Kind};
use crate::messages::task;
use serde::Serialize;

/// What the images say of themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// The version of their format: 1 or 2.
    pub version: u32,
    /// Whether tables of descriptors are by table, not by process.
    #[serde(skip)]
    pub(super) descriptors_by_id: bool,
    /// Which security module the processes were under.
    pub security_module: Option<&'static str>,
    /// How long the host had been up, in microseconds.
    pub uptime_us: Option<u64>,
    /// The name that CRIU gave to its own run.
    pub run_id: Option<String>,
}

/// Reads `inventory.img`.
pub(super) fn inventory(reader: &mut Reader<'_>) -> Result<Inventory, ReadError> {
    let inventory: task::Inventory =
        reader.essential("inventory.img", |bytes| image::message(bytes, Kind::Inventory))?;
    if !(1..=2).contains(&inventory.version) {
        let reason = format!("the images have version {}, and versions 1 and 2 are read", inventory.version);
        return Err(ReadError { file: "inventory.img".to_owned(), reason });
    }
    let security_module = match inventory.security_module {
        Some(0) => Some("none"),
        Some(1) => Some("selinux"),
        Some(2) => Some("apparmor"),
        _ => None,
    };
    Ok(Inventory {
        version: inventory.version,
        descriptors_by_id: inventory.descriptors_by_id,
        security_module,
        uptime_us: inventory.uptime_us,
        run_id: inventory.run_id,
    })
}

/// A device of a network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkDevice {
    /// The namespace, as CRIU numbers it.
    pub namespace: u64,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: &'static str,
    /// Its index.
    pub index: u32,
    /// The largest packet, in bytes.
    pub mtu_bytes: u32,
    /// Whether it was up.
    pub up: bool,
    /// Its address in hexadecimal, with colons.
    pub address: Option<String>,
}

/// Reads `netdev-*.img`.
pub(super) fn network_devices(reader: &mut Reader<'_>) -> Vec<NetworkDevice> {
    let mut devices = Vec::new();
    for (namespace, file) in reader.numbered("netdev-") {
        let entries: Vec<task::NetworkDevice> = reader.messages(&file, Kind::NetworkDevices).unwrap_or_default();
        devices.extend(entries.into_iter().map(|device| NetworkDevice {
            namespace,
            name: device.name,
            kind: device_kind(device.kind),
            index: device.index,
            mtu_bytes: device.mtu,
            // IFF_UP
            up: device.flags & 1 != 0,
            address: device.address.map(|bytes| {
                let octets: Vec<String> = bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect();
                octets.join(":")
            }),
        }));
    }
    devices
}

/// `nd_type` of CRIU.
fn device_kind(kind: u32) -> &'static str {
    match kind {
        1 => "loopback",
        2 => "veth",
        3 => "tun",
        4 => "external",
        5 => "venet",
        6 => "bridge",
        7 => "macvlan",
        8 => "sit",
        _ => "unknown",
    }
}

/// Reads `utsns-*.img`.
pub(super) fn host_names(reader: &mut Reader<'_>) -> Vec<String> {
    let files = reader.numbered("utsns-");
    let names = files.iter().filter_map(|(_, file)| reader.message::<task::HostName>(file, Kind::HostName));
    names.map(|name| name.node).collect()
}

/// Counts `ghost-file-*.img`, which have one file each.
pub(super) fn ghost_files(reader: &Reader<'_>) -> u64 {
    let ghost = |name: &&String| name.starts_with("ghost-file-") && name.ends_with(".img");
    reader.names.iter().filter(ghost).count() as u64
}
