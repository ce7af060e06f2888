//! CRIU: whether it is here and works, what it can do, and what it said.

mod log;
mod probe;
mod statistics;

pub use log::{DUMP_LOG, RESTORE_LOG, explain, is_restored, total_ns, version};
pub use probe::{CriuState, Feature, incremental, probe};
pub use statistics::statistics;
