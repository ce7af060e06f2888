//! The server: it gives every peer the memory, a number, and descriptors to interrupt and to be interrupted by.
//!
//! One thread waits for all peers, never for one. A peer has nothing to say: one that sends a byte is put out, and so is
//! one that does not take what it is sent.

use super::VECTORS_MOST;
use super::memory::SealedMemory;
use super::peers::{Peers, Reason};
use super::socket::SocketFile;
use crate::clock::Clock;
use crate::wait::left;
use isodyne_core::unit::HostInstant;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A host that gives no descriptor for the next peer is asked again after this.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(200);

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Interrupts that a peer can tell apart, 1 to [`VECTORS_MOST`].
    pub vectors: u16,
    /// Peers at one time.
    pub peers_most: usize,
    /// Where to listen; without it peers come by [`Server::connect`] alone.
    pub socket: Option<PathBuf>,
    /// How long a peer may leave what it is sent lying.
    pub patience: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self { vectors: 1, peers_most: 16, socket: None, patience: Duration::from_secs(10) }
    }
}

/// What has happened on a server so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Peers that are connected now, by their numbers.
    pub connected: Vec<u16>,
    /// Peers that were ever connected.
    pub joined: u64,
    /// Peers that went away by themselves.
    pub left: u64,
    /// Peers that were put out, and why; the first 64.
    pub put_out: Vec<(u16, Reason)>,
    /// Peers that were put out.
    pub put_out_count: u64,
    /// Connections that were closed because there were too many peers.
    pub refused: u64,
    /// Times that the host had no descriptor left.
    pub shortages: u64,
}

/// A running server. Dropped, it ends: its socket file goes, and every peer sees its connection close.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    memory: Arc<SealedMemory>,
    vectors: u16,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and its owner share.
#[derive(Debug)]
struct Shared {
    wake: OwnedFd,
    stop: AtomicBool,
    /// Ends of connections that the owner has made.
    inbox: Mutex<Vec<OwnedFd>>,
    report: Mutex<Report>,
}

impl Shared {
    fn wake(&self) {
        // An eventfd takes any 8 bytes; the value only has to be non-zero.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

impl Server {
    /// Starts a server for this memory.
    ///
    /// # Errors
    /// If the options cannot be, the socket cannot be made, or the host gives no thread.
    pub fn start(memory: Arc<SealedMemory>, options: ServerOptions) -> io::Result<Self> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
        if !(1..=VECTORS_MOST).contains(&options.vectors) {
            return Err(invalid(format!("a peer has 1 to {VECTORS_MOST} vectors, not {}", options.vectors)));
        }
        // A peer's number has 16 bits.
        if !(1..=usize::from(u16::MAX)).contains(&options.peers_most) {
            return Err(invalid(format!("a server has 1 to {} peers, not {}", u16::MAX, options.peers_most)));
        }
        let listener = options.socket.as_deref().map(SocketFile::bind).transpose()?;
        let shared = Arc::new(Shared {
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            stop: AtomicBool::new(false),
            inbox: Mutex::default(),
            report: Mutex::default(),
        });
        let peers = Peers::new(Arc::new(memory.try_clone()?), &options);
        let vectors = options.vectors;
        let mut service =
            Service { shared: Arc::clone(&shared), listener, peers, pause_until: None, patience: options.patience };
        let thread = std::thread::Builder::new().name("ivshmem".to_owned()).spawn(move || service.run())?;
        Ok(Self { shared, memory, vectors, thread: Some(thread) })
    }

    /// The memory that it gives away.
    pub fn memory(&self) -> &Arc<SealedMemory> {
        &self.memory
    }

    /// Vectors of each peer.
    pub fn vectors(&self) -> u16 {
        self.vectors
    }

    /// A new connection without a socket file: the end for a peer.
    ///
    /// # Errors
    /// If the host gives no socket.
    pub fn connect(&self) -> io::Result<OwnedFd> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        self.shared.inbox.lock().unwrap_or_else(PoisonError::into_inner).push(ours);
        self.shared.wake();
        Ok(theirs)
    }

    /// What has happened so far.
    pub fn report(&self) -> Report {
        self.shared.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's own.
struct Service {
    shared: Arc<Shared>,
    listener: Option<SocketFile>,
    peers: Peers,
    /// Until when nobody is accepted, after the host ran out of descriptors.
    pause_until: Option<HostInstant>,
    patience: Duration,
}

impl Service {
    fn run(&mut self) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            let Some(ready) = self.wait() else { return };
            if ready.woken {
                let mut counter = [0; 8];
                let _ = rustix::io::read(&self.shared.wake, &mut counter);
            }
            for (index, flags) in ready.peers {
                if flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR | PollFlags::RDHUP) {
                    self.peers.listen_to(index);
                }
            }
            let arrived = std::mem::take(&mut *self.shared.inbox.lock().unwrap_or_else(PoisonError::into_inner));
            for socket in arrived {
                let _ = self.peers.admit(socket);
            }
            if ready.knocked {
                self.accept();
            }
            self.peers.send_all(Clock.now(), self.patience);
            *self.shared.report.lock().unwrap_or_else(PoisonError::into_inner) = self.peers.report();
        }
    }

    /// Takes one connection; the next one makes the listener ready again.
    fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        let admitted = match accept(listener) {
            Ok(socket) => self.peers.admit(socket),
            Err(errno) => Err(errno),
        };
        // A listener that stays ready would keep this thread turning.
        if let Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) = admitted {
            self.peers.note_shortage();
            self.pause_until = Some(Clock.after(SHORTAGE_PAUSE));
        }
    }

    /// Waits for whatever comes first; nothing if waiting is impossible.
    fn wait(&mut self) -> Option<Ready> {
        self.pause_until = self.pause_until.filter(|until| Clock.now() < *until);
        let deadline = [self.pause_until, self.peers.next_deadline(self.patience)].into_iter().flatten().min();
        let timeout = deadline.map(|deadline| left(Clock, deadline));
        let mut fds = vec![PollFd::new(&self.shared.wake, PollFlags::IN)];
        fds.extend(self.peers.sockets().map(|(socket, unsent)| {
            let out = if unsent { PollFlags::OUT } else { PollFlags::empty() };
            PollFd::from_borrowed_fd(socket, PollFlags::IN | PollFlags::RDHUP | out)
        }));
        let peers = fds.len() - 1;
        let listener = self.listener.as_ref().filter(|_| self.pause_until.is_none());
        fds.extend(listener.map(|listener| PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            // Only for want of memory; without waiting there is nothing to serve by.
            Err(_) => return None,
        }
        let came: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        Some(Ready {
            woken: came.first().is_some_and(|flags| !flags.is_empty()),
            peers: came
                .iter()
                .skip(1)
                .take(peers)
                .copied()
                .enumerate()
                .filter(|(_, flags)| !flags.is_empty())
                .collect(),
            knocked: came.get(peers + 1).is_some_and(|flags| !flags.is_empty()),
        })
    }
}

/// What has come.
struct Ready {
    woken: bool,
    /// By place in the list of peers.
    peers: Vec<(usize, PollFlags)>,
    knocked: bool,
}

fn accept(listener: &SocketFile) -> Result<OwnedFd, Errno> {
    loop {
        match rustix::net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            other => return other,
        }
    }
}
