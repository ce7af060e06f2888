//! The builds of a plan: made before the run, and put in place of the values that name them.

use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::cell::Cell;
use isodyne_core::factor::FactorValue;
use isodyne_core::plan::Plan;
use isodyne_core::plan::build::{Build, build_of};
use isodyne_core::record::Asset;
use isodyne_engine::build::{BuildError, resolve};
use isodyne_engine::lab::Lab;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What was made, by the name of its build.
#[derive(Default)]
pub struct Builds {
    made: BTreeMap<String, Made>,
}

struct Made {
    path: PathBuf,
    asset: Asset,
    commit: String,
}

/// The builds that values of a cell name.
pub fn named_by(cell: &Cell) -> BTreeSet<&str> {
    cell.factors.values().filter_map(build_of).collect()
}

/// The builds that the cells of a plan need.
pub fn needed(plan: &Plan) -> Vec<&Build> {
    let cells = plan.cells();
    let names: BTreeSet<&str> = cells.iter().flat_map(named_by).collect();
    plan.builds.iter().filter(|build| names.contains(build.name.as_str())).collect()
}

impl Builds {
    /// Makes what the cells of a plan need, or takes it from the cache.
    ///
    /// # Errors
    /// If one of them cannot be made: a comparison without its other side would be none.
    pub fn make(plan: &Plan, lab: &Lab, output: &Output) -> Result<Self, Trouble> {
        let mut made = BTreeMap::new();
        for build in needed(plan) {
            let resolved = resolve(build, lab).map_err(|error| trouble(&error))?;
            let short = resolved.commit.get(..12).unwrap_or(&resolved.commit);
            let built = match resolved.cached() {
                Some(built) => {
                    output.say(&format!("build `{}`: {} at {short}, from the cache", build.name, build.repository));
                    built
                }
                None => {
                    let log = resolved.log();
                    let line =
                        format!("build `{}`: {} at {short}, log {}", build.name, build.repository, log.display());
                    output.say(&line);
                    resolved.make(lab).map_err(|error| trouble(&error))?
                }
            };
            let commit = resolved.commit.clone();
            made.insert(build.name.clone(), Made { path: built.path, asset: built.asset, commit });
        }
        Ok(Self { made })
    }

    /// The cell with the files that its values name.
    pub fn resolve(&self, cell: &Cell) -> Cell {
        let mut cell = cell.clone();
        for value in cell.factors.values_mut() {
            if let Some(made) = build_of(value).and_then(|name| self.made.get(name)) {
                *value = FactorValue::Text(made.path.to_string_lossy().into_owned());
            }
        }
        cell
    }

    /// The plan with the commits that were used: a run that goes on uses them again.
    pub fn pinned(&self, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        for build in &mut plan.builds {
            build.commit = self.made.get(&build.name).map(|made| made.commit.clone()).or(build.commit.take());
        }
        plan
    }

    /// The files, for the run's record.
    pub fn assets(&self) -> impl Iterator<Item = &Asset> {
        self.made.values().map(|made| &made.asset)
    }
}

fn trouble(error: &BuildError) -> Trouble {
    let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Trouble::new(Exit::PlanInvalid, format!("{error}{cause}"), error.hint())
}
