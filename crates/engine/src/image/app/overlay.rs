//! A writable disk per sample over a base that never changes.

use super::error::{ImageError, host};
use crate::image::tool::output_of;
use rustix::fs::SeekFrom;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const QCOW2_DEADLINE: Duration = Duration::from_secs(30);

/// What whoever uses the disk can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayKind {
    /// Only the bytes of a disk themselves.
    Raw,
    /// Also qcow2, which needs no copy on any file system.
    RawOrQcow2,
}

/// How a disk was made, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayMethod {
    /// The file system shares the blocks of the base until they are written to.
    Reflink,
    /// A qcow2 file that holds what differs from the base.
    Qcow2,
    /// The base's data was copied, its holes were not.
    SparseCopy,
}

impl OverlayMethod {
    /// The name in records: `reflink`, `qcow2`, `sparse_copy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reflink => "reflink",
            Self::Qcow2 => "qcow2",
            Self::SparseCopy => "sparse_copy",
        }
    }
}

/// A writable disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// The file.
    pub path: PathBuf,
    /// How it was made; a qcow2 has to be opened as one.
    pub method: OverlayMethod,
    /// What was copied, in bytes.
    pub copied_bytes: u64,
}

/// Makes a writable disk at `target`, which must not exist, with the contents of `base`, a raw disk. The base is only
/// ever opened for reading.
///
/// # Errors
/// [`ImageError::Io`] if there is no room, or `target` is there already.
pub fn overlay(base: &Path, target: &Path, kind: OverlayKind) -> Result<Overlay, ImageError> {
    let from = super::store::open_file(base).map_err(host("read", base))?;
    let to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target).map_err(host("make", target))?;
    let made = fill(base, &from, target, &to, kind);
    if made.is_err() {
        let _ = std::fs::remove_file(target);
    }
    let (method, copied_bytes) = made?;
    Ok(Overlay { path: target.to_owned(), method, copied_bytes })
}

fn fill(
    base: &Path,
    from: &File,
    target: &Path,
    to: &File,
    kind: OverlayKind,
) -> Result<(OverlayMethod, u64), ImageError> {
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok((OverlayMethod::Reflink, 0));
    }
    if kind == OverlayKind::RawOrQcow2 && qcow2(base, target)? {
        return Ok((OverlayMethod::Qcow2, 0));
    }
    let copied = copy(from, to).map_err(host("write", target))?;
    Ok((OverlayMethod::SparseCopy, copied))
}

/// Makes a qcow2 over the base; `false` if there is no tool for it.
fn qcow2(base: &Path, target: &Path) -> Result<bool, ImageError> {
    let Some(tool) = crate::host::find_tool("qemu-img") else { return Ok(false) };
    let base = std::path::absolute(base).map_err(host("find", base))?;
    let mut command = Command::new(tool);
    command.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(base).arg(target);
    let output = output_of(command, QCOW2_DEADLINE)?;
    if output.success { Ok(true) } else { Err(ImageError::Failed { tool: "qemu-img", message: output.complaint() }) }
}

/// Copies what is data. Returns how much that was.
fn copy(from: &File, to: &File) -> io::Result<u64> {
    let size = from.metadata()?.len();
    let (mut at, mut copied) = (0, 0);
    let mut buffer = vec![0; 1 << 20];
    while at < size {
        let begin = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(begin) => begin,
            // Nothing but a hole up to the end.
            Err(rustix::io::Errno::NXIO) => break,
            Err(_) => at,
        };
        let end = rustix::fs::seek(from, SeekFrom::Hole(begin)).unwrap_or(size).clamp(begin, size);
        // A file system without holes gives the whole file at once.
        let end = if end == begin { size } else { end };
        at = begin;
        while at < end {
            let count = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            from.read_exact_at(&mut buffer[..count], at)?;
            to.write_all_at(&buffer[..count], at)?;
            (at, copied) = (at + count as u64, copied + count as u64);
        }
    }
    to.set_len(size)?;
    Ok(copied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_base_stays_and_holes_are_not_copied() {
        let directory = tempfile::tempdir().unwrap();
        let (base, target) = (directory.path().join("base"), directory.path().join("target"));
        let file = File::create(&base).unwrap();
        file.write_all_at(b"begin", 0).unwrap();
        file.write_all_at(b"middle", 5 << 30).unwrap();
        file.set_len(10 << 30).unwrap();
        std::fs::set_permissions(&base, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();

        let made = overlay(&base, &target, OverlayKind::Raw).unwrap();
        assert!(made.copied_bytes < 1 << 20, "{made:?}");
        let status = target.metadata().unwrap();
        assert_eq!((status.len(), status.mode() & 0o777), (10 << 30, 0o600));
        assert!(status.blocks() * 512 < 1 << 20);
        let file = OpenOptions::new().read(true).write(true).open(&target).unwrap();
        let mut bytes = [0; 6];
        file.read_exact_at(&mut bytes, 5 << 30).unwrap();
        assert_eq!(&bytes, b"middle");
        file.write_all_at(b"CHANGE", 0).unwrap();
        let mut bytes = [0; 5];
        File::open(&base).unwrap().read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"begin");
        // What is there is never overwritten.
        assert!(matches!(overlay(&base, &target, OverlayKind::Raw), Err(ImageError::Io { action: "make", .. })));
        assert!(target.exists());
    }

    #[test]
    #[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
    fn a_qcow2_reads_as_its_base() {
        if crate::host::find_tool("qemu-img").is_none() {
            eprintln!("skipped: there is no qemu-img");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let (base, target) = (directory.path().join("base, with a comma"), directory.path().join("target"));
        std::fs::write(&base, vec![7; 1 << 20]).unwrap();
        let made = overlay(&base, &target, OverlayKind::RawOrQcow2).unwrap();
        if made.method == OverlayMethod::Qcow2 {
            let bytes = std::fs::read(&target).unwrap();
            assert_eq!(&bytes[..4], b"QFI\xfb");
            assert_eq!(u64::from_be_bytes(bytes[24..32].try_into().unwrap()), 1 << 20);
        } else {
            assert_eq!(made.method, OverlayMethod::Reflink);
        }
    }
}
