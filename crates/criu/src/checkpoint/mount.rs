//! Mounts.

use super::bits;
use super::reader::Reader;
use crate::image::Kind;
use crate::messages::mount::MountEntry;
use serde::Serialize;

/// The mounts of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MountNamespace {
    /// The namespace, as CRIU numbers it.
    pub id: u64,
    /// Its mounts, in the order of the images.
    pub mounts: Vec<Mount>,
}

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Its number.
    pub id: u32,
    /// The number of the mount that it lies on.
    pub parent: u32,
    /// Where it is.
    pub place: String,
    /// The type of file system.
    pub kind: String,
    /// What is mounted.
    pub source: String,
    /// Which directory of it.
    pub root: String,
    /// Flags of the mount.
    pub flags: Vec<&'static str>,
    /// Options of the file system.
    pub options: String,
    /// Whether it comes from outside of what was kept.
    pub external: bool,
    /// The name under which a restore has to bring it.
    pub external_key: Option<String>,
}

/// Reads `mountpoints-*.img`.
pub(super) fn read(reader: &mut Reader<'_>) -> Vec<MountNamespace> {
    let files = reader.numbered("mountpoints-");
    let read = |(id, file): (u64, String)| {
        let entries: Vec<MountEntry> = reader.messages(&file, Kind::Mounts)?;
        Some(MountNamespace { id, mounts: entries.into_iter().map(mount).collect() })
    };
    files.into_iter().filter_map(read).collect()
}

fn mount(entry: MountEntry) -> Mount {
    let known = kind(entry.kind).map(str::to_owned);
    Mount {
        id: entry.id,
        parent: entry.parent,
        place: entry.place,
        kind: known.or(entry.name).unwrap_or_else(|| "unknown".to_owned()),
        source: entry.source,
        root: entry.root,
        flags: bits::mount_flags(entry.flags),
        options: entry.options,
        external: entry.external.unwrap_or(false) || entry.external_key.is_some(),
        external_key: entry.external_key,
    }
}

/// `fstype` of CRIU. Types that it does not know (16) have their name beside it.
fn kind(kind: u32) -> Option<&'static str> {
    Some(match kind {
        1 => "proc",
        2 => "sysfs",
        3 => "devtmpfs",
        4 => "binfmt_misc",
        5 => "tmpfs",
        6 => "devpts",
        7 => "simfs",
        8 => "pstore",
        9 => "securityfs",
        10 => "fusectl",
        11 => "debugfs",
        12 => "cgroup",
        13 => "aufs",
        14 => "mqueue",
        15 => "fuse",
        17 => "overlay",
        18 => "autofs",
        19 => "tracefs",
        23 => "cgroup2",
        _ => return None,
    })
}
