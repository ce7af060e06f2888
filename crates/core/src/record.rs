//! `run.json`: what a run set out to do, on what, with what.

use crate::calibration::Calibration;
use crate::cell::Cell;
use crate::fingerprint::Fingerprint;
use crate::imported::ImportRecord;
use crate::ledger::SignalName;
use crate::plan::Plan;
use crate::probe::{ProbedBackend, Tool};
use crate::stop::StopRecord;
use serde::{Deserialize, Serialize};

/// The version of the run directory's format that this program writes.
pub const RUN_VERSION: u32 = 1;
/// The name of the format.
pub const RUN_SCHEMA: &str = "isodyne-run";

/// The contents of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Always [`RUN_SCHEMA`].
    pub schema: String,
    /// The format's version.
    pub version: u32,
    /// A random name of the run, in hexadecimal; owned resources carry it.
    pub run_id: String,
    /// The version of Isodyne that made it.
    pub isodyne_version: String,
    /// When it was begun (RFC 3339, UTC).
    pub created_at: String,
    /// The command line that began it.
    pub command: Vec<String>,
    /// The plan as resolved.
    pub plan: Plan,
    /// The seed of the order of cells.
    pub seed: u64,
    /// The cells that are measured.
    pub cells: Vec<Cell>,
    /// The cells that are not, with reasons.
    pub skipped: Vec<SkippedCell>,
    /// All backends as probed.
    pub backends: Vec<ProbedBackend>,
    /// The host.
    pub fingerprint: Fingerprint,
    /// Programs that took part, with digests.
    pub tools: Vec<Tool>,
    /// Kernels, initramfs and images that took part.
    pub assets: Vec<Asset>,
    /// Resolution and cost of each signal, as measured at the beginning of the run.
    pub signals: Vec<SignalCost>,
    /// Which part of the plan's cells it is (`1/3`), for a shard; the other cells are not part of this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// Set for a run that was put together by `isodyne merge`: what it was made from, in the order of its samples.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged_from: Vec<MergedPart>,
    /// What this host can do, as `isodyne calibrate` measured it before the run; the auditor holds results against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Set for a run that was made from another tool's file: what it came from, and what that file claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportRecord>,
    /// Set when the run has ended well; absent while it runs, after a crash and after an interrupt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<RunEnd>,
}

/// A run that became a part of another by `isodyne merge`, with what the merged `run.json` would otherwise lose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MergedPart {
    /// Its name.
    pub run_id: String,
    /// When it was begun (RFC 3339, UTC).
    pub created_at: String,
    /// The version of Isodyne that made it.
    pub isodyne_version: String,
    /// Which shard it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// The seed of its order.
    pub seed: u64,
    /// Its host.
    pub fingerprint: Fingerprint,
    /// Its host's limits, if they were known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Resolution and cost of each signal on its host.
    pub signals: Vec<SignalCost>,
    /// Its programs.
    pub tools: Vec<Tool>,
    /// Its files.
    pub assets: Vec<Asset>,
    /// What could not run there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedCell>,
    /// What the looks of its stopping rule saw, for a plan that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopRecord>,
    /// Its sessions in the merged run: from the first on, so many.
    pub sessions: Stretch,
    /// Its rounds in the merged run.
    pub rounds: Stretch,
    /// Its samples in the merged run, by sequence.
    pub samples: Stretch,
}

/// Numbers that follow one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// How a complete run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEnd {
    /// When (RFC 3339, UTC).
    pub at: String,
    /// What survived the run, one line each; empty is good.
    pub survivors: Vec<String>,
    /// Cells that were given up, with the reason.
    pub abandoned: Vec<(crate::cell::CellId, String)>,
    /// What the looks of the plan's stopping rule saw, for a plan that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopRecord>,
}

/// A cell that cannot run here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SkippedCell {
    /// The cell.
    pub cell: Cell,
    /// Why.
    pub reason: String,
    /// What would fix it.
    pub hint: String,
}

/// A file that takes part in a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// What it is: `kernel`, `initramfs`, `agent`.
    pub role: String,
    /// Its name for people: the package or file it came from.
    pub name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// What it takes to see a signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalCost {
    /// The signal.
    pub signal: SignalName,
    /// The smallest difference in time that it can show, in nanoseconds.
    pub resolution_ns: f64,
    /// What one such signal costs from event to stamp, in nanoseconds (median of repeated trials).
    pub cost_ns: f64,
    /// How that was measured, in words.
    pub method: String,
}
