//! `isodyne selfcheck`: how often the gate cries wolf, and how often it finds what is there.

mod text;

use super::show::read;
use crate::arguments::{RunOptions, SelfcheckOptions};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::cell::BackendName;
use isodyne_core::compare::MARGIN;
use isodyne_core::diagnostic::hint_for;
use isodyne_core::gate::selfcheck::{
    DELAYED, Many, Noise, Outcome, RunCheck, SAME, Simulation, is_selfcheck, many, simulate, windows,
};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The share of false alarms that the gate promises to stay under.
const PROMISED: f64 = 0.02;
/// How many variants differ from `base` in nothing that takes time.
const ALIKE: u32 = 3;

/// What `isodyne selfcheck --json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    schema: &'static str,
    version: u32,
    /// The share of false alarms that is promised at most.
    promised: f64,
    /// Whether the share is surely over it.
    broken: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    simulation: Option<&'a Simulation>,
    #[serde(skip_serializing_if = "<[Outcome]>::is_empty")]
    outcomes: &'a [Outcome],
    #[serde(skip_serializing_if = "<[Many]>::is_empty")]
    many_budgets: &'a [Many],
    #[serde(skip_serializing_if = "<[RunCheck]>::is_empty")]
    runs: &'a [RunCheck],
}

/// Checks the gate with synthetic samples, with real sandboxes, or with a run that is there already.
pub fn selfcheck(options: &SelfcheckOptions, output: &Output) -> Result<Exit, Trouble> {
    match (&options.on, &options.run) {
        (_, Some(run)) => existing(run, options, output),
        (Some(backend), None) => real(backend, options, output),
        (None, None) => synthetic(options, output),
    }
}

fn synthetic(options: &SelfcheckOptions, output: &Output) -> Result<Exit, Trouble> {
    let simulation = Simulation { trials: options.trials, ..Simulation::default() };
    let outcomes = simulate(&simulation);
    let several = many(&simulation);
    let promised = |one: &&Outcome| (one.design, one.noise, one.injected) == ("paired", Noise::Host, 0.0);
    let mut alike = outcomes.iter().filter(promised).chain(several.iter().map(|one| &one.alike));
    let broken = alike.any(|one| one.surely_over(PROMISED));
    if options.json {
        let whole = Printed {
            simulation: Some(&simulation),
            outcomes: &outcomes,
            many_budgets: &several,
            ..printed(broken, &[])
        };
        output.json(&whole)?;
    } else {
        output.data(&text::synthetic(&simulation, &outcomes, PROMISED))?;
        output.data(&text::many(&several))?;
    }
    Ok(if broken { Exit::Regression } else { Exit::Ok })
}

fn printed(broken: bool, runs: &[RunCheck]) -> Printed<'_> {
    Printed {
        schema: "isodyne-selfcheck",
        version: 1,
        promised: PROMISED,
        broken,
        simulation: None,
        outcomes: &[],
        many_budgets: &[],
        runs,
    }
}

/// Measures one long interleaved run of variants that are alike and of one that sleeps 5 ms, and looks at its windows.
fn real(backend: &str, options: &SelfcheckOptions, output: &Output) -> Result<Exit, Trouble> {
    if backend.parse::<BackendName>().is_err() {
        let hint = hint_for(backend, BackendName::ALL.iter().map(|name| name.as_str()));
        return Err(Trouble::usage(format!("unknown backend `{backend}`"), hint));
    }
    let out = options.out.clone().unwrap_or_else(|| {
        let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H-%M-%S").to_string();
        isodyne_store::default_location(&crate::paths::runs(), "selfcheck", &std::process::id().to_string(), &now)
    });
    if options.resume {
        let record = read(&out, output)?.record;
        if let Some(cell) = record.cells.iter().find(|cell| cell.backend.as_str() != backend) {
            let other = cell.backend.as_str();
            return Err(Trouble::usage(
                format!("{} is a run on {other}, not on {backend}", out.display()),
                format!("go on with it by --on {other}, or begin another one with another --out"),
            ));
        }
    }
    let plan_file = if options.resume { None } else { Some(plan_file(backend, options.rounds)?) };
    let what = plan_file.as_ref().map(|file| file.path.display().to_string());
    let run = RunOptions {
        what,
        out: Some(out.clone()),
        resume: options.resume,
        no_report: true,
        quiet: true,
        ..RunOptions::default()
    };
    let ended = super::run::run(&run, output);
    drop(plan_file);
    match ended? {
        Exit::Ok | Exit::CellsFailed => existing(&out, options, output),
        other => Ok(other),
    }
}

fn existing(run: &Path, options: &SelfcheckOptions, output: &Output) -> Result<Exit, Trouble> {
    let read = read(run, output)?;
    if !is_selfcheck(&read.record) {
        return Err(Trouble::new(
            Exit::NotComparable,
            format!("{} has no variants that are known to be alike", run.display()),
            format!("make such a run with --on BACKEND; variants named `{SAME} …` count as alike to `base`"),
        ));
    }
    let checks = windows(&read.record, &read.columns, options.window, MARGIN);
    if checks.iter().all(|check| check.windows == 0) {
        return Err(Trouble::new(
            Exit::NotComparable,
            format!("{} has no window of {} rounds", run.display(), options.window),
            "take more rounds (-n), or shorter windows (--window)",
        ));
    }
    let broken = checks.iter().any(|check| check.alike.surely_over(PROMISED));
    if options.json {
        output.json(&printed(broken, &checks))?;
    } else {
        output.data(&text::run(&checks, PROMISED))?;
    }
    Ok(if broken { Exit::Regression } else { Exit::Ok })
}

/// A plan on disk, removed with this value.
struct PlanFile {
    path: PathBuf,
}

impl Drop for PlanFile {
    fn drop(&mut self) {
        // It is a few hundred bytes in the place for temporary files.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The variants that are alike differ in a deadline that is never reached.
fn plan(backend: &str, rounds: u32) -> String {
    let mut text = format!(
        "title = \"selfcheck of the gate on {backend}\"\nsamples = {rounds}\nwarmup = 2\n\n\
         [boot]\non = [\"{backend}\"]\ncommand = [\"/proc/self/exe\", \"sleep\", \"0\"]\ntimeout = \"60 s\"\n"
    );
    for number in 1..=ALIKE {
        text.push_str(&format!(
            "\n[[variant]]\nname = \"{SAME} {number}\"\nset = {{ \"boot.timeout\" = \"{} s\" }}\n",
            60 + number
        ));
    }
    let slower = match backend {
        // It runs no command; its times are made up.
        "scripted" => "\"backend.scripted.total\" = \"105 ms\"",
        _ => "\"boot.command\" = [\"/proc/self/exe\", \"sleep\", \"0.005\"]",
    };
    text.push_str(&format!("\n[[variant]]\nname = \"{DELAYED}\"\nset = {{ {slower} }}\n"));
    text
}

fn plan_file(backend: &str, rounds: u32) -> Result<PlanFile, Trouble> {
    let path = std::env::temp_dir().join(format!("isodyne-selfcheck-{}.toml", std::process::id()));
    // A file that somebody has put there before is not written through.
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    let written = made.and_then(|mut file| std::io::Write::write_all(&mut file, plan(backend, rounds).as_bytes()));
    written.map_err(|error| {
        Trouble::unexpected(anyhow::Error::new(error).context(format!("cannot write {}", path.display())))
    })?;
    Ok(PlanFile { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_a_plan() {
        for backend in ["runc", "process", "scripted"] {
            let plan = isodyne_core::plan::Plan::parse("selfcheck.toml", &plan(backend, 40), &[]);
            let cells = plan.expect("sound").cells();
            assert_eq!(cells.len(), 2 + ALIKE as usize, "{cells:?}");
        }
    }
}
