//! Mounts, from the text of `/proc/self/mountinfo`.

use std::path::{Path, PathBuf};

/// One line of `mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The device's major and minor number (`254:0`).
    pub device_number: String,
    /// The directory of the file system that is mounted.
    pub root: PathBuf,
    /// Where it is mounted.
    pub point: PathBuf,
    /// The options of this mount (`rw,relatime`).
    pub options: String,
    /// The kind of file system.
    pub kind: String,
    /// What is mounted: a device or a word.
    pub source: String,
    /// The options of the file system.
    pub super_options: String,
}

impl Mount {
    /// Reads all mounts; lines that are no mounts are left out.
    pub fn parse_all(mountinfo: &str) -> Vec<Self> {
        mountinfo.lines().filter_map(Self::parse).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(2);
        let (device_number, root, point, options) = (before.next()?, before.next()?, before.next()?, before.next()?);
        let mut after = after.split(' ');
        Some(Self {
            device_number: device_number.to_owned(),
            root: unescape(root),
            point: unescape(point),
            options: options.to_owned(),
            kind: after.next()?.to_owned(),
            source: unescape(after.next()?).to_string_lossy().into_owned(),
            super_options: after.next().unwrap_or_default().to_owned(),
        })
    }

    /// The mount that a path is on: the longest mount point above it, and of those the one mounted last.
    pub fn of<'a>(mounts: &'a [Self], path: &Path) -> Option<&'a Self> {
        mounts
            .iter()
            .filter(|mount| path.starts_with(&mount.point))
            .max_by_key(|mount| mount.point.components().count())
    }
}

/// Undoes the kernel's octal escapes (`\040` for a space).
fn unescape(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(byte) if first == b'\\' => {
                out.push(byte);
                rest = &tail[3..];
            }
            _ => {
                out.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n\
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        40 27 0:41 /sub/vol /mnt/with\\040space rw,noatime shared:7 master:2 - btrfs /dev/sd\\134a rw\n\
        41 27 0:42 / /mnt/with\\040space rw - tmpfs none rw\n\
        not a mount\n";

    #[test]
    fn lines_are_read_and_escapes_undone() {
        let mounts = Mount::parse_all(TEXT);
        assert_eq!(mounts.len(), 4);
        assert_eq!(mounts[2].point, Path::new("/mnt/with space"));
        assert_eq!(mounts[2].root, Path::new("/sub/vol"));
        assert_eq!((mounts[2].kind.as_str(), mounts[2].source.as_str()), ("btrfs", "/dev/sd\\a"));
        assert_eq!(mounts[0].super_options, "rw,discard");
    }

    #[test]
    fn the_deepest_and_latest_mount_wins() {
        let mounts = Mount::parse_all(TEXT);
        let kind = |path: &str| Mount::of(&mounts, Path::new(path)).map(|mount| mount.kind.clone());
        assert_eq!(kind("/home/x").as_deref(), Some("ext4"));
        assert_eq!(kind("/mnt/with space/deep").as_deref(), Some("tmpfs"));
        assert_eq!(kind("/mnt/with spaces").as_deref(), Some("ext4"));
        assert_eq!(kind("relative"), None);
    }
}
