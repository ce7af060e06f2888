//! What a server tells its peers, message by message, as a peer reads it. Pure: no socket, no descriptor.

use super::message::{MEMORY, VERSION};
use std::collections::BTreeMap;

/// Vectors of one peer that are taken; the device has no more.
const VECTORS_MOST: u16 = 2048;

/// Vectors of all peers together that are taken: each is a descriptor of this process.
const DESCRIPTORS_MOST: usize = 4096;

/// What a message means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The server speaks a version that is known.
    Version,
    /// The peer's own number.
    Own(u16),
    /// The descriptor is the memory.
    Memory,
    /// The descriptor is the next vector of a peer, the own one or another.
    Vector {
        /// Whose.
        peer: u16,
        /// Which, from 0.
        index: u16,
    },
    /// A peer has gone.
    Left(u16),
}

/// A server that does not keep to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Not the version that is known.
    #[error("the server speaks version {0} of the protocol, and only version 0 is known")]
    Version(i64),
    /// A number that is no peer's.
    #[error("the server sent {0}, which is the number of no peer")]
    Number(i64),
    /// The memory has not come where it must.
    #[error("the server sent {0} where the shared memory was due")]
    NoMemory(i64),
    /// A descriptor is missing or should not be there.
    #[error("the server sent {value} {}", if *.came { "with a descriptor, and it takes none" } else { "without its descriptor" })]
    Descriptor {
        /// The message.
        value: i64,
        /// Whether one came.
        came: bool,
    },
    /// A peer that was never there has gone.
    #[error("the server says that peer {0} has gone, which was never there")]
    Stranger(u16),
    /// More vectors than there can be.
    #[error("the server gives peer {0} more vectors than there can be")]
    TooMany(u16),
    /// A descriptor in the middle of a message, or two with one.
    #[error("the server sent a descriptor where none can be")]
    Misplaced,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Version,
    Number,
    Memory,
    Notices,
}

/// A peer's knowledge of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protocol {
    stage: Stage,
    own: u16,
    /// Vectors so far, by peer; with the own ones.
    vectors: BTreeMap<u16, u16>,
}

impl Protocol {
    /// Takes the next message.
    ///
    /// # Errors
    /// [`ProtocolError`]; nothing after it can be trusted.
    pub fn take(&mut self, value: i64, descriptor: bool) -> Result<Notice, ProtocolError> {
        let bare = |notice| if descriptor { Err(ProtocolError::Descriptor { value, came: true }) } else { Ok(notice) };
        let number = || u16::try_from(value).map_err(|_| ProtocolError::Number(value));
        match self.stage {
            Stage::Version if value != VERSION => Err(ProtocolError::Version(value)),
            Stage::Version => {
                self.stage = Stage::Number;
                bare(Notice::Version)
            }
            Stage::Number => {
                self.own = number()?;
                self.stage = Stage::Memory;
                bare(Notice::Own(self.own))
            }
            Stage::Memory if value != MEMORY => Err(ProtocolError::NoMemory(value)),
            Stage::Memory if !descriptor => Err(ProtocolError::Descriptor { value, came: false }),
            Stage::Memory => {
                self.stage = Stage::Notices;
                Ok(Notice::Memory)
            }
            Stage::Notices if descriptor => self.vector(number()?),
            Stage::Notices => {
                let peer = number()?;
                if peer == self.own || self.vectors.remove(&peer).is_none() {
                    return Err(ProtocolError::Stranger(peer));
                }
                Ok(Notice::Left(peer))
            }
        }
    }

    fn vector(&mut self, peer: u16) -> Result<Notice, ProtocolError> {
        let all: usize = self.vectors.values().map(|count| usize::from(*count)).sum();
        let count = self.vectors.entry(peer).or_default();
        if *count >= VECTORS_MOST || all >= DESCRIPTORS_MOST {
            return Err(ProtocolError::TooMany(peer));
        }
        *count += 1;
        Ok(Notice::Vector { peer, index: *count - 1 })
    }

    /// Vectors of a peer so far.
    pub fn vectors_of(&self, peer: u16) -> u16 {
        self.vectors.get(&peer).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeted() -> Protocol {
        let mut protocol = Protocol::default();
        assert_eq!(protocol.take(0, false), Ok(Notice::Version));
        assert_eq!(protocol.take(3, false), Ok(Notice::Own(3)));
        assert_eq!(protocol.take(-1, true), Ok(Notice::Memory));
        protocol
    }

    #[test]
    fn peers_come_and_go() {
        let mut protocol = greeted();
        assert_eq!(protocol.take(1, true), Ok(Notice::Vector { peer: 1, index: 0 }));
        assert_eq!(protocol.take(1, true), Ok(Notice::Vector { peer: 1, index: 1 }));
        assert_eq!(protocol.take(3, true), Ok(Notice::Vector { peer: 3, index: 0 }));
        assert_eq!((protocol.vectors_of(1), protocol.vectors_of(2)), (2, 0));
        assert_eq!(protocol.take(1, false), Ok(Notice::Left(1)));
        assert_eq!(protocol.take(1, true), Ok(Notice::Vector { peer: 1, index: 0 }));
    }

    #[test]
    fn what_a_server_must_not_say_is_named() {
        assert_eq!(Protocol::default().take(1, false), Err(ProtocolError::Version(1)));
        assert_eq!(Protocol::default().take(0, true), Err(ProtocolError::Descriptor { value: 0, came: true }));
        let mut protocol = Protocol::default();
        protocol.take(0, false).unwrap();
        assert_eq!(protocol.clone().take(65_536, false), Err(ProtocolError::Number(65_536)));
        protocol.take(0, false).unwrap();
        assert_eq!(protocol.clone().take(0, false), Err(ProtocolError::NoMemory(0)));
        assert_eq!(protocol.clone().take(-1, false), Err(ProtocolError::Descriptor { value: -1, came: false }));
        assert_eq!(greeted().take(3, false), Err(ProtocolError::Stranger(3)));
        assert_eq!(greeted().take(7, false), Err(ProtocolError::Stranger(7)));
        assert_eq!(greeted().take(-2, true), Err(ProtocolError::Number(-2)));
        let mut protocol = greeted();
        for _ in 0..VECTORS_MOST {
            protocol.take(9, true).unwrap();
        }
        assert_eq!(protocol.take(9, true), Err(ProtocolError::TooMany(9)));
    }
}
