//! What another tool measured: it stands in files that were imported, and nothing here can run it.

use super::{Backend, Launcher, PrepareError};
use crate::lab::Lab;
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::probe::Probe;

const REASON: &str = "it stands for what another tool measured, and runs nothing";
const HINT: &str = "choose another backend: `isodyne list backends`";

/// The backend of imported samples. It is in no list and in no plan.
pub struct ImportedBackend;

impl Backend for ImportedBackend {
    fn name(&self) -> BackendName {
        BackendName::Imported
    }

    fn probe(&self, _lab: &Lab) -> Probe {
        Probe::Unavailable { reason: REASON.to_owned(), hint: HINT.to_owned(), version: None }
    }

    fn prepare(&self, _cell: &Cell, _lab: &Lab) -> Result<Box<dyn Launcher>, PrepareError> {
        Err(PrepareError::Unavailable { reason: REASON.to_owned(), hint: HINT.to_owned() })
    }
}
