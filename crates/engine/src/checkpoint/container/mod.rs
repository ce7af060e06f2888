//! Containers that run already, whoever started them: found by name or id, kept, and brought back.

mod bundles;
pub(crate) mod docker;
mod find;
mod keep;
mod lengths;
pub mod loopback;
mod mounts;
mod podman;
mod restore;
mod runc;
pub(crate) mod state;
mod verify;

pub use bundles::remove_orphans;
pub use find::{Container, LayerSource, Where, find};
pub use keep::{KeepRequest, Kept, keep};
pub use restore::{RestoreRequest, Restored, restore};
pub use verify::Verified;
