//! Options of `checkpoint` and `restore`.

use clap::{Args, ValueEnum};
use isodyne_core::unit::{parse_bytes, parse_duration_ns};
use std::path::PathBuf;

/// Options of `checkpoint`.
#[derive(Debug, Args)]
pub struct CheckpointOptions {
    /// A sandbox of `isodyne sandbox`, or a container, by its name or the beginning of its id
    pub container: String,
    /// Where checkpoints are kept; made if it is not there
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// The checkpoint's name: it becomes DIR/NAME
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Let it run on afterwards
    #[arg(long)]
    pub leave_running: bool,
    /// Keep established TCP connections
    #[arg(long)]
    pub tcp_established: bool,
    /// Keep locks of files
    #[arg(long)]
    pub file_locks: bool,
    /// Copy memory in this many rounds before the freeze (1 without a number); needs a kernel that tracks pages
    #[arg(long, value_name = "ROUNDS", num_args = 0..=1, default_value_t = 0, default_missing_value = "1")]
    pub pre_dump: u32,
    /// Give each page of a machine's memory a place of its own in the file (QEMU 9.0 and newer)
    #[arg(long)]
    pub mapped_ram: bool,
    /// With --mapped-ram: this many threads write and read the memory beside each other
    #[arg(long, value_name = "N", default_value_t = 0, requires = "mapped_ram")]
    pub channels: u8,
    /// With --mapped-ram: go past the host's page cache (QEMU 9.1 and newer)
    #[arg(long, requires = "mapped_ram")]
    pub direct_io: bool,
    /// Pack big files
    #[arg(long, value_enum, value_name = "HOW")]
    pub compress: Option<Packing>,
    /// Do not keep the container's own changes of its root
    #[arg(long)]
    pub no_layer: bool,
    /// The largest root that is kept whole, where it is a plain directory and no layer
    #[arg(long, default_value = "4GiB", value_parser = parse_bytes, value_name = "SIZE")]
    pub largest_root: u64,
    /// The most that the runtime may take for one call
    #[arg(long, default_value = "10min", value_parser = parse_duration_ns, value_name = "TIME")]
    pub timeout: u64,
    /// Whose container it is
    #[command(flatten)]
    pub owner: OwnerOptions,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `restore`.
#[derive(Debug, Args)]
pub struct RestoreOptions {
    /// The checkpoint: DIR/NAME
    #[arg(long, value_name = "DIR/NAME")]
    pub from: PathBuf,
    /// Another name than the one it had
    #[arg(long, value_name = "NAME")]
    pub new_name: Option<String>,
    /// Make again, empty, what was mounted from outside and is gone
    #[arg(long)]
    pub auto_fix_mounts: bool,
    /// Leave out what was mounted from outside at this place inside; something empty stands in for it
    #[arg(long, value_name = "PATH")]
    pub skip_mount: Vec<String>,
    /// Look afterwards whether every task of the checkpoint runs
    #[arg(long)]
    pub verify: bool,
    /// The directory for runc's new bundle [default: /var/lib/isodyne/bundles/NAME]
    #[arg(long, value_name = "DIR")]
    pub bundle: Option<PathBuf>,
    /// The most that the runtime may take
    #[arg(long, default_value = "10min", value_parser = parse_duration_ns, value_name = "TIME")]
    pub timeout: u64,
    /// Whose container it is to be
    #[command(flatten)]
    pub owner: OwnerOptions,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Whose containers are meant.
#[derive(Debug, Args)]
pub struct OwnerOptions {
    /// Look at one of them only
    #[arg(long, value_enum, value_name = "WHOSE")]
    pub runtime: Option<Runtime>,
    /// Where runc keeps its state, if not in /run/runc
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// How podman is called, with its options, if not by its name alone
    #[arg(long, value_name = "COMMAND")]
    pub podman: Option<String>,
}

/// Who runs containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Runtime {
    /// runc
    Runc,
    /// Podman
    Podman,
    /// Docker
    Docker,
}

/// How big files are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Packing {
    /// Zstandard
    Zstd,
    /// LZ4
    Lz4,
}
