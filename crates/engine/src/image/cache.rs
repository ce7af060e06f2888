//! The cache of kernels, initramfs and packages: files by the digest of their contents, and one index.
//!
//! `sha256/<digest>/<name>` never changes once it is there: files are written beside it and renamed. Whoever changes
//! the index holds the lock, so that several `isodyne setup` may run at once.

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The host refused.
    #[error("failed to {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The host's answer.
        #[source]
        source: io::Error,
    },
    /// A file is not what it was when it was stored.
    #[error(
        "`{}` has changed since it was stored: expected SHA-256 {expected}, found {found}; \
         remove it and run `isodyne setup` again", path.display()
    )]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The digest it is stored under.
        expected: String,
        /// The digest it has.
        found: String,
    },
    /// The index cannot be read.
    #[error("`{}` cannot be read: {message}; remove it and run `isodyne setup` again", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
}

/// A file in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its name, without a path.
    pub name: String,
    /// SHA-256 of its contents, in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// The cache.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// Held while the index is changed.
#[derive(Debug)]
pub struct CacheLock(#[expect(dead_code, reason = "closing the file gives the lock back")] File);

impl Cache {
    /// Opens the cache and makes its directories.
    ///
    /// # Errors
    /// [`CacheError::Io`] if they cannot be made.
    pub fn open(root: &Path) -> Result<Self, CacheError> {
        let blobs = root.join("sha256");
        DirBuilder::new().recursive(true).mode(0o755).create(&blobs).map_err(io_error("make", &blobs))?;
        Ok(Self { root: root.to_owned() })
    }

    /// Where the cache is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Waits until nobody else changes the index.
    ///
    /// # Errors
    /// [`CacheError::Io`] if the lock file cannot be made.
    pub fn lock(&self) -> Result<CacheLock, CacheError> {
        let path = self.root.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o644)
            .open(&path)
            .map_err(io_error("open", &path))?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|errno| io_error("lock", &path)(errno.into()))?;
        Ok(CacheLock(file))
    }

    /// Stores contents under their digest. Nothing happens if they are there already and whole.
    ///
    /// # Errors
    /// [`CacheError::Io`] if they cannot be written.
    pub fn put(&self, name: &str, contents: &[u8]) -> Result<Stored, CacheError> {
        let stored = Stored { name: name.to_owned(), sha256: sha256_hex(contents), size_bytes: contents.len() as u64 };
        let path = self.path(&stored);
        if self.verify(&stored).is_ok() {
            return Ok(stored);
        }
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(io_error("make", directory))?;
        }
        self.replace(&path, contents)?;
        Ok(stored)
    }

    /// Takes a file in that was written inside the cache's own directory and whose digest is known already. It is
    /// moved, and nobody may write to it afterwards.
    ///
    /// # Errors
    /// [`CacheError::Io`] if it cannot be moved.
    pub fn adopt(&self, name: &str, sha256: &str, file: &Path) -> Result<Stored, CacheError> {
        let size_bytes = file.metadata().map_err(io_error("read", file))?.len();
        let stored = Stored { name: name.to_owned(), sha256: sha256.to_owned(), size_bytes };
        let path = self.path(&stored);
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(io_error("make", directory))?;
        }
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o444)).map_err(io_error("protect", file))?;
        std::fs::rename(file, &path).map_err(io_error("write", &path))?;
        Ok(stored)
    }

    /// Where a stored file is.
    pub fn path(&self, stored: &Stored) -> PathBuf {
        self.root.join("sha256").join(&stored.sha256).join(&stored.name)
    }

    /// Reads a stored file and checks its digest.
    ///
    /// # Errors
    /// [`CacheError::Io`] if it is gone, [`CacheError::Mismatch`] if it has changed.
    pub fn get(&self, stored: &Stored) -> Result<Vec<u8>, CacheError> {
        let path = self.path(stored);
        let contents = std::fs::read(&path).map_err(io_error("read", &path))?;
        let found = sha256_hex(&contents);
        if found == stored.sha256 {
            Ok(contents)
        } else {
            Err(CacheError::Mismatch { path, expected: stored.sha256.clone(), found })
        }
    }

    /// Checks a stored file and says where it is.
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub fn verify(&self, stored: &Stored) -> Result<PathBuf, CacheError> {
        let path = self.path(stored);
        let mut file = File::open(&path).map_err(io_error("read", &path))?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 18]);
        loop {
            match file.read(&mut buffer).map_err(io_error("read", &path))? {
                0 => break,
                count => hash.update(&buffer[..count]),
            }
        }
        let found = hex(&hash.finalize());
        if found == stored.sha256 {
            Ok(path)
        } else {
            Err(CacheError::Mismatch { path, expected: stored.sha256.clone(), found })
        }
    }

    /// Reads a JSON document of the cache; `None` if there is none.
    ///
    /// # Errors
    /// [`CacheError`] if it is there and cannot be read.
    pub fn read_index<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<Option<T>, CacheError> {
        let path = self.root.join(name);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| CacheError::Index { path, message: error.to_string() })
    }

    /// Replaces a JSON document of the cache.
    ///
    /// # Errors
    /// [`CacheError`] if it cannot be written.
    pub fn write_index<T: Serialize>(&self, name: &str, document: &T) -> Result<(), CacheError> {
        let path = self.root.join(name);
        let mut text = serde_json::to_vec_pretty(document)
            .map_err(|error| CacheError::Index { path: path.clone(), message: error.to_string() })?;
        text.push(b'\n');
        self.replace(&path, &text)
    }

    /// Writes beside the path and renames, so that a reader sees the old file or the new one, whole.
    fn replace(&self, path: &Path, contents: &[u8]) -> Result<(), CacheError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let unique = format!(".new-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let beside = self.root.join(unique);
        let written = File::create(&beside)
            .and_then(|mut file| file.write_all(contents).and_then(|()| file.sync_all()))
            .map_err(io_error("write", &beside))
            .and_then(|()| std::fs::rename(&beside, path).map_err(io_error("write", path)));
        if written.is_err() {
            let _ = std::fs::remove_file(&beside);
        }
        written
    }
}

pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CacheError {
    let path = path.to_owned();
    move |source| CacheError::Io { action, path, source }
}

/// SHA-256 of bytes in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_stored_once_and_checked() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let stored = cache.put("x", b"hello").unwrap();
        assert_eq!(stored.sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
        assert_eq!(cache.put("x", b"hello").unwrap(), stored);
        assert_eq!(cache.get(&stored).unwrap(), b"hello");

        std::fs::write(cache.path(&stored), b"hellO").unwrap();
        let message = cache.verify(&stored).unwrap_err().to_string();
        assert!(message.contains("2cf24dba") && message.contains("remove it"), "{message}");
        assert!(matches!(cache.get(&stored), Err(CacheError::Mismatch { .. })));
        // Storing again repairs it.
        cache.put("x", b"hello").unwrap();
        assert!(cache.verify(&stored).is_ok());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_index_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        assert!(cache.read_index::<Vec<u8>>("index.json").unwrap().is_none());
        cache.write_index("index.json", &vec![1, 2]).unwrap();
        assert_eq!(cache.read_index::<Vec<u8>>("index.json").unwrap(), Some(vec![1, 2]));
        std::fs::write(directory.path().join("index.json"), "{").unwrap();
        assert!(matches!(cache.read_index::<Vec<u8>>("index.json"), Err(CacheError::Index { .. })));
    }

    #[test]
    fn many_may_store_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let _lock = cache.lock().unwrap();
                    cache.put("same", &vec![3; 100_000]).unwrap();
                });
            }
        });
        assert!(cache.verify(&cache.put("same", &vec![3; 100_000]).unwrap()).is_ok());
    }
}
