//! How long the files of a container's root were when it stood still, from the images.
//!
//! CRIU opens them again only if they have the same length.

use super::verify::Directory;
use isodyne_criu::{Checkpoint, FileKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The kind of a file, in its mode.
const KIND: u32 = libc::S_IFMT;

/// The lengths of the files that were open, by their paths below the root. Nothing if the images cannot be read: then a
/// restore says what does not fit.
pub(super) fn at_freeze(images: &Path) -> BTreeMap<PathBuf, u64> {
    let Ok(checkpoint) = Checkpoint::read(&Directory(images.to_owned())) else { return BTreeMap::new() };
    let mut lengths = BTreeMap::new();
    for file in checkpoint.files {
        let FileKind::Regular { path, size_bytes: Some(length), mode: Some(mode), external: false, .. } = file.kind
        else {
            continue;
        };
        if mode & KIND == libc::S_IFREG {
            lengths.insert(PathBuf::from(path.trim_start_matches('/')), length);
        }
    }
    lengths
}
