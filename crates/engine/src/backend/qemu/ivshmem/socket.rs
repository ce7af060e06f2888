//! The server's socket file: private, and removed by its owner alone.

use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;

/// A listening socket with a file.
#[derive(Debug)]
pub(super) struct SocketFile {
    listener: OwnedFd,
    path: PathBuf,
    /// Device and inode: a file that somebody else has put there meanwhile is not ours to remove.
    identity: (u64, u64),
}

impl SocketFile {
    /// Makes the file, which only this user can connect to from its first moment on.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // The file takes the mode that the socket has when it is bound.
        fchmod(&listener, Mode::RUSR | Mode::WUSR)?;
        let said = |action: &str, error: rustix::io::Errno| {
            let error = io::Error::from(error);
            io::Error::new(error.kind(), format!("failed to {action} {}: {error}", path.display()))
        };
        let address = SocketAddrUnix::new(path).map_err(|error| said("make the address of", error))?;
        bind(&listener, &address).map_err(|error| said("make the socket", error))?;
        let metadata = path.symlink_metadata()?;
        let file = Self { listener, path: path.to_owned(), identity: (metadata.dev(), metadata.ino()) };
        listen(&file.listener, BACKLOG).map_err(|error| said("listen on", error))?;
        Ok(file)
    }
}

impl AsFd for SocketFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = self.path.symlink_metadata().map(|metadata| (metadata.dev(), metadata.ino()));
        if found.is_ok_and(|identity| identity == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_private_and_goes_with_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let first = SocketFile::bind(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert!(SocketFile::bind(&path).unwrap_err().to_string().contains("socket"));
        drop(first);
        assert!(!path.exists());

        let first = SocketFile::bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "somebody else's").unwrap();
        drop(first);
        assert!(path.exists());
    }
}
