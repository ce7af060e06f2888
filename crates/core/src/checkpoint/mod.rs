//! Kept checkpoints, as values: what their manifest says, and why one could not be made or brought back.

mod class;
pub mod inspection;
pub mod machine;
mod manifest;
mod path;

pub use class::CheckpointClass;
pub use manifest::{
    Compressed, FILE_LIMIT, KeptFile, KeptHost, KeptLayer, KeptMount, KeptOptions, KeptSource, Kind, LIMIT, LayerForm,
    Manifest, ManifestError, Phase, SCHEMA, VERSION,
};
pub use path::{PathProblem, check_path};
