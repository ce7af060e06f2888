//! The schedule: which cell is measured next, as a pure function of the plan, the seed and what has been taken.
//!
//! Samples are taken in rounds: every cell that still needs one gets one sample, in a fresh random order. Warm-up rounds
//! come first. A cell that failed in its round is tried again in a later one, until it has the valid samples it needs or
//! is given up. Cells that differ in their variant only are a block: they are taken one right behind the other, in a
//! random order of their own, and count in rounds in which all of them are valid. Nothing but the recorded attempts is remembered, so a run that died is resumed by recording them again:
//! in a round that was cut short, only the cells without an attempt in it are taken.

mod block;
mod order;
mod progress;
mod shard;

pub use order::shuffled;
pub(crate) use order::stable_hash;
pub use progress::{Outcome, Progress, Round};
pub use shard::{Shard, ShardError, shard};
