//! Sandboxes that stay: one program owns one in the foreground, and others speak to it through a socket.
//!
//! The socket lies in a directory of the user's own. What arrives there is a line of JSON, of a limited length, before a
//! deadline, from a process of the same user or of root; the answer is a line as well. One is served at a time, by the
//! owner's own thread, which is the one that the sandbox belongs to.

mod client;
mod hex;
mod line;
mod owner;
mod place;
mod socket;
mod wire;

pub use client::{Live, ask, live};
pub use hex::Bytes;
pub use owner::{About, Ended, serve};
pub use place::{directory, is_name};
pub use socket::{ControlSocket, has_socket};
pub use wire::{Description, ExecDone, KeptDone, Reply, Request};

use std::io;

/// Why a sandbox cannot be spoken to, or cannot have a socket.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The name is none.
    #[error("`{0}` is no name for a sandbox: use 1 to 40 of a-z, 0-9, `-` and `_`")]
    Name(String),
    /// There is one with this name.
    #[error("there is a sandbox with the name `{0}` already")]
    InUse(String),
    /// There is none with this name.
    #[error("there is no sandbox with the name `{0}`; `isodyne sandbox list` shows what there is")]
    Unknown(String),
    /// The directory of the sockets cannot be used.
    #[error("{path} cannot be used for sockets: {why}")]
    Directory {
        /// Its path.
        path: String,
        /// Why not.
        why: String,
    },
    /// Another user's process.
    #[error("it belongs to user {0}, and only that user and root may speak to it")]
    OtherUser(u32),
    /// What came is none of the known messages, or too long.
    #[error("it does not speak as it should: {0}")]
    Protocol(String),
    /// It did not answer, or did not ask, in time.
    #[error("it did not answer in time")]
    Deadline,
    /// The host refused.
    #[error("the host refused: {0}")]
    Io(#[source] io::Error),
}

impl From<io::Error> for LiveError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Deadline,
            _ => Self::Io(error),
        }
    }
}
