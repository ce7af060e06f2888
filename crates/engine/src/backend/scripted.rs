//! The backend `scripted`: made-up times from a seed, for tests of the machinery.
//!
//! Nothing runs. Its samples carry the provenance `scripted`, which every table shows and no budget accepts.

use super::{Backend, Description, Launcher, Place, PrepareError, Sandbox};
use crate::lab::Lab;
use crate::workload::Attempt;
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::factor::FactorValue;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{Ledger, Milestone, MilestoneName, SignalName};
use isodyne_core::probe::{Capabilities, Probe, Tool};
use isodyne_core::record::Asset;
use isodyne_core::sample::{Accuracy, Provenance};
use std::collections::BTreeMap;

/// The backend.
pub struct ScriptedBackend;

impl Backend for ScriptedBackend {
    fn name(&self) -> BackendName {
        BackendName::Scripted
    }

    fn probe(&self, _lab: &Lab) -> Probe {
        Probe::Available(Capabilities {
            version: None,
            accuracy: Accuracy::Process,
            tools: Vec::new(),
            notes: vec!["scripted: for tests of the machinery, not a measurement".to_owned()],
        })
    }

    fn prepare(&self, cell: &Cell, _lab: &Lab) -> Result<Box<dyn Launcher>, PrepareError> {
        crate::application::Application::refuse(cell)?;
        let duration =
            |key: &str, default| cell.factors.get(key).and_then(FactorValue::as_duration_ns).unwrap_or(default);
        let fail = cell.factors.get("fail").and_then(FactorValue::as_text).and_then(|text| {
            let (class, share) = text.split_once(':')?;
            Some((class.parse().ok()?, share.trim_end_matches(['%', ' ']).parse().ok()?))
        });
        let hang = cell.factors.get("hang").and_then(FactorValue::as_flag).unwrap_or(false);
        Ok(Box::new(Script {
            total_ns: duration("total", 100_000_000),
            spread_ns: duration("spread", 5_000_000),
            fail: if hang { Some((FailureClass::Timeout, 100.0)) } else { fail },
        }))
    }
}

struct Script {
    total_ns: u64,
    spread_ns: u64,
    /// The class and share, in percent, of failed samples.
    fail: Option<(FailureClass, f64)>,
}

impl Launcher for Script {
    fn describe(&self, _place: &Place) -> Description {
        Description::default()
    }

    fn launch(&self, _place: &Place, _lab: &Lab) -> Result<Box<dyn Sandbox>, Failure> {
        Err(Failure::new(FailureClass::Launch, "a scripted backend has nothing to launch"))
    }

    fn script(&self, seed: u64) -> Option<Attempt> {
        let mut random = fastrand::Rng::with_seed(seed);
        let total = (self.total_ns + random.u64(0..=2 * self.spread_ns)).saturating_sub(self.spread_ns).max(1_000);
        let mut ledger = Ledger::default();
        let mut add = |name, at_ns, asked_ns| {
            ledger.add(Milestone { name, at_ns, asked_ns, signal: SignalName::Script });
        };
        add(MilestoneName::Spawned, total / 20, Some(0));
        add(MilestoneName::Agent, total * 9 / 10, None);
        if let Some((class, percent)) = self.fail
            && random.f64() * 100.0 < percent
        {
            let failure = Failure::new(class, "scripted failure");
            return Some(Attempt { ledger, failure: Some(failure), ..Attempt::default() });
        }
        add(MilestoneName::FirstExec, total - total / 200, Some(total * 9 / 10 + total / 200));
        add(MilestoneName::StopRequested, total, None);
        add(MilestoneName::Gone, total + total / 10, Some(total));
        let residue = ledger.residue_ns(MilestoneName::FirstExec, total).unwrap_or(0);
        let metrics = [
            ("total_ns", total),
            ("residue_ns", residue),
            ("stop_ns", total / 10),
            ("lifecycle_ns", total + total / 10),
        ];
        Some(Attempt {
            ledger,
            metrics: BTreeMap::from(metrics.map(|(name, value)| (name.to_owned(), value as f64))),
            ..Attempt::default()
        })
    }

    fn accuracy(&self) -> Accuracy {
        Accuracy::Process
    }

    fn provenance(&self) -> Provenance {
        Provenance::Scripted
    }

    fn assets(&self) -> Vec<Asset> {
        Vec::new()
    }

    fn tools(&self) -> Vec<Tool> {
        Vec::new()
    }
}
