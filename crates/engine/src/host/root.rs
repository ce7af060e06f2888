//! Where the host's files are: `/`, or a directory with captured files in tests.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No file of `/proc` or `/sys` that is read whole may be longer.
const READ_LIMIT_BYTES: u64 = 4 << 20;

/// The prefix of all paths to the host's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRoot {
    prefix: PathBuf,
}

impl Default for HostRoot {
    fn default() -> Self {
        Self { prefix: PathBuf::from("/") }
    }
}

impl HostRoot {
    /// The host's files under a prefix, for tests on captured files.
    pub fn under(prefix: impl Into<PathBuf>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// Where an absolute path of the host is.
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.prefix.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// Whether these are the files of the host that this program runs on.
    pub fn is_real(&self) -> bool {
        self.prefix == Path::new("/")
    }

    /// The whole text of a file, or `None` if it cannot be read. Bytes that are not UTF-8 are replaced.
    pub fn read(&self, absolute: impl AsRef<Path>) -> Option<String> {
        self.read_at_most(absolute, READ_LIMIT_BYTES)
    }

    /// The first `limit` bytes of a file's text, or `None` if it cannot be read.
    pub fn read_at_most(&self, absolute: impl AsRef<Path>, limit: u64) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.path(absolute)).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The text of a file that holds one value, without white space around it; `None` if it is empty or unreadable.
    pub fn value(&self, absolute: impl AsRef<Path>) -> Option<String> {
        let text = self.read_at_most(absolute, 64 << 10)?;
        let value = text.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The names in a directory, sorted; empty if it cannot be read.
    pub fn names(&self, absolute: impl AsRef<Path>) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(absolute)) else { return Vec::new() };
        let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}
