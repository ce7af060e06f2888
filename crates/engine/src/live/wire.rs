//! What is said on the socket.

use super::hex::Bytes;
use crate::backend::snapshot::MappedRam;
use isodyne_core::cell::Cell;
use isodyne_core::failure::Failure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is asked of the owner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// What it is.
    Describe,
    /// Runs a command inside.
    Exec {
        /// Program and arguments.
        argv: Vec<Bytes>,
        /// What it reads from its standard input.
        stdin: Bytes,
        /// After so long it is killed, in milliseconds.
        timeout_ms: u32,
    },
    /// Keeps the sandbox's state.
    Keep {
        /// A directory that is there and empty.
        directory: PathBuf,
        /// Whether the memory is a file that many can share.
        template: bool,
        /// How the state is written, if each page of a machine's memory is to have a place of its own in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mapped_ram: Option<MappedRam>,
        /// Whether it runs on; if not, it ends.
        leave_running: bool,
        /// Whether established TCP connections of a container are kept; a machine's are in its memory.
        tcp_established: bool,
        /// Whether locks of a container's files are kept.
        file_locks: bool,
        /// After so long it has failed, in milliseconds.
        timeout_ms: u32,
    },
    /// Ends it and removes everything of it.
    Stop,
}

/// What the owner answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// What it is.
    Described(Box<Description>),
    /// The command has ended, or was never run.
    Executed(ExecDone),
    /// The state is written.
    Kept(KeptDone),
    /// It ends now.
    Stopping,
    /// It could not be done.
    Failed(Failure),
}

/// What a live sandbox is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// The owner's process.
    pub owner: u32,
    /// What it was made from: backend and factors.
    pub cell: Cell,
    /// When it began (RFC 3339, UTC).
    pub began: String,
    /// The kept state it came back from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_from: Option<PathBuf>,
    /// The programs that run it, with their versions.
    #[serde(default)]
    pub tools: BTreeMap<String, String>,
    /// What it has used so far, by metric name.
    #[serde(default)]
    pub usage: BTreeMap<String, f64>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecDone {
    /// The code that a shell gives for it: its own, 128 and the signal, 127 for no such program, 126 for one that may not
    /// be run, 124 for one that took too long.
    pub shell_code: u8,
    /// Whether it ended by itself, so that the code is its own.
    pub by_itself: bool,
    /// In words.
    pub how: String,
    /// The beginning of its standard output.
    pub stdout: Bytes,
    /// The beginning of its standard error.
    pub stderr: Bytes,
    /// Whether there was more than is kept, of either.
    pub truncated: bool,
}

/// What a state took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptDone {
    /// How long the sandbox stood still before everything was written, in nanoseconds; absent if the engine does not say.
    pub frozen_ns: Option<u64>,
    /// From the request to everything written, in nanoseconds.
    pub written_ns: u64,
    /// Whether the agent of what comes back says hello again.
    pub hello_again: bool,
    /// What the engine says of its own phases, by metric name.
    #[serde(default)]
    pub engine: BTreeMap<String, f64>,
}
