//! What a host can do: its ceilings and floors, as `isodyne calibrate` measured them, and the lab's own cost.

use crate::fingerprint::Fingerprint;
use serde::{Deserialize, Serialize};

/// The name of the format.
pub const CALIBRATION_SCHEMA: &str = "isodyne-calibration";
/// The version of the format.
pub const CALIBRATION_VERSION: u32 = 1;

/// One host's limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Always [`CALIBRATION_SCHEMA`].
    pub schema: String,
    /// The format's version.
    pub version: u32,
    /// When (RFC 3339, UTC).
    pub measured_at: String,
    /// On what.
    pub fingerprint: Fingerprint,
    /// What was measured.
    pub limits: Vec<Limit>,
    /// What could not be measured here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedLimit>,
}

/// A limit that could not be measured, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedLimit {
    /// The name that it would have had.
    pub name: String,
    /// Why there is none.
    pub reason: String,
}

/// One thing that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Its stable name with its unit: `memcpy_dram_bytes_per_s`, `fork_exec_ns`.
    pub name: String,
    /// What it bounds.
    pub kind: LimitKind,
    /// The median of the trials, in the unit that the name carries.
    pub typical: f64,
    /// The best of the trials: the fastest time or the highest rate that was ever seen here. The auditor uses this one.
    pub best: f64,
    /// How many trials.
    pub n: u64,
    /// What was done, in words, with sizes.
    pub method: String,
}

/// What a limit bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// No rate of this kind can be higher.
    Ceiling,
    /// No time of this kind can be shorter.
    Floor,
    /// What the lab itself costs; bounds nothing.
    Cost,
}

impl Calibration {
    /// The limit with this name.
    pub fn limit(&self, name: &str) -> Option<&Limit> {
        self.limits.iter().find(|limit| limit.name == name)
    }
}
