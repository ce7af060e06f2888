//! What a sandbox of the lab leaves when it is kept: the images, and beside them what a restore has to know.

use super::CheckpointError;
use super::layer::{self, LayerLimits};
use super::pack::{self, WORTH_PACKING, packing_of};
use crate::backend::bound::Bound;
use crate::backend::snapshot::{Engine, SnapshotOptions, files_of};
use isodyne_core::checkpoint::{CheckpointClass, Compressed, KeptOptions, LayerForm};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};

/// The file with what is to be known.
const KEPT: &str = "kept.json";
/// The most that is read of it.
const LIMIT: u64 = 1 << 20;
/// The directory of the images.
pub(crate) const IMAGES: &str = "images";
/// The directory of logs and statistics.
pub(crate) const LOGS: &str = "logs";
/// The layer with what the sandbox has changed of its root.
pub(crate) const LAYER: &str = "layer.tar";

/// What a restore has to know beside the images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The sandbox that was kept.
    pub(crate) name: String,
    /// Its id at its runtime, where that is another.
    #[serde(default)]
    pub(crate) id: String,
    /// Its root, as the host saw it, where an engine made it.
    #[serde(default)]
    pub(crate) rootfs: String,
    /// Whose way of keeping it was taken.
    #[serde(default)]
    pub(crate) engine: Engine,
    /// The directories of the host that were mounted in it.
    #[serde(default)]
    pub(crate) bound: Bound,
    /// What its agent has not been told yet.
    pub(crate) announce: Option<u16>,
    /// How it was kept.
    pub(crate) options: KeptOptions,
    /// The length of every packed file before it was packed, by its name in the images.
    pub(crate) packed: BTreeMap<String, u64>,
}

/// The options as the manifest and the runtime's calls have them.
pub(crate) fn options_of(options: &SnapshotOptions) -> KeptOptions {
    KeptOptions {
        leave_running: options.resume,
        tcp_established: options.tcp_established,
        file_locks: options.file_locks,
        rounds: options.rounds,
        compression: pack::named(options.compression),
    }
}

/// The directory of a round before the freeze, from 1.
pub(crate) fn round(number: u32) -> String {
    format!("pre-dump-{number}")
}

/// Makes the directories of a kept sandbox.
pub(crate) fn make_directories(directory: &Path, rounds: u32) -> Result<(), CheckpointError> {
    let rounds = (1..=rounds).map(round);
    for name in [IMAGES.to_owned(), LOGS.to_owned()].into_iter().chain(rounds) {
        let path = directory.join(name);
        std::fs::create_dir(&path).map_err(|error| CheckpointError::host("make", &path, &error))?;
    }
    Ok(())
}

/// Packs the big images of a directory; gives the lengths before, by the packed files' names.
pub(crate) fn pack_images(images: &Path, packing: Compressed) -> Result<BTreeMap<String, u64>, CheckpointError> {
    let mut packed = BTreeMap::new();
    for (path, _) in files_of(images) {
        // A round before is a link to a directory.
        let is_big = path.symlink_metadata().is_ok_and(|status| status.is_file() && status.len() >= WORTH_PACKING);
        if is_big {
            let file = pack::pack(&path, packing)?;
            let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            packed.insert(name, file.unpacked_bytes);
        }
    }
    Ok(packed)
}

/// Makes a directory with the images as CRIU wrote them: packed ones unpacked, others linked.
pub(crate) fn unpack_images(
    images: &Path,
    packed: &BTreeMap<String, u64>,
    target: &Path,
) -> Result<(), CheckpointError> {
    std::fs::create_dir(target).map_err(|error| CheckpointError::host("make", target, &error))?;
    for (path, _) in files_of(images) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match (packed.get(&name), packing_of(&name)) {
            (Some(length), Some(packing)) => {
                let plain = name.strip_suffix(packing.suffix()).unwrap_or(&name);
                pack::unpack(&path, packing, &target.join(plain), *length)?;
            }
            _ => link(&path, &target.join(&name))?,
        }
    }
    Ok(())
}

/// Gives every file of a directory a second name in another one.
pub(crate) fn link_all(from: &Path, to: &Path) -> Result<(), CheckpointError> {
    files_of(from).into_iter().try_for_each(|(path, _)| link(&path, &to.join(path.file_name().unwrap_or_default())))
}

/// A second name for a file, or a copy where there can be none.
fn link(from: &Path, to: &Path) -> Result<(), CheckpointError> {
    if let Ok(target) = std::fs::read_link(from) {
        // CRIU's link to the round before: relative, and it stays so.
        return std::os::unix::fs::symlink(target, to).map_err(|error| CheckpointError::host("link", to, &error));
    }
    if std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    std::fs::copy(from, to).map(|_| ()).map_err(|error| CheckpointError::host("copy", from, &error))
}

impl Kept {
    /// Writes it beside the images.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), CheckpointError> {
        let path = directory.join(KEPT);
        let text = serde_json::to_vec(self).map_err(std::io::Error::other);
        text.and_then(|text| std::fs::write(&path, text)).map_err(|error| CheckpointError::host("write", &path, &error))
    }

    /// Reads what was written.
    pub(crate) fn read(directory: &Path) -> Result<Self, CheckpointError> {
        let path = directory.join(KEPT);
        let missing = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => CheckpointError::new(
                CheckpointClass::WrongPath,
                format!("{} holds no kept container: there is no {KEPT}", directory.display()),
            ),
            _ => CheckpointError::host("read", &path, &error),
        };
        let mut text = Vec::new();
        File::open(&path).and_then(|file| file.take(LIMIT).read_to_end(&mut text)).map_err(missing)?;
        serde_json::from_slice(&text).map_err(|error| {
            CheckpointError::new(CheckpointClass::Altered, format!("{} is damaged: {error}", path.display()))
        })
    }

    /// The images of this kept sandbox, ready for CRIU: where they are, or unpacked below `private`.
    pub(crate) fn ready(&self, directory: &Path, private: &Path) -> Result<PathBuf, CheckpointError> {
        let images = directory.join(IMAGES);
        if self.packed.is_empty() {
            return Ok(images);
        }
        let target = private.join("unpacked");
        unpack_images(&images, &self.packed, &target)?;
        Ok(target)
    }
}

/// Writes the layer of a sandbox: what it has changed of its root, or all of it.
pub(crate) fn write_layer(root: &Path, form: LayerForm, tar: &Path) -> Result<(), CheckpointError> {
    let file = File::create_new(tar).map_err(|error| CheckpointError::host("make", tar, &error))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    layer::write(root, form, &LayerLimits::default(), None, &mut out)?;
    out.into_inner().map(|_| ()).map_err(|error| CheckpointError::host("write", tar, error.error()))
}

/// Every file below a directory with what it takes on the disk, by path. Links are not followed.
pub(crate) fn files_below(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut all = Vec::new();
    for (path, bytes) in files_of(directory) {
        match path.symlink_metadata() {
            Ok(status) if status.is_dir() => all.extend(files_below(&path)),
            Ok(status) if status.is_file() => all.push((path, bytes)),
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_images_are_packed_and_come_back_beside_the_small_ones() {
        let directory = tempfile::tempdir().unwrap();
        make_directories(directory.path(), 2).unwrap();
        assert!(directory.path().join("pre-dump-2").is_dir());
        let images = directory.path().join(IMAGES);
        std::fs::write(images.join("pages-1.img"), vec![7; 1 << 20]).unwrap();
        std::fs::write(images.join("core-1.img"), b"core").unwrap();
        let packed = pack_images(&images, Compressed::Lz4).unwrap();
        assert_eq!(packed, BTreeMap::from([("pages-1.img.lz4".to_owned(), 1 << 20)]));
        let kept = Kept { name: "isodyne-1".into(), packed, ..Kept::default() };
        kept.write(directory.path()).unwrap();
        assert_eq!(Kept::read(directory.path()).unwrap(), kept);
        let private = tempfile::tempdir().unwrap();
        let ready = kept.ready(directory.path(), private.path()).unwrap();
        assert_eq!(std::fs::read(ready.join("pages-1.img")).unwrap(), vec![7; 1 << 20]);
        assert_eq!(std::fs::read(ready.join("core-1.img")).unwrap(), b"core");
        assert_eq!(files_below(directory.path()).len(), 3);
    }

    #[test]
    fn what_was_never_kept_is_a_wrong_path() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Kept::read(directory.path()).unwrap_err().class, CheckpointClass::WrongPath);
        std::fs::write(directory.path().join(KEPT), "{").unwrap();
        assert_eq!(Kept::read(directory.path()).unwrap_err().class, CheckpointClass::Altered);
    }
}
