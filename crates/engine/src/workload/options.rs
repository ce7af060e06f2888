//! What a benchmark is told, read from a cell.

use super::{Attempt, BootOptions, CheckpointOptions, NetworkOptions, ShmOptions, boot, checkpoint, network, shm};
use crate::application::Application;
use crate::backend::{Launcher, Place, PrepareError};
use crate::lab::Lab;
use crate::network::Family;
use isodyne_core::cell::{BackendName, BenchmarkName, Cell};
use isodyne_core::factor::FactorValue;
use std::time::Duration;

/// A benchmark with what it is told.
#[derive(Clone, Debug)]
pub enum WorkloadOptions {
    /// `boot`.
    Boot(BootOptions),
    /// `network`.
    Network(NetworkOptions),
    /// `shm`.
    Shm(Box<ShmOptions>),
    /// `checkpoint`.
    Checkpoint(Box<CheckpointOptions>),
}

impl WorkloadOptions {
    /// Reads the factors of a cell; defaults are in there already.
    ///
    /// # Errors
    /// [`PrepareError::Unavailable`] if the benchmark needs a power that the sandbox is not asked to have, and as
    /// [`Application::of`].
    pub fn of(cell: &Cell, lab: &Lab) -> Result<Self, PrepareError> {
        let duration = |key: &str, default_ns: u64| {
            let ns = cell.factors.get(key).and_then(FactorValue::as_duration_ns).unwrap_or(default_ns);
            Duration::from_nanos(ns)
        };
        let count = |key: &str, default: u64| cell.factors.get(key).and_then(FactorValue::as_count).unwrap_or(default);
        let bytes = |key: &str, default: u64| cell.factors.get(key).and_then(FactorValue::as_bytes).unwrap_or(default);
        let word = |key: &str| cell.factors.get(key).and_then(FactorValue::as_text);
        let timeout = duration("timeout", 60_000_000_000);
        if cell.benchmark == BenchmarkName::Shm {
            return Ok(Self::Shm(Box::new(ShmOptions::of(cell, timeout)?)));
        }
        if cell.benchmark == BenchmarkName::Checkpoint {
            let timeout = duration("timeout", 120_000_000_000);
            return Ok(Self::Checkpoint(Box::new(CheckpointOptions::of(cell, lab, timeout)?)));
        }
        if cell.benchmark != BenchmarkName::Network {
            let command = match cell.factors.get("command") {
                Some(FactorValue::Words(words)) => Some(words.clone()),
                _ => None,
            };
            return Ok(Self::Boot(BootOptions { timeout, command, app: Application::of(cell, lab)?.map(Box::new) }));
        }
        if matches!(word("network"), None | Some("none")) {
            let backend = cell.backend;
            let kind = if backend == BackendName::Docker { "bridge" } else { "own" };
            let hint = match word("network") {
                Some(_) => {
                    format!(
                        "add `--set backend.{backend}.network={kind}`, or `network = \"{kind}\"` to [backend.{backend}]"
                    )
                }
                None => "measure another backend".to_owned(),
            };
            return Err(PrepareError::Unavailable { reason: "the sandbox would have no network".to_owned(), hint });
        }
        Ok(Self::Network(NetworkOptions {
            timeout,
            family: if word("family") == Some("ipv6") { Family::V6 } else { Family::V4 },
            message_bytes: usize::try_from(bytes("message", 64)).unwrap_or(64),
            round_trips: count("round_trips", 1000),
            rate_per_s: count("rate", 1000),
            duration: duration("duration", 1_000_000_000),
            bytes: bytes("bytes", 32 << 20),
        }))
    }

    /// Whether the launcher has the powers that the benchmark needs.
    ///
    /// # Errors
    /// [`PrepareError::Unavailable`] if it has not.
    pub fn check(&self, launcher: &dyn Launcher, backend: BackendName) -> Result<(), PrepareError> {
        match self {
            Self::Checkpoint(options) => super::check_checkpoint(launcher, backend.as_str(), options),
            _ => Ok(()),
        }
    }

    /// How long the sandbox may take.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Boot(options) => {
                options.timeout + options.app.as_ref().map_or(Duration::ZERO, |app| app.stop_timeout)
            }
            // Once until hello, once for the traffic.
            Self::Network(options) => options.timeout * 2,
            Self::Shm(options) => options.timeout * 2 + options.extra_time(),
            // Boot, filling, proving, keeping, restoring, proving, clones: each has its own deadline.
            Self::Checkpoint(options) => options.timeout * 8,
        }
    }

    /// Takes one sample.
    pub fn take(&self, launcher: &dyn Launcher, place: &Place, lab: &Lab) -> Attempt {
        match self {
            Self::Boot(options) => boot(launcher, place, lab, options),
            Self::Network(options) => network(launcher, place, lab, options),
            Self::Shm(options) => shm(launcher, place, lab, options),
            Self::Checkpoint(options) => checkpoint(launcher, place, lab, options),
        }
    }
}
