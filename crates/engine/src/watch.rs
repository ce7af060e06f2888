//! Watching for by-signals: one thread per sandbox that sleeps in `poll` and stamps what becomes readable.
//!
//! Console bytes, debug-port bytes and file notifications arrive while the workload waits for the agent on its own
//! channel. The stamp is taken as soon as `poll` returns, before anything is read.

use crate::backend::Stamp;
use crate::clock::Clock;
use isodyne_core::unit::HostInstant;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Something that becomes readable when an event happens.
pub trait Source: Send {
    /// What to poll.
    fn fd(&self) -> BorrowedFd<'_>;
    /// Reads what is there (without blocking) and says which milestones it means. `at` is when `poll` returned.
    ///
    /// # Errors
    /// Any error, and [`Readiness::Closed`], ends the watching of this source only.
    fn ready(&mut self, at: HostInstant) -> io::Result<Readiness>;
}

/// What a source found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The milestones (perhaps none) that what was read means.
    Open(Vec<Stamp>),
    /// The other end closed.
    Closed,
}

/// A thread that watches sources until it is dropped.
pub struct Watcher {
    stamps: Arc<Mutex<Vec<Stamp>>>,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts watching.
    ///
    /// # Errors
    /// If the host gives no eventfd or no thread.
    pub fn start(clock: Clock, sources: Vec<Box<dyn Source>>) -> io::Result<Self> {
        let stamps = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let thread = std::thread::Builder::new().name("watcher".to_owned()).spawn({
            let (stamps, stop) = (Arc::clone(&stamps), Arc::clone(&stop));
            move || watch(clock, sources, &stop, &stamps)
        })?;
        Ok(Self { stamps, stop, thread: Some(thread) })
    }

    /// The stamps so far.
    pub fn stamps(&self) -> Vec<Stamp> {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Watcher {
    /// Ends the watching once what is readable now has been read, and gives all stamps.
    pub fn finish(mut self) -> Vec<Stamp> {
        self.end();
        self.stamps()
    }

    fn end(&mut self) {
        // An eventfd takes any 8 bytes; the value only has to be non-zero.
        let _ = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end();
    }
}

fn watch(clock: Clock, mut sources: Vec<Box<dyn Source>>, stop: &OwnedFd, stamps: &Mutex<Vec<Stamp>>) {
    while !sources.is_empty() {
        let ready: Vec<bool> = {
            let mut fds: Vec<PollFd<'_>> =
                sources.iter().map(|source| PollFd::from_borrowed_fd(source.fd(), PollFlags::IN)).collect();
            fds.push(PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN));
            match poll(&mut fds, None) {
                Ok(_) => fds.iter().map(|fd| !fd.revents().is_empty()).collect(),
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
            }
        };
        let at = clock.now();
        let mut keep = ready.iter().map(|_| true).collect::<Vec<bool>>();
        for (index, source) in sources.iter_mut().enumerate().filter(|(index, _)| ready[*index]) {
            match source.ready(at) {
                Ok(Readiness::Open(found)) => stamps.lock().unwrap_or_else(PoisonError::into_inner).extend(found),
                Ok(Readiness::Closed) | Err(_) => keep[index] = false,
            }
        }
        // Sources are drained once more before the watcher ends, so that a console's last bytes reach its log.
        if ready.last() == Some(&true) {
            return;
        }
        let mut keep = keep.into_iter();
        sources.retain(|_| keep.next().unwrap_or(true));
    }
}
