//! From an index to the one image in it that this host can run.

use super::{Blobs, LayerSource, Layers, Place, read_blob};
use crate::image::app::config::ConfigDocument;
use crate::image::app::digest::Digest;
use crate::image::app::error::ImageError;
use crate::image::app::oci::{Descriptor, Document, host_architecture};

/// An index may hold indexes; nobody nests them deeper.
const DEPTH: usize = 4;

/// Follows a document to its image.
pub(in crate::image::app) fn resolve(
    blobs: Box<dyn Blobs>,
    mut document: Document,
    mut digest: Digest,
) -> Result<Layers, ImageError> {
    for _ in 0..DEPTH {
        match document {
            Document::Index(entries) => {
                let entry = choose(&entries)?;
                document = Document::parse(&read_blob(&*blobs, entry, "manifest")?, "manifest")?;
                digest = entry.digest;
            }
            Document::Manifest { config, layers } => return image(blobs, digest, &config, layers),
        }
    }
    Err(ImageError::Document { what: "index".to_owned(), problem: format!("it is nested deeper than {DEPTH}") })
}

/// The entry for this host: by its platform, or the only one if it says none.
fn choose(entries: &[Descriptor]) -> Result<&Descriptor, ImageError> {
    let documents: Vec<&Descriptor> = entries.iter().filter(|entry| entry.is_document()).collect();
    let wanted = host_architecture();
    let fits = |entry: &&&Descriptor| {
        entry.platform.as_ref().is_some_and(|platform| platform.os == "linux" && platform.architecture == wanted)
    };
    if let Some(entry) = documents.iter().find(fits) {
        return Ok(entry);
    }
    match documents.as_slice() {
        [only] if only.platform.is_none() => Ok(only),
        [] => {
            let problem = "there is no manifest of an image in it".to_owned();
            Err(ImageError::Document { what: "index".to_owned(), problem })
        }
        _ => {
            let found = documents.iter().map(|entry| match &entry.platform {
                Some(platform) => format!("{:.30}/{:.30}", platform.os, platform.architecture),
                None => "a platform that it does not name".to_owned(),
            });
            Err(platform(found.take(8).collect::<Vec<_>>().join(", ")))
        }
    }
}

fn platform(found: String) -> ImageError {
    ImageError::Platform { found, wanted: format!("linux/{}", host_architecture()) }
}

/// Reads the configuration and lines its digests up with the layers.
fn image(
    blobs: Box<dyn Blobs>,
    manifest: Digest,
    config: &Descriptor,
    layers: Vec<Descriptor>,
) -> Result<Layers, ImageError> {
    config.check_config()?;
    let bytes = read_blob(&*blobs, config, "configuration")?;
    let count = layers.len();
    let layers = layers.into_iter().enumerate().map(|(number, descriptor)| {
        let what = format!("layer {} of {count}", number + 1);
        Ok(LayerSource { packing: descriptor.packing(&what)?, place: Place::Blob(descriptor), what })
    });
    assemble(blobs, manifest, Some(manifest), &bytes, layers.collect::<Result<_, ImageError>>()?)
}

pub(super) fn assemble(
    blobs: Box<dyn Blobs>,
    key: Digest,
    manifest: Option<Digest>,
    config: &[u8],
    layers: Vec<LayerSource>,
) -> Result<Layers, ImageError> {
    let invalid = |problem: String| ImageError::Document { what: "configuration".to_owned(), problem };
    let (document, config) = ConfigDocument::parse(config).map_err(invalid)?;
    let (os, architecture) = (document.os.as_deref(), document.architecture.as_deref());
    if os.is_some_and(|os| os != "linux") || architecture.is_some_and(|found| found != host_architecture()) {
        return Err(platform(format!("{:.30}/{:.30}", os.unwrap_or("linux"), architecture.unwrap_or("any"))));
    }
    let ids = document.rootfs.and_then(|rootfs| rootfs.diff_ids).unwrap_or_default();
    if ids.len() != layers.len() {
        return Err(invalid(format!("it names {} layers, and there are {}", ids.len(), layers.len())));
    }
    let digest = |text: &String| {
        Digest::parse(text).map_err(|source| ImageError::NoDigest { what: "configuration".to_owned(), source })
    };
    let diff_ids = ids.iter().map(digest).collect::<Result<_, _>>()?;
    Ok(Layers { key, manifest, config, diff_ids, layers, blobs })
}
