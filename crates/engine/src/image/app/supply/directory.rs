//! A directory of the host as an image.
//!
//! What belongs to whoever runs this becomes root's in the image: an ordinary user can own nothing else, and the same
//! directory made by root and by a user gives the same image. Other owners stay. Owner, mode and time of the directory
//! itself say where it lies on the host and nothing of the image: the image's root is root's and open to everyone.

use crate::image::app::error::{ImageError, host};
use crate::image::app::layer::{Flattening, is_kept};
use crate::image::app::limits::Limits;
use crate::image::app::path::join;
use crate::image::app::store::{Content, Piece, Store};
use crate::image::app::tar::{RawEntry, RawKind, TarError, shown};
use crate::image::app::tree::Tree;
use rustix::fs::SeekFrom;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

/// Reads the tree of a directory. Links are not followed, sockets are left out.
pub(super) fn walk(root: &Path, limits: &Limits) -> Result<Tree, ImageError> {
    let refused = |source| ImageError::Layer { place: format!("`{}` is refused", root.display()), source };
    let mut flattening = Flattening::new(limits);
    let mut linked: HashMap<(u64, u64), Vec<u8>> = HashMap::new();
    let mut waiting = vec![Vec::new()];
    while let Some(directory) = waiting.pop() {
        let place = root.join(std::ffi::OsStr::from_bytes(&directory));
        let mut names = Vec::new();
        for name in std::fs::read_dir(&place).map_err(host("read", &place))? {
            names.push(name.map_err(host("read", &place))?.file_name().into_vec());
            if names.len() > limits.entries {
                return Err(refused(TarError::Limit { what: "entries", limit: limits.entries as u64 }));
            }
        }
        // Which of several hard links is the first must not depend on the file system.
        names.sort();
        for path in names.iter().map(|name| join(&directory, name)) {
            let Some(entry) = entry(root, &path, limits, &mut linked)? else { continue };
            flattening.count(&entry).map_err(refused)?;
            if matches!(entry.kind, RawKind::Directory) {
                waiting.push(path.clone());
            }
            let clean = crate::image::app::path::clean(&path);
            let added = clean.and_then(|path| flattening.add(&path, entry));
            added.map_err(|problem| refused(TarError::Entry { path: shown(&path), problem }))?;
        }
    }
    Ok(flattening.tree)
}

fn entry(
    root: &Path,
    path: &[u8],
    limits: &Limits,
    linked: &mut HashMap<(u64, u64), Vec<u8>>,
) -> Result<Option<RawEntry>, ImageError> {
    let place = root.join(std::ffi::OsStr::from_bytes(path));
    let status = place.symlink_metadata().map_err(host("read", &place))?;
    let kind = status.file_type();
    let kind = if kind.is_dir() {
        RawKind::Directory
    } else if kind.is_symlink() {
        let target = std::fs::read_link(&place).map_err(host("read", &place))?;
        RawKind::Symlink(target.into_os_string().into_vec())
    } else if kind.is_fifo() {
        RawKind::Fifo
    } else if kind.is_socket() {
        return Ok(None);
    } else if kind.is_file() {
        let first = linked.get(&(status.dev(), status.ino())).filter(|_| status.nlink() > 1);
        match first {
            Some(first) => RawKind::HardLink(first.clone()),
            None => {
                linked.insert((status.dev(), status.ino()), path.to_vec());
                RawKind::File(content(&place, status.len(), limits)?)
            }
        }
    } else {
        let (device, character) = (status.rdev(), kind.is_char_device());
        let (major, minor) = (rustix::fs::major(device).into(), rustix::fs::minor(device).into());
        RawKind::Device { character, major, minor }
    };
    let own = |owner: u32, ours: u32| u64::from(if owner == ours { 0 } else { owner });
    Ok(Some(RawEntry {
        path: path.to_vec(),
        mode: status.mode() & 0o7777,
        uid: own(status.uid(), rustix::process::geteuid().as_raw()),
        gid: own(status.gid(), rustix::process::getegid().as_raw()),
        mtime: u64::try_from(status.mtime()).unwrap_or(0),
        xattrs: if matches!(kind, RawKind::Symlink(_)) { BTreeMap::new() } else { xattrs(&place) },
        kind,
    }))
}

/// The pieces of a file as the file system has them: holes are not read.
fn content(place: &Path, size: u64, limits: &Limits) -> Result<Content, ImageError> {
    let store = Store::Path(Arc::from(place), size);
    let whole = |store| Content { store, size, pieces: vec![Piece { offset: 0, length: size, at: 0 }] };
    if size == 0 {
        return Ok(Content { store, size, pieces: Vec::new() });
    }
    if size < 1 << 20 {
        return Ok(whole(store));
    }
    let file = crate::image::app::store::open_file(place).map_err(host("read", place))?;
    let (mut pieces, mut at) = (Vec::new(), 0);
    while at < size {
        let Ok(begin) = rustix::fs::seek(&file, SeekFrom::Data(at)) else { break };
        let end = rustix::fs::seek(&file, SeekFrom::Hole(begin)).unwrap_or(size).min(size);
        if begin >= end || pieces.len() >= limits.pieces {
            // A file system that says nothing sensible, or too much: the file is read as a whole.
            return Ok(whole(store));
        }
        pieces.push(Piece { offset: begin, length: end - begin, at: begin });
        at = end;
    }
    Ok(Content { store, size, pieces })
}

/// The attributes that belong to an image. A file system without attributes has none.
fn xattrs(place: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let read = || -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let mut names = vec![0_u8; 64 << 10];
        let length = rustix::fs::llistxattr(place, &mut names)?;
        let mut found = BTreeMap::new();
        for name in names[..length].split(|byte| *byte == 0).filter(|name| is_kept(name)) {
            let mut value = vec![0_u8; 64 << 10];
            let length = rustix::fs::lgetxattr(place, name, &mut value)?;
            value.truncate(length);
            found.insert(name.to_vec(), value);
        }
        Ok(found)
    };
    read().unwrap_or_default()
}
