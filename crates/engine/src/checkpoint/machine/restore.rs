//! Bringing a kept sandbox back: what has to be true before anything is started.

use super::{KeptSandbox, LIMIT_BYTES, SANDBOX, is_machine, state_of};
use crate::checkpoint::archive::{Archive, IMAGES};
use crate::checkpoint::{CheckpointError, host, pack};
use isodyne_core::cell::Cell;
use isodyne_core::checkpoint::CheckpointClass;
use isodyne_core::factor::FactorValue;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A kept sandbox that can be brought back.
#[derive(Clone, Debug, PartialEq)]
pub struct Restorable {
    /// The name that it had.
    pub name: String,
    /// What it was made from, and is made from again.
    pub cell: Cell,
    /// Whether its agent says hello when it comes back.
    pub hello_again: bool,
    /// Where the archive is.
    pub archive: PathBuf,
    /// The state's packed files: path, and length before.
    packed: Vec<(PathBuf, u64)>,
}

/// Whether an archive is of a sandbox that isodyne owned.
pub fn is_ours(archive: &Archive) -> bool {
    archive.has(SANDBOX)
}

/// Holds an archive to its manifest, and reads what the sandbox was.
///
/// # Errors
/// Those of [`Archive::verify`]; `altered` if it does not say what the sandbox was; `other_host` for another architecture,
/// or another processor where the guest was given the host's.
pub fn restorable(archive: &Archive) -> Result<Restorable, CheckpointError> {
    archive.verify()?;
    let path = archive.directory.join(SANDBOX);
    let altered = |why: String| CheckpointError::new(CheckpointClass::Altered, format!("{}: {why}", path.display()));
    let mut text = Vec::new();
    let file = File::open(&path).map_err(|error| CheckpointError::host("read", &path, &error))?;
    file.take(LIMIT_BYTES).read_to_end(&mut text).map_err(|error| CheckpointError::host("read", &path, &error))?;
    let kept: KeptSandbox = serde_json::from_slice(&text).map_err(|error| altered(error.to_string()))?;
    if archive.manifest.source.backend != Some(kept.cell.backend) {
        return Err(altered("it names another backend than the manifest".to_owned()));
    }
    fits(archive, &kept.cell)?;
    let inside = if is_machine(kept.cell.backend) { Some(IMAGES) } else { None };
    let packed = archive
        .manifest
        .files
        .iter()
        .filter(|file| inside.is_some_and(|inside| file.path.starts_with(inside)))
        .filter_map(|file| Some((archive.directory.join(&file.path), file.unpacked_bytes?)))
        .collect();
    Ok(Restorable {
        name: kept.name,
        cell: kept.cell,
        hello_again: kept.hello_again,
        archive: archive.directory.clone(),
        packed,
    })
}

/// Whether this host can take it. A translated guest does not see the host's processor.
fn fits(archive: &Archive, cell: &Cell) -> Result<(), CheckpointError> {
    let (kept, here) = (&archive.manifest.host, host::this());
    if is_machine(cell.backend) && kept.architecture == here.architecture {
        let is_translated = matches!(cell.factors.get("accel"), Some(FactorValue::Text(accel)) if accel == "tcg");
        // What a guest finds on `auto` is not known here: QEMU's own description of the machine is held to it later.
        if is_translated || kept.processor == here.processor || !Path::new("/dev/kvm").exists() {
            return Ok(());
        }
        let message = format!("it was made on {}, and this processor is {}", kept.processor, here.processor);
        return Err(CheckpointError::new(CheckpointClass::OtherHost, message));
    }
    host::check(kept, &here).map(drop)
}

impl Restorable {
    /// The directory that a backend takes the state from. Packed files are unpacked into `scratch`, which is empty.
    ///
    /// # Errors
    /// `altered` for what does not unpack, and the host's.
    pub fn state(&self, scratch: &Path) -> Result<PathBuf, CheckpointError> {
        let directory = state_of(&self.archive, self.cell.backend);
        if self.packed.is_empty() {
            return Ok(directory);
        }
        pack::room_for(scratch, self.packed.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes)))?;
        for (path, unpacked_bytes) in &self.packed {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(packing) = pack::packing_of(&name) else { continue };
            let plain = name.strip_suffix(packing.suffix()).unwrap_or(&name);
            pack::unpack(path, packing, &scratch.join(plain), *unpacked_bytes)?;
        }
        let entries = std::fs::read_dir(&directory);
        let entries = entries.map_err(|error| CheckpointError::host("read", &directory, &error))?;
        for entry in entries.flatten() {
            let is_packed = self.packed.iter().any(|(path, _)| *path == entry.path());
            if !is_packed {
                let target = scratch.join(entry.file_name());
                std::fs::copy(entry.path(), &target)
                    .map_err(|error| CheckpointError::host("copy", &entry.path(), &error))?;
            }
        }
        Ok(scratch.to_owned())
    }
}
