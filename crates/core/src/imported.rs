//! What another tool's file says beside its samples: where it came from, and the figures it claims.

use crate::cell::CellId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where an imported run came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportRecord {
    /// The format by its stable name: `hyperfine`, `picoshare`, `csv`.
    pub format: String,
    /// The tool and its version, as far as the file says.
    pub tool: Option<String>,
    /// The files, as the user named them, with the SHA-256 of their bytes.
    pub files: Vec<(String, String)>,
    /// The figures that the file itself states.
    pub claims: Vec<Claim>,
    /// What the file says of itself that the auditor may want (`host`, `boot_method`, `simulated`), as short texts.
    pub facts: BTreeMap<String, String>,
    /// What was noticed while reading, one line each: fields that were not understood, rows that were left out.
    pub remarks: Vec<String>,
}

/// One figure that a file states itself, instead of leaving it to be computed from its samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The cell it is about.
    pub cell: CellId,
    /// The metric, named by our rules: the unit in the name.
    pub metric: String,
    /// Which figure.
    pub statistic: Statistic,
    /// Its value in the metric's unit (already converted).
    pub value: f64,
    /// Of how many values, if the file says.
    pub n: Option<u64>,
    /// Where it stands: the key's path or the column, as the file has it (`stats.median_throughput_mbps`).
    pub field: String,
}

/// A figure that files state.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// The arithmetic mean.
    Mean,
    /// The median.
    Median,
    /// A standard deviation, of whichever kind.
    Stddev,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// A quantile in (0, 1).
    Quantile(f64),
    /// How many samples succeeded.
    Succeeded,
    /// How many samples failed.
    Failed,
    /// A single value without samples behind it.
    Value,
    /// The file's own verdict that a target was met (1) or not (0).
    Met,
}
