//! Archives of `docker save` and `podman save`.

use super::resolve::assemble;
use super::{Archive, LayerSource, Layers, Place, check, read_within};
use crate::image::app::digest::Digest;
use crate::image::app::error::{ImageError, short};
use crate::image::app::limits::DOCUMENT_LIMIT;
use crate::image::app::oci::Descriptor;
use crate::image::app::spool::Packing;
use serde::Deserialize;
use std::path::Path;

/// An image in `manifest.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

pub(super) fn open(archive: Archive, name: Option<&str>) -> Result<Layers, ImageError> {
    let read = |path: &str, what: &str| -> Result<Vec<u8>, ImageError> {
        let bytes = read_within(archive.open_content(path.as_bytes(), what)?, DOCUMENT_LIMIT, what)?;
        if bytes.len() as u64 <= DOCUMENT_LIMIT {
            return Ok(bytes);
        }
        let problem = format!("it has more than {DOCUMENT_LIMIT} bytes");
        Err(ImageError::Document { what: what.to_owned(), problem })
    };
    let entry = choose(&read("manifest.json", "manifest")?, archive.path(), name)?;
    let config = read(&entry.config, "configuration")?;
    if let Some(digest) = digest_in(&entry.config) {
        let (size, media_type) = (config.len() as u64, String::new());
        let promised = Descriptor { media_type, digest, size, platform: None, annotations: Default::default() };
        check(&config, &promised, "configuration")?;
    }
    let count = entry.layers.len();
    let layers = entry.layers.into_iter().enumerate().map(|(number, path)| LayerSource {
        what: format!("layer {} of {count}", number + 1),
        packing: Packing::Sniff,
        place: Place::Path(path.into_bytes()),
    });
    assemble(Box::new(archive), Digest::of(&config), None, &config, layers.collect())
}

pub(super) fn choose(manifest: &[u8], path: &Path, name: Option<&str>) -> Result<Entry, ImageError> {
    let mut entries: Vec<Entry> = serde_json::from_slice(manifest)
        .map_err(|error| ImageError::Document { what: "manifest".to_owned(), problem: short(&error) })?;
    let refused = |problem: String| ImageError::NoImage { path: path.to_owned(), problem };
    let tags = |entry: &Entry| entry.repo_tags.clone().unwrap_or_default();
    let names = entries.iter().flat_map(tags).map(|tag| format!("{tag:.100}")).take(8).collect::<Vec<_>>().join(", ");
    if let Some(name) = name {
        let is = |tag: &String| tag == name || tag.rsplit('/').next() == Some(name);
        entries.retain(|entry| tags(entry).iter().any(is));
        if entries.is_empty() {
            return Err(refused(format!("there is no image called `{name}` in it, only {names}")));
        }
    }
    match entries.len() {
        1 => Ok(entries.remove(0)),
        0 => Err(refused("its `manifest.json` names no image".to_owned())),
        _ => Err(ImageError::Several { path: path.to_owned(), names }),
    }
}

/// The digest that the name of a configuration is: `HEX.json` or `blobs/sha256/HEX`.
fn digest_in(path: &str) -> Option<Digest> {
    let name = path.rsplit('/').next()?;
    Digest::from_hex(name.strip_suffix(".json").unwrap_or(name))
}
