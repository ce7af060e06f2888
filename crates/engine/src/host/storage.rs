//! The file system and disk under a directory.

use super::mounts::Mount;
use super::root::HostRoot;
use rustix::fs::{major, minor, stat};
use std::path::Path;

/// One line on what is under `directory` (`ext4 (rw,relatime) on /dev/vda, not rotational`), or `None`.
pub fn describe(root: &HostRoot, directory: &Path) -> Option<String> {
    let directory = directory.canonicalize().ok()?;
    let mounts = Mount::parse_all(&root.read("/proc/self/mountinfo")?);
    let mount = Mount::of(&mounts, &directory)?;
    let mut line = format!("{} ({}) on {}", mount.kind, mount.options, mount.source);
    if let Some(rotational) = rotational(root, mount) {
        line.push_str(if rotational { ", rotational" } else { ", not rotational" });
    }
    Some(line)
}

/// Whether the disk under a mount turns; `None` for what has no disk or does not say.
fn rotational(root: &HostRoot, mount: &Mount) -> Option<bool> {
    // File systems over several devices (btrfs) show an anonymous number; the source still names a device.
    let number = if mount.device_number.starts_with("0:") {
        let status = stat(root.path(&mount.source)).ok().filter(|_| mount.source.starts_with("/dev/"))?;
        format!("{}:{}", major(status.st_rdev), minor(status.st_rdev))
    } else {
        mount.device_number.clone()
    };
    let device = format!("/sys/dev/block/{number}");
    // A partition has no queue of its own; its parent directory is the disk.
    let value = root.value(format!("{device}/queue/rotational")).or_else(|| {
        let disk = root.path(&device).canonicalize().ok()?.parent()?.join("queue/rotational");
        std::fs::read_to_string(disk).ok()
    })?;
    match value.trim() {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    }
}

/// Free bytes for this user on the file system of a path; `None` if it cannot be told.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let status = rustix::fs::statvfs(path).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_says_what_is_under_the_root() {
        let line = describe(&HostRoot::default(), Path::new("/")).unwrap();
        assert!(line.contains(" on "), "{line}");
        assert!(free_bytes(Path::new("/")).is_some());
        assert_eq!(describe(&HostRoot::default(), Path::new("/does/not/exist")), None);
    }

    #[test]
    fn a_partition_is_as_rotational_as_its_disk() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        std::fs::create_dir_all(at("sys/devices/sda/queue")).unwrap();
        std::fs::create_dir_all(at("sys/devices/sda/sda1")).unwrap();
        std::fs::create_dir_all(at("sys/dev/block")).unwrap();
        std::fs::write(at("sys/devices/sda/queue/rotational"), "1\n").unwrap();
        std::os::unix::fs::symlink("../../devices/sda/sda1", at("sys/dev/block/8:1")).unwrap();
        std::fs::create_dir_all(at("proc/self")).unwrap();
        std::fs::write(at("proc/self/mountinfo"), "1 0 8:1 / / rw - xfs /dev/sda1 rw\n").unwrap();
        let line = describe(&HostRoot::under(directory.path()), Path::new("/"));
        assert_eq!(line.as_deref(), Some("xfs (rw) on /dev/sda1, rotational"));
    }
}
