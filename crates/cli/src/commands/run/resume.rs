//! Going on with a run: is it complete already, and is everything still as it was when it began?

use super::prepare::{Prepared, taking_part};
use super::resolve::Resumed;
use isodyne_core::cell::CellId;
use isodyne_core::fingerprint::Fingerprint;
use isodyne_core::record::RunRecord;
use isodyne_core::sample::Sample;
use isodyne_core::schedule::Progress;

/// Whether the run has ended and nothing is left to take.
pub fn is_complete(resumed: &Resumed) -> bool {
    let record = &resumed.record;
    let cells: Vec<CellId> = record.cells.iter().map(|cell| cell.id.clone()).collect();
    let mut progress = Progress::new(&cells, record.plan.samples, record.plan.warmup, record.seed);
    resumed.samples.iter().for_each(|sample| progress.record_sample(sample));
    let Some(end) = &record.ended else { return false };
    // What is left of a run whose samples were lost is taken again, whether or not a rule had stopped it.
    let stopped_after = end.stop.as_ref().and_then(|stop| stop.stopped_after);
    let stopped = stopped_after.is_some_and(|after| progress.whole_rounds().is_none_or(|whole| whole >= after));
    stopped || progress.is_complete()
}

/// Holds what was prepared now to what the run set out to do, and says what is not as it was, one line each.
///
/// A cell that could not run when the run began stays skipped: its figures would have missed the earlier rounds.
pub fn compare(record: &RunRecord, prepared: &mut Prepared, host: &Fingerprint) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    prepared.work.retain(|work| {
        let known = record.cells.iter().any(|cell| cell.id == work.cell.id);
        if !known {
            notes.push(format!("{} could not run when this run was begun and stays skipped", work.cell.id));
        }
        known
    });
    prepared.skipped.retain(|skipped| record.cells.iter().any(|cell| cell.id == skipped.cell.id));
    let mut changed = host.differences(&record.fingerprint);
    let (tools, assets) = taking_part(prepared);
    for tool in tools.iter().filter(|tool| !record.tools.contains(tool)) {
        let version = tool.version.as_deref().unwrap_or("of unknown version");
        changed.push(format!("{} is another one now: {} ({version})", tool.name, tool.path));
    }
    for asset in assets.iter().filter(|asset| !record.assets.contains(asset)) {
        changed.push(format!("{} is another one now: {} (SHA-256 {})", asset.role, asset.name, asset.sha256));
    }
    notes.extend(changed.into_iter().map(|change| format!("not as when this run was begun: {change}")));
    notes
}

/// The cells of the run that want more samples and cannot run here any more, with reasons.
pub fn vanished(record: &RunRecord, prepared: &Prepared, earlier: &[Sample]) -> Vec<(CellId, String)> {
    let valid = |cell: &CellId| earlier.iter().filter(|sample| sample.cell == *cell && sample.counts()).count() as u64;
    let wants = |cell: &CellId| {
        record.cells.iter().any(|known| known.id == *cell) && valid(cell) < u64::from(record.plan.samples)
    };
    let gone = prepared.skipped.iter().filter(|skipped| wants(&skipped.cell.id));
    gone.map(|skipped| (skipped.cell.id.clone(), format!("it cannot run here any more: {}", skipped.reason))).collect()
}
