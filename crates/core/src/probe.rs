//! What a backend can do here, or why it cannot.

use crate::cell::BackendName;
use crate::sample::Accuracy;
use serde::{Deserialize, Serialize};

/// The answer of a backend to "can you run here?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Probe {
    /// It runs here.
    Available(Capabilities),
    /// It does not run here.
    Unavailable {
        /// Why not, one line.
        reason: String,
        /// What would fix it, one line.
        hint: String,
        /// The version, if the program is there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
}

/// What a backend that runs here offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The version of the runtime or VMM, `None` where there is no program of its own (`process`).
    pub version: Option<String>,
    /// The accuracy class at default settings.
    pub accuracy: Accuracy,
    /// Tools it needs, with path and digest.
    pub tools: Vec<Tool>,
    /// Limits worth knowing, one line each ("no /dev/kvm: runs under TCG").
    pub notes: Vec<String>,
}

/// A program of the host that takes part in a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name (`runc`).
    pub name: String,
    /// Where it is.
    pub path: String,
    /// What it says of its version; `None` if it does not say.
    pub version: Option<String>,
    /// SHA-256 of the file, in hexadecimal; `None` if it cannot be read.
    pub sha256: Option<String>,
}

/// A backend with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbedBackend {
    /// The backend.
    pub backend: BackendName,
    /// Its answer.
    pub probe: Probe,
}
