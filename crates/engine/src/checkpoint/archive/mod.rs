//! The kept checkpoint on the disk: written under a name of its own, made durable, then renamed; read and verified.

mod digest;
mod follow;
mod partial;
mod verify;

pub use digest::digest_of;
pub use follow::{Digests, follow};
pub use partial::Partial;
pub use verify::{Archive, open};

/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";
/// The directory of the images.
pub const IMAGES: &str = "images";
/// The directory of logs.
pub const LOGS: &str = "logs";
/// The layer.
pub const LAYER: &str = "layer.tar";
/// The content of a `/dev/shm` that an engine keeps outside.
pub const SHM: &str = "shm.tar";
/// The bundle's configuration.
pub const CONFIG: &str = "config.json";
/// What podman said of the container.
pub const PODMAN: &str = "podman.json";
/// What Docker said of the container.
pub const DOCKER: &str = "docker.json";
