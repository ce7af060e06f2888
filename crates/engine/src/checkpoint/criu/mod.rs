//! CRIU: whether it is here and works, what it can do, and what it said.

mod log;
mod probe;
mod setting;
mod statistics;
mod witness;

pub use log::{DUMP_LOG, RESTORE_LOG, explain, is_restored, total_ns, version};
pub use probe::{CriuState, Feature, incremental, probe};
pub(crate) use setting::{CONNECTIONS, allow_connections, remove as remove_setting};
pub use statistics::statistics;
pub(crate) use witness::Witness;
