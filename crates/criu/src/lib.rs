//! A reader of CRIU's images: bytes become values, and nothing else happens.
//!
//! [`statistics`] reads what CRIU says of its own work. [`Checkpoint::read`] puts the images of a directory together to
//! what was kept: processes, files, sockets, mounts, memory. Where the bytes come from is the caller's: [`Images`].
//!
//! Images are foreign: every length is held against what is there, every list has a limit, and what cannot be read is
//! an [`ImageError`]. Numbers of fields are those of `images/*.proto`, magic numbers those of `criu/include/magic.h`
//! in CRIU's sources. The wire format of Protocol Buffers is read by [`wire`], in place: a code generator would bring
//! in more packages than this crate has modules, and would build every message whole before any limit could be held.

mod checkpoint;
mod error;
pub mod image;
mod message;
mod messages;
mod source;
mod statistics;
pub mod wire;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;

pub use checkpoint::{
    Area, AreaKind, Checkpoint, Clock, Credentials, Descriptor, File, FileKind, Inventory, Lock, Memory, Mount,
    MountNamespace, NetworkDevice, PageRun, PageTotals, Process, ReadError, SharedMemory, SocketAddress, State,
    TcpQueues, Thread, Unreadable,
};
pub use error::ImageError;
pub use source::{Images, InMemory};
pub use statistics::{DumpStatistics, RestoreStatistics, Statistics, statistics};
