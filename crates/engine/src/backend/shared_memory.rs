//! The power to share memory: the host's end of memory that a sandbox has mapped, and of its interrupts.

use crate::backend::qemu::ivshmem::{Bell, Client, ClientError, MappedMemory, Server};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use isodyne_shm::region::Region;
use isodyne_shm::wait::{self, Woken};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Memory that a sandbox and the host have mapped.
#[derive(Debug)]
pub struct SharedMemory {
    memory: MappedMemory,
    peer: Option<Mutex<Client>>,
    /// The server, if it is the sandbox's own: it ends with this value.
    server: Option<Server>,
}

impl SharedMemory {
    /// Memory alone.
    pub(crate) fn plain(memory: MappedMemory) -> Self {
        Self { memory, peer: None, server: None }
    }

    /// Memory and interrupts.
    pub(crate) fn with_interrupts(memory: MappedMemory, peer: Client, server: Option<Server>) -> Self {
        Self { memory, peer: Some(Mutex::new(peer)), server }
    }

    /// Joins a server that is there already, ours or any other's, as one more peer.
    ///
    /// # Errors
    /// If nobody serves there, or not by the protocol.
    pub fn join(path: &Path, deadline: HostInstant) -> Result<Self, JoinError> {
        let client = Client::connect(path, 1, deadline).map_err(|error| match error {
            // It says its cause itself.
            ClientError::Io { .. } => JoinError::Unreachable(error.to_string()),
            error => JoinError::Server(crate::backend::chain(&error)),
        })?;
        let memory = client.map().map_err(|error| JoinError::Server(crate::backend::chain(&error)))?;
        Ok(Self::with_interrupts(memory, client, None))
    }

    /// Waits for another peer, and gives its number if it is the only one.
    ///
    /// # Errors
    /// If there is none in time, or more than one.
    pub fn only_other(&self, deadline: HostInstant) -> Result<u16, JoinError> {
        let broken = |error: ClientError| JoinError::Server(crate::backend::chain(&error));
        let Some(peer) = &self.peer else { return Err(JoinError::Alone) };
        let found = peer.lock().unwrap_or_else(PoisonError::into_inner).wait_for_other(1, deadline);
        let other = found.map_err(|error| match error {
            ClientError::Deadline(_) => JoinError::Alone,
            error => broken(error),
        })?;
        let others = self.others().map_err(broken)?;
        if others.len() > 1 { Err(JoinError::Several(others)) } else { Ok(other) }
    }

    /// The memory. On the host it is ordinary cached memory.
    pub fn region(&self) -> Region<'_> {
        // SAFETY: the mapping lives as long as `self`, and nobody makes references into it.
        let region = unsafe { Region::from_raw(self.memory.base().as_ptr(), self.memory.size_bytes()) };
        region.expect("a mapping begins at a page")
    }

    /// Whether who serves it can cut it short.
    pub fn can_be_cut(&self) -> bool {
        self.memory.can_be_cut()
    }

    /// The host's number among the peers; `None` without interrupts.
    pub fn host_id(&self) -> Option<u16> {
        self.peer.as_ref().map(|peer| peer.lock().unwrap_or_else(PoisonError::into_inner).id())
    }

    /// The server's report, if the server is the sandbox's own.
    pub fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    /// The numbers of the other peers that are there now.
    ///
    /// # Errors
    /// If the server has gone or does not keep to its protocol; without interrupts there is nobody.
    pub fn others(&self) -> Result<Vec<u16>, ClientError> {
        let Some(peer) = &self.peer else { return Ok(Vec::new()) };
        let mut peer = peer.lock().unwrap_or_else(PoisonError::into_inner);
        peer.update()?;
        Ok(peer.others().keys().copied().collect())
    }

    /// What rings a peer's vector and is rung by the host's own of the same number. `other` is the peer's number; without
    /// it, the sandbox, which came after the host.
    ///
    /// # Errors
    /// A failure of the class `timeout` if nobody comes before the deadline, else of the class `protocol`.
    pub fn bell(&self, other: Option<u16>, vector: u16, deadline: HostInstant) -> Result<HostBell, Failure> {
        let failed = |error: &ClientError| {
            let class = match error {
                ClientError::Deadline(_) => FailureClass::Timeout,
                _ => FailureClass::Protocol,
            };
            Failure::new(class, format!("shared memory: {}", crate::backend::chain(error)))
        };
        let refused = |message: String| Failure::new(FailureClass::Protocol, message);
        let Some(peer) = &self.peer else {
            return Err(refused("the shared memory has no interrupts".to_owned()));
        };
        let mut peer = peer.lock().unwrap_or_else(PoisonError::into_inner);
        let id = match other {
            Some(id) => {
                peer.update().map_err(|error| failed(&error))?;
                id
            }
            None => peer.wait_for_newcomer(vector + 1, deadline).map_err(|error| failed(&error))?,
        };
        let of = |bells: &[Bell]| bells.get(usize::from(vector)).cloned();
        match (of(peer.own()), peer.others().get(&id).and_then(|bells| of(bells))) {
            (Some(own), Some(others)) => Ok(HostBell { own, others, id }),
            _ => Err(refused(format!("there is no vector {vector} of peer {id} or of the host"))),
        }
    }
}

/// Why a server's memory is not to be had, or nobody is there to share it with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Nobody serves there.
    #[error("{0}")]
    Unreachable(String),
    /// The server does not keep to the protocol, or has gone.
    #[error("{0}")]
    Server(String),
    /// Nobody else has come before the deadline.
    #[error("no other peer has come")]
    Alone,
    /// It is not clear which one is meant.
    #[error("the other peers are {}", numbers(.0))]
    Several(Vec<u16>),
}

fn numbers(numbers: &[u16]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The host's end of an interrupt line: it rings one peer and waits for any.
#[derive(Clone, Debug)]
pub struct HostBell {
    own: Bell,
    others: Bell,
    id: u16,
}

impl HostBell {
    /// Whom it rings.
    pub fn other(&self) -> u16 {
        self.id
    }
}

/// The deadline is a stamp of the engine's clock, in nanoseconds.
impl wait::Bell for HostBell {
    fn ring(&self) -> Result<(), u32> {
        self.others.ring().map_err(|error| number(&error))
    }

    fn wait(&self, _armed: u32, deadline_ns: u64) -> Woken {
        match self.own.wait(HostInstant(deadline_ns)) {
            Ok(true) => Woken::Rung,
            Ok(false) => Woken::TimedOut,
            Err(error) => Woken::Failed(number(&error)),
        }
    }
}

fn number(error: &std::io::Error) -> u32 {
    error.raw_os_error().map_or(u32::MAX, i32::unsigned_abs)
}
