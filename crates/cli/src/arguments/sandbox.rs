//! Options of `sandbox`.

use clap::{Args, Subcommand};
use isodyne_core::cell::BackendName;
use isodyne_core::unit::parse_duration_ns;

/// Options of `sandbox`.
#[derive(Debug, Args)]
pub struct SandboxOptions {
    /// What to do
    #[command(subcommand)]
    pub action: SandboxAction,
}

/// What `sandbox` does.
#[derive(Debug, Subcommand)]
pub enum SandboxAction {
    /// Start a sandbox and own it in the foreground: Ctrl-C, SIGTERM or `stop` ends it and removes everything of it
    Start(SandboxStartOptions),
    /// List the sandboxes that have an owner
    List(SandboxListOptions),
    /// Run a command in a sandbox; its exit code is passed on
    Exec(SandboxExecOptions),
    /// End a sandbox and remove everything of it
    Stop(SandboxStopOptions),
}

/// Options of `sandbox start`.
#[derive(Debug, Args)]
pub struct SandboxStartOptions {
    /// The backend
    #[arg(long, value_name = "BACKEND")]
    pub on: BackendName,
    /// Its name: a-z, 0-9, `-` and `_`
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// How the backend is set up, as in a plan (`memory=256MiB`, `backend.qemu.machine=microvm`)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// How long the start may take
    #[arg(long, default_value = "120s", value_parser = parse_duration_ns, value_name = "TIME")]
    pub timeout: u64,
    /// Print a line of JSON when it is ready
    #[arg(long)]
    pub json: bool,
}

/// Options of `sandbox list`.
#[derive(Debug, Args)]
pub struct SandboxListOptions {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `sandbox exec`.
#[derive(Debug, Args)]
pub struct SandboxExecOptions {
    /// The sandbox
    pub name: String,
    /// Program and arguments; the agent's own commands go by `/proc/self/exe`
    #[arg(required = true, last = true, value_name = "CMD")]
    pub command: Vec<std::ffi::OsString>,
    /// Give it this program's standard input
    #[arg(short = 'i', long)]
    pub stdin: bool,
    /// When it is killed
    #[arg(long, default_value = "60s", value_parser = parse_duration_ns, value_name = "TIME")]
    pub timeout: u64,
}

/// Options of `sandbox stop`.
#[derive(Debug, Args)]
pub struct SandboxStopOptions {
    /// The sandbox
    pub name: String,
}
