//! `isodyne guardian`: started by `run` for itself, cleans up when the run is killed.

use crate::exit::{Exit, Trouble};
use std::path::Path;

/// Waits for the lab's end and removes what it left.
pub fn guardian(scratch: &Path) -> Result<Exit, Trouble> {
    isodyne_engine::ownership::guard(scratch);
    Ok(Exit::Ok)
}
