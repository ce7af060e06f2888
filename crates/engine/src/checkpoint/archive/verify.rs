//! Reading a kept checkpoint, and holding its files to its manifest.

use super::MANIFEST;
use super::digest::{digest_of, on_all};
use crate::checkpoint::CheckpointError;
use isodyne_core::checkpoint::{CheckpointClass, KeptFile, LIMIT, Manifest};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A kept checkpoint whose manifest was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive {
    /// Where it is.
    pub directory: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// Opens a checkpoint: its manifest is read and checked, its files are not looked at.
///
/// # Errors
/// Classes `wrong_path`, `missing_file` (it was never finished), `altered`, and the host's.
pub fn open(path: &Path) -> Result<Archive, CheckpointError> {
    let directory = path.canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            CheckpointError::new(CheckpointClass::WrongPath, format!("there is no checkpoint {}", path.display()))
                .hint("it is DIR/NAME, as `isodyne checkpoint -o DIR --name NAME` has made it")
        }
        _ => CheckpointError::host("open", path, &error),
    })?;
    let file = directory.join(MANIFEST);
    let mut bytes = Vec::new();
    let read = File::open(&file).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        if error.kind() != std::io::ErrorKind::NotFound && error.kind() != std::io::ErrorKind::NotADirectory {
            return Err(CheckpointError::host("read", &file, &error));
        }
        let incomplete = directory.join(super::IMAGES).is_dir();
        let (class, why) = if incomplete {
            (CheckpointClass::MissingFile, "it was never finished, or its manifest was removed")
        } else {
            (CheckpointClass::WrongPath, "there is no manifest")
        };
        let message = format!("{} is no checkpoint: {why}", directory.display());
        return Err(CheckpointError::new(class, message)
            .hint("it is DIR/NAME, as `isodyne checkpoint -o DIR --name NAME` has made it"));
    }
    let altered = |why: String| CheckpointError::new(CheckpointClass::Altered, format!("{} {why}", file.display()));
    if bytes.len() as u64 > LIMIT {
        return Err(altered("is larger than any manifest".to_owned()));
    }
    let manifest = Manifest::read(&bytes).map_err(|error| altered(error.to_string()))?;
    Ok(Archive { directory, manifest })
}

impl Archive {
    /// Whether the checkpoint has a file.
    pub fn has(&self, path: &str) -> bool {
        self.manifest.files.iter().any(|file| file.path == path)
    }

    /// Holds every file to the manifest: that it is there, that it is as long, that it has the same digest.
    ///
    /// # Errors
    /// Classes `missing_file` and `altered`, for the first file by name; the host's.
    pub fn verify(&self) -> Result<(), CheckpointError> {
        let named: BTreeMap<PathBuf, &KeptFile> =
            self.manifest.files.iter().map(|file| (self.directory.join(&file.path), file)).collect();
        for (path, file) in &named {
            match path.symlink_metadata() {
                Ok(status) if !status.is_file() => return Err(altered(file, "is no file any more")),
                Ok(status) if status.len() != file.bytes => {
                    let why = format!("has {} bytes, and had {} when it was written", status.len(), file.bytes);
                    return Err(altered(file, &why));
                }
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    let message = format!("the checkpoint is not complete: `{}` is missing", file.path);
                    return Err(CheckpointError::new(CheckpointClass::MissingFile, message));
                }
                Err(error) => return Err(CheckpointError::host("look at", path, &error)),
            }
        }
        let files = named.iter().map(|(path, file)| (path.clone(), file.bytes)).collect();
        for (path, digest) in on_all(files, digest_of) {
            let (_, digest) = digest.map_err(|error| CheckpointError::host("read", &path, &error))?;
            if let Some(file) = named.get(&path).filter(|file| file.xxh3_128 != digest) {
                return Err(altered(file, "is not as it was written: its digest differs"));
            }
        }
        Ok(())
    }
}

fn altered(file: &KeptFile, why: &str) -> CheckpointError {
    CheckpointError::new(CheckpointClass::Altered, format!("the checkpoint was altered: `{}` {why}", file.path))
        .hint("nothing of it was brought back; take another copy of it")
}
