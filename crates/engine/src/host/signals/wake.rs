//! Signals that wake a thread: bytes in a pipe, frames on a socket, notifications of files.

use crate::clock::Clock;
use isodyne_core::unit::HostInstant;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

/// Before each trial the watching thread must have gone to sleep, as it does during a sample.
const SETTLE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000 };
/// A trial that takes longer than this shows that something is broken.
const GIVE_UP: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

fn settle() {
    let _ = poll(&mut [], Some(&SETTLE));
}

fn wait_readable(fd: BorrowedFd<'_>) -> Option<()> {
    let ready = poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&GIVE_UP));
    ready.ok().filter(|count| *count > 0).map(|_| ())
}

/// Tries one signal: `send` causes it in this thread, and another thread sleeps in `poll` on what `drain` empties.
fn one_way<W: AsFd + Send>(
    clock: Clock,
    trials: usize,
    watched: W,
    drain: impl Fn(&mut W) -> io::Result<()> + Send,
    mut send: impl FnMut() -> io::Result<()>,
) -> Option<Vec<u64>> {
    let (seen, stamps) = mpsc::channel::<HostInstant>();
    thread::scope(|scope| {
        thread::Builder::new()
            .name("signal-watcher".to_owned())
            .spawn_scoped(scope, move || {
                let mut watched = watched;
                for _ in 0..trials {
                    let woken = wait_readable(watched.as_fd()).map(|()| clock.now());
                    let told = woken.is_some_and(|at| drain(&mut watched).is_ok() && seen.send(at).is_ok());
                    if !told {
                        return;
                    }
                }
            })
            .ok()?;
        let mut found = Vec::with_capacity(trials);
        for _ in 0..trials {
            settle();
            let begin = clock.now();
            send().ok()?;
            found.push(stamps.recv().ok()?.ns_since(begin));
        }
        Some(found)
    })
}

/// A byte in a pipe.
pub(super) fn pipe(clock: Clock, trials: usize) -> Option<Vec<u64>> {
    let (reader, mut writer) = io::pipe().ok()?;
    let drain = |reader: &mut PipeReader| reader.read_exact(&mut [0]);
    one_way(clock, trials, reader, drain, || writer.write_all(b"x"))
}

/// A file that appears.
pub(super) fn notify(clock: Clock, trials: usize, scratch: &Path) -> Option<Vec<u64>> {
    let directory = scratch.join(format!("signals-{}", std::process::id()));
    std::fs::create_dir(&directory).ok()?;
    let found = notify_in(clock, trials, &directory);
    let _ = std::fs::remove_dir_all(&directory);
    found
}

fn notify_in(clock: Clock, trials: usize, directory: &Path) -> Option<Vec<u64>> {
    let watched = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    add_watch(&watched, directory, WatchFlags::CREATE).ok()?;
    let mut watched = File::from(watched);
    let mut number = 0;
    one_way(
        clock,
        trials,
        &mut watched,
        // One file makes one event; a read takes all that are there.
        |watched| watched.read(&mut [0; 4096]).map(|_| ()),
        || {
            number += 1;
            File::create_new(directory.join(number.to_string())).map(|_| ())
        },
    )
}

/// A byte to another thread and back.
pub(super) fn round_trip(clock: Clock, trials: usize) -> Option<Vec<u64>> {
    let (mut here, mut there) = UnixStream::pair().ok()?;
    thread::scope(|scope| {
        thread::Builder::new()
            .name("signal-echo".to_owned())
            .spawn_scoped(scope, move || {
                let mut byte = [0];
                while there.read_exact(&mut byte).and_then(|()| there.write_all(&byte)).is_ok() {}
            })
            .ok()?;
        let mut found = Vec::with_capacity(trials);
        for _ in 0..trials {
            settle();
            let begin = clock.now();
            here.write_all(b"x").ok()?;
            wait_readable(here.as_fd())?;
            found.push(clock.now().ns_since(begin));
            here.read_exact(&mut [0]).ok()?;
        }
        // The echo ends when this end closes, and the scope waits for it.
        drop(here);
        Some(found)
    })
}
