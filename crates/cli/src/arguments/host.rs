//! Options of what looks at the host and makes it ready.

use clap::Args;
use std::path::PathBuf;

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorOptions {
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
