//! Application images: layers, documents, references.

use super::image::checksummed;
use crate::image::app::fuzzing as app;

/// Layers one after another. The input is cut at a line that no tar has, and checksums are made right first.
pub fn image_layers(bytes: &[u8]) {
    let mut layers: Vec<Vec<u8>> = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(app::CUT.len()).position(|window| window == app::CUT).filter(|_| layers.len() < 7)
    {
        layers.push(rest[..at].to_vec());
        rest = &rest[at + app::CUT.len()..];
    }
    layers.push(rest.to_vec());
    layers.iter_mut().for_each(|layer| checksummed(layer));
    app::layers(&layers);
}

/// Indexes, manifests and configurations of OCI.
pub fn image_documents(bytes: &[u8]) {
    app::documents(bytes);
}

/// `manifest.json` of a `docker save` archive.
pub fn image_archive(bytes: &[u8]) {
    app::archive(bytes);
}

/// References to registries, and what a registry asks for a token with.
pub fn image_references(bytes: &[u8]) {
    app::references(&String::from_utf8_lossy(bytes));
}
