//! The schedule: rounds over all cells in a random order, sample by sample.
//!
//! Which cell comes when is decided by the pure [`isodyne_core::schedule`]; this module does it. Every event goes to one
//! listener, between samples and never during one: a progress bar or a full disk cannot disturb what is measured.

mod impossible;
mod interrupt;
mod observe;
mod take;

pub use interrupt::Interrupt;

use crate::backend::Launcher;
use crate::lab::Lab;
use crate::workload::WorkloadOptions;
use impossible::Impossible;
use isodyne_core::cell::{Cell, CellId};
use isodyne_core::event::{Ending, RunEvent};
use isodyne_core::failure::FailureClass;
use isodyne_core::record::SkippedCell;
use isodyne_core::sample::Sample;
use isodyne_core::schedule::Progress;
use isodyne_core::stop::{StopRecord, StopRule, Watch};
use std::collections::BTreeMap;

/// A cell that is ready to be measured.
pub struct Work {
    /// The cell.
    pub cell: Cell,
    /// What launches it.
    pub launcher: Box<dyn Launcher>,
    /// What the benchmark is told.
    pub options: WorkloadOptions,
}

/// What is to be done.
pub struct Order<'a> {
    /// The cells.
    pub work: &'a [Work],
    /// Valid samples wanted per cell.
    pub samples: u32,
    /// Rounds in front that are kept but not counted.
    pub warmup: u32,
    /// The seed of the order.
    pub seed: u64,
    /// How often a second each sandbox is looked at by the monitor; `None` for not at all.
    pub monitor_hz: Option<u32>,
    /// When the run may end before every cell has its samples.
    pub stop: Option<&'a StopRule>,
    /// What earlier sessions of this run have taken.
    pub earlier: &'a [Sample],
}

/// What a session did.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// Cells that were given up, with the reason.
    pub abandoned: Vec<(CellId, String)>,
    /// Cells that cannot run here, as only their sandboxes could show.
    pub skipped: Vec<SkippedCell>,
    /// What the looks of the rule saw, if there is one.
    pub stop: Option<StopRecord>,
}

/// Takes samples until every cell has what the plan wants, is given up, or the user asks to stop.
///
/// `listen` hears every event; its error (a full disk, say) ends the session.
///
/// # Errors
/// Only what `listen` returns: a failed sample is data, not an error.
pub fn run<E>(
    lab: &Lab,
    order: &Order<'_>,
    interrupt: &Interrupt,
    listen: &mut dyn FnMut(&RunEvent) -> Result<(), E>,
) -> Result<Outcome, E> {
    let cells: Vec<CellId> = order.work.iter().map(|work| work.cell.id.clone()).collect();
    let work: BTreeMap<&CellId, &Work> = order.work.iter().map(|work| (&work.cell.id, work)).collect();
    let mut progress = Progress::new(&cells, order.samples, order.warmup, order.seed);
    let mut watch = Watch::replay(order.stop, &mut progress, order.earlier);
    let mut impossible = Impossible::default();
    order.earlier.iter().for_each(|sample| impossible.hear(sample));
    let mut sequence = order.earlier.iter().map(|sample| sample.sequence + 1).max().unwrap_or(0);
    listen(&RunEvent::RunStarted {
        cells: order.work.iter().map(|work| work.cell.clone()).collect(),
        samples_wanted: order.samples,
        warmup_rounds: order.warmup,
        samples_taken: order.earlier.len() as u64,
        stop: order.stop.cloned(),
    })?;
    let begun = lab.clock.now();
    'rounds: while let Some(round) = progress.next_round() {
        if watch.as_ref().is_some_and(Watch::stops) {
            break;
        }
        listen(&RunEvent::RoundStarted { round: round.number, warmup: round.warmup, order: round.order.clone() })?;
        for cell in &round.order {
            if interrupt.is_asked() {
                break 'rounds;
            }
            let Some(work) = work.get(cell) else { continue };
            listen(&RunEvent::SampleStarted { cell: cell.clone(), round: round.number })?;
            let ticket = take::Ticket {
                round: round.number,
                warmup: round.warmup,
                sequence,
                begun,
                seed: order.seed,
                monitor_hz: order.monitor_hz,
            };
            let mut sample = take::take(lab, work, &ticket);
            sequence += 1;
            if interrupt.is_asked()
                && let Some(failure) = &mut sample.failure
            {
                // The lab itself ended this sandbox; the cell is measured again when the run goes on.
                failure.class = FailureClass::Interrupted;
                failure.message = "the run was interrupted".to_owned();
            }
            progress.record_sample(&sample);
            impossible.hear(&sample);
            watch.iter_mut().for_each(|watch| watch.add(&sample));
            listen(&RunEvent::SampleTaken { sample: Box::new(sample) })?;
            if let Some(SkippedCell { cell, reason, hint }) = impossible.skipped(&progress, &work.cell) {
                listen(&RunEvent::CellSkipped { cell, reason, hint })?;
            } else if let Some(reason) = progress.given_up(cell) {
                listen(&RunEvent::CellAbandoned { cell: cell.clone(), reason })?;
            }
        }
        if let (Some(watch), Some(rule)) = (&mut watch, order.stop)
            && let Some(look) = watch.after_round(&progress, round.number).cloned()
        {
            listen(&RunEvent::Looked { words: rule.look_words(&look), look, stops: watch.stops() })?;
        }
    }
    let stopped = watch.as_ref().is_some_and(Watch::stops);
    let ending = if stopped || progress.next_round().is_none() { Ending::Complete } else { Ending::Interrupted };
    let skipped = order.work.iter().filter_map(|work| impossible.skipped(&progress, &work.cell)).collect();
    let given_up = cells.iter().filter(|cell| !progress.is_impossible(cell));
    let abandoned = given_up.filter_map(|cell| Some((cell.clone(), progress.given_up(cell)?))).collect();
    Ok(Outcome { ending, abandoned, skipped, stop: watch.map(Watch::into_record) })
}
