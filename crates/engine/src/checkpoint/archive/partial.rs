//! A checkpoint that is being written: invisible under its name until it is durable, and removed if it never becomes so.

use super::MANIFEST;
use super::digest::{begin_writing, digest_of, on_all};
use super::follow::Digests;
use crate::checkpoint::CheckpointError;
use crate::checkpoint::kept::files_below;
use isodyne_core::checkpoint::{CheckpointClass, KeptFile, Manifest};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A checkpoint that is being written. Dropped, it is removed.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    target: PathBuf,
    output: PathBuf,
    kept: bool,
}

/// A name that a checkpoint can have: it becomes a directory's.
fn check_name(name: &str) -> Result<(), CheckpointError> {
    let is_good = !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if is_good {
        return Ok(());
    }
    Err(CheckpointError::new(CheckpointClass::WrongPath, format!("`{name}` cannot be the name of a checkpoint"))
        .hint("letters, digits, `_`, `-` and `.`, and no `.` in front"))
}

fn sync_directory(path: &Path) -> Result<(), CheckpointError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| CheckpointError::host("sync", path, &error))
}

impl Partial {
    /// Begins `output/name`. The directory `output` is made if it is not there.
    ///
    /// # Errors
    /// Classes `name_in_use` if there is something already, `wrong_path` for an impossible name, and the host's.
    pub fn begin(output: &Path, name: &str) -> Result<Self, CheckpointError> {
        check_name(name)?;
        std::fs::create_dir_all(output).map_err(|error| CheckpointError::host("make", output, &error))?;
        // CRIU changes its working directory.
        let output = output.canonicalize().map_err(|error| CheckpointError::host("find", output, &error))?;
        let target = output.join(name);
        if target.symlink_metadata().is_ok() {
            return Err(CheckpointError::new(
                CheckpointClass::NameInUse,
                format!("there is already something at {}", target.display()),
            )
            .hint("choose another `--name`, or remove it"));
        }
        let path = output.join(format!(".{name}.partial-{:08x}", fastrand::u32(..)));
        // Memory may hold secrets.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| CheckpointError::host("make", &path, &error))?;
        Ok(Self { path, target, output, kept: false })
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on it stays, whatever happens: it has the only copy of something.
    pub fn hold(&mut self) {
        self.kept = true;
    }

    /// Has everything so far begin its way to the disk.
    pub fn begin_writing(&self) {
        for (path, _) in files_below(&self.path) {
            if let Ok(file) = File::open(path) {
                begin_writing(&file);
            }
        }
    }

    /// Digests and syncs every file. `unpacked` has the lengths of packed files, by path; `known` has digests that were
    /// made while files were written.
    ///
    /// # Errors
    /// The host's.
    pub fn seal(&self, unpacked: &BTreeMap<String, u64>, known: &Digests) -> Result<Vec<KeptFile>, CheckpointError> {
        let work = |path: &Path| -> io::Result<KeptFile> {
            let file = File::open(path)?;
            begin_writing(&file);
            let relative = path.strip_prefix(&self.path).unwrap_or(path).to_string_lossy().into_owned();
            let there = file.metadata()?.len();
            let (bytes, xxh3_128) = match known.get(&relative).filter(|(length, _)| *length == there) {
                Some(known) => known.clone(),
                None => digest_of(path)?,
            };
            file.sync_all()?;
            let allocated_bytes = file.metadata()?.blocks() * 512;
            Ok(KeptFile {
                unpacked_bytes: unpacked.get(&relative).copied(),
                path: relative,
                bytes,
                allocated_bytes,
                xxh3_128,
            })
        };
        on_all(files_below(&self.path), work)
            .into_iter()
            .map(|(path, sealed)| sealed.map_err(|error| CheckpointError::host("seal", &path, &error)))
            .collect()
    }

    /// Writes the manifest, makes everything durable, and gives the checkpoint its name: from then on it is there.
    ///
    /// # Errors
    /// The host's; class `name_in_use` if somebody else has made something of this name meanwhile.
    pub fn finish(&mut self, manifest: &Manifest) -> Result<PathBuf, CheckpointError> {
        let path = self.path.join(MANIFEST);
        let host = |error: io::Error| CheckpointError::host("write", &path, &error);
        let text = serde_json::to_vec_pretty(manifest).map_err(|error| host(io::Error::other(error)))?;
        let mut file = File::create_new(&path).map_err(host)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(host)?;
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        for directory in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            sync_directory(&directory.path())?;
        }
        sync_directory(&self.path)?;
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        rustix::fs::renameat_with(rustix::fs::CWD, &self.path, rustix::fs::CWD, &self.target, flags).map_err(
            |errno| match errno {
                rustix::io::Errno::EXIST => CheckpointError::new(
                    CheckpointClass::NameInUse,
                    format!("somebody else has made {}", self.target.display()),
                ),
                errno => CheckpointError::host("rename to", &self.target, &errno.into()),
            },
        )?;
        self.kept = true;
        sync_directory(&self.output)?;
        Ok(self.target.clone())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // It has a name that says what it is; the error that led here matters more.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_what_was_not_finished() {
        let output = tempfile::tempdir().unwrap();
        let partial = Partial::begin(&output.path().join("deep"), "one").unwrap();
        std::fs::write(partial.path().join("x"), "x").unwrap();
        assert!(partial.path().exists());
        drop(partial);
        assert_eq!(std::fs::read_dir(output.path().join("deep")).unwrap().count(), 0);
        let mut only_copy = Partial::begin(&output.path().join("deep"), "one").unwrap();
        only_copy.hold();
        drop(only_copy);
        assert_eq!(std::fs::read_dir(output.path().join("deep")).unwrap().count(), 1);
    }

    #[test]
    fn names_that_are_taken_or_lead_elsewhere_are_refused() {
        let output = tempfile::tempdir().unwrap();
        std::fs::create_dir(output.path().join("one")).unwrap();
        assert_eq!(Partial::begin(output.path(), "one").unwrap_err().class, CheckpointClass::NameInUse);
        for name in ["", "..", ".x", "a/b", "a b"] {
            assert_eq!(Partial::begin(output.path(), name).unwrap_err().class, CheckpointClass::WrongPath, "{name}");
        }
    }
}
