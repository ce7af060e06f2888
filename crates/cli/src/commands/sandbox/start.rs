//! `isodyne sandbox start`: one sandbox of a backend, as a plan would set it up.

use super::owner::{Wanted, own};
use crate::arguments::{RunOptions, SandboxStartOptions};
use crate::commands::plans;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::cell::Cell;
use std::time::Duration;

/// Starts it and owns it until its end.
pub fn start(options: &SandboxStartOptions, output: &Output) -> Result<Exit, Trouble> {
    let wanted = Wanted {
        name: options.name.clone(),
        cell: cell(options)?,
        restored_from: None,
        says_hello: true,
        timeout: Duration::from_nanos(options.timeout),
        json: options.json,
    };
    own(wanted, output, |launcher, place, lab| launcher.launch(place, lab))
}

/// The one cell of a plan with these keys. A key without a section is the backend's.
fn cell(options: &SandboxStartOptions) -> Result<Cell, Trouble> {
    let whole = |text: &String| {
        let key = text.split('=').next().unwrap_or_default();
        if key.contains('.') { text.clone() } else { format!("backend.{}.{text}", options.on) }
    };
    let run = RunOptions {
        on: vec![options.on.to_string()],
        set: options.set.iter().map(whole).collect(),
        ..RunOptions::default()
    };
    let plan = plans::load("boot", &run)?;
    let mut cells = plan.cells();
    let Some(cell) = cells.pop().filter(|_| cells.is_empty()) else {
        return Err(Trouble::usage("a list of values makes several sandboxes", "give each key one value"));
    };
    if plan.app.is_some() {
        let hint = "leave `app` out; `isodyne sandbox exec NAME -- CMD…` runs a program of the guest's";
        return Err(Trouble::usage("a sandbox that stays has no application of its own", hint));
    }
    Ok(cell)
}
