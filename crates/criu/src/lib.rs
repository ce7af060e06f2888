//! A reader of CRIU's images: bytes become values, and nothing else happens.
//!
//! Images are foreign: every length is held against what is there, every list has a limit, and what cannot be read is
//! an [`ImageError`]. Numbers of fields are those of `images/*.proto`, magic numbers those of `criu/include/magic.h`
//! in CRIU's sources. The wire format of Protocol Buffers is read by [`wire`], in place: a code generator would bring
//! in more packages than this crate has modules, and would build every message whole before any limit could be held.

mod error;
pub mod image;
#[allow(dead_code, reason = "the other images come next")]
mod message;
mod statistics;
pub mod wire;

pub use error::ImageError;
pub use statistics::{DumpStatistics, RestoreStatistics, Statistics, statistics};
