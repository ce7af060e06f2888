//! The owner of a sandbox: from its start to the leak check, in the foreground.

use super::refused;
use crate::commands::run::{fresh_run_id, open_lab, resolve::fresh_random};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::cell::Cell;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::probe::Probe;
use isodyne_core::unit::{HostInstant, display_metric};
use isodyne_engine::backend::{self, Launcher, Place, PrepareError, Sandbox, Stopped};
use isodyne_engine::channel::ExecRequest;
use isodyne_engine::lab::Lab;
use isodyne_engine::live::{About, ControlSocket, Ended, directory, serve};
use isodyne_engine::ownership::name_prefix;
use isodyne_engine::schedule::Interrupt;
use serde_json::json;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SCHEMA: &str = "isodyne-sandbox";
const VERSION: u32 = 1;
/// The agent gives up when nobody asks for anything: here, after a month.
const AGENT_PATIENCE_S: u32 = 30 * 24 * 3600;
/// A sandbox that does not end by itself is killed after so long.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// What is to be owned.
pub struct Wanted {
    /// What it is to be called.
    pub name: String,
    /// Backend and factors.
    pub cell: Cell,
    /// The kept state that it comes back from.
    pub restored_from: Option<PathBuf>,
    /// Whether its agent says hello at the beginning.
    pub says_hello: bool,
    /// How long the start may take.
    pub timeout: Duration,
    /// Whether a line of JSON says that it is ready.
    pub json: bool,
}

/// Begins a sandbox and serves those who ask for it, until its end.
pub fn own(
    wanted: Wanted,
    output: &Output,
    begin: impl FnOnce(&dyn Launcher, &Place, &Lab) -> Result<Box<dyn Sandbox>, Failure>,
) -> Result<Exit, Trouble> {
    let interrupt = Interrupt::listen().map_err(Trouble::unexpected)?;
    let runtime = directory().map_err(|error| refused(&wanted.name, &error))?;
    let socket = ControlSocket::bind(&runtime, &wanted.name).map_err(|error| refused(&wanted.name, &error))?;
    let logs = fresh_directory(&runtime.join(format!("{}.logs", wanted.name))).map_err(Trouble::unexpected)?;
    let lab = open_lab(&fresh_run_id(), 0, &logs, output)?;
    interrupt.ends(lab.owner.clone());
    let owned = own_in(&lab, &wanted, &socket, &logs, &interrupt, output, begin);
    let survivors = lab.close();
    survivors.iter().for_each(|survivor| output.warn(&format!("something survived: {survivor}")));
    let exit = owned?;
    if exit != Exit::CellsFailed {
        // Logs that stay are found by the next sandbox of the same name.
        let _ = std::fs::remove_dir_all(&logs);
    }
    Ok(if survivors.is_empty() { exit } else { Exit::CellsFailed })
}

fn own_in(
    lab: &Lab,
    wanted: &Wanted,
    socket: &ControlSocket,
    logs: &Path,
    interrupt: &Interrupt,
    output: &Output,
    begin: impl FnOnce(&dyn Launcher, &Place, &Lab) -> Result<Box<dyn Sandbox>, Failure>,
) -> Result<Exit, Trouble> {
    let launcher = prepare(&wanted.cell, lab)?;
    let place = Place {
        name: format!("{}-1", name_prefix(&lab.run_id)),
        directory: fresh_directory(&lab.scratch.join("1")).map_err(Trouble::unexpected)?,
        log_prefix: logs.join("1"),
        agent_patience_s: AGENT_PATIENCE_S,
    };
    let failed = |failure: &Failure| {
        let hint = format!("consoles and logs are in {}", logs.display());
        Trouble::new(Exit::CellsFailed, format!("`{}`: {failure}", wanted.name), hint)
    };
    let interrupted = || {
        output.say("interrupted before it was ready");
        Ok(Exit::Interrupted)
    };
    let mut sandbox = match begin(launcher.as_ref(), &place, lab) {
        Ok(sandbox) => sandbox,
        Err(_) if interrupt.is_asked() => return interrupted(),
        Err(failure) => return Err(failed(&failure)),
    };
    let ready_at = match first_exec(sandbox.as_mut(), wanted.says_hello, lab.clock.after(wanted.timeout)) {
        Ok(ready_at) => ready_at,
        Err(failure) => {
            let failure = sandbox.diagnose(failure);
            sandbox.stop(lab.clock.after(STOP_PATIENCE));
            return if interrupt.is_asked() { interrupted() } else { Err(failed(&failure)) };
        }
    };
    let about = About {
        name: wanted.name.clone(),
        cell: wanted.cell.clone(),
        began: jiff::Timestamp::now().to_string(),
        restored_from: wanted.restored_from.clone(),
        tools: launcher.tools().into_iter().map(|tool| (tool.path, tool.version.unwrap_or_default())).collect(),
    };
    ready(&about, ready_at.ns_since(sandbox.origin()), socket, wanted.json, output)?;
    let ended = serve(sandbox.as_mut(), socket, &about, lab.clock, || interrupt.is_asked());
    let stopped = sandbox.stop(lab.clock.after(STOP_PATIENCE));
    drop(sandbox);
    // What remains of the place goes with the lab's scratch directory.
    let ended = ended.map_err(Trouble::unexpected)?;
    conclude(&about.name, &ended, &stopped, output).map_err(|failure| failed(&failure))
}

/// It is ready when a program has run in it and said what it was to say; gives when that was known.
fn first_exec(sandbox: &mut dyn Sandbox, says_hello: bool, deadline: HostInstant) -> Result<HostInstant, Failure> {
    if says_hello {
        sandbox.agent().hello(deadline)?;
    }
    let nonce = format!("{:016x}", fresh_random());
    let request = ExecRequest {
        id: 0,
        argv: ["/proc/self/exe", "echo", &nonce].map(|word| word.as_bytes().to_vec()).to_vec(),
        env: Vec::new(),
        stdin: Vec::new(),
        timeout_ms: 0,
        output_limit: 4096,
    };
    let executed = sandbox.agent().exec(&request, deadline)?;
    executed.succeeded()?;
    if executed.reply.stdout.trim_ascii() != nonce.as_bytes() {
        return Err(Failure::new(FailureClass::Integrity, "the first command inside did not say what it was to say"));
    }
    Ok(executed.at)
}

/// Resolves backend and factors on this host.
fn prepare(cell: &Cell, lab: &Lab) -> Result<Box<dyn Launcher>, Trouble> {
    let backend = backend::find(cell.backend);
    if let (Probe::Unavailable { reason, hint, .. }, false) = (backend.probe(lab), cell.factors.contains_key("program"))
    {
        return Err(Trouble::new(Exit::NothingRan, format!("{}: {reason}", cell.backend), hint));
    }
    backend.prepare(cell, lab).map_err(|error| match error {
        PrepareError::Unavailable { reason, hint } => {
            Trouble::new(Exit::NothingRan, format!("{}: {reason}", cell.backend), hint)
        }
        PrepareError::Invalid { key, message, hint } => {
            Trouble::new(Exit::PlanInvalid, format!("{key}: {message}"), hint)
        }
    })
}

fn ready(
    about: &About,
    first_exec_ns: u64,
    socket: &ControlSocket,
    as_json: bool,
    output: &Output,
) -> Result<(), Trouble> {
    output.say(&format!(
        "{} runs on {}: its first command had run after {}; Ctrl-C or `isodyne sandbox stop {}` ends it",
        about.name,
        about.cell.backend,
        display_metric("total_ns", first_exec_ns as f64),
        about.name,
    ));
    if as_json {
        let line = json!({
            "schema": SCHEMA, "version": VERSION, "name": about.name, "backend": about.cell.backend,
            "cell": about.cell.id, "restored_from": about.restored_from, "owner": std::process::id(),
            "socket": socket.path(), "first_exec_ns": first_exec_ns,
        });
        output.data(&format!("{line}\n"))?;
    }
    Ok(())
}

/// What the end of it means. How it ended when the user's signal killed it says nothing.
fn conclude(name: &str, ended: &Ended, stopped: &Stopped, output: &Output) -> Result<Exit, Failure> {
    stopped.survivors.iter().for_each(|survivor| output.warn(&format!("something survived: {survivor}")));
    if !stopped.survivors.is_empty() {
        return Ok(Exit::CellsFailed);
    }
    match ended {
        // It is how an owner is told to end.
        Ended::Interrupted => {
            output.say(&format!("{name} has ended"));
            Ok(Exit::Ok)
        }
        Ended::Failed(failure) => Err(failure.clone()),
        Ended::Stopped | Ended::Kept => {
            if let Some(complaint) = &stopped.complaint {
                output.warn(&format!("{name}: {complaint}"));
            }
            output.say(&format!("{name} has ended"));
            Ok(Exit::Ok)
        }
    }
}

/// An empty directory that nobody else may enter; what lay there is removed.
fn fresh_directory(path: &Path) -> io::Result<PathBuf> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(path)?;
    Ok(path.to_owned())
}
