//! Whether a whole root is within its limits: asked before a container is ended for it.

use super::LayerLimits;
use crate::checkpoint::CheckpointError;
use isodyne_core::checkpoint::CheckpointClass;
use std::collections::HashSet;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Looks at every entry of a root, and reads none.
///
/// # Errors
/// Class `refused` if it is beyond a limit; the host's.
pub fn fits(root: &Path, limits: &LayerLimits) -> Result<(), CheckpointError> {
    let refused = |why: String| {
        let message = format!("the container's root cannot be kept whole: it has more than {why}");
        Err(CheckpointError::new(CheckpointClass::Refused, message)
            .hint("allow more with `--largest-root`, or leave the root out with `--no-layer`"))
    };
    let device = root.symlink_metadata().map_err(|error| CheckpointError::host("read", root, &error))?.dev();
    let (mut entries, mut bytes, mut linked) = (0_u64, 0_u64, HashSet::new());
    let mut directories: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let host = |error: io::Error| CheckpointError::host("read", &directory, &error);
        for entry in std::fs::read_dir(&directory).map_err(host)? {
            // A running container removes files.
            let Ok(status) = entry.as_ref().map_err(|_| ()).and_then(|entry| entry.metadata().map_err(|_| ())) else {
                continue;
            };
            let kind = status.file_type();
            if kind.is_socket() {
                continue;
            }
            entries += 1;
            if kind.is_file() && (status.nlink() == 1 || linked.insert(status.ino())) {
                bytes = bytes.saturating_add(status.len());
            }
            if entries > limits.entries {
                return refused(format!("{} entries", limits.entries));
            }
            if bytes > limits.bytes {
                return refused(format!("{} bytes", limits.bytes));
            }
            if let (true, Ok(entry)) = (kind.is_dir() && status.dev() == device, entry) {
                directories.push(entry.path());
            }
        }
    }
    Ok(())
}
