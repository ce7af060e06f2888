//! Where the sockets lie, and what a sandbox may be called.

use super::LiveError;
use rustix::fs::Mode;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Whether it may be a sandbox's name: it is part of a socket's path, of which the kernel takes 107 bytes.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=40).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-')
}

/// The directory of the sockets, made if it is not there: `ISODYNE_RUNTIME`, else `isodyne` in `XDG_RUNTIME_DIR`, else
/// `isodyne-UID` in the directory of temporary files.
///
/// # Errors
/// If it belongs to somebody else, others may enter it, or it cannot be made.
pub fn directory() -> Result<PathBuf, LiveError> {
    let user = rustix::process::geteuid().as_raw();
    let set = |key: &str| std::env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = set("ISODYNE_RUNTIME")
        .or_else(|| set("XDG_RUNTIME_DIR").map(|path| path.join("isodyne")))
        .unwrap_or_else(|| std::env::temp_dir().join(format!("isodyne-{user}")));
    own(&path, user)?;
    Ok(path)
}

/// Makes the directory, or makes sure of it.
pub(super) fn own(path: &Path, user: u32) -> Result<(), LiveError> {
    let refused = |why: String| LiveError::Directory { path: path.display().to_string(), why };
    match rustix::fs::mkdir(path, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(errno) => return Err(refused(errno.to_string())),
    }
    // Not through a link: who can write to its parent could point it anywhere.
    let found = std::fs::symlink_metadata(path).map_err(|error| refused(error.to_string()))?;
    if !found.is_dir() {
        return Err(refused("it is no directory".to_owned()));
    }
    if found.uid() != user {
        return Err(refused(format!("it belongs to user {}", found.uid())));
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(refused(format!(
            "others may enter it (mode {mode:o}); `chmod 700` it, or name another by ISODYNE_RUNTIME"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["a", "web-1", "a_b", &"x".repeat(40)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-a", "A", "a/b", "..", "a.b", "ä", &"x".repeat(41)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let user = rustix::process::geteuid().as_raw();
        own(&path, user).unwrap();
        own(&path, user).unwrap();
        assert!(own(&path, user + 1).unwrap_err().to_string().contains("belongs to user"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(own(&path, user).unwrap_err().to_string().contains("755"));
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(own(&link, user).unwrap_err().to_string().contains("no directory"));
    }
}
