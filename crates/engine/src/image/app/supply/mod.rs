//! Suppliers: what an image is in its different wrappings, told apart and resolved to one configuration and its layers.

mod archive;
mod directory;
mod docker;
mod layout;
mod registry;
mod resolve;

pub(super) use archive::Archive;
pub(super) use resolve::resolve;

use super::config::ImageConfig;
use super::digest::Digest;
use super::error::{ImageError, host};
use super::layer::Flattening;
use super::limits::Limits;
use super::oci::Descriptor;
use super::source::ImageSource;
use super::spool::Packing;
use super::store::{Store, open_file};
use super::tree::Tree;
use super::{ImageEvent, ObtainOptions};
use std::io::Read;
use std::path::Path;

/// An image in its wrapping, before its layers are looked at.
pub(super) enum Supply {
    /// No wrapping: the tree itself.
    Tree(Box<Tree>),
    /// Layers and a configuration.
    Layers(Box<Layers>),
}

/// An image of layers.
pub(super) struct Layers {
    /// What the image is known by: the digest of the manifest, or of the configuration where there is no manifest.
    pub(super) key: Digest,
    pub(super) manifest: Option<Digest>,
    pub(super) config: ImageConfig,
    pub(super) diff_ids: Vec<Digest>,
    pub(super) layers: Vec<LayerSource>,
    blobs: Box<dyn Blobs>,
}

/// Where a layer is and what is promised of it.
pub(super) struct LayerSource {
    pub(super) what: String,
    pub(super) packing: Packing,
    pub(super) place: Place,
}

/// How a layer is found.
pub(super) enum Place {
    /// By its digest.
    Blob(Descriptor),
    /// At a path of an archive of Docker's, which says nothing of the layer but its digest without compression.
    Path(Vec<u8>),
}

/// Something that holds blobs.
pub(super) trait Blobs {
    /// What it is called in messages.
    fn place(&self) -> String;
    /// Opens a blob. What comes is not checked.
    fn open(&self, blob: &Descriptor, what: &str) -> Result<Box<dyn Read>, ImageError>;
    /// Opens a file of an archive.
    fn open_path(&self, path: &[u8], what: &str) -> Result<Box<dyn Read>, ImageError> {
        Err(missing(what, super::tar::shown(path), self.place()))
    }
}

impl Layers {
    /// Opens a layer. What comes is not checked.
    pub(super) fn open(&self, layer: &LayerSource) -> Result<Box<dyn Read>, ImageError> {
        match &layer.place {
            Place::Blob(descriptor) => self.blobs.open(descriptor, &layer.what),
            Place::Path(path) => self.blobs.open_path(path, &layer.what),
        }
    }
}

/// Opens an image wherever it is.
pub(super) fn open(
    source: &ImageSource,
    work: &Path,
    options: &ObtainOptions,
    progress: &mut dyn FnMut(ImageEvent),
) -> Result<Supply, ImageError> {
    match source {
        ImageSource::Registry(reference) => {
            progress(ImageEvent::Asking { registry: reference.registry.clone() });
            registry::open(reference, options).map(layered)
        }
        ImageSource::Path { path, name } => {
            let status = path.metadata().map_err(host("read", path))?;
            if status.is_dir() {
                if path.join("oci-layout").is_file() && path.join("index.json").is_file() {
                    return layout::open_directory(path, name.as_deref()).map(layered);
                }
                progress(ImageEvent::Walking { directory: path.clone() });
                return only(path, name.as_deref(), directory::walk(path, &options.limits)?);
            }
            let archive = Archive::open(path, work, &options.limits)?;
            if archive.has("oci-layout") && archive.has("index.json") {
                layout::open_archive(archive, name.as_deref()).map(layered)
            } else if archive.has("manifest.json") {
                docker::open(archive, name.as_deref()).map(layered)
            } else {
                only(path, name.as_deref(), archive.into_tree())
            }
        }
    }
}

fn layered(layers: Layers) -> Supply {
    Supply::Layers(Box::new(layers))
}

/// A tree is one image and has no name.
fn only(path: &Path, name: Option<&str>, tree: Tree) -> Result<Supply, ImageError> {
    if let Some(name) = name {
        let problem = format!("it is a plain tree, in which there is no image called `{name}`");
        return Err(ImageError::NoImage { path: path.to_owned(), problem });
    }
    if tree.len() == 1 {
        return Err(ImageError::NoImage { path: path.to_owned(), problem: "it is empty".to_owned() });
    }
    Ok(Supply::Tree(Box::new(tree)))
}

/// Flattens an uncompressed tar.
pub(super) fn flatten_one(store: &Store, limits: &Limits, path: &Path) -> Result<Tree, ImageError> {
    let mut flattening = Flattening::new(limits);
    match flattening.apply(store) {
        Ok(()) => Ok(flattening.tree),
        Err(source) => Err(ImageError::Layer { place: format!("`{}` is refused", path.display()), source }),
    }
}

pub(super) fn missing(what: &str, name: String, place: String) -> ImageError {
    ImageError::Missing { what: what.to_owned(), name, place }
}

/// Reads a small blob whole and checks it.
pub(super) fn read_blob(blobs: &dyn Blobs, blob: &Descriptor, what: &str) -> Result<Vec<u8>, ImageError> {
    let limit = super::limits::DOCUMENT_LIMIT;
    if blob.size > limit {
        return Err(ImageError::Document { what: what.to_owned(), problem: format!("it has more than {limit} bytes") });
    }
    let bytes = read_within(blobs.open(blob, what)?, blob.size, what)?;
    check(&bytes, blob, what)?;
    Ok(bytes)
}

fn check(bytes: &[u8], blob: &Descriptor, what: &str) -> Result<(), ImageError> {
    if bytes.len() as u64 != blob.size {
        let (expected_bytes, found_bytes) = (blob.size, bytes.len() as u64);
        return Err(ImageError::Length { what: what.to_owned(), expected_bytes, found_bytes });
    }
    let found = Digest::of(bytes);
    if found == blob.digest {
        Ok(())
    } else {
        Err(ImageError::Mismatch { what: what.to_owned(), expected: blob.digest, found })
    }
}

/// Reads to the end, and one byte more than the limit where there is more.
fn read_within(stream: impl Read, limit: u64, what: &str) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    let read = stream.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|source| ImageError::Compression { what: what.to_owned(), format: "bytes", source })?;
    Ok(bytes)
}

#[cfg(any(test, fuzzing))]
pub(super) fn fuzz_archive(manifest: &[u8]) -> Result<(), ImageError> {
    docker::choose(manifest, Path::new("archive"), None).map(drop)
}

#[cfg(any(test, fuzzing))]
pub(super) fn fuzz_challenge(header: &str) {
    registry::fuzz_challenge(header);
}

/// Opens a file of a layout on the disk.
fn open_in(directory: &Path, name: &Path) -> std::io::Result<(std::fs::File, u64)> {
    let file = open_file(&directory.join(name))?;
    let length = file.metadata()?.len();
    Ok((file, length))
}
