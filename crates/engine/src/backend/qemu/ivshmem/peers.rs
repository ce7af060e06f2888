//! The peers of a server: their numbers, their interrupts, and what is still to be sent to each.

use super::message::{MEMORY, Message, VERSION};
use super::server::{Report, ServerOptions};
use isodyne_core::unit::HostInstant;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// How many of the peers that were put out are told one by one.
const TOLD_MOST: usize = 64;

/// Why a peer was put out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It sent something, and a peer has nothing to say.
    Spoke,
    /// It left what it was sent lying, for too long.
    Slow,
    /// It left what it was sent lying, and too much of it.
    Behind,
    /// Its connection failed.
    Broken,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Spoke => "it sent something, and a peer has nothing to say",
            Self::Slow => "it did not take what it was sent for too long",
            Self::Behind => "too much that it was sent lay waiting",
            Self::Broken => "its connection failed",
        })
    }
}

/// How a peer's time ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Left,
    PutOut(Reason),
}

struct Peer {
    id: u16,
    socket: OwnedFd,
    vectors: Vec<Arc<OwnedFd>>,
    unsent: VecDeque<Message>,
    /// Bytes of the first unsent message that have been sent.
    sent: usize,
    /// Since when nothing has been taken of what is unsent.
    stuck_since: Option<HostInstant>,
    end: Option<End>,
}

impl Peer {
    /// Sends what can be sent now.
    fn send(&mut self, now: HostInstant, patience: Duration) {
        while let Some(message) = self.unsent.front() {
            match message.send(&self.socket, self.sent) {
                Ok(sent) => {
                    self.sent += sent;
                    self.stuck_since = None;
                    if self.sent >= super::message::BYTES {
                        self.unsent.pop_front();
                        self.sent = 0;
                    }
                }
                Err(Errno::AGAIN) => {
                    let since = *self.stuck_since.get_or_insert(now);
                    if u128::from(now.ns_since(since)) >= patience.as_nanos() {
                        self.end = self.end.or(Some(End::PutOut(Reason::Slow)));
                    }
                    return;
                }
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => {
                    self.end = self.end.or(Some(End::Left));
                    return;
                }
                Err(_) => {
                    self.end = self.end.or(Some(End::PutOut(Reason::Broken)));
                    return;
                }
            }
        }
        self.stuck_since = None;
    }
}

/// All of them.
pub(super) struct Peers {
    memory: Arc<OwnedFd>,
    vectors: u16,
    most: usize,
    /// Messages that may wait for one peer: the greeting of a full house twice over.
    unsent_most: usize,
    peers: Vec<Peer>,
    next_id: u16,
    report: Report,
}

impl Peers {
    pub(super) fn new(memory: Arc<OwnedFd>, options: &ServerOptions) -> Self {
        let greeting = options.peers_most.saturating_mul(usize::from(options.vectors)).saturating_add(3);
        Self {
            memory,
            vectors: options.vectors,
            most: options.peers_most,
            unsent_most: greeting.saturating_mul(2),
            peers: Vec::new(),
            next_id: 0,
            report: Report::default(),
        }
    }

    /// Each peer's socket, and whether something waits to be sent.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        self.peers.iter().map(|peer| (peer.socket.as_fd(), !peer.unsent.is_empty()))
    }

    /// When the next peer's time is up.
    pub(super) fn next_deadline(&self, patience: Duration) -> Option<HostInstant> {
        let patience = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        self.peers.iter().filter_map(|peer| peer.stuck_since).min().map(|at| HostInstant(at.0.saturating_add(patience)))
    }

    pub(super) fn note_shortage(&mut self) {
        self.report.shortages += 1;
    }

    pub(super) fn report(&self) -> Report {
        Report { connected: self.peers.iter().map(|peer| peer.id).collect(), ..self.report.clone() }
    }

    /// Takes a peer in: it is greeted, and the others are told. An error means that its connection is closed.
    pub(super) fn admit(&mut self, socket: OwnedFd) -> Result<(), Errno> {
        if self.peers.len() >= self.most {
            self.report.refused += 1;
            return Ok(());
        }
        rustix::io::ioctl_fionbio(&socket, true)?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let vectors =
            (0..self.vectors).map(|_| eventfd(0, flags).map(Arc::new)).collect::<Result<Vec<Arc<OwnedFd>>, Errno>>()?;
        let id = self.free_id();
        let number = i64::from(id);
        let mut unsent =
            VecDeque::from([Message::plain(VERSION), Message::plain(number), Message::with(MEMORY, &self.memory)]);
        for other in &self.peers {
            unsent.extend(other.vectors.iter().map(|vector| Message::with(i64::from(other.id), vector)));
        }
        unsent.extend(vectors.iter().map(|vector| Message::with(number, vector)));
        for other in &mut self.peers {
            other.unsent.extend(vectors.iter().map(|vector| Message::with(number, vector)));
        }
        self.peers.push(Peer { id, socket, vectors, unsent, sent: 0, stuck_since: None, end: None });
        self.report.joined += 1;
        Ok(())
    }

    /// The next number that nobody has. A number that has just become free comes again last, so that a late interrupt
    /// for who left does not reach who came.
    fn free_id(&mut self) -> u16 {
        // There are fewer peers than numbers.
        while self.peers.iter().any(|peer| peer.id == self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        id
    }

    /// A peer's socket has something: it ends, or it says what it must not.
    pub(super) fn listen_to(&mut self, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let mut byte = [0; 1];
        let end = match rustix::io::read(&peer.socket, &mut byte) {
            Ok(0) | Err(Errno::CONNRESET | Errno::PIPE) => End::Left,
            Ok(_) => End::PutOut(Reason::Spoke),
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(_) => End::PutOut(Reason::Broken),
        };
        peer.end = peer.end.or(Some(end));
    }

    /// Sends to everybody what can be sent now, removes those whose time has ended, and tells the others.
    pub(super) fn send_all(&mut self, now: HostInstant, patience: Duration) {
        loop {
            for peer in &mut self.peers {
                peer.send(now, patience);
                if peer.unsent.len() > self.unsent_most {
                    peer.end = peer.end.or(Some(End::PutOut(Reason::Behind)));
                }
            }
            let (gone, stay): (Vec<Peer>, Vec<Peer>) = self.peers.drain(..).partition(|peer| peer.end.is_some());
            self.peers = stay;
            if gone.is_empty() {
                return;
            }
            for peer in gone {
                match peer.end {
                    Some(End::PutOut(reason)) => {
                        self.report.put_out_count += 1;
                        if self.report.put_out.len() < TOLD_MOST {
                            self.report.put_out.push((peer.id, reason));
                        }
                    }
                    _ => self.report.left += 1,
                }
                for other in &mut self.peers {
                    other.unsent.push_back(Message::plain(i64::from(peer.id)));
                }
            }
        }
    }
}
