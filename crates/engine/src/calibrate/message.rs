//! One byte to another thread and back, over what sandboxes talk through.
//!
//! A floor must hold for every way in which two sides can be arranged, so three are tried: both asleep until the byte
//! comes, on one processor and on two, and both spinning on two. The best is the best of all; the typical value is that
//! of sleepers on two processors, which is what two programs are as a rule.

use super::pin;
use super::trials::{Trials, Window};
use super::{Found, skip};
use crate::clock::Clock;
use crate::host::root::HostRoot;
use crate::lab::Lab;
use isodyne_core::calibration::{Limit, LimitKind};
use isodyne_core::unit::DisplayNs;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// One side of a conversation.
struct Side {
    reader: OwnedFd,
    writer: OwnedFd,
}

/// How the two sides are placed and how they wait.
#[derive(Clone, Copy)]
struct Arrangement {
    cpus: (usize, usize),
    spinning: bool,
}

/// TCP over the loopback device.
pub(super) fn loopback(lab: &Lab, window: Window) -> Found {
    let make = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let near = TcpStream::connect(listener.local_addr()?)?;
        let (far, _) = listener.accept()?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        Ok((both(near.into())?, both(far.into())?))
    };
    found(lab.clock, window, "loopback_round_trip_ns", "TCP on 127.0.0.1 with TCP_NODELAY", make)
}

/// A pair of unix sockets.
pub(super) fn unix(lab: &Lab, window: Window) -> Found {
    let make = || {
        let (near, far) = UnixStream::pair()?;
        Ok((both(near.into())?, both(far.into())?))
    };
    found(lab.clock, window, "unix_round_trip_ns", "a pair of unix stream sockets", make)
}

/// Two pipes.
pub(super) fn pipe(lab: &Lab, window: Window) -> Found {
    let make = || {
        let (near_reader, far_writer) = io::pipe()?;
        let (far_reader, near_writer) = io::pipe()?;
        let near = Side { reader: near_reader.into(), writer: near_writer.into() };
        Ok((near, Side { reader: far_reader.into(), writer: far_writer.into() }))
    };
    found(lab.clock, window, "pipe_round_trip_ns", "two pipes", make)
}

fn both(socket: OwnedFd) -> io::Result<Side> {
    Ok(Side { reader: socket.try_clone()?, writer: socket })
}

fn found(
    clock: Clock,
    window: Window,
    name: &str,
    through: &str,
    make: impl Fn() -> io::Result<(Side, Side)>,
) -> Found {
    let Some(first) = pin::allowed().first().copied() else {
        return vec![skip(name, "the host does not tell its processors")];
    };
    let one = Arrangement { cpus: (first, first), spinning: false };
    // The first pair is of two cores, if there are two.
    let second = pin::pairs(&HostRoot::default(), &pin::allowed()).ok().and_then(|pairs| Some(pairs.first()?.cpus));
    let two = second.map(|cpus| Arrangement { cpus, spinning: false });
    let spinning = second.map(|cpus| Arrangement { cpus, spinning: true });
    let windows: [Window; 3] = window.split();
    let mut tried: Vec<(Arrangement, Trials)> = Vec::new();
    for (arrangement, window) in [two, Some(one), spinning].into_iter().flatten().zip(windows) {
        let trials = make().map_err(|error| error.to_string()).and_then(|sides| {
            let (near, far) = sides;
            talk(clock, window, near, far, arrangement)
        });
        match trials {
            Ok(trials) => tried.push((arrangement, trials)),
            Err(reason) => return vec![skip(name, reason)],
        }
    }
    let words: Vec<String> = tried.iter().map(|(arrangement, trials)| arrangement.words(trials)).collect();
    let best = tried.iter().map(|(_, trials)| trials.quantile(0.0)).fold(f64::INFINITY, f64::min);
    let n = tried.iter().map(|(_, trials)| trials.n()).sum();
    let typical = tried.into_iter().next().map(|(_, trials)| trials).ok_or_else(|| "nothing was tried".to_owned());
    let method = format!(
        "one byte to another thread and back over {through}, both pinned; typical is of the first arrangement, best of \
         all: {}",
        words.join("; ")
    );
    vec![Trials::limit(typical, name, LimitKind::Floor, method).map(|limit| Limit { best, n, ..limit })]
}

impl Arrangement {
    fn words(self, trials: &Trials) -> String {
        let how = if self.spinning { "spinning" } else { "asleep until it comes" };
        let where_ = if self.cpus.0 == self.cpus.1 { "one processor" } else { "two processors" };
        let at = |q| DisplayNs(trials.quantile(q));
        format!("{where_}, {how}: best {}, p50 {}, p99 {}", at(0.0), at(0.5), at(0.99))
    }
}

fn talk(clock: Clock, window: Window, near: Side, far: Side, how: Arrangement) -> Result<Trials, String> {
    let window = window.begin();
    if how.spinning {
        for fd in [&near.reader, &far.reader] {
            let flags = fcntl_getfl(fd).map_err(|errno| errno.to_string())?;
            fcntl_setfl(fd, flags | OFlags::NONBLOCK).map_err(|errno| errno.to_string())?;
        }
    }
    std::thread::scope(|scope| {
        let echo = std::thread::Builder::new().name("calibrate-echo".to_owned()).spawn_scoped(scope, move || {
            pin::stay_on(how.cpus.1)?;
            // The end of the near side's writer ends it.
            while read(&far, window)?.is_some() {
                write(&far)?;
            }
            Ok(())
        });
        let echo = echo.map_err(|error| format!("no thread: {error}"))?;
        // The near side moves in, so that it is closed before the echo is waited for.
        let trials = pin::on(how.cpus.0, move || {
            let trip = || -> Result<f64, String> {
                let begin = clock.now();
                write(&near)?;
                read(&near, window)?.ok_or("the other side has gone")?;
                Ok(clock.now().ns_since(begin) as f64)
            };
            for _ in 0..20 {
                trip()?;
            }
            window.trials(20, 100_000, trip)
        });
        let echoed: Result<(), String> = echo.join().unwrap_or_else(|_| Err("the other thread panicked".to_owned()));
        trials.and_then(|trials| echoed.map(|()| trials))
    })
}

fn write(side: &Side) -> Result<(), String> {
    loop {
        match rustix::io::write(side.writer.as_fd(), b"x") {
            Ok(_) => return Ok(()),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => return Err(format!("a byte cannot be written: {errno}")),
        }
    }
}

/// A byte; `None` once the other side has closed, or, where it spins, when the window is long over.
fn read(side: &Side, window: Window) -> Result<Option<()>, String> {
    let mut looks = 0_u32;
    loop {
        let mut byte = [0_u8];
        match rustix::io::read(side.reader.as_fd(), &mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(())),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                looks = looks.wrapping_add(1);
                if looks.is_multiple_of(1 << 12) && window.is_over() {
                    return Ok(None);
                }
            }
            Err(errno) => return Err(format!("a byte cannot be read: {errno}")),
        }
    }
}
