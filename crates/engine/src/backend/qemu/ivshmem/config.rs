//! The device that a cell asks for.

use super::{Client, SealedMemory, Server, ServerOptions, VECTORS_MOST, is_size};
use crate::backend::qemu::config::Machine;
use crate::backend::shared_memory::SharedMemory;
use crate::backend::vmm::factors::{Reader, choices};
use crate::backend::{PrepareError, chain};
use crate::clock::Clock;
use isodyne_core::failure::{Failure, FailureClass};
use std::error::Error;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A server greets at once, unless the host is very busy.
const GREETING_DEADLINE: Duration = Duration::from_secs(10);

/// The memory of a device, if nothing is said.
const DEFAULT_SIZE_BYTES: u64 = 128 << 20;

choices! {
    /// The device, as a plan says it.
    Wished {
        /// No device.
        None = "none",
        /// Memory alone.
        Plain = "plain",
        /// Memory and interrupts.
        Doorbell = "doorbell",
    }
}

/// A device of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceConfig {
    /// Memory alone.
    Plain {
        /// Its size.
        size_bytes: u64,
    },
    /// Memory and interrupts, by a server.
    Doorbell {
        /// The memory's size, if the server is the sandbox's own.
        size_bytes: u64,
        /// Interrupts that a peer can tell apart.
        vectors: u16,
        /// The socket of a server that is there already; its memory has the size that it has.
        server: Option<PathBuf>,
    },
}

/// What QEMU inherits.
impl fmt::Display for DeviceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain { size_bytes } => write!(f, "shared memory of {size_bytes} B, which cannot be resized"),
            Self::Doorbell { size_bytes, vectors, server: None } => {
                write!(f, "a connection to the lab's server: {size_bytes} B of shared memory, {vectors} vectors a peer")
            }
            Self::Doorbell { server: Some(path), .. } => write!(f, "a connection to {}", path.display()),
        }
    }
}

impl DeviceConfig {
    /// Reads `ivshmem` and what belongs to it.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`] names the key.
    pub fn of(reader: &Reader<'_>, machine: Machine) -> Result<Option<Self>, PrepareError> {
        let wished = reader.choice("ivshmem")?.unwrap_or(Wished::None);
        let server = reader.word("ivshmem_server").map(PathBuf::from);
        if server.is_some() && wished != Wished::Doorbell {
            let message = "only a device with interrupts has a server";
            return Err(reader.invalid("ivshmem_server", message, "use `ivshmem = \"doorbell\"`, or leave it out"));
        }
        let without_pci = "the device needs PCI, which `machine = \"microvm\"` does not have";
        match (wished, machine) {
            (Wished::None, _) => return Ok(None),
            (_, Machine::Microvm) => return Err(reader.invalid("ivshmem", without_pci, "use `machine = \"q35\"`")),
            // Its interrupts reach a program in the guest through VFIO, and that wants an IOMMU.
            (Wished::Doorbell, Machine::Pc) => {
                let message = "its interrupts need an IOMMU, which `machine = \"pc\"` does not have";
                return Err(reader.invalid("ivshmem", message, "use `machine = \"q35\"`, or `ivshmem = \"plain\"`"));
            }
            (Wished::Plain | Wished::Doorbell, _) => {}
        }
        let stated = reader.factors.get("ivshmem_size").and_then(|value| value.as_bytes());
        let size_bytes = stated.unwrap_or(DEFAULT_SIZE_BYTES);
        if !is_size(size_bytes) {
            let message = format!("{size_bytes} B is no size for the device's memory");
            return Err(reader.invalid("ivshmem_size", message, "give a power of two, 4 KiB to 64 GiB"));
        }
        if wished == Wished::Plain {
            return Ok(Some(Self::Plain { size_bytes }));
        }
        let vectors = reader.factors.get("ivshmem_vectors").and_then(|value| value.as_count()).unwrap_or(1);
        match u16::try_from(vectors).ok().filter(|vectors| (1..=VECTORS_MOST).contains(vectors)) {
            Some(vectors) => Ok(Some(Self::Doorbell { size_bytes, vectors, server })),
            None => {
                let message = format!("{vectors} is not a number of vectors");
                Err(reader.invalid("ivshmem_vectors", message, format!("give 1 to {VECTORS_MOST}")))
            }
        }
    }

    /// Whether a program in the guest needs VFIO for all of it.
    pub fn has_interrupts(&self) -> bool {
        matches!(self, Self::Doorbell { .. })
    }

    /// Makes the host's side, and what QEMU inherits. Before t0.
    ///
    /// # Errors
    /// A failure of the class `launch`.
    pub(in crate::backend::qemu) fn open(&self, clock: Clock) -> Result<(SharedMemory, OwnedFd), Failure> {
        self.make(clock).map_err(|error| {
            Failure::new(FailureClass::Launch, format!("the shared memory cannot be made: {}", chain(&*error)))
        })
    }

    fn make(&self, clock: Clock) -> Result<(SharedMemory, OwnedFd), Box<dyn Error>> {
        let deadline = clock.after(GREETING_DEADLINE);
        match self {
            Self::Plain { size_bytes } => {
                let memory = SealedMemory::new(*size_bytes)?;
                Ok((SharedMemory::plain(memory.map()?), memory.try_clone()?))
            }
            Self::Doorbell { size_bytes, vectors, server: None } => {
                let options = ServerOptions { vectors: *vectors, ..ServerOptions::default() };
                let server = Server::start(Arc::new(SealedMemory::new(*size_bytes)?), options)?;
                let host = Client::greeted(server.connect()?, *vectors, deadline)?;
                let end = server.connect()?;
                Ok((SharedMemory::with_interrupts(host.map()?, host, Some(server)), end))
            }
            Self::Doorbell { vectors, server: Some(path), .. } => {
                let host = Client::connect(path, *vectors, deadline)?;
                let end = UnixStream::connect(path)?.into();
                Ok((SharedMemory::with_interrupts(host.map()?, host, None), end))
            }
        }
    }

    /// QEMU's arguments for it. What `descriptor` is: the memory, or a connection to the server.
    pub(in crate::backend::qemu) fn arguments(&self, descriptor: i32) -> [String; 4] {
        match self {
            Self::Plain { size_bytes } => [
                "-object".to_owned(),
                // QEMU opens what it has inherited once more, by its number: the memory has no name to be found by.
                format!(
                    "memory-backend-file,id=ivshmem,share=on,size={size_bytes},mem-path=/proc/self/fd/{descriptor}"
                ),
                "-device".to_owned(),
                "ivshmem-plain,memdev=ivshmem".to_owned(),
            ],
            Self::Doorbell { vectors, .. } => [
                "-chardev".to_owned(),
                format!("socket,id=ivshmem,fd={descriptor}"),
                "-device".to_owned(),
                format!("ivshmem-doorbell,chardev=ivshmem,vectors={vectors}"),
            ],
        }
    }
}
