//! Archives that podman exports: a tar, packed or not, with the images in `checkpoint/`.

use super::InspectError;
use super::folder::Folder;
use crate::image::app::Limits;
use crate::image::app::spool::{Packing, spool};
use crate::image::app::store::{Store, open_file};
use crate::image::app::tar::{RawKind, Reader};
use isodyne_core::checkpoint::inspection::Container;
use isodyne_criu::Images as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The largest description that is read, in bytes.
const DOCUMENT_LIMIT: u64 = 16 << 20;

/// What is inside.
pub(super) struct Exported {
    /// The images of the last round, with those before as its parents.
    pub images: Folder,
    /// The files beside the directories.
    pub beside: Folder,
}

/// Reads where everything in an archive is. Only what is packed is unpacked, into a file without a name.
pub(super) fn open(path: &Path) -> Result<Exported, InspectError> {
    let host = |source| InspectError::Host { path: path.to_owned(), source };
    let damaged = |reason: String| InspectError::Damaged { path: path.to_owned(), reason };
    let limits = Limits::default();
    let mut file = open_file(path).map_err(host)?;
    let mut first = [0; 4];
    let begun = std::io::Read::read(&mut file, &mut first).map_err(host)?;
    std::io::Seek::rewind(&mut file).map_err(host)?;
    let packing = Packing::of(&first[..begun]);
    let store = if packing == Packing::None {
        Store::file(file).map_err(host)?
    } else {
        let mut left = limits.unpacked_bytes;
        let what = path.display().to_string();
        let spooled = spool(file, packing, &what, &std::env::temp_dir(), &mut left, limits.unpacked_bytes);
        spooled.map_err(|error| damaged(error.to_string()))?.store
    };
    let mut folders: BTreeMap<String, Folder> = BTreeMap::new();
    let mut reader = Reader::new(&store, &limits);
    let (mut entries, mut names) = (0, 0);
    while let Some(entry) = reader.next().map_err(|error| damaged(error.to_string()))? {
        entries += 1;
        names += entry.path.len();
        if entries > limits.entries || names > limits.names_bytes {
            return Err(damaged("it has more entries than any checkpoint".to_owned()));
        }
        let RawKind::File(content) = entry.kind else { continue };
        let Ok(path) = String::from_utf8(entry.path) else { continue };
        let path = path.strip_prefix("./").unwrap_or(&path);
        // Deeper down is the layer of the container's root, and nothing of it is looked at.
        match path.split_once('/') {
            None => folders.entry(String::new()).or_default().add(path.to_owned(), content),
            Some((directory, name)) if !name.contains('/') && is_images(directory) => {
                folders.entry(directory.to_owned()).or_default().add(name.to_owned(), content);
            }
            Some(_) => {}
        }
    }
    let mut images = folders.remove("checkpoint").ok_or_else(|| InspectError::NotOne {
        path: path.to_owned(),
        reason: "it has no directory `checkpoint`".to_owned(),
    })?;
    images.parent = folders.remove("pre-checkpoint").map(Box::new);
    Ok(Exported { images, beside: folders.remove("").unwrap_or_default() })
}

fn is_images(directory: &str) -> bool {
    matches!(directory, "checkpoint" | "pre-checkpoint")
}

/// What podman says of the container: `config.dump` and `spec.dump`.
pub(super) fn container(beside: &Folder, unreadable: &mut Vec<String>) -> Option<Container> {
    let mut document = |name: &str| match beside.small(name, DOCUMENT_LIMIT) {
        Ok(None) => None,
        Ok(Some(bytes)) => match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                unreadable.push(format!("{name}: {error}"));
                None
            }
        },
        Err(reason) => {
            unreadable.push(format!("{name}: {reason}"));
            None
        }
    };
    let (config, spec) = (document("config.dump"), document("spec.dump"));
    if config.is_none() && spec.is_none() {
        return None;
    }
    let text = |key: &str| Some(config.as_ref()?.get(key)?.as_str()?.to_owned()).filter(|text| !text.is_empty());
    let mounts = spec.as_ref().and_then(|spec| spec.get("mounts")).and_then(Value::as_array);
    let mount = |mount: &Value| {
        let text = |key: &str| mount.get(key).and_then(Value::as_str).map(str::to_owned);
        Some((text("source").unwrap_or_default(), text("destination")?))
    };
    Some(Container {
        id: text("id"),
        name: text("name"),
        image: text("rootfsImageName"),
        runtime: text("runtime").or_else(|| text("ociRuntime")),
        created: text("createdTime"),
        checkpointed: text("checkpointedAt"),
        mounts: mounts.into_iter().flatten().filter_map(mount).collect(),
    })
}

/// Whether a directory has an inventory.
pub(super) fn has_images(folder: &Folder) -> bool {
    folder.names().iter().any(|name| name == "inventory.img")
}
