//! A directory of images, on the disk or inside of an archive.

use super::InspectError;
use super::unpacked::{self, unpacked};
use crate::image::app::store::{Content, Store, open_file};
use isodyne_core::checkpoint::Compressed;
use isodyne_criu::Images;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

/// The most files of a directory.
const FILES_LIMIT: usize = 500_000;

/// A directory of images.
#[derive(Default)]
pub(super) struct Folder {
    /// The files by the names that they have when they are not packed.
    pub files: BTreeMap<String, Item>,
    /// The round before.
    pub parent: Option<Box<Folder>>,
}

/// A file.
pub(super) struct Item {
    place: Place,
    /// Its length as it is stored.
    pub bytes: u64,
    /// What it takes on the disk; `None` inside of an archive.
    pub allocated_bytes: Option<u64>,
    /// Its length, if it is known without unpacking it.
    length: Option<u64>,
    opened: OnceLock<Result<Content, String>>,
}

enum Place {
    File(PathBuf),
    Packed(PathBuf, Compressed),
    Archive,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("files", &self.files.len()).field("parent", &self.parent).finish()
    }
}

impl Folder {
    /// The files of a directory; directories in it are left out. `unpacked` says how long a packed file is.
    pub(super) fn read(directory: &Path, lengths: &dyn Fn(&str) -> Option<u64>) -> Result<Self, InspectError> {
        let host = |source| InspectError::Host { path: directory.to_owned(), source };
        let mut folder = Self::default();
        for entry in std::fs::read_dir(directory).map_err(host)? {
            let entry = entry.map_err(host)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !entry.file_type().map_err(host)?.is_file() {
                continue;
            }
            if folder.files.len() == FILES_LIMIT {
                let reason = format!("it has more than {FILES_LIMIT} files");
                return Err(InspectError::Damaged { path: directory.to_owned(), reason });
            }
            let metadata = entry.metadata().map_err(host)?;
            let packing = [Compressed::Zstd, Compressed::Lz4].into_iter().find(|it| name.ends_with(it.suffix()));
            let path = entry.path();
            let (shown, place, length) = match packing {
                Some(packing) => {
                    let shown = name.strip_suffix(packing.suffix()).unwrap_or(&name).to_owned();
                    (shown, Place::Packed(path, packing), lengths(&name))
                }
                None => (name, Place::File(path), Some(metadata.len())),
            };
            let allocated = std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
            let item = Item {
                place,
                bytes: metadata.len(),
                allocated_bytes: Some(allocated),
                length,
                opened: OnceLock::new(),
            };
            folder.files.insert(shown, item);
        }
        Ok(folder)
    }

    /// Adds a file of an archive.
    pub(super) fn add(&mut self, name: String, content: Content) {
        let (length, opened) = (content.size, OnceLock::new());
        // Just made, so that it is empty.
        let _ = opened.set(Ok(content));
        let item = Item { place: Place::Archive, bytes: length, allocated_bytes: None, length: Some(length), opened };
        self.files.insert(name, item);
    }

    /// A whole small file.
    pub(super) fn small(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
        let Some(length) = self.length(name)? else { return Ok(None) };
        if length > limit {
            return Err(format!("it has {length} bytes, and at most {limit} are read"));
        }
        let mut bytes = vec![0; length as usize];
        self.read_at(name, 0, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// All files, with those of the rounds before.
    pub(super) fn all(&self) -> impl Iterator<Item = (&String, &Item)> {
        std::iter::successors(Some(self), |folder| folder.parent.as_deref()).flat_map(|folder| &folder.files)
    }
}

impl Item {
    fn content(&self) -> Result<&Content, String> {
        let open = || -> io::Result<Content> {
            let store = match &self.place {
                // Opened anew for each read: there may be more files than may be open.
                Place::File(path) => Store::Path(path.as_path().into(), self.bytes),
                Place::Packed(path, packing) => {
                    unpacked(open_file(path)?, *packing, self.length.unwrap_or(unpacked::LIMIT))?
                }
                Place::Archive => return Err(io::Error::other("it is not there")),
            };
            Ok(Content::whole(store))
        };
        self.opened.get_or_init(|| open().map_err(|error| error.to_string())).as_ref().map_err(Clone::clone)
    }

    /// Its length; where nothing says it, it is unpacked.
    pub(super) fn length(&self) -> Result<u64, String> {
        match self.length {
            Some(length) => Ok(length),
            None => Ok(self.content()?.size),
        }
    }
}

impl Images for Folder {
    fn names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    fn length(&self, name: &str) -> Result<Option<u64>, String> {
        self.files.get(name).map(Item::length).transpose()
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<(), String> {
        let content = self.files.get(name).ok_or("it is not there")?.content()?;
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= content.size);
        end.ok_or("it ends before")?;
        content.read_at(buffer, offset).map_err(|error| error.to_string())
    }

    fn parent(&self) -> Option<&dyn Images> {
        self.parent.as_deref().map(|parent| parent as &dyn Images)
    }
}

/// Where CRIU's link to the round before leads: into a directory beside this one or below it, and nowhere else.
pub(super) fn parent_link(directory: &Path) -> Result<Option<PathBuf>, String> {
    let link = directory.join("parent");
    let Ok(target) = std::fs::read_link(&link) else { return Ok(None) };
    let mut parts = target.components();
    let mut rest = parts.clone();
    if parts.next() == Some(Component::ParentDir) {
        rest = parts;
    }
    let inside = rest.clone().count() > 0 && rest.all(|part| matches!(part, Component::Normal(_)));
    let found = directory.join(&target);
    let real = std::fs::symlink_metadata(&found).is_ok_and(|metadata| metadata.is_dir());
    match inside && real {
        true => Ok(Some(found)),
        false => Err("the link to the round before does not lead to a directory beside it".to_owned()),
    }
}
