//! `boot`: from before fork to the first command's correct output inside the sandbox, then stop and gone.
//!
//! The clock starts right before the fork (or the first API call) that makes the sandbox. It stops when the answer to the
//! first command has arrived and has been found right: a nonce, drawn for this sample, comes back from a program that was
//! forked and executed inside. With a user's own application it stops when the agent's word that the application is ready has
//! arrived and has been checked. Files and images are made before the clock starts and shown as `prepare_ns`.

use super::{Attempt, app};
use crate::application::Application;
use crate::backend::{Launcher, Place, Sandbox, Stamp};
use crate::channel::{ExecRequest, Executed};
use crate::lab::Lab;
use isodyne_core::cell::BenchmarkName;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{Ledger, Milestone, MilestoneName, SignalName};
use isodyne_core::unit::HostInstant;
use std::time::Duration;

/// How long a sandbox may take to end before it is killed.
pub(super) const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// How long a failed sandbox may take to end: it is probably stuck.
pub(super) const FAILED_STOP_PATIENCE: Duration = Duration::from_millis(500);

/// How long the backend's own proofs may take, behind the measured time.
const PROOF_PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of the first command's output that are kept.
const OUTPUT_LIMIT: u32 = 4096;

/// What a plan can set.
#[derive(Clone, Debug)]
pub struct BootOptions {
    /// How long the sandbox may take until the first command's output, from t0.
    pub timeout: Duration,
    /// The first command; `None` for the agent's own echo of a nonce.
    pub command: Option<Vec<String>>,
    /// A user's own application, which is started instead of a first command.
    pub app: Option<Box<Application>>,
}

/// Takes one sample.
pub fn boot(launcher: &dyn Launcher, place: &Place, lab: &Lab, options: &BootOptions) -> Attempt {
    let prepared_from = lab.clock.now();
    let mut attempt = Attempt::default();
    let mut sandbox = match launcher.launch(place, lab) {
        Ok(sandbox) => sandbox,
        Err(failure) => return Attempt { failure: Some(failure), ..attempt },
    };
    let origin = sandbox.origin();
    attempt.metrics.insert("prepare_ns".to_owned(), origin.ns_since(prepared_from) as f64);
    let mut stamps = Vec::new();
    let mut progress = app::Progress::default();
    let first = first_command(sandbox.as_mut(), lab, options, &mut stamps, &mut progress);
    // The total's end is a stamp of its own, after the answer was checked: the check shows in the residue.
    let end = lab.clock.now();
    let patience = match &first {
        Ok(proofs) => {
            attempt.proofs.clone_from(proofs);
            attempt.metrics.insert("total_ns".to_owned(), end.ns_since(origin) as f64);
            attempt.metrics.append(&mut progress.metrics);
            attempt.metrics.extend(sandbox.usage());
            STOP_PATIENCE
        }
        Err(_) => FAILED_STOP_PATIENCE,
    };
    let proven = first.and_then(|_| sandbox.prove(lab.clock.after(PROOF_PATIENCE)));
    match proven {
        Ok(more) => attempt.proofs.extend(more),
        Err(failure) => attempt.failure = Some(sandbox.diagnose(failure)),
    }
    if let Some(application) = &options.app {
        app::end(sandbox.as_mut(), lab, place, application, &mut progress, &mut attempt);
    }
    finish(sandbox.as_mut(), lab, patience, stamps, &mut attempt);
    attempt
}

/// Waits for the hello, runs the first command or starts the application, and checks the answer.
fn first_command(
    sandbox: &mut dyn Sandbox,
    lab: &Lab,
    options: &BootOptions,
    stamps: &mut Vec<Stamp>,
    progress: &mut app::Progress,
) -> Result<Vec<String>, Failure> {
    let nonce = format!("{:016x}", fastrand::u64(..));
    let request = request(options, &nonce);
    let deadline = HostInstant(sandbox.origin().0.saturating_add(options.timeout.as_nanos() as u64));
    let (_, hello_at) = sandbox.agent().hello(deadline)?;
    stamps.push(Stamp { name: MilestoneName::Agent, at: hello_at, asked: None, signal: SignalName::Frame });
    if let Some(application) = &options.app {
        app::start(sandbox, lab, application, deadline, stamps, progress)?;
        return Ok(std::mem::take(&mut progress.proofs));
    }
    let executed = sandbox.agent().exec(&request, lab.clock.after(lab.clock.until(deadline)))?;
    stamps.push(Stamp {
        name: MilestoneName::FirstExec,
        at: executed.at,
        asked: Some(executed.asked),
        signal: SignalName::Frame,
    });
    prove(&executed, options, &nonce)
}

fn request(options: &BootOptions, nonce: &str) -> ExecRequest {
    // The agent's own file is the one program that every sandbox has.
    let own = ["/proc/self/exe", "echo", nonce].map(str::to_owned).to_vec();
    let argv = options.command.clone().unwrap_or(own);
    ExecRequest {
        id: 1,
        argv: argv.into_iter().map(String::into_bytes).collect(),
        env: Vec::new(),
        stdin: Vec::new(),
        timeout_ms: u32::try_from(options.timeout.as_millis()).unwrap_or(u32::MAX),
        output_limit: OUTPUT_LIMIT,
    }
}

/// Checks the answer of the first command.
fn prove(executed: &Executed, options: &BootOptions, nonce: &str) -> Result<Vec<String>, Failure> {
    executed.succeeded().map_err(|failure| match &options.command {
        Some(command) => Failure { message: format!("`{}`: {}", command.join(" "), failure.message), ..failure },
        None => failure,
    })?;
    if options.command.is_some() {
        return Ok(vec!["exit code 0".to_owned()]);
    }
    if executed.reply.stdout != format!("{nonce}\n").as_bytes() {
        return Err(Failure::new(FailureClass::Integrity, "the first command did not give the nonce back"));
    }
    Ok(vec!["exit code 0".to_owned(), "nonce echoed".to_owned()])
}

/// Stops the sandbox, and closes the ledger.
pub(super) fn finish(
    sandbox: &mut dyn Sandbox,
    lab: &Lab,
    patience: Duration,
    mut stamps: Vec<Stamp>,
    attempt: &mut Attempt,
) {
    let origin = sandbox.origin();
    let asked = lab.clock.now();
    let stopped = sandbox.stop(lab.clock.after(patience));
    stamps.extend(sandbox.stamps());
    if attempt.failure.is_none() {
        stamps.push(Stamp { name: MilestoneName::StopRequested, at: asked, asked: None, signal: SignalName::Stamp });
    }
    if let (Some(gone), Some(signal)) = (stopped.gone, stopped.signal) {
        stamps.push(Stamp { name: MilestoneName::Gone, at: gone, asked: None, signal });
        if attempt.failure.is_none() && !stopped.killed {
            attempt.metrics.insert("stop_ns".to_owned(), gone.ns_since(asked) as f64);
            attempt.metrics.insert("lifecycle_ns".to_owned(), gone.ns_since(origin) as f64);
        }
    }
    attempt.metrics.extend(stopped.usage);
    attempt.ledger = ledger(origin, &stamps);
    if attempt.failure.is_some() {
        return;
    }
    attempt.failure = if let Some(survivor) = stopped.survivors.first() {
        Some(Failure::new(FailureClass::Leak, format!("after the stop {survivor}")))
    } else if stopped.killed {
        Some(Failure::new(
            FailureClass::Leak,
            format!("it did not stop within {} s and was killed", patience.as_secs()),
        ))
    } else if let Some(complaint) = stopped.complaint {
        Some(Failure::new(FailureClass::Crash, complaint))
    } else if attempt.metrics.contains_key("total_ns") {
        close(attempt).err()
    } else {
        None
    };
}

/// Computes the residue, and refuses a ledger that does not close.
fn close(attempt: &mut Attempt) -> Result<(), Failure> {
    let total = attempt.metrics.get("total_ns").copied().unwrap_or(0.0) as u64;
    let last = BenchmarkName::Boot.last_milestone(&attempt.ledger).unwrap_or(MilestoneName::FirstExec);
    let residue = attempt
        .ledger
        .residue_ns(last, total)
        .map_err(|error| Failure::new(FailureClass::Ledger, error.to_string()))?;
    attempt.metrics.insert("residue_ns".to_owned(), residue as f64);
    Ok(())
}

fn ledger(origin: HostInstant, stamps: &[Stamp]) -> Ledger {
    let mut ledger = Ledger::default();
    for stamp in stamps {
        ledger.add(Milestone {
            name: stamp.name,
            at_ns: stamp.at.ns_since(origin),
            asked_ns: stamp.asked.map(|asked| asked.ns_since(origin)),
            signal: stamp.signal,
        });
    }
    ledger
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(name: MilestoneName, at: u64, asked: Option<u64>) -> Stamp {
        Stamp { name, at: HostInstant(at), asked: asked.map(HostInstant), signal: SignalName::Stamp }
    }

    #[test]
    fn a_ledger_that_does_not_close_fails_the_sample() {
        let stamps = [
            stamp(MilestoneName::Spawned, 110, Some(100)),
            stamp(MilestoneName::Agent, 150, None),
            stamp(MilestoneName::FirstExec, 190, Some(155)),
        ];
        let attempt = |total: f64| Attempt {
            ledger: ledger(HostInstant(100), &stamps),
            metrics: [("total_ns".to_owned(), total)].into(),
            ..Attempt::default()
        };
        let mut good = attempt(91.0);
        assert_eq!(close(&mut good), Ok(()));
        assert_eq!(good.metrics["residue_ns"], 6.0);
        assert_eq!(close(&mut attempt(80.0)).unwrap_err().class, FailureClass::Ledger);
    }
}
