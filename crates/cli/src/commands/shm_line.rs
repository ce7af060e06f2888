//! The memory of `isodyne shm peer`, and what comes with it: where it is looked for, and what is said if it is not there.

use crate::arguments::{Mode, ShmPeerOptions, Side};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::unit::HostInstant;
use isodyne_engine::backend::shared_memory::{JoinError, SharedMemory};
use isodyne_engine::clock::Clock;
use isodyne_engine::shm::{EventBell, Handover, Memory, receive};
use isodyne_shm::region::Region;
use isodyne_shm::task::Task;
use isodyne_shm::wait::Bell;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The memory, and what comes with it.
pub(super) struct Line {
    memory: Shared,
    /// What the side sleeps on and rings, if it is not in the memory itself.
    pub(super) event: Option<Box<dyn Bell + Send + Sync>>,
}

enum Shared {
    Own(Memory),
    Server(SharedMemory),
}

impl Line {
    pub(super) fn open(
        options: &ShmPeerOptions,
        task: &Task,
        deadline: HostInstant,
        output: &Output,
    ) -> Result<Self, Trouble> {
        let no_memory = || Trouble::usage("no memory is large enough", "use smaller --frame or fewer --slots");
        let length = task.region_bytes().ok_or_else(no_memory)?;
        if let Some(path) = &options.file {
            let memory = match options.side {
                Side::Ask => Memory::create(path, length),
                Side::Answer => Memory::open(path, length, Clock, deadline),
            };
            return Ok(Self {
                memory: Shared::Own(memory.map_err(|error| of_file(options.side, path, &error))?),
                event: None,
            });
        }
        if let Some(path) = &options.ivshmem {
            return Self::join(path, options, deadline, output);
        }
        let Some(path) = &options.socket else {
            return Err(Trouble::usage("there is no memory", "give --file, --socket or --ivshmem"));
        };
        // Who waits for a listener would wait in vain.
        if std::fs::symlink_metadata(path).is_ok_and(|found| !is_socket(&found)) {
            let message = format!("--socket {}: there is something that is no socket", path.display());
            return Err(Trouble::usage(message, "give a path where nothing is, or another session's socket was"));
        }
        let opened = match options.side {
            Side::Ask => Self::hand_over(path, length, deadline),
            Side::Answer => receive(path, Clock, deadline).and_then(|received| {
                let file = received.memory.ok_or_else(|| io::Error::other("no memory came"))?;
                let [ring, sleep] = received.counters;
                let event: Box<dyn Bell + Send + Sync> = Box::new(EventBell::new(sleep, ring));
                Ok(Self { memory: Shared::Own(Memory::received(file, length)?), event: Some(event) })
            }),
        };
        opened.map_err(|error| of_socket(options.side, path, &error))
    }

    fn hand_over(path: &Path, length: usize, deadline: HostInstant) -> io::Result<Self> {
        let handover = Handover::listen(path)?;
        let memory = Memory::anonymous(length)?;
        let (bell, [ring, sleep]) = EventBell::pair()?;
        handover.give(&[&ring, &sleep, &memory], Clock, deadline)?;
        Ok(Self { memory: Shared::Own(memory), event: Some(Box::new(bell)) })
    }

    /// Joins a server as one more peer, and finds the other one.
    fn join(path: &Path, options: &ShmPeerOptions, deadline: HostInstant, output: &Output) -> Result<Self, Trouble> {
        let trouble = |error: &JoinError| {
            let message = format!("--ivshmem {}: {error}", path.display());
            let serve = format!("start one with `isodyne shm serve {}`", path.display());
            match error {
                JoinError::Unreachable(_) => Trouble::usage(message, serve),
                JoinError::Alone => Trouble::new(
                    Exit::CellsFailed,
                    message,
                    "start the other side with the same --ivshmem, or raise --timeout",
                ),
                JoinError::Several(_) => Trouble::usage(message, "say which with --other NUMBER"),
                JoinError::Server(_) => {
                    Trouble::new(Exit::CellsFailed, message, "the server has gone or is none of ivshmem")
                }
            }
        };
        let memory = SharedMemory::join(path, deadline).map_err(|error| trouble(&error))?;
        output.say(&format!("peer {} of {}", memory.host_id().unwrap_or_default(), path.display()));
        let event: Option<Box<dyn Bell + Send + Sync>> = if options.waiting == Mode::Doorbell {
            let other = match options.other {
                Some(other) => other,
                None => memory.only_other(deadline).map_err(|error| trouble(&error))?,
            };
            let bell = memory.bell(Some(other), 0, deadline).map_err(|failure| {
                let hint = "`isodyne shm serve` says who comes and goes, by number";
                Trouble::usage(format!("--other {other}: {}", failure.message), hint)
            })?;
            Some(Box::new(bell))
        } else {
            None
        };
        Ok(Self { memory: Shared::Server(memory), event })
    }

    /// Whether a page of it was found missing.
    pub(super) fn is_cut(&self) -> bool {
        matches!(&self.memory, Shared::Own(memory) if memory.is_cut())
    }

    /// The memory itself.
    pub(super) fn region(&self) -> io::Result<Region<'_>> {
        match &self.memory {
            Shared::Own(memory) => memory.region(),
            Shared::Server(memory) => Ok(memory.region()),
        }
    }
}

fn is_socket(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.file_type().is_socket()
}

fn of_file(side: Side, path: &Path, error: &io::Error) -> Trouble {
    let message = format!("--file {}: {error}", path.display());
    match (side, error.kind()) {
        (Side::Ask, ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Trouble::usage(message, "its directory is not there: give one that is, such as /dev/shm/NAME")
        }
        (_, ErrorKind::StorageFull) => {
            Trouble::new(Exit::Unexpected, message, "use a smaller --frame, fewer --slots, or another file system")
        }
        (_, ErrorKind::PermissionDenied | ErrorKind::IsADirectory) => {
            Trouble::usage(message, "give an ordinary file that you may write, such as /dev/shm/NAME")
        }
        (Side::Answer, ErrorKind::NotFound | ErrorKind::UnexpectedEof) => {
            let hint = "who asks makes the file: start it with the same --file and the same task, or raise --timeout";
            Trouble::new(Exit::CellsFailed, message, hint)
        }
        _ => Trouble::usage(message, "give an ordinary file on a file system that can map it, such as /dev/shm/NAME"),
    }
}

fn of_socket(side: Side, path: &Path, error: &io::Error) -> Trouble {
    let message = format!("--socket {}: {error}", path.display());
    let nobody = |hint: &str| Trouble::new(Exit::CellsFailed, &message, hint);
    match (side, error.kind()) {
        (Side::Ask, ErrorKind::TimedOut) => {
            nobody("start the other side with `answer` and the same --socket, or raise --timeout")
        }
        (Side::Ask, ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::InvalidInput) => Trouble::usage(
            &message,
            "give a path of at most 107 bytes in a directory that is there and that you may write",
        ),
        (Side::Answer, ErrorKind::PermissionDenied | ErrorKind::InvalidInput) => {
            Trouble::usage(&message, "give the path that the asking side was given")
        }
        (Side::Answer, _) => nobody(
            "who asks listens there: start it with `ask`, the same --socket and the same task, or raise --timeout",
        ),
        _ => Trouble::new(Exit::Unexpected, &message, "use a smaller --frame or fewer --slots if memory is short"),
    }
}
