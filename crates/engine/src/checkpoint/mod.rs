//! Checkpoints of containers: taken by CRIU through the container's own runtime, kept with a manifest, brought back.
//!
//! The engine is the same for runc, podman and Docker: all three run their containers by an OCI runtime, whose `checkpoint`
//! has CRIU write the images. What differs is how a container is found and who takes it back.

pub mod archive;
pub mod container;
pub mod criu;
mod error;
pub(crate) mod host;
pub(crate) mod kept;
pub mod layer;
pub mod machine;
pub mod pack;
pub mod runtime;
pub(crate) mod sandbox;

pub use error::CheckpointError;
