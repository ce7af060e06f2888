//! The one application of a sandbox: its program, its output, its end.

mod await_ready;
pub(crate) mod probe;
mod root;

pub(crate) use await_ready::await_ready;

use crate::exec::Stop;
use crate::link::Link;
use crate::output::Output;
use crate::program::{Confinement, Program};
use crate::sys::file::{self, Access, Fd};
use crate::sys::poll::{CLOSING, HUNG_UP, Interest, Moment, interest, no_interest, wait};
use crate::sys::process::{self, Ended, Fork, Signals};
use crate::sys::{Errno, Result};
use alloc::vec::Vec;
use core::ffi::CStr;
use isodyne_proto::{EndReply, EndRequest, MAX_EVIDENCE, Outcome, StartOutcome, StartRequest};

/// Milliseconds that a killed application has to be gone.
const KILL_GRACE_MS: u64 = 5_000;

/// The application, running or ended.
pub(crate) struct App {
    child: i32,
    /// Its root directory, as the agent sees it.
    root: Vec<u8>,
    stdout: Output,
    stderr: Output,
    ended: Option<Ended>,
}

/// Starts the application; it is there if the outcome says so.
pub(crate) fn start(request: &StartRequest, environment: &[&CStr], until: Moment) -> (StartOutcome, Option<App>) {
    if let Err(Errno(number)) = root::prepare(request, until) {
        return (StartOutcome::Mount(number), None);
    }
    match App::spawn(request, environment) {
        Ok(Ok(app)) => (StartOutcome::Started(app.child.unsigned_abs()), Some(app)),
        Ok(Err(Errno::NOENT | Errno::NOTDIR)) => (StartOutcome::NotFound, None),
        Ok(Err(Errno::ACCES | Errno::PERM)) => (StartOutcome::NotPermitted, None),
        Ok(Err(Errno(number))) | Err(Errno(number)) => (StartOutcome::Error(number), None),
    }
}

impl App {
    /// Forks and waits until the program has been executed; the inner error is why it could not be.
    fn spawn(request: &StartRequest, environment: &[&CStr]) -> Result<Result<Self>> {
        // The mark by which the host finds what belongs to a run goes with it; nothing else of the agent's does.
        let mark = environment.iter().filter(|entry| entry.to_bytes().starts_with(b"ISODYNE_RUN="));
        let inherited: Vec<&CStr> = mark.copied().collect();
        let confinement = Confinement::new(&request.root, &request.working_directory, request.user, request.group)?;
        let program = Program::new(&request.argv, &request.env, &inherited, Some(confinement))?;
        let (status, status_end) = file::pipe()?;
        let (stdout, stdout_end) = file::pipe()?;
        let (stderr, stderr_end) = file::pipe()?;
        let null = file::open(c"/dev/null", Access::Read).or_else(|_| file::pipe().map(|(reader, _)| reader))?;
        stdout.set_nonblocking()?;
        stderr.set_nonblocking()?;
        let agent = process::pid();
        // SAFETY: the agent has one thread, and the child makes nothing but system calls until exec.
        let child = match unsafe { process::fork() }? {
            Fork::Child => program.become_it(agent, [&null, &stdout_end, &stderr_end], &status_end),
            Fork::Parent { child } => child,
        };
        process::lead_group(child);
        drop((status_end, stdout_end, stderr_end));
        // Closed by the exec, or written to by a child that could not execute.
        let mut number = [0; 4];
        if status.read(&mut number) == Ok(4) {
            return Ok(Err(Errno(u32::from_ne_bytes(number))));
        }
        Ok(Ok(Self {
            child,
            root: request.root.clone(),
            stdout: Output::new(stdout, MAX_EVIDENCE),
            stderr: Output::new(stderr, MAX_EVIDENCE),
            ended: None,
        }))
    }

    /// What to poll so that its output never blocks it.
    pub(crate) fn interests(&self) -> [Interest; 2] {
        [self.stdout.interest(), self.stderr.interest()]
    }

    /// Takes the output that has come.
    pub(crate) fn take(&mut self, came: [i16; 2]) {
        self.stdout.take(came[0]);
        self.stderr.take(came[1]);
    }

    /// Notes the end of a child, if it was this one.
    pub(crate) fn note(&mut self, ended: &Ended) {
        if ended.pid == self.child {
            self.ended = Some(*ended);
        }
    }

    /// Kills what is left of its group while the leader's number cannot yet mean another one.
    pub(crate) fn before_reaping(&self) {
        if self.ended.is_none() && process::has_ended(self.child) {
            process::kill_group(self.child);
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        self.ended.as_ref().map(|ended| crate::exec::outcome_of(ended.status))
    }

    /// Asks it to end, kills it when its time is up, and says how it ended.
    pub(crate) fn end(mut self, request: EndRequest, signals: &Signals, link: &Link) -> (EndReply, Option<Stop>) {
        let mut until = Moment::after_ms(u64::from(request.timeout_ms));
        if self.ended.is_none() {
            process::signal(self.child, u32::from(request.signal));
        }
        let (mut killed, mut stop) = (false, None);
        while self.ended.is_none() {
            let [stdout, stderr] = self.interests();
            let channel = if stop.is_none() { interest(link.input(), CLOSING) } else { no_interest() };
            let mut interests = [interest(signals.fd(), crate::sys::poll::READABLE), channel, stdout, stderr];
            if !wait(&mut interests, until).unwrap_or(false) {
                if killed {
                    // The kernel cannot end it; the sandbox's owner will see it.
                    break;
                }
                killed = true;
                process::kill_group(self.child);
                until = Moment::after_ms(KILL_GRACE_MS);
                continue;
            }
            let [signal, channel, stdout, stderr] = interests.map(|interest| interest.revents);
            self.take([stdout, stderr]);
            if channel & HUNG_UP != 0 {
                stop = Some(Stop::Closed);
                until = Moment::now();
            }
            if signal != 0 && self.take_signals(signals) {
                stop = Some(Stop::Terminated);
                until = Moment::now();
            }
        }
        self.stdout.drain();
        self.stderr.drain();
        let usage = self.ended.unwrap_or_default();
        let reply = EndReply {
            id: request.id,
            outcome: self.outcome(),
            killed,
            stdout: core::mem::take(&mut self.stdout.kept),
            stderr: core::mem::take(&mut self.stderr.kept),
            user_us: usage.user_us,
            system_us: usage.system_us,
            peak_rss_bytes: usage.peak_rss_bytes,
        };
        (reply, stop)
    }

    /// Reaps what has ended; true if the agent shall end.
    pub(crate) fn take_signals(&mut self, signals: &Signals) -> bool {
        let terminate = crate::exec::drain_notices(signals);
        self.before_reaping();
        while let Some(ended) = process::reap() {
            self.note(&ended);
        }
        terminate
    }
}

/// The answer to a request to end an application that was never started.
pub(crate) fn nothing_to_end(request: EndRequest) -> EndReply {
    EndReply {
        id: request.id,
        outcome: None,
        killed: false,
        stdout: Vec::new(),
        stderr: Vec::new(),
        user_us: 0,
        system_us: 0,
        peak_rss_bytes: 0,
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if self.ended.is_none() {
            process::kill_group(self.child);
        }
    }
}

/// A descriptor that the probe of readiness polls.
pub(crate) type ProbeFd = Fd;
