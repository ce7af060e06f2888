//! Archives in the `newc` format of cpio, as the kernel unpacks them into its first root.
//!
//! The same entries give the same bytes: times, owners and inode numbers are fixed, and entries are sorted by path.
//! Device nodes are only headers, so that nobody has to be root to write one.

use std::collections::BTreeMap;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory,
    /// A file with its contents.
    File {
        /// The contents.
        contents: Vec<u8>,
        /// Whether it can be executed.
        executable: bool,
    },
    /// A symbolic link with its target.
    Link(String),
    /// A character device with its numbers.
    CharacterDevice {
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
}

/// Why an archive cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CpioError {
    /// The path is empty, absolute, has a `..`, or a null byte.
    #[error("`{0}` cannot be a path in an archive")]
    Path(String),
    /// The format counts in 32 bits.
    #[error("`{path}` is too large for an archive ({size_bytes} bytes)")]
    TooLarge {
        /// The entry.
        path: String,
        /// Its size.
        size_bytes: usize,
    },
}

/// An archive that is being put together.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    entries: BTreeMap<String, Node>,
}

impl Archive {
    /// Adds an entry and the directories above it. The last entry of a path wins.
    ///
    /// # Errors
    /// [`CpioError::Path`] for a path that leaves the archive.
    pub fn add(&mut self, path: &str, node: Node) -> Result<(), CpioError> {
        let bad = path.is_empty()
            || path.contains('\0')
            || path.split('/').any(|part| part.is_empty() || part == "." || part == "..");
        if bad {
            return Err(CpioError::Path(path.to_owned()));
        }
        for (index, _) in path.match_indices('/') {
            self.entries.entry(path[..index].to_owned()).or_insert(Node::Directory);
        }
        self.entries.insert(path.to_owned(), node);
        Ok(())
    }

    /// The bytes of the archive.
    ///
    /// # Errors
    /// [`CpioError::TooLarge`] for a file of 4 GiB and more.
    pub fn bytes(&self) -> Result<Vec<u8>, CpioError> {
        let mut out = Vec::new();
        // BTreeMap sorts `a` before `a/b`: a directory always comes before what is in it.
        for (index, (path, node)) in self.entries.iter().enumerate() {
            let empty: &[u8] = &[];
            let (mode, links, data, device) = match node {
                Node::Directory => (0o040_755, 2, empty, (0, 0)),
                Node::File { contents, executable: true } => (0o100_755, 1, contents.as_slice(), (0, 0)),
                Node::File { contents, executable: false } => (0o100_644, 1, contents.as_slice(), (0, 0)),
                Node::Link(target) => (0o120_777, 1, target.as_bytes(), (0, 0)),
                Node::CharacterDevice { major, minor } => (0o020_600, 1, empty, (*major, *minor)),
            };
            let size = u32::try_from(data.len())
                .map_err(|_| CpioError::TooLarge { path: path.clone(), size_bytes: data.len() })?;
            entry(&mut out, path, index as u32 + 1, mode, links, device, size, data);
        }
        entry(&mut out, "TRAILER!!!", 0, 0, 1, (0, 0), 0, &[]);
        Ok(out)
    }
}

#[expect(clippy::too_many_arguments, reason = "these are the fields of the header")]
fn entry(out: &mut Vec<u8>, path: &str, inode: u32, mode: u32, links: u32, device: (u32, u32), size: u32, data: &[u8]) {
    let name_size = path.len() as u32 + 1;
    // magic, then: inode, mode, uid, gid, links, mtime, size, major, minor, device major, device minor, name, check.
    out.extend_from_slice(b"070701");
    for field in [inode, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0] {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(path.as_bytes());
    out.push(0);
    pad(out);
    out.extend_from_slice(data);
    pad(out);
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn archive() -> Archive {
        let mut archive = Archive::default();
        archive.add("init", Node::File { contents: b"#!x\n".to_vec(), executable: true }).unwrap();
        archive.add("lib/isodyne/a.ko", Node::File { contents: vec![7; 5], executable: false }).unwrap();
        archive.add("dev/console", Node::CharacterDevice { major: 5, minor: 1 }).unwrap();
        archive.add("bin", Node::Link("usr/bin".to_owned())).unwrap();
        archive
    }

    #[test]
    fn the_same_entries_give_the_same_bytes_in_any_order() {
        let mut other = Archive::default();
        other.add("bin", Node::Link("usr/bin".to_owned())).unwrap();
        other.add("dev/console", Node::CharacterDevice { major: 5, minor: 1 }).unwrap();
        other.add("lib/isodyne/a.ko", Node::File { contents: vec![7; 5], executable: false }).unwrap();
        other.add("init", Node::File { contents: b"#!x\n".to_vec(), executable: true }).unwrap();
        assert_eq!(archive().bytes(), other.bytes());
    }

    #[test]
    fn paths_that_leave_the_archive_are_refused() {
        for path in ["", "/etc", "a/../b", "a//b", "./a", "a/", "a\0b"] {
            assert_eq!(archive().add(path, Node::Directory), Err(CpioError::Path(path.to_owned())), "{path:?}");
        }
    }

    #[test]
    #[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
    fn the_cpio_program_lists_what_was_added() {
        let Ok(mut cpio) = Command::new("cpio")
            .args(["-t", "--quiet", "-v", "--numeric-uid-gid"])
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
        else {
            eprintln!("skipped: there is no cpio program");
            return;
        };
        cpio.stdin.take().unwrap().write_all(&archive().bytes().unwrap()).unwrap();
        let output = cpio.wait_with_output().unwrap();
        assert!(output.status.success());
        let listing = String::from_utf8(output.stdout).unwrap();
        let names: Vec<&str> = listing.lines().map(|line| line.split("1970 ").nth(1).unwrap()).collect();
        assert_eq!(names, ["bin -> usr/bin", "dev", "dev/console", "init", "lib", "lib/isodyne", "lib/isodyne/a.ko"]);
        assert!(listing.contains("crw------- "), "{listing}");
        assert!(listing.contains("-rwxr-xr-x "), "{listing}");
    }
}
