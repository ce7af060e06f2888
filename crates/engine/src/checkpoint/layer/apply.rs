//! Putting a layer back. Nothing in it is followed out of the root: every directory is opened beneath it, links refused.

use super::{OPAQUE, OVERLAY_OPAQUE, WHITEOUT, XATTR, attributes};
use crate::checkpoint::CheckpointError;
use isodyne_core::checkpoint::{CheckpointClass, LayerForm};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, Uid, chownat, linkat,
    makedev, mkdirat, mknodat, openat, openat2, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{Archive, Entry, EntryType};

/// The most entries that are put back.
const ENTRIES: usize = 4_000_000;

/// How something is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whiteouts {
    /// It is removed: the root is a plain directory, or an overlay that is mounted.
    Remove,
    /// As an overlay has it in its upper directory, which is not mounted.
    Overlay,
}

/// Puts the layer in `tar` into a root. A whole root replaces what was there.
///
/// # Errors
/// Class `altered` for a tar that is none or that leads out of the root, `enospc`, `permission` and `host`.
pub fn apply(tar: &Path, root: &Path, form: LayerForm, whiteouts: Whiteouts) -> Result<(), CheckpointError> {
    let host = |error: &io::Error| CheckpointError::host("open", tar, error);
    let file = File::open(tar).map_err(|error| host(&error))?;
    if form == LayerForm::Whole {
        clear(root).map_err(|error| CheckpointError::host("empty", root, &error))?;
    }
    let directory = File::open(root).map_err(|error| CheckpointError::host("open", root, &error))?;
    let mut tree = Tree { root: directory.into(), whiteouts, form, times: Vec::new() };
    let mut archive = Archive::new(io::BufReader::with_capacity(1 << 20, file));
    let damaged = |error: &io::Error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::PermissionDenied => {
            CheckpointError::host("put back", root, error)
        }
        _ => CheckpointError::new(CheckpointClass::Altered, format!("{}: {error}", tar.display())),
    };
    let entries = archive.entries().map_err(|error| damaged(&error))?;
    for (count, entry) in entries.enumerate() {
        if count > ENTRIES {
            return Err(damaged(&io::Error::other("it has too many entries")));
        }
        let mut entry = entry.map_err(|error| damaged(&error))?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        tree.put(&mut entry).map_err(|error| damaged(&io::Error::new(error.kind(), format!("{path}: {error}"))))?;
    }
    tree.set_times().map_err(|error| damaged(&error))
}

/// Removes everything in a directory, and keeps it.
fn clear(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A root under work.
struct Tree {
    root: OwnedFd,
    whiteouts: Whiteouts,
    form: LayerForm,
    /// Directories get their times when nothing is put into them any more.
    times: Vec<(PathBuf, i64)>,
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

/// The parts of an entry's path; nothing leads upwards.
fn clean(bytes: &[u8]) -> io::Result<PathBuf> {
    let mut path = PathBuf::new();
    for part in bytes.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(invalid("leads out of the root")),
            part if part.contains(&0) => return Err(invalid("has a zero byte in its name")),
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    Ok(path)
}

/// A name below an open directory, for calls that only know paths.
fn in_proc(directory: &OwnedFd, name: &OsStr) -> PathBuf {
    Path::new(&format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name)
}

impl Tree {
    fn open(&self, directory: &Path) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if directory.as_os_str().is_empty() {
            return Ok(openat(&self.root, ".", flags, Mode::empty())?);
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        Ok(openat2(&self.root, directory, flags, Mode::empty(), resolve)?)
    }

    /// The directory that an entry lies in; those that are missing are made.
    fn parent(&self, path: &Path) -> io::Result<OwnedFd> {
        let Some(parent) = path.parent() else { return self.open(Path::new("")) };
        match self.open(parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut made = PathBuf::new();
                for part in parent.components() {
                    let above = self.open(&made)?;
                    made.push(part);
                    match mkdirat(&above, part.as_os_str(), Mode::from_raw_mode(0o755)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(errno) => return Err(errno.into()),
                    }
                }
                self.open(parent)
            }
            opened => opened,
        }
    }

    /// Removes whatever has this name.
    fn remove(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
        match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
            Ok(status) if FileType::from_raw_mode(status.st_mode) == FileType::Directory => {
                std::fs::remove_dir_all(in_proc(parent, name))
            }
            Ok(_) => Ok(unlinkat(parent, name, AtFlags::empty())?),
        }
    }

    fn put(&mut self, entry: &mut Entry<'_, impl Read>) -> io::Result<()> {
        let path = clean(&entry.path_bytes())?;
        let Some(name) = path.file_name().map(OsStr::to_owned) else {
            // The root itself.
            return Ok(());
        };
        let parent = self.parent(&path)?;
        if self.form == LayerForm::Changes && name.as_bytes().starts_with(WHITEOUT) {
            return self.hide(&parent, &path, name.as_bytes());
        }
        let kind = entry.header().entry_type();
        let is_directory = kind == EntryType::Directory;
        let there = statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW).ok();
        let was_directory = there.is_some_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Directory);
        if !(is_directory && was_directory) {
            Self::remove(&parent, &name)?;
        }
        self.make(entry, kind, &parent, &name)?;
        if kind == EntryType::Link {
            return Ok(());
        }
        self.attributes(entry, kind, &parent, &name)?;
        let seconds = i64::try_from(entry.header().mtime()?).unwrap_or(0);
        if is_directory {
            self.times.push((path, seconds));
            return Ok(());
        }
        set_time(&parent, &name, seconds)
    }

    fn make(
        &self,
        entry: &mut Entry<'_, impl Read>,
        kind: EntryType,
        parent: &OwnedFd,
        name: &OsStr,
    ) -> io::Result<()> {
        let link = entry.link_name_bytes().map(|name| name.into_owned());
        let private = Mode::from_raw_mode(0o600);
        let device = |entry: &Entry<'_, _>| -> io::Result<u64> {
            let (major, minor) = (entry.header().device_major()?, entry.header().device_minor()?);
            Ok(makedev(major.unwrap_or(0), minor.unwrap_or(0)))
        };
        match kind {
            EntryType::Directory => match mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => Ok(()),
                Err(errno) => Err(errno.into()),
            },
            EntryType::Regular | EntryType::Continuous => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut file = File::from(openat(parent, name, flags, private)?);
                io::copy(entry, &mut file).map(|_| ())
            }
            EntryType::Symlink => {
                let target = link.ok_or_else(|| invalid("is a link to nothing"))?;
                Ok(symlinkat(OsStr::from_bytes(&target), parent, name)?)
            }
            EntryType::Link => {
                let target = clean(&link.ok_or_else(|| invalid("is a link to nothing"))?)?;
                let target_name = target.file_name().ok_or_else(|| invalid("is a second name of the root"))?;
                let directory = self.open(target.parent().unwrap_or(Path::new("")))?;
                Ok(linkat(&directory, target_name, parent, name, AtFlags::empty())?)
            }
            EntryType::Fifo => Ok(mknodat(parent, name, FileType::Fifo, private, 0)?),
            EntryType::Char => Ok(mknodat(parent, name, FileType::CharacterDevice, private, device(entry)?)?),
            EntryType::Block => Ok(mknodat(parent, name, FileType::BlockDevice, private, device(entry)?)?),
            other => Err(invalid(format!("is of a kind that no layer has ({other:?})"))),
        }
    }

    /// Owner, permissions and extended attributes, in this order: a new owner takes capabilities away.
    fn attributes(
        &self,
        entry: &mut Entry<'_, impl Read>,
        kind: EntryType,
        parent: &OwnedFd,
        name: &OsStr,
    ) -> io::Result<()> {
        let id = |value: io::Result<u64>| -> io::Result<u32> {
            u32::try_from(value?).map_err(|_| invalid("has an owner that no host has"))
        };
        let (uid, gid) = (id(entry.header().uid())?, id(entry.header().gid())?);
        match chownat(parent, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW) {
            // An ordinary user owns everything anyway.
            Err(Errno::PERM) if !rustix::process::geteuid().is_root() => {}
            other => other?,
        }
        if kind != EntryType::Symlink {
            let mode = Mode::from_raw_mode(entry.header().mode()? & 0o7777);
            // By its path under the open directory: what was just made is no link.
            rustix::fs::chmodat(parent, name, mode, AtFlags::empty())?;
        }
        let path = in_proc(parent, name);
        let Some(records) = entry.pax_extensions()? else { return Ok(()) };
        for record in records {
            let record = record?;
            let (Ok(key), value) = (record.key(), record.value_bytes()) else { continue };
            if let Some(attribute) = key.strip_prefix(XATTR) {
                attributes::set(&path, attribute, value)?;
            }
        }
        Ok(())
    }

    fn hide(&self, parent: &OwnedFd, path: &Path, name: &[u8]) -> io::Result<()> {
        if name == OPAQUE {
            if self.whiteouts == Whiteouts::Remove {
                return clear(&in_proc(parent, OsStr::new(".")));
            }
            return attributes::set(&in_proc(parent, OsStr::new(".")), OVERLAY_OPAQUE, b"y");
        }
        let hidden = OsStr::from_bytes(name.strip_prefix(WHITEOUT).unwrap_or(name));
        if hidden.is_empty() || hidden == "." || hidden == ".." {
            return Err(invalid(format!("{} hides nothing", path.display())));
        }
        Self::remove(parent, hidden)?;
        match self.whiteouts {
            Whiteouts::Remove => Ok(()),
            Whiteouts::Overlay => Ok(mknodat(parent, hidden, FileType::CharacterDevice, Mode::empty(), makedev(0, 0))?),
        }
    }

    fn set_times(&self) -> io::Result<()> {
        for (path, seconds) in self.times.iter().rev() {
            let parent = self.open(path.parent().unwrap_or(Path::new("")))?;
            set_time(&parent, path.file_name().unwrap_or_default(), *seconds)?;
        }
        Ok(())
    }
}

fn set_time(parent: &OwnedFd, name: &OsStr, seconds: i64) -> io::Result<()> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 },
    };
    Ok(utimensat(parent.as_fd(), name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
