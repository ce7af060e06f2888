//! Writing a tree into a directory.
//!
//! Nothing in an image can lead out of the directory: the parent of every entry is a directory of the tree itself, which
//! was made here, and files are only made, never opened.

use super::error::{ImageError, host};
use super::store::Content;
use super::tree::{Kind, Meta, Tree};
use rustix::fs::{AtFlags, CWD, Gid, Timespec, Timestamps, Uid};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What is set besides contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metadata {
    /// Nothing: everything can be read and written by whoever made it, and something else sets the rest.
    None,
    /// Modes and times, and owners and capabilities for root.
    AsFarAsPossible,
}

/// Writes a tree into a directory, which must not exist.
pub(super) fn unpack(tree: &Tree, directory: &Path, metadata: Metadata) -> Result<(), ImageError> {
    let mut first: HashMap<usize, &[u8]> = HashMap::new();
    let place = |path: &[u8]| directory.join(OsStr::from_bytes(path));
    for (path, number, inode) in tree.iter() {
        let target = place(path);
        if let Some(first) = first.get(&number) {
            std::fs::hard_link(place(first), &target).map_err(host("link", &target))?;
            continue;
        }
        match &inode.kind {
            // Open to its maker until everything is in it.
            Kind::Directory => DirBuilder::new().mode(0o700).create(&target).map_err(host("make", &target))?,
            Kind::File(content) => file(&target, content)?,
            Kind::Symlink(to) => {
                std::os::unix::fs::symlink(OsStr::from_bytes(to), &target).map_err(host("make", &target))?;
            }
            Kind::Fifo => {
                let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
                rustix::fs::mknodat(CWD, &target, rustix::fs::FileType::Fifo, mode, 0)
                    .map_err(|errno| host("make", &target)(errno.into()))?;
            }
        }
        if !matches!(inode.kind, Kind::Directory) {
            first.insert(number, path);
            if metadata == Metadata::AsFarAsPossible {
                set(&target, &inode.meta, &inode.kind)?;
            }
        }
    }
    if metadata == Metadata::AsFarAsPossible {
        // From the leaves to the root: a directory's time changes with what is put into it, and its mode may forbid it.
        for (path, _, inode) in tree.iter().rev().filter(|(_, _, inode)| matches!(inode.kind, Kind::Directory)) {
            set(&place(path), &inode.meta, &inode.kind)?;
        }
    }
    Ok(())
}

fn file(target: &Path, content: &Content) -> Result<(), ImageError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target);
    let file: File = file.map_err(host("make", target))?;
    let written = content.data(|offset, run| file.write_all_at(run, offset));
    written.and_then(|()| file.set_len(content.size)).map_err(host("write", target))
}

fn set(target: &Path, meta: &Meta, kind: &Kind) -> Result<(), ImageError> {
    let link = matches!(kind, Kind::Symlink(_));
    let failed = |errno: rustix::io::Errno| host("set the owner, mode or time of", target)(errno.into());
    let root = rustix::process::geteuid().is_root();
    if root {
        // First: a change of owner takes the set-user-id bit and capabilities away.
        let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
        rustix::fs::chownat(CWD, target, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    }
    if !link {
        for (name, value) in &meta.xattrs {
            let set = rustix::fs::lsetxattr(target, name.as_slice(), value, rustix::fs::XattrFlags::empty());
            // An ordinary user cannot give capabilities, and some file systems have no attributes at all.
            match set {
                Ok(()) => {}
                Err(rustix::io::Errno::OPNOTSUPP) => {}
                Err(rustix::io::Errno::PERM) if !root => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        // An ordinary user's files run as that user: set-user-id to anyone else cannot be had.
        let mode = if root || meta.uid == 0 && meta.gid == 0 { meta.mode } else { meta.mode & 0o1777 };
        std::fs::set_permissions(target, Permissions::from_mode(mode)).map_err(host("set the mode of", target))?;
    }
    let time = Timespec { tv_sec: i64::try_from(meta.mtime).unwrap_or(0), tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, target, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)
}
