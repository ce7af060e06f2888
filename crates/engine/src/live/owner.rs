//! The owner's side: one request after the other, until the sandbox is to end.

use super::hex::Bytes;
use super::wire::{Description, ExecDone, KeptDone, Reply, Request};
use super::{ControlSocket, LiveError, line};
use crate::backend::Sandbox;
use crate::backend::snapshot::{SnapshotKind, SnapshotOptions};
use crate::channel::{ExecRequest, Outcome};
use crate::clock::Clock;
use isodyne_core::cell::Cell;
use isodyne_core::failure::{Failure, FailureClass};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Who connects says at once what they want, and takes the answer at once.
const LINE_PATIENCE: Duration = Duration::from_secs(5);
/// How often is looked whether the user has asked for the end. Nothing is measured here.
const LOOK: Duration = Duration::from_millis(100);
/// No command and no snapshot takes longer.
const LONGEST_MS: u32 = 24 * 3_600_000;

/// What the owner says of its sandbox.
#[derive(Clone, Debug)]
pub struct About {
    /// Its name.
    pub name: String,
    /// What it was made from.
    pub cell: Cell,
    /// When it began (RFC 3339, UTC).
    pub began: String,
    /// The kept state it came back from.
    pub restored_from: Option<PathBuf>,
    /// The programs that run it, with their versions.
    pub tools: BTreeMap<String, String>,
}

/// Why the owner has stopped serving. The sandbox is still to be stopped.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// Its state was kept, and it was not to run on.
    Kept,
    /// The user has asked for the end.
    Interrupted,
    /// The sandbox does not answer any more.
    Failed(Failure),
}

/// Serves until the sandbox is to end.
///
/// # Errors
/// If the socket fails; who connects to it cannot make it fail.
pub fn serve(
    sandbox: &mut dyn Sandbox,
    socket: &ControlSocket,
    about: &About,
    clock: Clock,
    interrupted: impl Fn() -> bool,
) -> Result<Ended, LiveError> {
    while !interrupted() {
        let Some(mut caller) = socket.next(LOOK, clock)? else { continue };
        let request: Request = match line::read(&mut caller, clock.after(LINE_PATIENCE)) {
            Ok(request) => request,
            Err(LiveError::Protocol(why)) => {
                let refused = Reply::Failed(Failure::new(FailureClass::Protocol, why));
                let _ = line::write(&mut caller, &refused, clock.after(LINE_PATIENCE));
                continue;
            }
            Err(_) => continue,
        };
        let (reply, ended) = handle(request, sandbox, about, clock);
        // Who does not wait for the answer has gone, and what was asked is done nevertheless.
        let _ = line::write(&mut caller, &reply, clock.after(LINE_PATIENCE));
        match ended {
            Some(Ended::Failed(_)) if interrupted() => return Ok(Ended::Interrupted),
            Some(ended) => return Ok(ended),
            None => {}
        }
    }
    Ok(Ended::Interrupted)
}

fn handle(request: Request, sandbox: &mut dyn Sandbox, about: &About, clock: Clock) -> (Reply, Option<Ended>) {
    match request {
        Request::Describe => (Reply::Described(Box::new(describe(sandbox, about))), None),
        Request::Stop => (Reply::Stopping, Some(Ended::Stopped)),
        Request::Exec { argv, stdin, timeout_ms } => {
            let timeout_ms = timeout_ms.clamp(1, LONGEST_MS);
            let request = ExecRequest {
                id: 0,
                argv: argv.into_iter().map(|word| word.0).collect(),
                env: Vec::new(),
                stdin: stdin.0,
                timeout_ms,
                output_limit: u32::try_from(isodyne_proto::MAX_OUTPUT).unwrap_or(u32::MAX),
            };
            // The agent kills it in time; the lab's own patience is for an agent that does not.
            let deadline = clock.after(Duration::from_millis(timeout_ms.into()) + LINE_PATIENCE);
            match sandbox.agent().exec(&request, deadline) {
                Ok(executed) => (Reply::Executed(done(executed.reply)), None),
                // The request was too long for the protocol: the channel is as it was.
                Err(failure) if failure.class == FailureClass::Exec => (Reply::Failed(failure), None),
                Err(failure) => failed(sandbox.diagnose(failure)),
            }
        }
        Request::Keep { directory, template, mapped_ram, leave_running, tcp_established, file_locks, timeout_ms } => {
            let deadline = clock.after(Duration::from_millis(timeout_ms.clamp(1, LONGEST_MS).into()));
            let kind = match mapped_ram {
                Some(mapped) => SnapshotKind::MappedRam(mapped),
                None if template => SnapshotKind::Template,
                None => SnapshotKind::Full,
            };
            let options = SnapshotOptions { tcp_established, file_locks, ..SnapshotOptions::of(kind, leave_running) };
            let Some(snapshots) = sandbox.snapshots() else {
                let why = format!("{} keeps no states", about.cell.backend);
                return (Reply::Failed(Failure::new(FailureClass::Launch, why)), None);
            };
            match snapshots.snapshot(&directory, &options, deadline) {
                Ok(taken) => {
                    if taken.running_says_hello
                        && leave_running
                        && let Err(failure) = sandbox.agent().hello(deadline)
                    {
                        return failed(sandbox.diagnose(failure));
                    }
                    let kept = KeptDone {
                        frozen_ns: taken.paused.map(|paused| taken.written.ns_since(paused)),
                        written_ns: taken.written.ns_since(taken.asked),
                        hello_again: taken.restored_says_hello,
                        engine: taken.engine.into_iter().collect(),
                    };
                    (Reply::Kept(kept), (!leave_running).then_some(Ended::Kept))
                }
                // What was refused before anything was done has done nothing; the rest shows with the next request.
                Err(failure) => (Reply::Failed(failure), None),
            }
        }
    }
}

fn failed(failure: Failure) -> (Reply, Option<Ended>) {
    (Reply::Failed(failure.clone()), Some(Ended::Failed(failure)))
}

fn describe(sandbox: &mut dyn Sandbox, about: &About) -> Description {
    Description {
        name: about.name.clone(),
        owner: std::process::id(),
        cell: about.cell.clone(),
        began: about.began.clone(),
        restored_from: about.restored_from.clone(),
        tools: about.tools.clone(),
        usage: sandbox.usage().into_iter().collect(),
    }
}

fn done(reply: crate::channel::ExecReply) -> ExecDone {
    let shell_code = match reply.outcome {
        Outcome::Exited(code) => code,
        Outcome::Signalled(signal) => 128_u8.saturating_add(signal),
        Outcome::NotFound => 127,
        Outcome::NotPermitted | Outcome::Error(_) => 126,
        Outcome::TimedOut => 124,
    };
    ExecDone {
        shell_code,
        by_itself: matches!(reply.outcome, Outcome::Exited(_)),
        how: reply.outcome.to_string(),
        truncated: reply.stdout_truncated || reply.stderr_truncated,
        stdout: Bytes(reply.stdout),
        stderr: Bytes(reply.stderr),
    }
}
