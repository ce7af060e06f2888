//! A tar that images are wrapped in, or that is an image itself.

use super::{flatten_one, missing};
use crate::image::app::error::{ImageError, host};
use crate::image::app::limits::Limits;
use crate::image::app::path::{clean, join, split};
use crate::image::app::spool::{Packing, spool};
use crate::image::app::store::{Content, Store, open_file};
use crate::image::app::tar::shown;
use crate::image::app::tree::{Kind, Tree};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Links from one file of an archive to another; Docker wrote one for a layer that it had already written.
const LINKS: usize = 8;

/// An archive whose files can be read in any order.
pub(in crate::image::app) struct Archive {
    path: PathBuf,
    tree: Tree,
}

impl Archive {
    /// Opens a tar; one that is packed by gzip or zstd is unpacked into `work` first.
    pub(super) fn open(path: &Path, work: &Path, limits: &Limits) -> Result<Self, ImageError> {
        // The user named it, so a link is followed here, and here only.
        let target = path.canonicalize().map_err(host("read", path))?;
        let mut file = open_file(&target).map_err(host("read", path))?;
        let mut first = [0; 512];
        let mut have = 0;
        while have < first.len() {
            match file.read_at(&mut first[have..], have as u64).map_err(host("read", path))? {
                0 => break,
                count => have += count,
            }
        }
        let packing = Packing::of(&first[..have]);
        let store = if packing == Packing::None {
            if have < 512 {
                let problem = "it is too short for a tar".to_owned();
                return Err(ImageError::NoImage { path: path.to_owned(), problem });
            }
            Store::file(file).map_err(host("read", path))?
        } else {
            let mut left = limits.unpacked_bytes;
            let what = format!("file `{}`", path.display());
            spool(&mut file, packing, &what, work, &mut left, limits.unpacked_bytes)?.store
        };
        Ok(Self { tree: flatten_one(&store, limits, path)?, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn has(&self, name: &str) -> bool {
        matches!(self.tree.get(name.as_bytes()).map(|inode| &inode.kind), Some(Kind::File(_)))
    }

    pub(super) fn into_tree(self) -> Tree {
        self.tree
    }

    /// A file of the archive; links inside of it are followed, and none leads out.
    pub(super) fn content(&self, path: &[u8], what: &str) -> Result<&Content, ImageError> {
        let gone = || missing(what, shown(path), format!("`{}`", self.path.display()));
        let mut at = clean(path).map_err(|_| gone())?;
        for _ in 0..LINKS {
            match self.tree.get(&at).map(|inode| &inode.kind) {
                Some(Kind::File(content)) => return Ok(content),
                Some(Kind::Symlink(target)) => at = follow(split(&at).0, target).ok_or_else(gone)?,
                _ => return Err(gone()),
            }
        }
        Err(gone())
    }

    /// The same as a stream.
    pub(super) fn open_content(&self, path: &[u8], what: &str) -> Result<Box<dyn Read>, ImageError> {
        let content = self.content(path, what)?.clone();
        match content.pieces.as_slice() {
            [] if content.size == 0 => Ok(Box::new(io::empty())),
            [piece] if piece.length == content.size => Ok(Box::new(content.store.part(piece.at, piece.length))),
            _ => Ok(Box::new(Whole { content, at: 0 })),
        }
    }
}

/// Where a relative link in a directory leads; `None` if that is outside.
fn follow(directory: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let mut at = directory.to_vec();
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" if target.starts_with(b"/") => return None,
            b"" | b"." => {}
            b".." if at.is_empty() => return None,
            b".." => at = split(&at).0.to_vec(),
            name => at = join(&at, name),
        }
    }
    Some(at)
}

/// A file with holes as a stream.
struct Whole {
    content: Content,
    at: u64,
}

impl Read for Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.content.size - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        // Up to the next piece everything is zero; inside of one its bytes.
        let next = self.content.pieces.partition_point(|piece| piece.offset + piece.length <= self.at);
        let count = match self.content.pieces.get(next) {
            Some(piece) if piece.offset <= self.at => {
                let inside = self.at - piece.offset;
                let count = wanted.min(usize::try_from(piece.length - inside).unwrap_or(usize::MAX));
                self.content.store.read_at(&mut buffer[..count], piece.at + inside)?;
                count
            }
            piece => {
                let hole = piece.map_or(u64::MAX, |piece| piece.offset - self.at);
                let count = wanted.min(usize::try_from(hole).unwrap_or(usize::MAX));
                buffer[..count].fill(0);
                count
            }
        };
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::app::store::Piece;

    #[test]
    fn links_lead_nowhere_but_inside() {
        assert_eq!(follow(b"a", b"../b/layer.tar"), Some(b"b/layer.tar".to_vec()));
        assert_eq!(follow(b"a", b"../../b"), None);
        assert_eq!(follow(b"", b"/etc/passwd"), None);
    }

    #[test]
    fn holes_are_read_as_zeros() {
        let pieces = vec![Piece { offset: 2, length: 2, at: 0 }, Piece { offset: 6, length: 1, at: 2 }];
        let content = Content { store: Store::memory(b"abc"), size: 9, pieces };
        let mut bytes = Vec::new();
        Whole { content, at: 0 }.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"\0\0ab\0\0c\0\0");
    }
}
