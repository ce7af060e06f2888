//! A user's application image, taken from anywhere, as one value that every backend can use.
//!
//! Wherever an image comes from (a directory, a tar, an OCI layout, a `docker save` archive, a registry), it becomes one
//! flattened tree, written as one tar with the same bytes for the same tree. That tar is in the cache by its digest;
//! everything else, a directory for containers, disks for virtual machines, an archive for Docker and podman, is made
//! from it and from nothing else. `docs/images.md` says what is taken, what is refused, and why.

mod config;
mod digest;
mod disk;
mod docker_archive;
mod error;
mod flat;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod layer;
mod limits;
mod obtain;
mod oci;
mod overlay;
mod path;
mod reference;
mod source;
pub(crate) mod spool;
pub(crate) mod store;
mod supply;
pub(crate) mod tar;
mod tree;
mod unpack;

pub use config::ImageConfig;
pub use digest::{Digest, DigestError};
pub use disk::{Disk, DiskFormat};
pub use error::ImageError;
pub use limits::Limits;
pub use obtain::{ImageEvent, ObtainOptions, obtain};
pub use overlay::{Overlay, OverlayKind, OverlayMethod, overlay};
pub use reference::Reference;
pub use source::ImageSource;
pub use tar::{EntryProblem, TarError};

use crate::image::cache::{Cache, Stored};
use crate::image::rootfs::AGENT_PATH;
use error::host;
use isodyne_core::record::Asset;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use unpack::Metadata;

/// A layer as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageLayer {
    /// The digest of its uncompressed tar.
    pub diff_id: Digest,
    /// Its size as it came, in bytes.
    pub packed_bytes: u64,
}

/// What is known of an image; this is what the cache's index holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// The image's identity: over tree and configuration, however they were wrapped.
    pub digest: Digest,
    /// The canonical tar.
    pub tree: Stored,
    /// How the application is started.
    pub config: ImageConfig,
    /// The digest of the manifest, for images of a registry or an OCI layout.
    pub manifest: Option<Digest>,
    /// Its layers; none for a directory or a plain tar.
    pub layers: Vec<ImageLayer>,
    /// How many paths it has.
    pub entries: u64,
    /// What its files hold together, holes included, hard links once.
    pub content_bytes: u64,
}

/// An image in the cache.
#[derive(Clone, Debug)]
pub struct AppImage {
    /// What is known of it.
    pub record: ImageRecord,
    /// Where it came from, as the user wrote it.
    pub source: String,
    cache: Cache,
}

impl AppImage {
    /// The image's identity.
    pub fn digest(&self) -> Digest {
        self.record.digest
    }

    /// How its application is started, as the image says it.
    pub fn config(&self) -> &ImageConfig {
        &self.record.config
    }

    /// The image as it takes part in a measurement.
    pub fn asset(&self) -> Asset {
        Asset {
            role: "image".to_owned(),
            name: self.source.clone(),
            sha256: self.record.digest.hex(),
            size_bytes: self.record.tree.size_bytes,
        }
    }

    /// The canonical tar, without the agent.
    pub fn tar(&self) -> PathBuf {
        self.cache.path(&self.record.tree)
    }

    /// The tree with the agent and the mount points that a sandbox needs.
    fn tree_with_agent(&self) -> Result<tree::Tree, ImageError> {
        flat::with_agent(flat::read(&self.tar())?, crate::channel::agent_binary())
    }

    /// The unpacked tree with the agent in it, kept in the cache and shared: whoever uses it must not write to it, so it
    /// is mounted read-only or copied ([`AppImage::unpack_to`]). As root, files have the image's owners; an ordinary
    /// user owns all of them, and capabilities of files are missing.
    ///
    /// # Errors
    /// [`ImageError`] if it cannot be unpacked.
    pub fn root_directory(&self) -> Result<PathBuf, ImageError> {
        let agent = Digest::of(crate::channel::agent_binary());
        let who = if rustix::process::geteuid().is_root() { "root" } else { "user" };
        let name = Digest::of(format!("{} {agent} {who} 1", self.record.tree.sha256).as_bytes()).hex();
        let directory = self.cache.root().join("roots").join(&name);
        if directory.is_dir() {
            return Ok(directory);
        }
        let _lock = self.cache.lock()?;
        if directory.is_dir() {
            return Ok(directory);
        }
        let roots = self.cache.root().join("roots");
        std::fs::create_dir_all(&roots).map_err(host("make", &roots))?;
        let work = obtain::Work::make(&self.cache)?;
        let unpacked = work.path().join("root");
        self.unpack_to(&unpacked)?;
        // Only a whole tree has this name.
        std::fs::rename(&unpacked, &directory).map_err(host("write", &directory))?;
        Ok(directory)
    }

    /// Unpacks the tree with the agent into a directory of the caller's, which must not exist.
    ///
    /// # Errors
    /// [`ImageError`] if it cannot be unpacked.
    pub fn unpack_to(&self, directory: &Path) -> Result<(), ImageError> {
        unpack::unpack(&self.tree_with_agent()?, directory, Metadata::AsFarAsPossible)
    }

    /// Where the agent lies in everything that is made from an image.
    pub fn agent_path() -> &'static str {
        AGENT_PATH
    }

    /// A disk with the tree and the agent, made without root and without mounts, and the same bytes from the same image,
    /// agent and tools. `size_bytes` is the size of the whole disk; without it there is room for 64 MiB more than the
    /// image needs. A squashfs or erofs has no free room, and a stated size is only checked against.
    ///
    /// # Errors
    /// [`ImageError::TooSmall`], [`ImageError::NoTool`] and what the tool says.
    pub fn disk(&self, format: DiskFormat, size_bytes: Option<u64>) -> Result<Disk, ImageError> {
        disk::make(self, format, size_bytes)
    }

    /// An archive with the tree and the agent as its one layer, for `docker load` and `podman load`, called `name` there.
    /// The configuration is the image's own. The same image and agent give the same bytes.
    ///
    /// # Errors
    /// [`ImageError`] if it cannot be written.
    pub fn docker_archive(&self, name: &str) -> Result<PathBuf, ImageError> {
        docker_archive::make(self, name)
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
