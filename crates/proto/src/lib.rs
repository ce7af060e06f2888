//! Frames between the host and the agent: encode, decode, nothing else.
//!
//! A frame is a length (`u32`, little-endian, counts the payload only), a kind (`u8`) and a payload. The agent speaks
//! first: [`MAGIC`], then a frame with a [`Hello`]. The host answers with a [`Message::Welcome`] that fixes the version,
//! in front of its first request. Neither side is trusted: every length has a hard limit that is checked before
//! anything is allocated, decoding is total and never panics, and bytes left over in a payload are an error.

#![no_std]

extern crate alloc;

mod app;
mod codec;
mod decoder;
mod error;
mod message;
mod wire;

pub use app::{
    AwaitOutcome, AwaitReply, AwaitRequest, Condition, EndReply, EndRequest, StartOutcome, StartReply, StartRequest,
};
pub use decoder::{Decoder, Opening};
pub use error::{DecodeError, EncodeError};
pub use message::{ExecReply, ExecRequest, Hello, Kind, Message, Outcome, ShutdownHow};

/// Opens the agent's hello. Its bytes tell apart a channel that is not clean: a high bit that a 7-bit line would cut, a
/// line ending that a terminal would change, and the byte that ends a text file.
pub const MAGIC: [u8; 8] = *b"\x89ISOD\r\n\x1a";

/// The newest version of the protocol that this build speaks.
pub const VERSION_NEWEST: u16 = 2;

/// The oldest version of the protocol that this build speaks.
pub const VERSION_OLDEST: u16 = 2;

/// Length and kind in front of every payload.
pub const HEADER_BYTES: usize = 5;

/// The largest payload of a frame that carries a command or its output.
pub const MAX_DATA_PAYLOAD: usize = 1 << 20;

/// The largest payload of any other frame.
pub const MAX_CONTROL_PAYLOAD: usize = 64 << 10;

/// The most arguments, and the most environment entries, that a request may have.
pub const MAX_STRINGS: usize = 1024;

/// The most bytes of standard output and of standard error (each) that a reply may carry.
pub const MAX_OUTPUT: usize = (MAX_DATA_PAYLOAD - 4096) / 2;

/// The most bytes of an application's output, of an answer's body and of a memory (each) that a message may carry.
pub const MAX_EVIDENCE: usize = 16 << 10;
