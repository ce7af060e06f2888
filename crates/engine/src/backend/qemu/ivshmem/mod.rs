//! Memory that a guest, its host and other guests share by QEMU's device `ivshmem`, and the interrupts between them.
//!
//! QEMU publishes the device and the protocol of its server in `docs/specs/ivshmem-spec`. The server is our own, and so
//! is the client: the host takes part as a peer like any other, on our server or on a stranger's.

mod bell;
pub mod client;
pub mod config;
pub mod memory;
mod message;
mod peers;
pub mod protocol;
pub mod server;
mod socket;

pub use bell::Bell;
pub use client::{Client, ClientError};
pub use config::DeviceConfig;
pub use memory::{MappedMemory, SealedMemory};
pub use peers::Reason;
pub use server::{Report, Server, ServerOptions};

/// The most vectors that our server gives a peer. The device itself has at most 2048.
pub const VECTORS_MOST: u16 = 64;

/// The smallest shared memory: a page, below which a guest cannot map the device's memory.
pub const SIZE_LEAST: u64 = 4 << 10;

/// The largest shared memory.
pub const SIZE_MOST: u64 = 64 << 30;

/// Whether a size can be the one of the device's memory: PCI knows powers of two only.
pub fn is_size(bytes: u64) -> bool {
    bytes.is_power_of_two() && (SIZE_LEAST..=SIZE_MOST).contains(&bytes)
}
