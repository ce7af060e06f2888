//! Loading plans: from a file, from a benchmark's name, with the command line laid over.

use crate::arguments::RunOptions;
use crate::exit::{Exit, Trouble};
use isodyne_core::cell::BenchmarkName;
use isodyne_core::diagnostic::{Diagnostic, did_you_mean, render};
use isodyne_core::plan::{Override, Plan};
use std::io::Read;
use std::path::Path;

/// The longest plan that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// Loads what `isodyne run` was given: a plan's file or a benchmark's name.
pub fn load(what: &str, options: &RunOptions) -> Result<Plan, Trouble> {
    let mut overrides = Vec::new();
    if options.quick {
        overrides.extend(Override::quick());
    }
    if !options.on.is_empty() {
        overrides.push(Override::on(&options.on.join(",")));
    }
    overrides.extend(options.samples.as_deref().map(Override::samples));
    overrides.extend(options.until_precision.as_deref().map(Override::until_precision));
    if let Some(seed) = options.seed {
        overrides.push(Override::set(&format!("seed={seed}")).map_err(|wrong| refuse(&[wrong]))?);
    }
    overrides.extend(sets(&options.set)?);
    for text in &options.variant {
        overrides.push(Override::variant(text).map_err(|wrong| refuse(&[wrong]))?);
    }
    if what.parse::<BenchmarkName>().is_ok() {
        return Plan::from_arguments(what, &overrides).map_err(|wrong| refuse(&wrong));
    }
    if !Path::new(what).exists() && !what.ends_with(".toml") && !what.contains('/') {
        let known = BenchmarkName::ALL.iter().map(|name| name.as_str());
        let hint = match did_you_mean(what, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "isodyne list benchmarks names them; a plan is a file that ends in .toml".to_owned(),
        };
        return Err(Trouble::usage(format!("`{what}` is neither a benchmark nor a file"), hint));
    }
    parse_file(Path::new(what), &overrides)
}

/// Loads a plan from its file.
pub fn load_file(path: &Path, set: &[String]) -> Result<Plan, Trouble> {
    parse_file(path, &sets(set)?)
}

/// The name of a plan in the name of its run's directory.
pub fn short_name(what: &str) -> String {
    let stem = Path::new(what).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    stem.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect()
}

fn sets(texts: &[String]) -> Result<Vec<Override>, Trouble> {
    texts.iter().map(|text| Override::set(text).map_err(|wrong| refuse(&[wrong]))).collect()
}

fn parse_file(path: &Path, overrides: &[Override]) -> Result<Plan, Trouble> {
    let (name, text) = read_text(path, "plan")?;
    Plan::parse(&name, &text, overrides).map_err(|wrong| refuse(&wrong))
}

/// The name and the text of a file that a user wrote; `noun` is what it should hold.
pub fn read_text(path: &Path, noun: &str) -> Result<(String, String), Trouble> {
    let name = path.display().to_string();
    let unreadable = |error: &dyn std::fmt::Display| {
        let hint = if noun == "plan" { "isodyne list plans shows ready ones" } else { "name a file in TOML" };
        Trouble::new(Exit::PlanInvalid, format!("cannot read the {noun} {name}: {error}"), hint)
    };
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
    Ok((name, text))
}

/// All that is wrong with a plan, as one trouble.
fn refuse(wrong: &[Diagnostic]) -> Trouble {
    Trouble { exit: Exit::PlanInvalid, message: render(wrong), hint: None }
}
