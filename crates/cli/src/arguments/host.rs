//! Options of what looks at the host and makes it ready.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorOptions {
    /// Remove bundles of restored containers that are gone
    #[arg(long)]
    pub clean: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateOptions {
    /// Take about 2 seconds instead of 10
    #[arg(long)]
    pub quick: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `setup`.
#[derive(Debug, Args)]
pub struct SetupOptions {
    /// Use this kernel (bzImage or ELF) instead of the distribution's
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// Look for the distribution's kernel again although the cache has one
    #[arg(long)]
    pub refresh: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `image`.
#[derive(Debug, Args)]
pub struct ImageOptions {
    /// A directory, a tar, an OCI layout, a `docker save` archive (FILE#NAME where there are several images in it), or
    /// a reference to a registry (HOST/NAME:TAG)
    pub image: String,
    /// Make a disk of the image, with the agent in it
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub disk: Option<DiskFormat>,
    /// The size of the disk (`1 GiB`); without it, 64 MiB more than the image needs
    #[arg(long, requires = "disk", value_name = "SIZE", value_parser = isodyne_core::unit::parse_bytes)]
    pub size: Option<u64>,
    /// Make an archive for `docker load` and `podman load`, with the agent in it, under this name
    #[arg(long, conflicts_with = "disk", value_name = "NAME:TAG")]
    pub archive: Option<String>,
    /// Put the disk or the archive here; without it, it stays in the cache and its path is shown
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Speak HTTP without TLS to the registry
    #[arg(long)]
    pub plain_http: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A file system of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiskFormat {
    /// Can be written to
    Ext4,
    /// Compressed, read-only
    Squashfs,
    /// Read-only
    Erofs,
}
