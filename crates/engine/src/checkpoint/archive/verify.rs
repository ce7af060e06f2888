//! Reading a kept checkpoint, and holding its files to its manifest.

use super::MANIFEST;
use super::digest::{digest_of, on_all};
use crate::checkpoint::CheckpointError;
use isodyne_core::checkpoint::{CheckpointClass, KeptFile, LIMIT, Manifest};
use rustix::fs::{Mode, OFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The deepest directory that a checkpoint has.
const DEPTH: usize = 8;

/// A kept checkpoint whose manifest was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive {
    /// Where it is.
    pub directory: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// Opens a checkpoint: its manifest is read and checked, its files are not looked at.
///
/// # Errors
/// Classes `wrong_path`, `missing_file` (it was never finished), `altered`, and the host's.
pub fn open(path: &Path) -> Result<Archive, CheckpointError> {
    let directory = path.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            CheckpointError::new(CheckpointClass::WrongPath, format!("there is no checkpoint {}", path.display()))
                .hint("it is DIR/NAME, as `isodyne checkpoint -o DIR --name NAME` has made it")
        }
        _ => CheckpointError::host("open", path, &error),
    })?;
    let file = directory.join(MANIFEST);
    let mut bytes = Vec::new();
    let altered = |why: String| CheckpointError::new(CheckpointClass::Altered, format!("{} {why}", file.display()));
    if file.symlink_metadata().is_ok_and(|status| !status.is_file()) {
        // Opening a pipe would wait for somebody who writes.
        return Err(altered("is no file".to_owned()));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(&file, flags, Mode::empty()).map(File::from).map_err(io::Error::from);
    let read = opened.and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        if error.kind() != io::ErrorKind::NotFound && error.kind() != io::ErrorKind::NotADirectory {
            return Err(CheckpointError::host("read", &file, &error));
        }
        let incomplete = directory.join(super::IMAGES).is_dir();
        let (class, why) = if incomplete {
            (CheckpointClass::MissingFile, "it was never finished, or its manifest was removed")
        } else {
            (CheckpointClass::WrongPath, "there is no manifest")
        };
        let message = format!("{} is no checkpoint: {why}", directory.display());
        return Err(CheckpointError::new(class, message).hint(if incomplete {
            "CRIU's images in it may be whole: `isodyne inspect` shows them, and `runc restore --image-path` takes them"
        } else {
            "it is DIR/NAME, as `isodyne checkpoint -o DIR --name NAME` has made it"
        }));
    }
    if bytes.len() as u64 > LIMIT {
        return Err(altered("is larger than any manifest".to_owned()));
    }
    let manifest = Manifest::read(&bytes).map_err(|error| altered(error.to_string()))?;
    Ok(Archive { directory, manifest })
}

impl Archive {
    /// Whether the checkpoint has a file.
    pub fn has(&self, path: &str) -> bool {
        self.manifest.files.iter().any(|file| file.path == path)
    }

    /// Holds every file to the manifest: that it is there, that it is as long, that it has the same digest. And there is
    /// nothing else: what is not in the manifest would be read as well.
    ///
    /// # Errors
    /// Classes `missing_file` and `altered`, for the first file by name; the host's.
    pub fn verify(&self) -> Result<(), CheckpointError> {
        let listed: BTreeSet<&str> = self.manifest.files.iter().map(|file| file.path.as_str()).collect();
        self.nothing_else(&listed, "", 0)?;
        let named: BTreeMap<PathBuf, &KeptFile> =
            self.manifest.files.iter().map(|file| (self.directory.join(&file.path), file)).collect();
        for (path, file) in &named {
            match path.symlink_metadata() {
                Ok(status) if !status.is_file() => return Err(altered(file, "is no file any more")),
                Ok(status) if status.len() != file.bytes => {
                    let why = format!("has {} bytes, and had {} when it was written", status.len(), file.bytes);
                    return Err(altered(file, &why));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let message = format!("the checkpoint is not complete: `{}` is missing", file.path);
                    return Err(CheckpointError::new(CheckpointClass::MissingFile, message)
                        .hint("nothing of it was brought back; take another copy of it"));
                }
                Err(error) => return Err(CheckpointError::host("look at", path, &error)),
            }
        }
        let files = named.iter().map(|(path, file)| (path.clone(), file.bytes)).collect();
        for (path, digest) in on_all(files, digest_of) {
            let (_, digest) = digest.map_err(|error| CheckpointError::host("read", &path, &error))?;
            if let Some(file) = named.get(&path).filter(|file| file.xxh3_128 != digest) {
                return Err(altered(file, "is not as it was written: its digest differs"));
            }
        }
        Ok(())
    }

    /// Walks a directory of the checkpoint: files that are listed, directories, and CRIU's own link to the round before.
    fn nothing_else(&self, listed: &BTreeSet<&str>, below: &str, depth: usize) -> Result<(), CheckpointError> {
        let directory = self.directory.join(below);
        let host = |error: io::Error| CheckpointError::host("read", &directory, &error);
        let foreign = |path: &str, why: &str| {
            CheckpointError::new(CheckpointClass::Altered, format!("the checkpoint was altered: `{path}` {why}"))
                .hint("nothing of it was brought back; remove what does not belong to it, or take another copy")
        };
        for entry in std::fs::read_dir(&directory).map_err(host)? {
            let entry = entry.map_err(host)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let kind = entry.file_type().map_err(host)?;
            if kind.is_dir() && depth < DEPTH {
                self.nothing_else(listed, &path, depth + 1)?;
            } else if kind.is_symlink() && path.ends_with("/parent") && self.is_round(&entry.path()) {
                // CRIU's, written by a dump that builds on a round before.
            } else if !kind.is_file() {
                return Err(foreign(&path, "is no file"));
            } else if path != MANIFEST && !listed.contains(path.as_str()) {
                return Err(foreign(&path, "is not in its manifest"));
            }
        }
        Ok(())
    }

    /// Whether a link leads to one of the checkpoint's own rounds.
    fn is_round(&self, link: &Path) -> bool {
        std::fs::read_link(link).is_ok_and(|target| {
            let round = target.strip_prefix("..").ok().and_then(Path::to_str);
            round.is_some_and(|round| self.manifest.parents.iter().any(|parent| parent == round))
        })
    }
}

fn altered(file: &KeptFile, why: &str) -> CheckpointError {
    CheckpointError::new(CheckpointClass::Altered, format!("the checkpoint was altered: `{}` {why}", file.path))
        .hint("nothing of it was brought back; take another copy of it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_core::checkpoint::{KeptHost, KeptLayer, KeptOptions, KeptSource, Kind, SCHEMA, VERSION};
    use std::os::unix::fs::symlink;

    /// A checkpoint with two rounds' worth of files.
    fn checkpoint() -> (tempfile::TempDir, Archive) {
        let directory = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for path in ["pre-dump-1/pages-1.img", "images/pages-1.img", "config.json"] {
            let file = directory.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, path).unwrap();
            let (bytes, xxh3_128) = digest_of(&file).unwrap();
            files.push(KeptFile { path: path.into(), bytes, allocated_bytes: 0, xxh3_128, unpacked_bytes: None });
        }
        symlink("../pre-dump-1", directory.path().join("images/parent")).unwrap();
        let manifest = Manifest {
            schema: SCHEMA.into(),
            version: VERSION,
            kind: Kind::Container,
            name: "one".into(),
            created: "2026-01-01T00:00:00Z".into(),
            boot_id: String::new(),
            source: KeptSource { id: "web".into(), name: "web".into(), ..KeptSource::default() },
            host: KeptHost::default(),
            options: KeptOptions { rounds: 1, ..KeptOptions::default() },
            mounts: Vec::new(),
            layer: KeptLayer::default(),
            files,
            parents: vec!["pre-dump-1".into()],
            timing: Vec::new(),
            engine: BTreeMap::new(),
        };
        std::fs::write(directory.path().join(MANIFEST), serde_json::to_vec(&manifest).unwrap()).unwrap();
        let archive = open(directory.path()).unwrap();
        archive.verify().unwrap();
        (directory, archive)
    }

    #[test]
    fn what_is_not_in_the_manifest_is_refused() {
        let refused = |change: &dyn Fn(&Path), what: &str| {
            let (directory, archive) = checkpoint();
            change(directory.path());
            let error = archive.verify().unwrap_err();
            assert_eq!(error.class, CheckpointClass::Altered, "{error}");
            assert!(error.message.contains(what) && error.hint.is_some(), "{error}");
        };
        refused(&|at| std::fs::write(at.join("images/core-9.img"), "x").unwrap(), "images/core-9.img");
        refused(&|at| symlink("/etc/passwd", at.join("images/core-9.img")).unwrap(), "is no file");
        refused(
            &|at| {
                std::fs::rename(at.join("images"), at.join("elsewhere")).unwrap();
                symlink("elsewhere", at.join("images")).unwrap();
            },
            "`",
        );
        refused(
            &|at| {
                std::fs::remove_file(at.join("images/parent")).unwrap();
                symlink("../../other", at.join("images/parent")).unwrap();
            },
            "images/parent",
        );
    }

    #[test]
    fn a_manifest_that_is_a_pipe_or_a_link_is_not_waited_for() {
        let (directory, _) = checkpoint();
        let path = directory.path().join(MANIFEST);
        std::fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert_eq!(open(directory.path()).unwrap_err().class, CheckpointClass::Altered);
        std::fs::remove_file(&path).unwrap();
        symlink("/dev/zero", &path).unwrap();
        assert_eq!(open(directory.path()).unwrap_err().class, CheckpointClass::Altered);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(open(directory.path()).unwrap_err().class, CheckpointClass::MissingFile);
    }
}
