//! Why bytes are not a frame, and why a message does not fit into one.

use crate::Kind;
use core::fmt;

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The stream does not open with the magic; the bytes that stand in its place.
    BadMagic([u8; 8]),
    /// Resynchronising has passed over this many bytes without finding the magic.
    NoMagic(usize),
    /// The frame says that it is longer than its kind may be.
    Oversized {
        /// The kind.
        kind: Kind,
        /// The length it states.
        length: usize,
        /// The limit of its kind.
        limit: usize,
    },
    /// No message has this kind.
    UnknownKind(u8),
    /// The other side speaks no version that this build speaks.
    UnknownVersion {
        /// The oldest version it speaks.
        oldest: u16,
        /// The newest version it speaks.
        newest: u16,
    },
    /// The payload is not what its kind says.
    Malformed {
        /// The kind.
        kind: Kind,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The stream ended inside a frame, after this many bytes of it.
    Truncated(usize),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadMagic(bytes) => {
                f.write_str("the stream does not open with a hello but with")?;
                bytes.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
            }
            Self::NoMagic(skipped) => write!(f, "no hello among the first {skipped} bytes"),
            Self::Oversized { kind, length, limit } => {
                write!(f, "a frame of kind `{kind}` states {length} bytes, more than its limit of {limit}")
            }
            Self::UnknownKind(kind) => write!(f, "a frame of unknown kind {kind}"),
            Self::UnknownVersion { oldest, newest } => write!(
                f,
                "the other side speaks versions {oldest} to {newest} of the protocol, this build {} to {}",
                crate::VERSION_OLDEST,
                crate::VERSION_NEWEST
            ),
            Self::Malformed { kind, what } => write!(f, "a malformed frame of kind `{kind}`: {what}"),
            Self::Truncated(have) => write!(f, "the stream ended after {have} bytes of a frame"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Why a message does not fit into a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// It is longer than its kind may be.
    Oversized {
        /// The kind.
        kind: Kind,
        /// Its length.
        length: usize,
        /// The limit of its kind.
        limit: usize,
    },
    /// It has more arguments or environment entries than a request may have.
    TooManyStrings(usize),
    /// An argument or environment entry has a zero byte in it, or there is no argument at all.
    NotAnArgument,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oversized { kind, length, limit } => {
                write!(f, "a message of kind `{kind}` has {length} bytes, more than its limit of {limit}")
            }
            Self::TooManyStrings(count) => {
                write!(f, "{count} arguments or environment entries, more than the limit of {}", crate::MAX_STRINGS)
            }
            Self::NotAnArgument => f.write_str("a command needs an argument, and arguments hold no zero byte"),
        }
    }
}

impl core::error::Error for EncodeError {}
