//! Messages about an application inside the sandbox: start it, wait until it is ready, end it.

use crate::Outcome;
use alloc::vec::Vec;
use core::fmt;

/// Starts the one application of a sandbox. It runs until it ends by itself, is ended by an [`EndRequest`], or the agent
/// ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartRequest {
    /// Comes back in the reply.
    pub id: u32,
    /// The block device with the application's root file system (`/dev/vda`), which is mounted on `root` with the usual
    /// virtual file systems inside; empty if `root` is there already.
    pub device: Vec<u8>,
    /// The type of the file system on `device` (`ext4`).
    pub file_system: Vec<u8>,
    /// Whether `device` is mounted read-only, with a layer in memory on top for what the application writes.
    pub read_only: bool,
    /// The directory that becomes the application's root; empty for the agent's own root.
    pub root: Vec<u8>,
    /// The working directory inside `root`; empty is `/`.
    pub working_directory: Vec<u8>,
    /// The user's number.
    pub user: u32,
    /// The group's number; the application has no other groups.
    pub group: u32,
    /// Program and arguments; a program without a slash is looked up in the `PATH` of `env`.
    pub argv: Vec<Vec<u8>>,
    /// The whole environment as `KEY=VALUE` entries.
    pub env: Vec<Vec<u8>>,
}

/// Whether the application was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartReply {
    /// As in the request.
    pub id: u32,
    /// What came of it.
    pub outcome: StartOutcome,
}

/// What came of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOutcome {
    /// Its program has been executed; its process id, as the agent sees it.
    Started(u32),
    /// There is no such program in its root.
    NotFound,
    /// The program may not be executed.
    NotPermitted,
    /// Its root file system could not be mounted; the error number.
    Mount(u32),
    /// Something else was refused; the error number.
    Error(u32),
}

impl fmt::Display for StartOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(pid) => write!(f, "started as process {pid}"),
            Self::NotFound => f.write_str("there is no such program in the image"),
            Self::NotPermitted => f.write_str("the program may not be executed"),
            Self::Mount(errno) => write!(f, "its root could not be mounted: error number {errno}"),
            Self::Error(errno) => write!(f, "error number {errno}"),
        }
    }
}

/// Waits inside the sandbox until the application is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitRequest {
    /// Comes back in the reply.
    pub id: u32,
    /// What ready means.
    pub condition: Condition,
    /// Milliseconds after which the waiting ends; 0 is the agent's own patience.
    pub timeout_ms: u32,
    /// Microseconds between two looks at a condition that nothing announces: the resolution of the answer.
    pub period_us: u32,
}

/// What ready means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A TCP connection to this port of the loopback interface is accepted.
    Tcp(u16),
    /// `GET` of a path on this port of the loopback interface is answered with this status, and its whole body arrives.
    Http {
        /// The port.
        port: u16,
        /// The path, which begins with a slash.
        path: Vec<u8>,
        /// The status, such as 200.
        status: u16,
    },
    /// These bytes appear in the application's standard output or error.
    Line(Vec<u8>),
    /// This path exists in the application's root.
    File(Vec<u8>),
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitReply {
    /// As in the request.
    pub id: u32,
    /// How it ended.
    pub outcome: AwaitOutcome,
    /// How often the agent has looked.
    pub attempts: u32,
    /// The last HTTP status that came; 0 if none did.
    pub status: u16,
    /// The length of the last answer's body.
    pub body_bytes: u64,
    /// The first bytes of the body, or the line that held the wanted bytes. At most [`crate::MAX_EVIDENCE`].
    pub text: Vec<u8>,
    /// From the request to the end of the wait, on the guest's own clock.
    pub elapsed_ns: u64,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwaitOutcome {
    /// The condition is met.
    Met,
    /// It was not met in time.
    TimedOut,
    /// The application ended before.
    Ended(Outcome),
    /// No application has been started.
    NoApplication,
}

impl fmt::Display for AwaitOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Met => f.write_str("ready"),
            Self::TimedOut => f.write_str("not ready in time"),
            Self::Ended(outcome) => write!(f, "the application {outcome} before it was ready"),
            Self::NoApplication => f.write_str("no application has been started"),
        }
    }
}

/// Ends the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndRequest {
    /// Comes back in the reply.
    pub id: u32,
    /// The signal that asks it to end.
    pub signal: u8,
    /// Milliseconds after which it is killed.
    pub timeout_ms: u32,
}

/// How the application ended, and what it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndReply {
    /// As in the request.
    pub id: u32,
    /// How it ended; `None` if there was none.
    pub outcome: Option<Outcome>,
    /// Whether it had to be killed.
    pub killed: bool,
    /// The first bytes of its standard output. At most [`crate::MAX_EVIDENCE`].
    pub stdout: Vec<u8>,
    /// The first bytes of its standard error. At most [`crate::MAX_EVIDENCE`].
    pub stderr: Vec<u8>,
    /// CPU time in user mode, in microseconds.
    pub user_us: u64,
    /// CPU time in the kernel, in microseconds.
    pub system_us: u64,
    /// The largest resident set of one of its processes that were waited for.
    pub peak_rss_bytes: u64,
}
