//! Plans: what a user wants measured, checked before anything starts.

use crate::cell::{BackendName, BenchmarkName};
use crate::factor::FactorValue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A plan as resolved: everything stated, nothing defaulted away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// The benchmarks, each with its backends and factors.
    pub benchmarks: Vec<BenchmarkPlan>,
    /// Stated factors by backend: several values make a factor.
    pub backends: BTreeMap<BackendName, StatedFactors>,
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
