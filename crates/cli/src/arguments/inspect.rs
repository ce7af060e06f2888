//! Options of looking into a checkpoint.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Options of `inspect`.
#[derive(Debug, Args)]
pub struct InspectOptions {
    /// A checkpoint of isodyne's, a directory of CRIU's images (CRIU, runc, Docker), an archive that podman has
    /// exported, or a directory with a machine's state (QEMU, Firecracker, Cloud Hypervisor)
    pub checkpoint: PathBuf,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = InspectFormat::Text, value_name = "FORMAT")]
    pub format: InspectFormat,
    /// Show what it is, of what, and how big (the default, with the processes)
    #[arg(long)]
    pub summary: bool,
    /// Show the processes
    #[arg(long)]
    pub process_tree: bool,
    /// Show the processes' environments
    #[arg(long)]
    pub env: bool,
    /// Show open files
    #[arg(long)]
    pub files: bool,
    /// Show sockets, with what is inside of connections
    #[arg(long)]
    pub sockets: bool,
    /// Show mounts
    #[arg(long)]
    pub mounts: bool,
    /// Show areas of memory; every page is looked at for zeroes and duplicates
    #[arg(long)]
    pub memory: bool,
    /// Hold every file against the manifest's digests
    #[arg(long)]
    pub verify: bool,
    /// Print JSON: the same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// A form of what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InspectFormat {
    /// Sections with tables
    Text,
    /// A tree with everything below its process
    Tree,
    /// Everything, for programs
    Json,
}
