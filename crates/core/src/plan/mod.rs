//! Plans: what a user wants measured, checked before anything starts.
//!
//! A plan's text becomes a tree of values that know where they stand (`tree`), arguments are laid over it
//! (`overrides`), and the tree is checked (`check`, `value`) against tables of keys (`table`). The JSON schema and the
//! reference are made from the same tables.

pub mod app;
pub mod budget;
pub mod build;
mod cells;
mod check;
mod findings;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod key;
mod overrides;
mod quick;
pub mod reference;
pub mod schema;
pub mod stop;
pub mod table;
#[cfg(test)]
mod tests;
mod tree;
mod unknown;
mod value;
pub mod variant;

pub use budget::parse_budgets;
pub use cells::cells;
pub use overrides::Override;

use crate::cell::{BackendName, BenchmarkName, Cell};
use crate::diagnostic::{Diagnostic, hint_for, quoted};
use crate::factor::{FactorValue, Factors};
use crate::gate::Budget;
use crate::stop::StopRule;
use build::Build;
use findings::{Findings, Place};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tree::{Entry, Node, Raw};

/// The longest text that is read as a plan.
pub const MAX_PLAN_BYTES: usize = 1 << 20;
/// The most cells of a plan.
pub const MAX_CELLS: u64 = 10_000;

/// A plan as resolved: everything stated, nothing defaulted away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What it is for, in the user's words.
    pub title: String,
    /// Valid samples wanted per cell.
    pub samples: u32,
    /// Rounds in front that are kept but not counted.
    pub warmup: u32,
    /// The seed of the order; drawn at random when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How often a second each sandbox is looked at by the monitor; not at all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor_hz: Option<u32>,
    /// The benchmarks, each with its backends and factors.
    pub benchmarks: Vec<BenchmarkPlan>,
    /// Stated factors by backend, for the backends that are measured: several values make a factor.
    pub backends: BTreeMap<BackendName, StatedFactors>,
    /// A user's own application, which `boot` starts instead of the first command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<StatedFactors>,
    /// What is compared, paired, with what the plan states elsewhere (the variant `base`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
    /// When the run may end before every cell has its samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopRule>,
    /// What is made from git repositories before the run, for values to name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builds: Vec<Build>,
    /// What the gate holds the run to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
}

/// Other values for some keys, to be compared with what the plan states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Its name; cells of it end in `~name`.
    pub name: String,
    /// Values by backend, in place of the plan's.
    pub backends: BTreeMap<BackendName, Factors>,
    /// Values by benchmark, in place of the plan's.
    pub benchmarks: BTreeMap<BenchmarkName, Factors>,
    /// Values of `[app]`, in place of the plan's.
    #[serde(default, skip_serializing_if = "Factors::is_empty")]
    pub app: Factors,
}

/// Values stated for each key; more than one value makes the key a factor of the cells.
pub type StatedFactors = BTreeMap<String, Vec<FactorValue>>;

/// One benchmark of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchmarkPlan {
    /// Which.
    pub benchmark: BenchmarkName,
    /// On which backends.
    pub on: Vec<BackendName>,
    /// Its own stated factors.
    pub factors: StatedFactors,
}

impl Plan {
    /// Reads a plan from its text and lays the arguments of the command line over it.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the text, arguments last.
    pub fn parse(file_name: &str, text: &str, overrides: &[Override]) -> Result<Self, Vec<Diagnostic>> {
        let mut findings = Findings::new(file_name, text);
        let root = tree::parse_document(text, &mut findings);
        Self::resolve(root, overrides, findings)
    }

    /// Makes the plan of a benchmark that is run by its name, without a file.
    ///
    /// # Errors
    /// As [`Plan::parse`].
    pub fn from_arguments(benchmark: &str, overrides: &[Override]) -> Result<Self, Vec<Diagnostic>> {
        let mut findings = Findings::new("", "");
        if benchmark.parse::<BenchmarkName>().is_err() {
            let known = BenchmarkName::ALL.iter().map(|name| name.as_str());
            let message = format!("unknown benchmark {}", quoted(benchmark));
            findings.add(&Place::Whole, benchmark, message, Some(hint_for(benchmark, known)));
            return Err(findings.into_diagnostics());
        }
        let node = Node { raw: Raw::Section(Vec::new()), at: Place::Whole };
        let section = Entry { key: benchmark.to_owned(), at: Place::Whole, node };
        Self::resolve(Some(vec![section]), overrides, findings)
    }

    /// The cells of the plan; see [`cells`].
    pub fn cells(&self) -> Vec<Cell> {
        cells(self)
    }

    fn resolve(
        root: Option<Vec<Entry>>,
        overrides: &[Override],
        mut findings: Findings<'_>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let plan = root.and_then(|mut root| {
            for argument in overrides {
                argument.lay_over(&mut root, &mut findings);
            }
            check::check(&root, &mut findings)
        });
        match plan {
            Some(plan) if findings.is_empty() => Ok(plan),
            _ => Err(findings.into_diagnostics()),
        }
    }
}
