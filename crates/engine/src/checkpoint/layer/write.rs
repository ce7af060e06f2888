//! Writing a layer.

use super::{OPAQUE, OVERLAY_OPAQUE, WHITEOUT, XATTR, attributes};
use crate::checkpoint::CheckpointError;
use isodyne_core::checkpoint::{CheckpointClass, LayerForm};
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::{DirEntry, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tar::{Builder, EntryType, Header};

/// How large a layer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerLimits {
    /// The most entries.
    pub entries: u64,
    /// The most bytes of files.
    pub bytes: u64,
    /// The deepest directory.
    pub depth: usize,
}

impl Default for LayerLimits {
    fn default() -> Self {
        Self { entries: 2_000_000, bytes: 64 << 30, depth: 200 }
    }
}

/// The moment at which a container stood still that runs on while its layer is written.
pub struct Freeze<'a> {
    /// When.
    pub at: SystemTime,
    /// How long files were then, by their paths inside: of those that were open. It is asked if a file has changed since.
    pub lengths: &'a dyn Fn() -> BTreeMap<PathBuf, u64>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerSummary {
    /// Entries, whiteouts among them.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Files that were changed after the moment that was given: they are not as the memory knows them.
    pub changed_since: u64,
    /// Of those, files that were open and have grown: what was appended is left out, for the memory knows their length.
    pub cut: u64,
}

struct Walk<'a, W: Write> {
    tar: Builder<W>,
    form: LayerForm,
    limits: &'a LayerLimits,
    device: u64,
    since: Option<(i64, i64)>,
    freeze: Option<&'a Freeze<'a>>,
    /// Lengths at the freeze, once they were asked for.
    lengths: OnceCell<BTreeMap<PathBuf, u64>>,
    /// The first name of every file with several.
    links: HashMap<u64, PathBuf>,
    summary: LayerSummary,
}

/// Writes what lies in `source`: the upper directory of an overlay, or a whole root. `freeze` is for a container that runs
/// on.
///
/// # Errors
/// Classes `refused` if it is beyond a limit or cannot be told in a layer, `enospc`, `permission` and `host`.
pub fn write(
    source: &Path,
    form: LayerForm,
    limits: &LayerLimits,
    freeze: Option<&Freeze<'_>>,
    out: impl Write,
) -> Result<LayerSummary, CheckpointError> {
    let status = source.symlink_metadata().map_err(|error| CheckpointError::host("read", source, &error))?;
    let since = freeze.and_then(|freeze| freeze.at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let since = since.map(|time| (time.as_secs() as i64, i64::from(time.subsec_nanos())));
    let mut walk = Walk {
        tar: Builder::new(out),
        form,
        limits,
        device: status.dev(),
        since,
        freeze,
        lengths: OnceCell::new(),
        links: HashMap::new(),
        summary: LayerSummary::default(),
    };
    walk.directory(source, Path::new(""), 0)?;
    walk.tar.finish().map_err(|error| CheckpointError::host("write the layer of", source, &error))?;
    Ok(walk.summary)
}

/// What all kinds of entries have.
fn header(status: &Metadata, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(status.mode() & 0o7777);
    header.set_uid(status.uid().into());
    header.set_gid(status.gid().into());
    header.set_mtime(u64::try_from(status.mtime()).unwrap_or(0));
    header.set_size(size);
    header
}

/// As many bytes as were announced: what a file has lost in the meantime reads as zeros.
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..wanted];
        let mut length = self.inner.read(buffer)?;
        if length == 0 {
            buffer.fill(0);
            length = wanted;
        }
        self.left -= length as u64;
        Ok(length)
    }
}

impl<W: Write> Walk<'_, W> {
    fn refused(&self, path: &Path, why: &str) -> CheckpointError {
        let message = format!("the container's root cannot be kept: {} {why}", path.display());
        CheckpointError::new(CheckpointClass::Refused, message).hint("leave the root out with `--no-layer`")
    }

    fn count(&mut self, path: &Path) -> Result<(), CheckpointError> {
        self.summary.entries += 1;
        if self.summary.entries > self.limits.entries {
            return Err(self.refused(path, &format!("is entry {} of it", self.summary.entries)));
        }
        Ok(())
    }

    fn directory(&mut self, directory: &Path, inside: &Path, depth: usize) -> Result<(), CheckpointError> {
        if depth > self.limits.depth {
            return Err(self.refused(inside, "lies too deep"));
        }
        let host = |error: &io::Error| CheckpointError::host("read", directory, error);
        let mut entries: Vec<DirEntry> =
            std::fs::read_dir(directory).and_then(Iterator::collect).map_err(|error| host(&error))?;
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            let (path, inside) = (entry.path(), inside.join(entry.file_name()));
            match path.symlink_metadata() {
                Ok(status) => self.entry(&path, &inside, &status, depth)?,
                // A running container removes files.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(CheckpointError::host("read", &path, &error)),
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, inside: &Path, status: &Metadata, depth: usize) -> Result<(), CheckpointError> {
        let kind = status.file_type();
        if kind.is_socket() {
            return Ok(());
        }
        self.count(inside)?;
        if self.has_changed(status) && !kind.is_dir() {
            self.summary.changed_since += 1;
        }
        if self.form == LayerForm::Changes && kind.is_char_device() && status.rdev() == 0 {
            return self.whiteout(inside);
        }
        self.extended(path)?;
        let host = |error: io::Error| CheckpointError::host("keep", path, &error);
        if kind.is_dir() {
            let mut named = inside.as_os_str().to_owned();
            named.push("/");
            self.tar.append_data(&mut header(status, EntryType::Directory, 0), named, io::empty()).map_err(host)?;
            // What is mounted there is not part of the root.
            if status.dev() == self.device {
                self.opaque(path, inside)?;
                self.directory(path, inside, depth + 1)?;
            }
            return Ok(());
        }
        if status.nlink() > 1 {
            if let Some(first) = self.links.get(&status.ino()) {
                let mut link = header(status, EntryType::Link, 0);
                return self.tar.append_link(&mut link, inside, first).map_err(host);
            }
            self.links.insert(status.ino(), inside.to_owned());
        }
        if kind.is_symlink() {
            let target = std::fs::read_link(path).map_err(host)?;
            return self.tar.append_link(&mut header(status, EntryType::Symlink, 0), inside, target).map_err(host);
        }
        if kind.is_file() {
            return self.file(path, inside, status);
        }
        let special = match kind {
            _ if kind.is_fifo() => EntryType::Fifo,
            _ if kind.is_block_device() => EntryType::Block,
            _ => EntryType::Char,
        };
        let mut header = header(status, special, 0);
        let major = header.set_device_major(rustix::fs::major(status.rdev()));
        major.and_then(|()| header.set_device_minor(rustix::fs::minor(status.rdev()))).map_err(host)?;
        self.tar.append_data(&mut header, inside, io::empty()).map_err(host)
    }

    /// Whether it was changed after the freeze.
    fn has_changed(&self, status: &Metadata) -> bool {
        self.since.is_some_and(|since| (status.ctime(), status.ctime_nsec()) > since)
    }

    /// How much of a file belongs to the memory.
    fn length(&mut self, inside: &Path, status: &Metadata) -> u64 {
        let Some(freeze) = self.freeze.filter(|_| self.has_changed(status)) else { return status.len() };
        match self.lengths.get_or_init(freeze.lengths).get(inside) {
            Some(then) if *then < status.len() => {
                self.summary.cut += 1;
                *then
            }
            _ => status.len(),
        }
    }

    fn file(&mut self, path: &Path, inside: &Path, status: &Metadata) -> Result<(), CheckpointError> {
        let host = |error: io::Error| CheckpointError::host("keep", path, &error);
        let length = self.length(inside, status);
        self.summary.bytes = self.summary.bytes.saturating_add(length);
        if self.summary.bytes > self.limits.bytes {
            return Err(self.refused(inside, &format!("makes it larger than {} bytes", self.limits.bytes)));
        }
        // Nothing but the file that was looked at: a link in its place would lead elsewhere on the host.
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let opened = rustix::fs::open(path, flags | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty());
        let file = File::from(opened.map_err(|errno| host(errno.into()))?);
        let content = Exactly { inner: file, left: length };
        let mut header = header(status, EntryType::Regular, length);
        self.tar.append_data(&mut header, inside, io::BufReader::with_capacity(256 << 10, content)).map_err(host)
    }

    /// The attributes of the entry that follows.
    fn extended(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let host = |error: io::Error| CheckpointError::host("read attributes of", path, &error);
        for name in ["trusted.overlay.redirect", "trusted.overlay.metacopy"] {
            if self.form == LayerForm::Changes && attributes::value(path, name).is_some() {
                return Err(self.refused(path, &format!("has `{name}`, which only its own overlay understands")));
            }
        }
        let attributes = attributes::of(path).map_err(host)?;
        if attributes.is_empty() {
            return Ok(());
        }
        let named: Vec<(String, Vec<u8>)> =
            attributes.into_iter().map(|(name, value)| (format!("{XATTR}{name}"), value)).collect();
        let records = named.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        self.tar.append_pax_extensions(records).map_err(host)
    }

    fn opaque(&mut self, path: &Path, inside: &Path) -> Result<(), CheckpointError> {
        let is_opaque = [OVERLAY_OPAQUE, "user.overlay.opaque"]
            .iter()
            .any(|name| attributes::value(path, name).is_some_and(|value| value == b"y"));
        if self.form != LayerForm::Changes || !is_opaque {
            return Ok(());
        }
        self.mark(&inside.join(OsString::from_vec(OPAQUE.to_vec())))
    }

    fn whiteout(&mut self, inside: &Path) -> Result<(), CheckpointError> {
        let name = inside.file_name().unwrap_or_default().as_bytes();
        self.mark(&inside.with_file_name(OsString::from_vec([WHITEOUT, name].concat())))
    }

    /// An empty file that stands for something.
    fn mark(&mut self, inside: &Path) -> Result<(), CheckpointError> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0);
        header.set_size(0);
        let appended = self.tar.append_data(&mut header, inside, io::empty());
        appended.map_err(|error| CheckpointError::host("keep", inside, &error))
    }
}
