//! The owner of a sandbox: from its start to the leak check, in the foreground.

use super::refused;
use crate::commands::run::{fresh_run_id, open_lab};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::cell::Cell;
use isodyne_core::failure::Failure;
use isodyne_core::probe::Probe;
use isodyne_engine::backend::{self, Launcher, Place, PrepareError, Sandbox, Stopped};
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
    if wanted.says_hello
        && let Err(failure) = sandbox.agent().hello(lab.clock.after(wanted.timeout))
    {
        let failure = sandbox.diagnose(failure);
        sandbox.stop(lab.clock.after(STOP_PATIENCE));
        return if interrupt.is_asked() { interrupted() } else { Err(failed(&failure)) };
    }
    let about = About {
        name: wanted.name.clone(),
        cell: wanted.cell.clone(),
        began: jiff::Timestamp::now().to_string(),
        restored_from: wanted.restored_from.clone(),
        tools: launcher.tools().into_iter().map(|tool| (tool.path, tool.version.unwrap_or_default())).collect(),
    };
    ready(&about, sandbox.as_ref(), lab, socket, wanted.json, output)?;
    let ended = serve(sandbox.as_mut(), socket, &about, lab.clock, || interrupt.is_asked());
    let stopped = sandbox.stop(lab.clock.after(STOP_PATIENCE));
    drop(sandbox);
    // What remains of the place goes with the lab's scratch directory.
    let ended = ended.map_err(Trouble::unexpected)?;
    conclude(&about.name, &ended, &stopped, output).map_err(|failure| failed(&failure))
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
    sandbox: &dyn Sandbox,
    lab: &Lab,
    socket: &ControlSocket,
    as_json: bool,
    output: &Output,
) -> Result<(), Trouble> {
    let took_ns = lab.clock.now().ns_since(sandbox.origin());
    let seconds = took_ns as f64 / 1e9;
    output.say(&format!(
        "{} runs on {} after {seconds:.2} s; Ctrl-C or `isodyne sandbox stop {}` ends it",
        about.name, about.cell.backend, about.name,
    ));
    if as_json {
        let line = json!({
            "schema": SCHEMA, "version": VERSION, "name": about.name, "backend": about.cell.backend,
            "cell": about.cell.id, "owner": std::process::id(), "socket": socket.path(), "ready_ns": took_ns,
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
