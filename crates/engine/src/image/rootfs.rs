//! The container image, made on the spot: the agent and the few files that a container expects, no registry needed.
//!
//! The same entries become a directory (OCI runtimes, podman) or a tar (Docker). The tar is deterministic: sorted, owner
//! 0, time 0; the same agent gives the same bytes and so the same digest.

use sha2::{Digest, Sha256};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Where the agent lies inside a container.
pub const AGENT_PATH: &str = "/isodyne-agent";

/// The files of a root file system, sorted by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rootfs {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Relative, without a slash at the end.
    path: &'static str,
    mode: u32,
    /// `None` for a directory.
    content: Option<Vec<u8>>,
}

impl Rootfs {
    /// The image that holds the agent.
    pub fn with_agent(agent: &[u8]) -> Self {
        let directory = |path, mode| Entry { path, mode, content: None };
        let file = |path, mode, content: &[u8]| Entry { path, mode, content: Some(content.to_vec()) };
        let mut entries = vec![
            directory("dev", 0o755),
            directory("etc", 0o755),
            // Engines mount their own files over these and would otherwise have to make them.
            file("etc/group", 0o644, b"root:x:0:\n"),
            file("etc/hostname", 0o644, b"isodyne\n"),
            file("etc/hosts", 0o644, b"127.0.0.1 localhost\n::1 localhost\n"),
            file("etc/passwd", 0o644, b"root:x:0:0:root:/:/isodyne-agent\n"),
            file("etc/resolv.conf", 0o644, b""),
            file("isodyne-agent", 0o755, agent),
            directory("proc", 0o555),
            directory("run", 0o755),
            directory("sys", 0o555),
            directory("tmp", 0o1777),
        ];
        entries.sort_by_key(|entry| entry.path);
        Self { entries }
    }

    /// Writes the files into a directory, which is made if it is missing.
    ///
    /// # Errors
    /// The host's, with the path.
    pub fn write_to(&self, directory: &Path) -> io::Result<()> {
        let named = |path: &Path, error: io::Error| {
            io::Error::new(error.kind(), format!("failed to write {}: {error}", path.display()))
        };
        std::fs::create_dir_all(directory).map_err(|error| named(directory, error))?;
        for entry in &self.entries {
            let path = directory.join(entry.path);
            let written = match &entry.content {
                None => std::fs::create_dir_all(&path),
                Some(content) => write_file(&path, content),
            };
            // Set afterwards: the umask takes bits away from the mode of a new file.
            written
                .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(entry.mode)))
                .map_err(|error| named(&path, error))?;
        }
        Ok(())
    }

    /// The same as a tar.
    ///
    /// # Errors
    /// If a path does not fit into a header, which no path of ours does.
    pub fn to_tar(&self) -> io::Result<Vec<u8>> {
        let mut builder = tar::Builder::new(Vec::new());
        for entry in &self.entries {
            let mut header = tar::Header::new_ustar();
            let content = entry.content.as_deref().unwrap_or_default();
            header.set_mode(entry.mode);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(content.len() as u64);
            let path = if entry.content.is_some() {
                header.set_entry_type(tar::EntryType::Regular);
                entry.path.to_owned()
            } else {
                header.set_entry_type(tar::EntryType::Directory);
                format!("{}/", entry.path)
            };
            builder.append_data(&mut header, path, content)?;
        }
        builder.into_inner()
    }

    /// The digest of the tar, in hexadecimal: the image's identity.
    ///
    /// # Errors
    /// As [`Rootfs::to_tar`].
    pub fn sha256(&self) -> io::Result<String> {
        Ok(Sha256::digest(self.to_tar()?).iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_same_agent_gives_the_same_bytes() {
        let (one, two) = (Rootfs::with_agent(b"agent"), Rootfs::with_agent(b"agent"));
        assert_eq!(one.to_tar().unwrap(), two.to_tar().unwrap());
        assert_ne!(one.sha256().unwrap(), Rootfs::with_agent(b"another").sha256().unwrap());
        assert_eq!(one.sha256().unwrap().len(), 64);
    }

    #[test]
    fn the_tar_holds_the_agent_for_everyone_to_execute() {
        let bytes = Rootfs::with_agent(b"agent").to_tar().unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut paths = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            assert_eq!((entry.header().uid().unwrap(), entry.header().mtime().unwrap()), (0, 0), "{path}");
            if path == "isodyne-agent" {
                let mut content = String::new();
                entry.read_to_string(&mut content).unwrap();
                assert_eq!((content.as_str(), entry.header().mode().unwrap()), ("agent", 0o755));
            }
            paths.push(path);
        }
        let mut sorted = paths.clone();
        sorted.sort();
        assert_eq!(paths, sorted);
        assert!(paths.contains(&"isodyne-agent".to_owned()) && paths.contains(&"proc/".to_owned()));
    }

    #[test]
    fn the_directory_can_be_written_twice() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("rootfs");
        for _ in 0..2 {
            Rootfs::with_agent(b"agent").write_to(&root).unwrap();
        }
        let mode = std::fs::metadata(root.join("isodyne-agent")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
        assert!(root.join("tmp").is_dir());
    }
}
