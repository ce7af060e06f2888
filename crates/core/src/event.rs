//! The one stream of events between the engine and everything that listens: store, progress bar, JSON log.

use crate::cell::{Cell, CellId};
use crate::sample::Sample;
use crate::stop::{LookRecord, StopRule};
use serde::Serialize;

/// Something that happened during a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum RunEvent {
    /// The run begins or goes on.
    RunStarted {
        /// The cells that will be measured.
        cells: Vec<Cell>,
        /// Valid samples wanted per cell.
        samples_wanted: u32,
        /// Warm-up rounds in front.
        warmup_rounds: u32,
        /// Samples that an earlier session of this run has already taken.
        samples_taken: u64,
        /// When the run may stop before.
        #[serde(skip_serializing_if = "Option::is_none")]
        stop: Option<StopRule>,
    },
    /// A cell will not be measured.
    CellSkipped {
        /// The cell.
        cell: Cell,
        /// Why.
        reason: String,
        /// What would fix it.
        hint: String,
    },
    /// A round begins.
    RoundStarted {
        /// Its number, warm-up rounds included, from 0.
        round: u32,
        /// Whether it is a warm-up.
        warmup: bool,
        /// The cells of the round in their random order.
        order: Vec<CellId>,
    },
    /// A sample begins.
    SampleStarted {
        /// The cell.
        cell: CellId,
        /// The round.
        round: u32,
    },
    /// A sample has been taken, valid or not.
    SampleTaken {
        /// It.
        sample: Box<Sample>,
    },
    /// The plan's stopping rule was applied to what is there.
    Looked {
        /// What it saw.
        look: LookRecord,
        /// Whether the run stops here.
        stops: bool,
        /// The same for people.
        words: String,
    },
    /// A cell is given up after too many failures.
    CellAbandoned {
        /// The cell.
        cell: CellId,
        /// Why.
        reason: String,
    },
    /// The leak check at the end of the run.
    LeakChecked {
        /// What survived, one line each; empty is good.
        survivors: Vec<String>,
    },
    /// The run ends.
    RunEnded {
        /// How.
        ending: Ending,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every cell has its samples or was given up.
    Complete,
    /// Asked to stop by a signal; it can be resumed.
    Interrupted,
}
