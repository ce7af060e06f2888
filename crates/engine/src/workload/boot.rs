//! `boot`: from before fork to the first command's correct output inside the sandbox, then stop and gone.
//!
//! The clock starts right before the fork (or the first API call) that makes the sandbox. It stops when the answer to the
//! first command has arrived and has been found right: a nonce, drawn for this sample, comes back from a program that was
//! forked and executed inside. With a user's own application it stops when the agent's word that the application is ready has
//! arrived and has been checked. Files and images are made before the clock starts and shown as `prepare_ns`.

use super::life::Life;
use super::{Attempt, app};
use crate::application::Application;
use crate::backend::{Launcher, Place};
use crate::channel::{ExecRequest, Executed};
use crate::lab::Lab;
use isodyne_core::cell::BenchmarkName;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::MilestoneName;
use std::time::Duration;

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
    let mut life = match Life::begin(BenchmarkName::Boot, lab, || launcher.launch(place, lab)) {
        Ok(life) => life,
        Err(failure) => return failure.into(),
    };
    let Some(app) = &options.app else {
        let worked = first_command(&mut life, options);
        return life.end(worked);
    };
    let mut progress = app::Progress::default();
    let worked = application(&mut life, options, app, &mut progress);
    life.end_after(worked, |life| app::end(life, place, app, &progress))
}

/// Waits for the hello, runs the first command, and checks the answer.
fn first_command(life: &mut Life<'_>, options: &BootOptions) -> Result<(), Failure> {
    let nonce = format!("{:016x}", fastrand::u64(..));
    let request = request(options, &nonce);
    let deadline = life.after_origin(options.timeout);
    life.hello(deadline)?;
    let executed = life.sandbox.agent().exec(&request, deadline)?;
    life.answered(MilestoneName::FirstExec, executed.asked, executed.at);
    life.attempt.proofs = prove(&executed, options, &nonce)?;
    life.total();
    Ok(())
}

/// Waits for the hello, starts the application, and waits until it is ready.
fn application(
    life: &mut Life<'_>,
    options: &BootOptions,
    app: &Application,
    progress: &mut app::Progress,
) -> Result<(), Failure> {
    let deadline = life.after_origin(options.timeout);
    life.hello(deadline)?;
    app::start(life, app, deadline, progress)?;
    life.total();
    Ok(())
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
