//! A peer on a server, ours or any other's: how the host takes part.

use super::bell::Bell;
use super::memory::MappedMemory;
use super::message;
use super::protocol::{Notice, Protocol, ProtocolError};
use crate::clock::Clock;
use crate::shm::guard::is_sealed;
use crate::wait::readable;
use isodyne_core::unit::HostInstant;
use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Pieces of messages that are read at one time.
const UPDATE_MOST: usize = 4096;

/// Why a peer cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The host refused.
    #[error("failed to {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The server does not keep to the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The server has gone, or has put this peer out.
    #[error("the server closed the connection")]
    Closed,
    /// It took too long.
    #[error("the server said too little before the deadline: {0}")]
    Deadline(&'static str),
}

fn io_error(action: &'static str) -> impl Fn(Errno) -> ClientError {
    move |errno| ClientError::Io { action, source: errno.into() }
}

/// A peer on a server.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    protocol: Protocol,
    /// A message that has come in part, with its descriptor.
    partial: [u8; message::BYTES],
    filled: usize,
    descriptor: Option<OwnedFd>,
    id: u16,
    memory: Option<OwnedFd>,
    own: Vec<Bell>,
    others: BTreeMap<u16, Vec<Bell>>,
    /// Who was there before.
    earlier: Vec<u16>,
}

impl Client {
    /// Connects to a server's socket file and is greeted. `vectors` is how many the server gives each peer; 1 is enough
    /// where that is not known.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn connect(path: &Path, vectors: u16, deadline: HostInstant) -> Result<Self, ClientError> {
        let flags = SocketFlags::CLOEXEC;
        let refused = io_error("connect to the server's socket");
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(&refused)?;
        let address = SocketAddrUnix::new(path).map_err(&refused)?;
        connect(&socket, &address).map_err(&refused)?;
        Self::greeted(socket, vectors, deadline)
    }

    /// Is greeted on a connection to a server.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn greeted(socket: OwnedFd, vectors: u16, deadline: HostInstant) -> Result<Self, ClientError> {
        let mut client = Self {
            socket,
            protocol: Protocol::default(),
            partial: [0; message::BYTES],
            filled: 0,
            descriptor: None,
            id: 0,
            memory: None,
            own: Vec::new(),
            others: BTreeMap::new(),
            earlier: Vec::new(),
        };
        while client.own.len() < usize::from(vectors.max(1)) {
            if !client.step(deadline)? {
                return Err(ClientError::Deadline("its greeting is not whole"));
            }
        }
        // The others come before the own interrupts, so all who were there are known now.
        client.earlier = client.others.keys().copied().collect();
        Ok(client)
    }

    /// The own number.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// Own interrupts, by vector.
    pub fn own(&self) -> &[Bell] {
        &self.own
    }

    /// The others' interrupts, by number and vector, as far as they are known: see [`Client::update`].
    pub fn others(&self) -> &BTreeMap<u16, Vec<Bell>> {
        &self.others
    }

    /// Maps the whole memory.
    ///
    /// # Errors
    /// [`ClientError::Io`] if it cannot be.
    pub fn map(&self) -> Result<MappedMemory, ClientError> {
        let refused = |source| ClientError::Io { action: "map the server's memory", source };
        let Some(memory) = &self.memory else { return Err(ClientError::Deadline("no memory has come")) };
        let size = fstat(memory).map_err(|errno| refused(errno.into()))?.st_size;
        let size = u64::try_from(size).ok().filter(|size| *size <= super::SIZE_MOST);
        let size = size.ok_or_else(|| refused(io::Error::other("it is larger than 64 GiB")))?;
        MappedMemory::new(memory, size).map_err(refused)
    }

    /// Whether nobody can cut the memory short. Where somebody can, its mapping is guarded: see
    /// [`MappedMemory::can_be_cut`].
    pub fn is_sealed(&self) -> bool {
        self.memory.as_ref().is_some_and(is_sealed)
    }

    /// Reads what the server has sent meanwhile, without waiting.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn update(&mut self) -> Result<(), ClientError> {
        // A server that never stops talking is heard the next time.
        for _ in 0..UPDATE_MOST {
            if !self.step_by(HostInstant(0))? {
                break;
            }
        }
        Ok(())
    }

    /// Waits until another peer has so many vectors, and gives its number: the lowest one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn wait_for_other(&mut self, vectors: u16, deadline: HostInstant) -> Result<u16, ClientError> {
        self.wait_for(vectors, deadline, |_| true)
    }

    /// Waits until a peer that came after this one has so many vectors, and gives its number: the lowest one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn wait_for_newcomer(&mut self, vectors: u16, deadline: HostInstant) -> Result<u16, ClientError> {
        self.wait_for(vectors, deadline, |was_there| !was_there)
    }

    fn wait_for(
        &mut self,
        vectors: u16,
        deadline: HostInstant,
        will_do: impl Fn(bool) -> bool,
    ) -> Result<u16, ClientError> {
        loop {
            let ready = |(id, bells): (&u16, &Vec<Bell>)| {
                (bells.len() >= usize::from(vectors) && will_do(self.earlier.contains(id))).then_some(*id)
            };
            if let Some(id) = self.others.iter().find_map(ready) {
                return Ok(id);
            }
            if !self.step(deadline)? {
                return Err(ClientError::Deadline("no other peer has come"));
            }
        }
    }

    /// Waits until a peer has gone; false once the deadline has passed.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn wait_for_leave(&mut self, peer: u16, deadline: HostInstant) -> Result<bool, ClientError> {
        while self.others.contains_key(&peer) {
            if !self.step(deadline)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes what comes next; false if the deadline has passed, however much a server still has to say.
    fn step(&mut self, deadline: HostInstant) -> Result<bool, ClientError> {
        if Clock.now() >= deadline { Ok(false) } else { self.step_by(deadline) }
    }

    /// Takes what is there or comes before the deadline.
    fn step_by(&mut self, deadline: HostInstant) -> Result<bool, ClientError> {
        let failed = io_error("read from the server");
        if !readable(Clock, &self.socket, deadline).map_err(&failed)? {
            return Ok(false);
        }
        let room = self.partial.get_mut(self.filled..).unwrap_or_default();
        let (count, descriptor) = match message::receive(&self.socket, room) {
            Ok((0, _)) => return Err(ClientError::Closed),
            Ok(received) => received,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
            Err(Errno::CONNRESET) => return Err(ClientError::Closed),
            Err(errno) => return Err(failed(errno)),
        };
        if let Some(descriptor) = descriptor {
            if self.filled > 0 || self.descriptor.is_some() {
                return Err(ProtocolError::Misplaced.into());
            }
            self.descriptor = Some(descriptor);
        }
        self.filled += count;
        if self.filled == message::BYTES {
            self.filled = 0;
            let descriptor = self.descriptor.take();
            self.take(i64::from_le_bytes(self.partial), descriptor)?;
        }
        Ok(true)
    }

    fn take(&mut self, value: i64, descriptor: Option<OwnedFd>) -> Result<(), ClientError> {
        match (self.protocol.take(value, descriptor.is_some())?, descriptor) {
            (Notice::Own(id), _) => self.id = id,
            (Notice::Memory, Some(memory)) => self.memory = Some(memory),
            (Notice::Vector { peer, .. }, Some(descriptor)) => {
                let bell = Bell::new(descriptor).map_err(io_error("take an interrupt"))?;
                if peer == self.id {
                    self.own.push(bell);
                } else {
                    self.others.entry(peer).or_default().push(bell);
                }
            }
            (Notice::Left(peer), _) => {
                self.others.remove(&peer);
                // Its number may be given again, to a newcomer.
                self.earlier.retain(|id| *id != peer);
            }
            (Notice::Version | Notice::Memory | Notice::Vector { .. }, _) => {}
        }
        Ok(())
    }
}
