//! Running one command: its program, its streams, its time and what it used.

use crate::app::App;
use crate::link::Link;
use crate::output::Output;
use crate::program::Program;
use crate::sys::file::{self, Access, Fd};
use crate::sys::poll::{CLOSING, HUNG_UP, Moment, READABLE, WRITABLE, interest, no_interest, wait};
use crate::sys::process::{self, Ended, Fork, Notice, Signals};
use crate::sys::{Errno, Result};
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use isodyne_proto::{ExecReply, ExecRequest, MAX_OUTPUT, Outcome};

/// Milliseconds that a killed command has to be gone.
const KILL_GRACE_MS: u64 = 5_000;

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
    app: &mut Option<App>,
    patience_ms: u64,
) -> core::result::Result<ExecReply, Stop> {
    let began = Moment::now();
    let timeout_ms = if request.timeout_ms == 0 { patience_ms } else { u64::from(request.timeout_ms) };
    let mut command = match Command::start(request, environment) {
        Ok(command) => command,
        Err(errno) => return Ok(reply(request.id, Outcome::Error(errno.0), Moment::now().ns_since(began))),
    };
    let stopped = command.attend(signals, link, app, Moment::after_ms(timeout_ms));
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
        let program = Program::new(&request.argv, &request.env, environment, None)?;
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
    fn attend(
        &mut self,
        signals: &Signals,
        link: &Link,
        app: &mut Option<App>,
        deadline: Moment,
    ) -> core::result::Result<(), Stop> {
        let mut until = deadline;
        let mut stop = Ok(());
        while self.ended.is_none() {
            let [app_stdout, app_stderr] = app.as_ref().map_or_else(|| [no_interest(); 2], App::interests);
            let mut interests = [
                interest(signals.fd(), READABLE),
                if stop.is_ok() { interest(link.input(), CLOSING) } else { no_interest() },
                self.input.as_ref().map_or_else(no_interest, |fd| interest(fd, WRITABLE)),
                self.stdout.interest(),
                self.stderr.interest(),
                app_stdout,
                app_stderr,
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
            let [signal, channel, input, stdout, stderr, app_stdout, app_stderr] =
                interests.map(|interest| interest.revents);
            if let Some(app) = app {
                app.take([app_stdout, app_stderr]);
            }
            if channel & HUNG_UP != 0 {
                stop = Err(Stop::Closed);
                until = self.kill();
            }
            if input != 0 {
                self.feed(input);
            }
            self.stdout.take(stdout);
            self.stderr.take(stderr);
            if signal != 0 && self.take_signals(signals, app) {
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
    fn take_signals(&mut self, signals: &Signals, app: &mut Option<App>) -> bool {
        let terminate = drain_notices(signals);
        // What is left of the group goes while the leader's number cannot yet mean another one.
        if process::has_ended(self.child) {
            process::kill_group(self.child);
        }
        if let Some(app) = app {
            app.before_reaping();
        }
        while let Some(ended) = process::reap() {
            if ended.pid == self.child {
                self.ended = Some(ended);
            } else if let Some(app) = app {
                app.note(&ended);
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
            (Some(ended), None) => outcome_of(ended.status),
            (None, None) => Outcome::TimedOut,
        };
        let usage = self.ended.unwrap_or_default();
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

/// What a status of `wait4` says.
pub(crate) fn outcome_of(status: i32) -> Outcome {
    match status & 0x7f {
        0 => Outcome::Exited((status >> 8) as u8),
        signal => Outcome::Signalled(signal as u8),
    }
}

/// Takes the signals that have come; true if the agent shall end.
pub(crate) fn drain_notices(signals: &Signals) -> bool {
    let mut terminate = false;
    while let Some(notice) = signals.next() {
        terminate |= notice == Notice::Terminate;
    }
    terminate
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
