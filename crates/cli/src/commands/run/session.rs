//! One session of a run: everything that happens between the first sample and the last.

use super::prepare::Prepared;
use crate::arguments::RunOptions;
use crate::exit::{Exit, Trouble};
use crate::listener::event_log::EventLog;
use crate::listener::progress::Progress;
use crate::output::Output;
use isodyne_core::columns::RunColumns;
use isodyne_core::event::{Ending, RunEvent};
use isodyne_core::record::{RunEnd, RunRecord};
use isodyne_core::sample::Sample;
use isodyne_engine::lab::Lab;
use isodyne_engine::schedule::{Interrupt, Order, run};
use isodyne_store::RunDirectory;

/// What a session works on.
pub struct Session<'a> {
    /// The open, locked run directory.
    pub directory: RunDirectory,
    /// What the run set out to do.
    pub record: RunRecord,
    /// What earlier sessions have taken.
    pub earlier: Vec<Sample>,
    /// The command line.
    pub options: &'a RunOptions,
    /// Whether the user has asked the run to end.
    pub interrupt: Interrupt,
}

/// Takes the samples, checks for leaks, closes the run, and shows it.
pub fn session(lab: Lab, prepared: Prepared, session: Session<'_>, output: &Output) -> Result<Exit, Trouble> {
    let Session { mut directory, mut record, earlier, options, interrupt } = session;
    let mut log = options.events.as_deref().map(EventLog::open).transpose()?;
    let mut progress = Progress::new();
    let mut columns = RunColumns::of(&earlier);
    let path = directory.path().to_owned();
    directory.reopen().map_err(Trouble::unexpected)?;
    let mut listen = |event: &RunEvent| -> Result<(), Trouble> {
        if let RunEvent::SampleTaken { sample } = event {
            directory.append(sample).map_err(Trouble::unexpected)?;
            columns.add(sample);
        }
        if let Some(log) = &mut log {
            log.hear(event)?;
        }
        if let Some(line) = progress.hear(event, &earlier) {
            output.say(&line);
        }
        Ok(())
    };
    for skipped in &prepared.skipped {
        listen(&RunEvent::CellSkipped {
            cell: skipped.cell.clone(),
            reason: skipped.reason.clone(),
            hint: skipped.hint.clone(),
        })?;
    }
    let vanished = super::resume::vanished(&record, &prepared, &earlier);
    let (samples_wanted, warmup) = (record.plan.samples, record.plan.warmup);
    let stop = record.plan.stop.as_ref();
    let order = Order {
        work: &prepared.work,
        samples: samples_wanted,
        warmup,
        seed: record.seed,
        monitor_hz: record.plan.monitor_hz,
        stop,
        earlier: &earlier,
    };
    let outcome = run(&lab, &order, &interrupt, &mut listen)?;
    // Launchers own images and directories of the run: they go before the leak check.
    drop(prepared);
    let survivors = lab.close();
    listen(&RunEvent::LeakChecked { survivors: survivors.clone() })?;
    listen(&RunEvent::RunEnded { ending: outcome.ending })?;
    for survivor in &survivors {
        output.warn(&format!("something survived the run: {survivor}"));
    }
    if outcome.ending == Ending::Complete {
        let abandoned = outcome.abandoned.into_iter().chain(vanished).collect();
        let end = RunEnd { at: jiff::Timestamp::now().to_string(), survivors, abandoned, stop: outcome.stop };
        // What only its sandbox could show stands where the other skipped cells stand, and the run remembers it.
        record.cells.retain(|cell| outcome.skipped.iter().all(|skipped| skipped.cell.id != cell.id));
        record.skipped.extend(outcome.skipped);
        record.ended = Some(end);
        directory.replace_record(record.clone()).map_err(Trouble::unexpected)?;
    } else {
        output.say(&format!("to go on: isodyne run --resume --out {}", path.display()));
    }
    super::conclude(&path, &record, &columns, outcome.ending, options, output)
}
