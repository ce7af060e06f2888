//! `isodyne sandbox`: sandboxes that stay, each owned by a program in the foreground.

mod exec;
pub mod keep;
mod list;
mod owner;
pub mod restore;
mod start;

use crate::arguments::{SandboxAction, SandboxOptions};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_engine::clock::Clock;
use isodyne_engine::live::{LiveError, Reply, Request, ask, directory};
use std::time::Duration;

/// An owner that does nothing else answers at once; the sandbox's end comes after the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts, lists, stops, or runs a command.
pub fn sandbox(options: &SandboxOptions, output: &Output) -> Result<Exit, Trouble> {
    match &options.action {
        SandboxAction::Start(options) => start::start(options, output),
        SandboxAction::List(options) => list::list(options, output),
        SandboxAction::Exec(options) => exec::exec(options, output),
        SandboxAction::Stop(options) => stop(&options.name, output),
    }
}

fn stop(name: &str, output: &Output) -> Result<Exit, Trouble> {
    match request(name, &Request::Stop, PATIENCE)? {
        Reply::Stopping => {
            output.say(&format!("{name} ends"));
            Ok(Exit::Ok)
        }
        other => Err(unexpected(name, &other)),
    }
}

/// Asks the owner of a sandbox.
///
/// # Errors
/// A trouble that names the sandbox and the way out.
pub fn request(name: &str, request: &Request, patience: Duration) -> Result<Reply, Trouble> {
    let directory = directory().map_err(|error| refused(name, &error))?;
    ask(&directory, name, request, Clock, Clock.after(patience)).map_err(|error| refused(name, &error))
}

/// The trouble that an owner's socket makes.
pub fn refused(name: &str, error: &LiveError) -> Trouble {
    match error {
        LiveError::Name(_) | LiveError::InUse(_) => Trouble::usage(error, "name another one"),
        LiveError::Unknown(_) => {
            let hint = format!("start one: isodyne sandbox start --on qemu --name {name}");
            Trouble::new(Exit::Usage, error, hint)
        }
        LiveError::Deadline => {
            let message = format!("the owner of `{name}` did not answer in time");
            Trouble::new(Exit::CellsFailed, message, "it serves one request after the other: try again later")
        }
        _ => Trouble::unexpected(anyhow::anyhow!("the owner of `{name}`: {error}")),
    }
}

/// The trouble of an answer that says that it could not be done, or of one to another question.
pub fn unexpected(name: &str, reply: &Reply) -> Trouble {
    let message = match reply {
        Reply::Failed(failure) => format!("`{name}`: {failure}"),
        _ => format!("the owner of `{name}` gave the answer to another question"),
    };
    Trouble { exit: Exit::CellsFailed, message, hint: None }
}
