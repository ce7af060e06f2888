//! Applying a layer: entries, hard links and the whiteouts of OCI.
//!
//! A whiteout hides what lower layers have and nothing of its own layer, wherever in the layer it stands. So a layer is
//! gone through twice: whiteouts first, then entries.

use super::limits::{Limits, PATH_LIMIT, XATTR_LIMIT};
use super::path::{clean, join, split};
use super::store::Store;
use super::tar::{EntryProblem, RawEntry, RawKind, Reader, TarError, shown};
use super::tree::{Inode, Kind, Meta, Tree};
use std::collections::BTreeMap;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other names with this beginning are the book-keeping of aufs.
const BOOK_KEEPING: &[u8] = b".wh..wh.";

/// A tree that layers are put on, with what they have taken of the limits.
#[derive(Debug)]
pub(crate) struct Flattening<'a> {
    pub(crate) tree: Tree,
    limits: &'a Limits,
    entries: usize,
    names_bytes: usize,
    content_bytes: u64,
}

impl<'a> Flattening<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self { tree: Tree::default(), limits, entries: 0, names_bytes: 0, content_bytes: 0 }
    }

    /// Puts a layer, an uncompressed tar, on what is there.
    pub(crate) fn apply(&mut self, layer: &Store) -> Result<(), TarError> {
        let mut entries = Vec::new();
        let mut reader = Reader::new(layer, self.limits);
        while let Some(entry) = reader.next()? {
            self.count(&entry)?;
            let refused = |problem| TarError::Entry { path: shown(&entry.path), problem };
            let path = clean(&entry.path).map_err(refused)?;
            let (directory, name) = split(&path);
            if name == OPAQUE {
                self.tree.clear(directory);
            } else if path.split(|byte| *byte == b'/').any(|name| name.starts_with(BOOK_KEEPING)) {
                // Of no meaning to anybody but aufs.
            } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
                match hidden {
                    b"" | b"." => return Err(refused(EntryProblem::Empty)),
                    b".." => return Err(refused(EntryProblem::Escape)),
                    _ => self.tree.remove(&join(directory, hidden)),
                }
            } else {
                entries.push((path, entry));
            }
        }
        for (path, entry) in entries {
            let named = shown(&entry.path);
            self.add(&path, entry).map_err(|problem| TarError::Entry { path: named, problem })?;
        }
        Ok(())
    }

    /// Puts one entry on what is there.
    pub(crate) fn add(&mut self, path: &[u8], entry: RawEntry) -> Result<(), EntryProblem> {
        // In the canonical tar such a name would remove something, also as a directory on the way.
        if path.split(|byte| *byte == b'/').any(|name| name.starts_with(WHITEOUT)) {
            return Err(EntryProblem::Reserved);
        }
        let meta = Meta {
            mode: entry.mode,
            uid: owner(entry.uid)?,
            gid: owner(entry.gid)?,
            mtime: entry.mtime,
            xattrs: kept(entry.xattrs)?,
        };
        let kind = match entry.kind {
            RawKind::Directory => Kind::Directory,
            RawKind::File(content) => Kind::File(content),
            RawKind::Fifo => Kind::Fifo,
            RawKind::Symlink(target) => {
                let strange = target.is_empty() || target.len() > PATH_LIMIT;
                if strange || target.iter().any(u8::is_ascii_control) {
                    return Err(EntryProblem::Symlink);
                }
                Kind::Symlink(target)
            }
            RawKind::HardLink(target) => return self.tree.link(path, &clean(&target)?),
            RawKind::Device { character: true, major: 0, minor: 0 } => return Err(EntryProblem::OverlayWhiteout),
            RawKind::Device { character, major, minor } => {
                let kind = if character { "character" } else { "block" };
                return Err(EntryProblem::Device { kind, major, minor });
            }
        };
        self.tree.insert(path, Inode { meta, kind })
    }

    /// Counts an entry against the limits.
    pub(crate) fn count(&mut self, entry: &RawEntry) -> Result<(), TarError> {
        let xattrs: usize = entry.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        let (link, content) = match &entry.kind {
            RawKind::Symlink(target) | RawKind::HardLink(target) => (target.len(), 0),
            // A map of many pieces is memory too.
            RawKind::File(content) => (content.pieces.len() * 24, content.size),
            _ => (0, 0),
        };
        self.entries += 1;
        self.names_bytes += entry.path.len() + link + xattrs;
        self.content_bytes = self.content_bytes.saturating_add(content);
        let limits = self.limits;
        for (what, is, limit) in [
            ("entries", self.entries as u64, limits.entries as u64),
            ("bytes of names and attributes", self.names_bytes as u64, limits.names_bytes as u64),
            ("bytes in its files, holes included", self.content_bytes, limits.content_bytes),
        ] {
            if is > limit {
                return Err(TarError::Limit { what, limit });
            }
        }
        Ok(())
    }
}

fn owner(number: u64) -> Result<u32, EntryProblem> {
    // The last number is Linux's word for "no one".
    u32::try_from(number).ok().filter(|number| *number != u32::MAX).ok_or(EntryProblem::Owner(number))
}

/// Whether an attribute belongs to the image. Labels of security modules and the book-keeping of overlayfs belong to the
/// host that the image was made on.
pub(crate) fn is_kept(name: &[u8]) -> bool {
    name == b"security.capability" || name.starts_with(b"user.")
}

fn kept(mut xattrs: BTreeMap<Vec<u8>, Vec<u8>>) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, EntryProblem> {
    xattrs.retain(|name, _| is_kept(name));
    if xattrs.keys().any(|name| name.iter().any(u8::is_ascii_control)) {
        return Err(EntryProblem::Control);
    }
    let size: usize = xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > XATTR_LIMIT { Err(EntryProblem::Xattrs(size)) } else { Ok(xattrs) }
}

#[cfg(test)]
mod tests;
