//! The canonical form of an image: one tar of the flattened tree, sorted, the same bytes for the same tree.

use super::digest::Digest;
use super::error::{ImageError, host};
use super::layer::Flattening;
use super::limits::Limits;
use super::store::{Content, Store, open_file};
use super::tar::Writer;
use super::tree::{Inode, Kind, Meta, Tree};
use crate::image::rootfs::AGENT_PATH;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes the tree as a tar.
pub(crate) fn write<W: Write>(tree: &Tree, out: W) -> io::Result<W> {
    let mut writer = Writer::new(out);
    let mut first: HashMap<usize, &[u8]> = HashMap::new();
    for (path, number, inode) in tree.iter() {
        let meta = &inode.meta;
        match (&inode.kind, first.get(&number)) {
            (Kind::Directory, _) => writer.directory(path, meta)?,
            (_, Some(first)) => writer.hard_link(path, first, meta)?,
            (Kind::File(content), None) => writer.file(path, content, meta)?,
            (Kind::Symlink(target), None) => writer.symlink(path, target, meta)?,
            (Kind::Fifo, None) => writer.fifo(path, meta)?,
        }
        if !matches!(inode.kind, Kind::Directory) {
            first.entry(number).or_insert(path);
        }
    }
    writer.finish()
}

/// The same into a file, with its digest.
pub(super) fn write_file(tree: &Tree, path: &Path) -> Result<Digest, ImageError> {
    let file = File::create_new(path).map_err(host("make", path))?;
    let out = BufWriter::with_capacity(1 << 18, Hashing { file, hash: Sha256::new() });
    let written = write(tree, out).and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error));
    let Hashing { file, hash } = written.map_err(host("write", path))?;
    file.sync_all().map_err(host("write", path))?;
    Ok(Digest::finish(hash))
}

/// Reads a tree back from its canonical tar.
pub(super) fn read(path: &Path) -> Result<Tree, ImageError> {
    let file = open_file(path).map_err(host("read", path))?;
    let store = Store::file(file).map_err(host("read", path))?;
    // It was written within limits; the map of a file may have become longer, since zeros in its data are holes now.
    let limits = Limits::unlimited();
    let mut flattening = Flattening::new(&limits);
    match flattening.apply(&store) {
        Ok(()) => Ok(flattening.tree),
        Err(source) => Err(ImageError::Layer { place: format!("`{}` is damaged", path.display()), source }),
    }
}

/// Directories that every sandbox mounts something on, and files that engines mount their own over.
const MOUNT_POINTS: &[(&str, u32)] =
    &[("dev", 0o755), ("etc", 0o755), ("proc", 0o555), ("run", 0o755), ("sys", 0o555), ("tmp", 0o1777)];
const MOUNT_FILES: &[&str] = &["etc/hostname", "etc/hosts", "etc/resolv.conf"];

/// Puts the agent into the tree, and what a sandbox needs to mount on where the image has nothing there.
pub(super) fn with_agent(mut tree: Tree, agent: &[u8]) -> Result<Tree, ImageError> {
    let path = AGENT_PATH.trim_start_matches('/').as_bytes();
    let refused = |problem| {
        let path = AGENT_PATH.to_owned();
        let source = super::tar::TarError::Entry { path, problem };
        ImageError::Layer { place: "the agent does not fit into the image".to_owned(), source }
    };
    if tree.get(path).is_some_and(|inode| matches!(inode.kind, Kind::Directory)) {
        return Err(refused(super::tar::EntryProblem::AgentIsDirectory));
    }
    let file = |bytes: &[u8], mode| Inode { meta: Meta::plain(mode), kind: Kind::File(Content::memory(bytes)) };
    tree.insert(path, file(agent, 0o755)).map_err(refused)?;
    for (path, mode) in MOUNT_POINTS {
        // What is there stays, a link too: `run` may lead to `var/run`.
        if tree.get(path.as_bytes()).is_none() {
            let inode = Inode { meta: Meta::plain(*mode), kind: Kind::Directory };
            tree.insert(path.as_bytes(), inode).map_err(refused)?;
        }
    }
    let has_etc = tree.get(b"etc").is_some_and(|inode| matches!(inode.kind, Kind::Directory));
    for path in MOUNT_FILES.iter().filter(|_| has_etc) {
        if tree.get(path.as_bytes()).is_none() {
            tree.insert(path.as_bytes(), file(b"", 0o644)).map_err(refused)?;
        }
    }
    Ok(tree)
}

struct Hashing {
    file: File,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
