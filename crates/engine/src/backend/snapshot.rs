//! Powers that some backends have: keeping the state of a live sandbox, and bringing it back in another one.

use super::{Place, Sandbox};
use crate::lab::Lab;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

/// How much of the memory a snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotKind {
    /// All of it.
    Full,
    /// What has changed since the snapshot before.
    Difference,
    /// All of it, in a file of its own that any number of restored sandboxes map, each with copies of what it changes.
    Template,
    /// All of it, each page at a place of its own in the one file (QEMU's `mapped-ram`).
    MappedRam(MappedRam),
}

/// How a file is written and read in which each page of the memory has a place of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedRam {
    /// Threads that write and read it beside each other (QEMU's `multifd`); without any, QEMU's own one does.
    pub channels: u8,
    /// Whether they go past the host's page cache, as far as the file system lets them.
    pub direct_io: bool,
}

impl MappedRam {
    /// The threads there really are: only they can go past the page cache.
    pub fn threads(self) -> u8 {
        self.channels.max(u8::from(self.direct_io))
    }
}

/// How the files of a kept state are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As the engine wrote them.
    #[default]
    None,
    /// Zstandard.
    Zstd,
    /// LZ4.
    Lz4,
}

/// Whose way of keeping the state of a container is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The OCI runtime's under the container engine, called by the lab.
    #[default]
    Runtime,
    /// The container engine's own: podman's export and import, Docker's checkpoints.
    Native,
}

/// How a state is kept. What an engine does not have, it refuses: nothing is silently left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// How much of the memory.
    pub kind: SnapshotKind,
    /// Whether the sandbox runs on afterwards.
    pub resume: bool,
    /// Rounds that copy memory while the sandbox runs, before it is stopped for the last one.
    pub rounds: u32,
    /// Whether established TCP connections are kept.
    pub tcp_established: bool,
    /// Whether locks of files are kept.
    pub file_locks: bool,
    /// How the files are packed.
    pub compression: Compression,
    /// Whose way it is.
    pub engine: Engine,
}

impl SnapshotOptions {
    /// In one go, with nothing special.
    pub fn of(kind: SnapshotKind, resume: bool) -> Self {
        let compression = Compression::None;
        let engine = Engine::Runtime;
        Self { kind, resume, rounds: 0, tcp_established: false, file_locks: false, compression, engine }
    }

    /// A monitor keeps connections and locks inside its guest's memory, always, and packs nothing.
    ///
    /// # Errors
    /// A failure of the class `launch` that names what was asked for.
    pub(crate) fn refuse_what_only_containers_have(&self, monitor: &str) -> Result<(), Failure> {
        let asked =
            [("rounds before the freeze", self.rounds > 0), ("compression", self.compression != Compression::None)];
        match asked.iter().find(|(_, asked)| *asked) {
            Some((what, _)) => {
                Err(Failure::new(FailureClass::Launch, format!("{monitor} takes no {what} for its snapshots")))
            }
            None => Ok(()),
        }
    }

    /// Refuses a file in which each page has its place.
    ///
    /// # Errors
    /// A failure of the class `launch`.
    pub(crate) fn refuse_what_only_qemu_has(&self, engine: &str) -> Result<(), Failure> {
        match self.kind {
            SnapshotKind::MappedRam(_) => {
                let message = format!("mapped RAM is a form of QEMU's, and {engine} has none: use the form `full`");
                Err(Failure::new(FailureClass::Launch, message))
            }
            _ => Ok(()),
        }
    }
}

/// Who brings the memory of a restored sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryBackend {
    /// The engine itself, by reading or mapping the file.
    File,
    /// The lab, page by page as the guest touches them (userfaultfd).
    Userfault,
}

impl MemoryBackend {
    /// A container's runtime has CRIU read the memory, and nobody else can bring it.
    ///
    /// # Errors
    /// A failure of the class `launch`.
    pub(crate) fn of_a_container(self) -> Result<(), Failure> {
        match self {
            Self::File => Ok(()),
            Self::Userfault => {
                let message = "the runtime reads the memory of a container from files only";
                Err(Failure::new(FailureClass::Launch, message))
            }
        }
    }
}

/// A snapshot that was written, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// When the sandbox was asked to stand still, or the engine to do all of it.
    pub asked: HostInstant,
    /// When it stood still; `None` if the engine does not say so.
    pub paused: Option<HostInstant>,
    /// When the engine said that everything was written.
    pub written: HostInstant,
    /// When it ran again; `None` if it was left standing or has ended, or if the engine does not say so.
    pub resumed: Option<HostInstant>,
    /// Whether the agent of a sandbox that runs on says hello again: keeping its state has ended the connection.
    pub running_says_hello: bool,
    /// Whether the agent of a sandbox that comes back says hello again: its connection is not in the state.
    pub restored_says_hello: bool,
    /// The files, with what they take on the disk.
    pub files: Vec<(PathBuf, u64)>,
    /// What the engine says of its own phases and amounts, by metric name (`criu_frozen_ns`, `criu_pages_written_count`).
    pub engine: Vec<(String, f64)>,
}

/// Whether a sandbox's state was kept, and what became of the sandbox by that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum WasKept {
    /// It was not kept.
    #[default]
    No,
    /// It has ended: then it was its engine that killed it.
    Ended,
    /// It ran on.
    RanOn,
}

impl WasKept {
    /// What a snapshot makes of it.
    pub(crate) fn by(options: &SnapshotOptions) -> Self {
        if options.resume { Self::RanOn } else { Self::Ended }
    }
}

/// A live sandbox whose state can be kept.
pub trait Snapshots {
    /// Pauses the sandbox, writes its state into a directory that exists and is empty, and lets it run again if asked.
    ///
    /// # Errors
    /// A classed failure with the engine's own words. The sandbox may stand still then.
    fn snapshot(
        &mut self,
        directory: &Path,
        options: &SnapshotOptions,
        deadline: HostInstant,
    ) -> Result<Taken, Failure>;
}

/// A launcher that can bring a kept state back.
pub trait Restorer {
    /// Starts an engine that takes the state from a directory and lets the sandbox run. t0 is stamped right before the
    /// fork, as for a launch. Whether the agent says hello again, [`Taken::restored_says_hello`] has told.
    ///
    /// # Errors
    /// A classed failure with its evidence. Nothing is left running.
    fn restore(
        &self,
        directory: &Path,
        memory: MemoryBackend,
        place: &Place,
        lab: &Lab,
    ) -> Result<Box<dyn Sandbox>, Failure>;

    /// Whether a [`SnapshotKind::Difference`] can be kept and [completed](Self::complete).
    fn keeps_differences(&self) -> bool {
        false
    }

    /// Lays a difference over the whole state before it, in whose directory there is the whole state of the later moment
    /// then; gives the bytes that had changed.
    ///
    /// # Errors
    /// A failure of the class `launch` where there are no differences, and the host's.
    fn complete(&self, _base: &Path, _difference: &Path) -> Result<u64, Failure> {
        Err(Failure::new(FailureClass::Launch, "the backend keeps no differences"))
    }
}

/// The files of a directory with what they take on the disk (holes take nothing), by name.
pub(crate) fn files_of(directory: &Path) -> Vec<(PathBuf, u64)> {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sized = entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.blocks() * 512)));
    let mut files: Vec<(PathBuf, u64)> = sized.collect();
    files.sort();
    files
}

/// Lays the changed memory of a later snapshot over the memory of an earlier one. Both files have the same length; what is
/// a hole in `changes` has not changed.
///
/// # Errors
/// What the host says, and [`std::io::ErrorKind::InvalidInput`] if the lengths differ.
pub fn lay_over(base: &Path, changes: &Path) -> std::io::Result<u64> {
    let from = File::open(changes)?;
    let to = std::fs::OpenOptions::new().write(true).open(base)?;
    let length = from.metadata()?.len();
    if to.metadata()?.len() != length {
        let message = format!("{} and {} differ in length", base.display(), changes.display());
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, message));
    }
    copy_data(&from, &to)
}

/// Writes what one file holds to the same places of another one, and leaves out its holes; gives the bytes written.
pub(crate) fn copy_data(from: &File, to: &File) -> std::io::Result<u64> {
    use rustix::fs::{SeekFrom, seek};
    use std::os::unix::fs::FileExt;
    let (mut at, mut copied) = (0, 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        at = match seek(from, SeekFrom::Data(at)) {
            Ok(begin) => begin,
            Err(rustix::io::Errno::NXIO) => return Ok(copied),
            Err(errno) => return Err(errno.into()),
        };
        let end = seek(from, SeekFrom::Hole(at))?;
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            from.read_exact_at(&mut buffer[..wanted], at)?;
            to.write_all_at(&buffer[..wanted], at)?;
            at += wanted as u64;
            copied += wanted as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn changes_are_laid_over_and_holes_leave_what_was() {
        let directory = tempfile::tempdir().unwrap();
        let (base, changes) = (directory.path().join("base"), directory.path().join("changes"));
        std::fs::write(&base, vec![b'a'; 1 << 20]).unwrap();
        let file = File::create(&changes).unwrap();
        file.set_len(1 << 20).unwrap();
        file.write_all_at(&[b'b'; 4096], 512 << 10).unwrap();
        let copied = lay_over(&base, &changes).unwrap();
        let memory = std::fs::read(&base).unwrap();
        assert_eq!(memory[(512 << 10)..][..4096], [b'b'; 4096]);
        assert_eq!((memory[0], memory[(1 << 20) - 1]), (b'a', b'a'));
        assert!(copied >= 4096, "{copied}");
        file.set_len(2 << 20).unwrap();
        assert_eq!(lay_over(&base, &changes).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    }
}
