//! Running one command: its program, its streams, its time and what it used.

use crate::link::Link;
use crate::sys::file::{self, Access, Fd};
use crate::sys::poll::{CLOSING, HUNG_UP, Interest, Moment, READABLE, WRITABLE, interest, no_interest, wait};
use crate::sys::process::{self, Ended, Fork, Notice, Signals};
use crate::sys::{Errno, Result};
use crate::variable;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char};
use isodyne_proto::{ExecReply, ExecRequest, MAX_OUTPUT, Outcome};

/// Where programs are looked up if the environment does not say.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Milliseconds that a killed command has to be gone.
const KILL_GRACE_MS: u64 = 5_000;

/// The exit code of a child whose program could not be executed; the reason goes through a pipe.
const NOT_EXECUTED: u8 = 127;

/// Why serving ends.
pub(crate) enum Stop {
    /// The host closed the channel.
    Closed,
    /// A signal asked the agent to end.
    Terminated,
    /// Something is wrong.
    Failed(String),
}

/// Runs the command to its end. The command does not outlive the channel.
pub(crate) fn run(
    request: &ExecRequest,
    environment: &[&CStr],
    signals: &Signals,
    link: &Link,
    patience_ms: u64,
) -> core::result::Result<ExecReply, Stop> {
    let began = Moment::now();
    let timeout_ms = if request.timeout_ms == 0 { patience_ms } else { u64::from(request.timeout_ms) };
    let mut command = match Command::start(request, environment) {
        Ok(command) => command,
        Err(errno) => return Ok(reply(request.id, Outcome::Error(errno.0), Moment::now().ns_since(began))),
    };
    let stopped = command.attend(signals, link, Moment::after_ms(timeout_ms));
    let elapsed_ns = Moment::now().ns_since(began);
    stopped?;
    command.drain();
    Ok(command.report(request.id, elapsed_ns))
}

fn reply(id: u32, outcome: Outcome, elapsed_ns: u64) -> ExecReply {
    ExecReply {
        id,
        outcome,
        stdout: Vec::new(),
        stderr: Vec::new(),
        stdout_truncated: false,
        stderr_truncated: false,
        user_us: 0,
        system_us: 0,
        peak_rss_bytes: 0,
        elapsed_ns,
    }
}

struct Command<'a> {
    child: i32,
    /// The command's standard input, and what it has still to be given.
    input: Option<Fd>,
    to_write: &'a [u8],
    stdout: Output,
    stderr: Output,
    /// Carries the error number if the program could not be executed.
    status: Fd,
    ended: Option<Ended>,
    timed_out: bool,
}

impl<'a> Command<'a> {
    fn start(request: &'a ExecRequest, environment: &[&CStr]) -> Result<Self> {
        let program = Program::new(request, environment)?;
        let (status, status_end) = file::pipe()?;
        let (stdout, stdout_end) = file::pipe()?;
        let (stderr, stderr_end) = file::pipe()?;
        let (stdin_end, input) = standard_input(&request.stdin)?;
        for ours in [&status, &stdout, &stderr].into_iter().chain(&input) {
            ours.set_nonblocking()?;
        }
        let agent = process::pid();
        // SAFETY: the agent has one thread, and the child makes nothing but system calls until exec.
        let child = match unsafe { process::fork() }? {
            Fork::Child => program.become_it(agent, [&stdin_end, &stdout_end, &stderr_end], &status_end),
            Fork::Parent { child } => child,
        };
        process::lead_group(child);
        let limit = usize::try_from(request.output_limit).map_or(MAX_OUTPUT, |limit| limit.min(MAX_OUTPUT));
        Ok(Self {
            child,
            input,
            to_write: &request.stdin,
            stdout: Output::new(stdout, limit),
            stderr: Output::new(stderr, limit),
            status,
            ended: None,
            timed_out: false,
        })
    }

    /// Feeds, reads and waits until the command has been reaped; kills it when its time is up or when nobody is left
    /// who wants its result.
    fn attend(&mut self, signals: &Signals, link: &Link, deadline: Moment) -> core::result::Result<(), Stop> {
        let mut until = deadline;
        let mut stop = Ok(());
        while self.ended.is_none() {
            let mut interests = [
                interest(signals.fd(), READABLE),
                if stop.is_ok() { interest(link.input(), CLOSING) } else { no_interest() },
                self.input.as_ref().map_or_else(no_interest, |fd| interest(fd, WRITABLE)),
                self.stdout.interest(),
                self.stderr.interest(),
            ];
            let came = wait(&mut interests, until).unwrap_or(false);
            if !came {
                if self.timed_out || stop.is_err() {
                    // The kernel cannot end it; it is left behind, and the sandbox's owner will see it.
                    break;
                }
                self.timed_out = true;
                until = self.kill();
                continue;
            }
            let [signal, channel, input, stdout, stderr] = interests.map(|interest| interest.revents);
            if channel & HUNG_UP != 0 {
                stop = Err(Stop::Closed);
                until = self.kill();
            }
            if input != 0 {
                self.feed(input);
            }
            self.stdout.take(stdout);
            self.stderr.take(stderr);
            if signal != 0 && self.take_signals(signals) {
                stop = Err(Stop::Terminated);
                until = self.kill();
            }
        }
        stop
    }

    fn kill(&self) -> Moment {
        process::kill_group(self.child);
        Moment::after_ms(KILL_GRACE_MS)
    }

    fn feed(&mut self, came: i16) {
        let Some(fd) = &self.input else { return };
        match fd.write(self.to_write) {
            Ok(written) => self.to_write = self.to_write.get(written..).unwrap_or_default(),
            Err(Errno::AGAIN) if came & HUNG_UP == 0 => {}
            // The command does not read on, which is its right.
            Err(_) => self.to_write = &[],
        }
        if self.to_write.is_empty() {
            self.input = None;
        }
    }

    /// Reaps what has ended; true if the agent shall end.
    fn take_signals(&mut self, signals: &Signals) -> bool {
        let mut terminate = false;
        while let Some(notice) = signals.next() {
            terminate |= notice == Notice::Terminate;
        }
        // What is left of the group goes while the leader's number cannot yet mean another one.
        if process::has_ended(self.child) {
            process::kill_group(self.child);
        }
        while let Some(ended) = process::reap() {
            if ended.pid == self.child {
                self.ended = Some(ended);
            }
        }
        terminate
    }

    /// Takes what the command had written before it ended.
    fn drain(&mut self) {
        self.stdout.drain();
        self.stderr.drain();
    }

    fn report(self, id: u32, elapsed_ns: u64) -> ExecReply {
        let mut number = [0; 4];
        let refused = match self.status.read(&mut number) {
            Ok(4) => Some(Errno(u32::from_ne_bytes(number))),
            _ => None,
        };
        let outcome = match (&self.ended, refused) {
            (_, Some(Errno::NOENT | Errno::NOTDIR)) => Outcome::NotFound,
            (_, Some(Errno::ACCES | Errno::PERM)) => Outcome::NotPermitted,
            (_, Some(Errno(number))) => Outcome::Error(number),
            _ if self.timed_out => Outcome::TimedOut,
            (Some(ended), None) => match ended.status & 0x7f {
                0 => Outcome::Exited((ended.status >> 8) as u8),
                signal => Outcome::Signalled(signal as u8),
            },
            (None, None) => Outcome::TimedOut,
        };
        let usage = self.ended.unwrap_or(Ended { pid: 0, status: 0, user_us: 0, system_us: 0, peak_rss_bytes: 0 });
        ExecReply {
            stdout: self.stdout.kept,
            stderr: self.stderr.kept,
            stdout_truncated: self.stdout.truncated,
            stderr_truncated: self.stderr.truncated,
            user_us: usage.user_us,
            system_us: usage.system_us,
            peak_rss_bytes: usage.peak_rss_bytes,
            ..reply(id, outcome, elapsed_ns)
        }
    }
}

/// The end that the command reads, and the end to write to if there is something to write.
fn standard_input(bytes: &[u8]) -> Result<(Fd, Option<Fd>)> {
    if bytes.is_empty() {
        if let Ok(null) = file::open(c"/dev/null", Access::Read) {
            return Ok((null, None));
        }
        // Without devices, a pipe whose other end is closed reads the same.
        return Ok((file::pipe()?.0, None));
    }
    let (reader, writer) = file::pipe()?;
    Ok((reader, Some(writer)))
}

/// One of the command's output streams.
struct Output {
    fd: Option<Fd>,
    kept: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl Output {
    fn new(fd: Fd, limit: usize) -> Self {
        Self { fd: Some(fd), kept: Vec::new(), limit, truncated: false }
    }

    fn interest(&self) -> Interest {
        self.fd.as_ref().map_or_else(no_interest, |fd| interest(fd, READABLE))
    }

    fn take(&mut self, came: i16) {
        if came != 0 {
            self.read_once();
        }
    }

    /// Reads once; false if there is nothing more for now or for ever.
    fn read_once(&mut self) -> bool {
        let Some(fd) = &self.fd else { return false };
        let mut buffer = [0; 16 << 10];
        match fd.read(&mut buffer) {
            Err(Errno::AGAIN) => false,
            Ok(0) | Err(_) => {
                self.fd = None;
                false
            }
            Ok(length) => {
                let room = self.limit - self.kept.len();
                let bytes = buffer.get(..length).unwrap_or_default();
                self.truncated |= length > room;
                self.kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                true
            }
        }
    }

    /// Reads what is left in the pipe. A descendant that got away may go on to write, so the amount is bounded by more
    /// than a pipe holds.
    fn drain(&mut self) {
        for _ in 0..128 {
            if !self.read_once() {
                return;
            }
        }
    }
}

/// Everything that exec needs, made before the fork: the child must not allocate.
struct Program {
    candidates: Vec<CString>,
    /// Own the strings that the pointers below point to.
    _strings: Vec<CString>,
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
}

impl Program {
    fn new(request: &ExecRequest, inherited: &[&CStr]) -> Result<Self> {
        let name = request.argv.first().filter(|name| !name.is_empty()).ok_or(Errno::NOENT)?;
        let path = request
            .env
            .iter()
            .find_map(|entry| entry.strip_prefix(b"PATH="))
            .or_else(|| variable(inherited, "PATH"))
            .unwrap_or(DEFAULT_PATH);
        let candidates = if name.contains(&b'/') {
            c_strings([name.clone()])?
        } else {
            c_strings(path.split(|byte| *byte == b':').map(|directory| [directory, name].join(&b'/')))?
        };
        let arguments = c_strings(request.argv.iter().cloned())?;
        let added = c_strings(request.env.iter().cloned())?;
        let kept = inherited.iter().filter(|entry| !request.env.iter().any(|new| same_key(entry.to_bytes(), new)));
        let environment = kept.map(|entry| entry.as_ptr()).chain(added.iter().map(|entry| entry.as_ptr()));
        let environment = environment.chain([core::ptr::null()]).collect();
        let pointers = arguments.iter().map(|argument| argument.as_ptr()).chain([core::ptr::null()]).collect();
        let strings = arguments.into_iter().chain(added).collect();
        Ok(Self { candidates, _strings: strings, arguments: pointers, environment })
    }

    /// In the child: puts everything in place and executes the program.
    fn become_it(&self, agent: i32, streams: [&Fd; 3], status: &Fd) -> ! {
        process::lead_group(0);
        process::die_with_parent();
        // In a container's own process namespace the first process has the number 1, and no parent has 0.
        let errno = if process::parent_pid() == agent { self.execute(streams) } else { Errno::INVAL };
        let _ = status.write(&errno.0.to_ne_bytes());
        process::exit(NOT_EXECUTED)
    }

    fn execute(&self, streams: [&Fd; 3]) -> Errno {
        for (number, fd) in (0..3).zip(streams) {
            if let Err(errno) = file::duplicate_to(fd, number) {
                return errno;
            }
        }
        file::close_rest_on_exec();
        process::default_signals();
        let mut reason = Errno::NOENT;
        for candidate in &self.candidates {
            // SAFETY: both lists end in a null pointer and point into strings that `self` and the agent's own start
            // keep alive.
            match unsafe { process::execute(candidate, &self.arguments, &self.environment) } {
                Errno::NOENT | Errno::NOTDIR => {}
                // As a shell does: another directory may hold one that may be executed.
                Errno::ACCES => reason = Errno::ACCES,
                errno => return errno,
            }
        }
        reason
    }
}

fn c_strings(strings: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<CString>> {
    strings.into_iter().map(|string| CString::new(string).map_err(|_| Errno::INVAL)).collect()
}

/// Whether two environment entries set the same variable.
fn same_key(one: &[u8], other: &[u8]) -> bool {
    fn key(entry: &[u8]) -> &[u8] {
        entry.split(|byte| *byte == b'=').next().unwrap_or_default()
    }
    key(one) == key(other)
}
