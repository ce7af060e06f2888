//! Opening and replacing the files of a run. A run directory may come from anybody: links, pipes and devices in the place
//! of its files are refused, not followed and not waited for.

use crate::error::StoreError;
use rustix::fs::{Mode, OFlags, open};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Opens one of a run's own files, which must be a regular one.
pub(crate) fn open_regular(path: &Path, flags: OFlags) -> Result<File, StoreError> {
    // NONBLOCK: a pipe in its place would let the opening wait for ever.
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::LOOP) => return Err(not_regular(path)),
        Err(errno) => return Err(StoreError::io("open", path, errno)),
    };
    let status = file.metadata().map_err(|error| StoreError::io("inspect", path, error))?;
    if status.is_file() { Ok(file) } else { Err(not_regular(path)) }
}

fn not_regular(path: &Path) -> StoreError {
    StoreError::io("open", path, io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file"))
}

/// Replaces a file whole: whatever happens, its readers find either the old or the new contents.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    replace_by(path, &path.with_extension("json.new"), contents)
}

/// As [`replace`], with a name for the new file that no other process uses at the same time.
pub(crate) fn replace_by(path: &Path, new: &Path, contents: &[u8]) -> Result<(), StoreError> {
    // What an earlier, killed attempt left is worthless.
    let _ = std::fs::remove_file(new);
    let written = (|| {
        let mut file = open_regular(new, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
        file.write_all(contents).map_err(|error| StoreError::io("write", new, error))?;
        file.sync_all().map_err(|error| StoreError::io("write", new, error))?;
        std::fs::rename(new, path).map_err(|error| StoreError::io("replace", path, error))
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(new);
    }
    written?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes sure that names in a directory are on the disk.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory = File::open(path).map_err(|error| StoreError::io("open", path, error))?;
    match directory.sync_all() {
        // Some file systems cannot do this for directories; they are no less safe than without it.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        outcome => outcome.map_err(|error| StoreError::io("synchronise", path, error)),
    }
}
