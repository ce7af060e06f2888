//! Cells of which only a sandbox could show that they cannot run here.

use isodyne_core::cell::{Cell, CellId};
use isodyne_core::failure::FailureClass;
use isodyne_core::record::SkippedCell;
use isodyne_core::sample::Sample;
use isodyne_core::schedule::Progress;
use std::collections::BTreeMap;

/// What sandboxes have said of themselves: by cell the reason, and what would fix it.
#[derive(Debug, Default)]
pub(super) struct Impossible(BTreeMap<CellId, (String, String)>);

impl Impossible {
    /// Hears a sample, of this session or an earlier one.
    pub(super) fn hear(&mut self, sample: &Sample) {
        let said = sample.failure.as_ref().filter(|failure| failure.class == FailureClass::Unavailable);
        if let Some(failure) = said {
            let hint = failure.hint.clone().unwrap_or_default();
            self.0.entry(sample.cell.clone()).or_insert_with(|| (failure.message.clone(), hint));
        }
    }

    /// A cell that is taken no more because of that.
    pub(super) fn skipped(&self, progress: &Progress, cell: &Cell) -> Option<SkippedCell> {
        let (reason, hint) = self.0.get(&cell.id).filter(|_| progress.is_impossible(&cell.id))?;
        Some(SkippedCell { cell: cell.clone(), reason: reason.clone(), hint: hint.clone() })
    }
}
