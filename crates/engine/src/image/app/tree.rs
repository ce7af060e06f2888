//! The tree of an image: every path with what lies there, and who owns it. Nothing here touches the host.

use super::path::{join, split};
use super::store::Content;
use super::tar::{EntryProblem, shown};
use std::collections::BTreeMap;

/// Permissions, owner, time and attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// The twelve bits, set-user-id and sticky bit among them.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Meta {
    /// Root's, of 1970, with these permissions.
    pub(crate) fn plain(mode: u32) -> Self {
        Self { mode, ..Self::default() }
    }
}

/// What lies at a path.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Directory,
    File(Content),
    Symlink(Vec<u8>),
    Fifo,
}

impl Kind {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Directory => "a directory",
            Self::File(_) => "a file",
            Self::Symlink(_) => "a symbolic link",
            Self::Fifo => "a named pipe",
        }
    }
}

/// Something that one or, with hard links, several paths name.
#[derive(Clone, Debug)]
pub(crate) struct Inode {
    pub(crate) meta: Meta,
    pub(crate) kind: Kind,
}

/// A whole tree. The parent of every path is a directory in it.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    names: BTreeMap<Vec<u8>, usize>,
    inodes: Vec<Inode>,
}

impl Default for Tree {
    fn default() -> Self {
        let root = Inode { meta: Meta::plain(0o755), kind: Kind::Directory };
        Self { names: BTreeMap::from([(Vec::new(), 0)]), inodes: vec![root] }
    }
}

impl Tree {
    /// What lies at a path. Nothing is followed.
    pub(crate) fn get(&self, path: &[u8]) -> Option<&Inode> {
        self.names.get(path).map(|number| &self.inodes[*number])
    }

    /// Every path in the order of its bytes, so that a directory comes before what is in it. The number is the same for
    /// hard links, and for nothing else.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], usize, &Inode)> {
        self.names.iter().map(|(path, number)| (path.as_slice(), *number, &self.inodes[*number]))
    }

    /// How many paths there are, the root among them.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// Puts something at a path. A directory on a directory changes its owner and mode and keeps what is in it; anything
    /// else replaces what was there with all below it. Missing directories above are made.
    pub(crate) fn insert(&mut self, path: &[u8], inode: Inode) -> Result<(), EntryProblem> {
        if path.is_empty() && !matches!(inode.kind, Kind::Directory) {
            return Err(EntryProblem::Root);
        }
        self.make_parents(path)?;
        if let Some(number) = self.names.get(path).copied() {
            let there = &mut self.inodes[number];
            if matches!((&there.kind, &inode.kind), (Kind::Directory, Kind::Directory)) {
                there.meta = inode.meta;
                return Ok(());
            }
            self.remove(path);
        }
        self.inodes.push(inode);
        self.names.insert(path.to_vec(), self.inodes.len() - 1);
        Ok(())
    }

    /// Gives something that is there a second name.
    pub(crate) fn link(&mut self, path: &[u8], target: &[u8]) -> Result<(), EntryProblem> {
        if path.is_empty() {
            return Err(EntryProblem::Root);
        }
        self.check_parents(target)?;
        let number = self.names.get(target).copied().ok_or_else(|| EntryProblem::LinkTarget(shown(target)))?;
        if matches!(self.inodes[number].kind, Kind::Directory) {
            return Err(EntryProblem::LinkToDirectory(shown(target)));
        }
        self.make_parents(path)?;
        if self.names.get(path) != Some(&number) {
            self.remove(path);
            self.names.insert(path.to_vec(), number);
        }
        Ok(())
    }

    /// Removes a path and everything below it. The root stays.
    pub(crate) fn remove(&mut self, path: &[u8]) {
        if !path.is_empty() {
            self.names.remove(path);
        }
        self.clear(path);
    }

    /// Removes everything below a path.
    pub(crate) fn clear(&mut self, path: &[u8]) {
        if path.is_empty() {
            self.names.retain(|name, _| name.is_empty());
            return;
        }
        // What is below lies between `path/` and `path0`, the next byte.
        let below: Vec<_> =
            self.names.range(join(path, b"")..[path, b"0"].concat()).map(|(name, _)| name.clone()).collect();
        for name in below {
            self.names.remove(&name);
        }
    }

    /// Refuses a path that goes through something that is no directory. What is missing is not refused.
    fn check_parents(&self, path: &[u8]) -> Result<(), EntryProblem> {
        let mut at = split(path).0;
        loop {
            match self.get(at).map(|inode| &inode.kind) {
                Some(Kind::Directory) => return Ok(()),
                Some(other) => return Err(EntryProblem::Through { through: shown(at), what: other.word() }),
                None if at.is_empty() => return Ok(()),
                None => at = split(at).0,
            }
        }
    }

    fn make_parents(&mut self, path: &[u8]) -> Result<(), EntryProblem> {
        self.check_parents(path)?;
        let mut at = split(path).0;
        while !self.names.contains_key(at) {
            self.inodes.push(Inode { meta: Meta::plain(0o755), kind: Kind::Directory });
            self.names.insert(at.to_vec(), self.inodes.len() - 1);
            at = split(at).0;
        }
        Ok(())
    }
}
