//! What a checkpoint holds, put together from its images.

mod bits;
mod file;
mod memory;
mod mount;
mod pages;
mod process;
mod reader;
mod shared;
mod socket;
mod text;

pub use file::{Clock, Descriptor, File, FileKind, Lock};
pub use memory::{Area, AreaKind, Memory, PageRun, PageTotals, SharedMemory};
pub use mount::{Mount, MountNamespace};
pub use process::{Credentials, Process, State, Thread};
pub use shared::{Inventory, NetworkDevice};
pub use socket::{SocketAddress, TcpQueues};

use crate::source::Images;
use reader::Reader;
use serde::Serialize;
use thiserror::Error;

/// Why a directory cannot be read as a checkpoint at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}: {reason}")]
pub struct ReadError {
    /// The image.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Something that could not be read; what it would have said is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The image.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// What a checkpoint holds. What its images do not say is `None` or listed in `unreadable`, never made up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checkpoint {
    /// What the images say of themselves.
    pub inventory: Inventory,
    /// The processes, in the order of the images: a process comes after its parent.
    pub processes: Vec<Process>,
    /// Open files of all kinds; descriptors refer to them by index.
    pub files: Vec<File>,
    /// Mounts, by namespace.
    pub mounts: Vec<MountNamespace>,
    /// Memory that processes share without a file.
    pub shared_memory: Vec<SharedMemory>,
    /// Devices of network namespaces.
    pub network_devices: Vec<NetworkDevice>,
    /// The names of the host that the processes saw.
    pub host_names: Vec<String>,
    /// Locks of files.
    pub locks: Vec<Lock>,
    /// How many open files have no name any more, and are kept with their content.
    pub ghost_files: u64,
    /// How many rounds before the freeze there are.
    pub parents: u32,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
}

impl Checkpoint {
    /// Puts the images of a directory together. Memory itself is not read.
    ///
    /// # Errors
    /// There is no inventory or no tree of processes, or they cannot be read.
    pub fn read(images: &dyn Images) -> Result<Self, ReadError> {
        let mut reader = Reader::new(images);
        let inventory = shared::inventory(&mut reader)?;
        let mut files = file::Files::read(&mut reader);
        let processes = process::read(&mut reader, &mut files, inventory.descriptors_by_id)?;
        Ok(Self {
            inventory,
            processes,
            mounts: mount::read(&mut reader),
            shared_memory: memory::shared(&mut reader),
            network_devices: shared::network_devices(&mut reader),
            host_names: shared::host_names(&mut reader),
            locks: file::locks(&mut reader),
            ghost_files: shared::ghost_files(&reader),
            parents: parents(images),
            files: files.list,
            unreadable: reader.unreadable,
        })
    }

    /// A process's arguments, where its memory holds them.
    ///
    /// # Errors
    /// Why they cannot be read.
    pub fn arguments(&self, images: &dyn Images, process: &Process) -> Result<Vec<String>, String> {
        text::read(images, process, |memory| memory.arguments)
    }

    /// A process's environment as it was started with, `NAME=value` each, where its memory holds it.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn environment(&self, images: &dyn Images, process: &Process) -> Result<Vec<String>, String> {
        text::read(images, process, |memory| memory.environment)
    }
}

/// The most rounds before the freeze that are followed.
pub(crate) const ROUNDS_LIMIT: u32 = 256;

fn parents(images: &dyn Images) -> u32 {
    std::iter::successors(images.parent(), |images| images.parent())
        .zip(1..=ROUNDS_LIMIT)
        .last()
        .map_or(0, |(_, count)| count)
}

#[cfg(test)]
pub(crate) mod tests;
