//! The images of a run: each got once, and their bases held to what they were when the run ends.

use super::{invalid, refused};
use crate::backend::PrepareError;
use crate::image::app::{self, AppImage, ImageEvent, ImageSource, ObtainOptions};
use crate::lab::Lab;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, FileType};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a run has got, by how its plan names it.
#[derive(Debug, Default)]
pub(crate) struct Images {
    found: Mutex<BTreeMap<String, Result<AppImage, PrepareError>>>,
    /// Digests of directories and files that must not change.
    bases: Mutex<BTreeMap<PathBuf, String>>,
}

impl Images {
    /// The image of this name, got now if it is the first to ask.
    pub(super) fn get(
        &self,
        name: &str,
        lab: &Lab,
        progress: &mut dyn FnMut(ImageEvent),
    ) -> Result<AppImage, PrepareError> {
        let mut found = lock(&self.found);
        if let Some(known) = found.get(name) {
            return known.clone();
        }
        let source = ImageSource::parse(name);
        let image = source.and_then(|source| app::obtain(&lab.cache, &source, &ObtainOptions::default(), progress));
        let image = image.map_err(refused);
        found.insert(name.to_owned(), image.clone());
        image
    }

    /// The unpacked root of an image.
    pub(super) fn directory(&self, image: &AppImage) -> Result<PathBuf, PrepareError> {
        let directory = image.root_directory().map_err(refused)?;
        let mut bases = lock(&self.bases);
        if !bases.contains_key(&directory) {
            let digest = digest_of_tree(&directory).map_err(|error| {
                invalid("image", format!("{}: {error}", directory.display()), "look at the rights of the cache")
            })?;
            bases.insert(directory.clone(), digest);
        }
        Ok(directory)
    }

    /// Holds a disk, whose digest is known, to what it is.
    pub(super) fn keep_disk(&self, path: PathBuf, sha256: String) {
        lock(&self.bases).insert(path, sha256);
    }

    /// The bases that are not what they were, one line each.
    pub(crate) fn changed(&self) -> Vec<String> {
        let changed = |(path, before): (&PathBuf, &String)| {
            let now = if path.is_dir() { digest_of_tree(path) } else { digest_of_file(path) };
            match now {
                Ok(now) if now == *before => None,
                Ok(_) => Some(format!("a change of {}, the base of an application's image", path.display())),
                Err(error) => Some(format!("the base of an application's image cannot be read: {error}")),
            }
        };
        lock(&self.bases).iter().filter_map(changed).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest_of_file(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    feed(&mut hash, path)?;
    Ok(hex(hash))
}

fn feed(hash: &mut Sha256, path: &Path) -> io::Result<()> {
    let (mut file, mut buffer) = (File::open(path)?, vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// Over names, types, modes, owners, times of change and contents of everything in a directory, in the order of names.
fn digest_of_tree(directory: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        let entries = std::fs::read_dir(&directory)?;
        let mut names: Vec<OsString> = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
        names.sort();
        for name in names {
            let path = directory.join(name);
            let meta = path.symlink_metadata()?;
            let kind = meta.file_type();
            let path_bytes = path.as_os_str().as_bytes();
            hash.update((path_bytes.len() as u64).to_le_bytes());
            hash.update(path_bytes);
            for number in [letter(kind), meta.mode().into(), meta.uid().into(), meta.gid().into(), meta.size()] {
                hash.update(number.to_le_bytes());
            }
            hash.update(meta.mtime().to_le_bytes());
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_symlink() {
                hash.update(std::fs::read_link(&path)?.as_os_str().as_bytes());
            } else if kind.is_file() {
                feed(&mut hash, &path)?;
            }
        }
    }
    Ok(hex(hash))
}

fn letter(kind: FileType) -> u64 {
    [kind.is_dir(), kind.is_file(), kind.is_symlink(), kind.is_fifo()]
        .iter()
        .position(|is| *is)
        .map_or(9, |at| at as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_of_a_base_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let (base, disk) = (directory.path().join("base"), directory.path().join("disk"));
        std::fs::create_dir_all(base.join("etc")).unwrap();
        std::fs::write(base.join("etc/a"), "1").unwrap();
        std::fs::write(&disk, "disk").unwrap();
        let images = Images::default();
        images.keep_disk(disk.clone(), digest_of_file(&disk).unwrap());
        lock(&images.bases).insert(base.clone(), digest_of_tree(&base).unwrap());
        assert_eq!(images.changed(), Vec::<String>::new());
        std::fs::write(base.join("etc/b"), "").unwrap();
        assert_eq!(images.changed().len(), 1);
        std::fs::remove_file(base.join("etc/b")).unwrap();
        std::fs::write(&disk, "disc").unwrap();
        assert!(images.changed().iter().any(|line| line.contains("disk")), "{:?}", images.changed());
    }
}
