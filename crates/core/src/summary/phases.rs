//! Where the time goes: the median of each phase over the valid samples of one cell.

use super::PhaseSummary;
use crate::cell::BenchmarkName;
use crate::ledger::MilestoneName;
use crate::sample::Sample;
use crate::stats::Sorted;
use std::collections::BTreeMap;

/// The metric that holds what the phases leave of the total.
const RESIDUE_METRIC: &str = "residue_ns";
/// Its name beside the phases.
const RESIDUE: &str = "residue";

/// The milestone that ends a benchmark's total.
fn last_milestone(benchmark: BenchmarkName) -> MilestoneName {
    match benchmark {
        BenchmarkName::Boot => MilestoneName::FirstExec,
    }
}

/// The phases in the order of the life cycle, then the residue.
///
/// A sample whose ledger does not close adds nothing; a valid sample always closes.
pub(super) fn phases_of(benchmark: BenchmarkName, valid: &[&Sample]) -> Vec<PhaseSummary> {
    let mut lengths: BTreeMap<String, (MilestoneName, Vec<f64>)> = BTreeMap::new();
    for sample in valid {
        let Ok(phases) = sample.ledger.phases(last_milestone(benchmark)) else { continue };
        // Two phases of one sample may carry one name (firmware seen twice): they are one step for people.
        let mut of_sample: BTreeMap<String, (MilestoneName, u64)> = BTreeMap::new();
        for phase in phases {
            let step = of_sample.entry(phase.name).or_insert((phase.until, 0));
            step.1 = step.1.saturating_add(phase.length_ns);
        }
        for (name, (until, length_ns)) in of_sample {
            let step = lengths.entry(name).or_insert_with(|| (until, Vec::new()));
            step.0 = step.0.min(until);
            step.1.push(length_ns as f64);
        }
    }
    let mut ordered: Vec<_> = lengths.into_iter().collect();
    ordered.sort_by(|a, b| a.1.0.cmp(&b.1.0).then_with(|| a.0.cmp(&b.0)));
    let residues: Vec<f64> = valid.iter().filter_map(|sample| sample.metrics.get(RESIDUE_METRIC).copied()).collect();
    let residue = phase(RESIDUE.to_owned(), residues);
    ordered.into_iter().filter_map(|(name, (_, lengths))| phase(name, lengths)).chain(residue).collect()
}

fn phase(name: String, lengths: Vec<f64>) -> Option<PhaseSummary> {
    let n = lengths.len() as u64;
    let sorted = Sorted::new(lengths)?;
    Some(PhaseSummary {
        name,
        p50_ns: sorted.quantile(0.5)?,
        min_ns: *sorted.as_slice().first()?,
        max_ns: *sorted.as_slice().last()?,
        n,
    })
}
