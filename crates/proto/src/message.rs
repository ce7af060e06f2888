//! The messages.

use crate::{AwaitReply, AwaitRequest, EndReply, EndRequest, StartReply, StartRequest};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What one frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Agent to host, once and first.
    Hello(Hello),
    /// Host to agent, in front of its first request: the version that both will speak.
    Welcome {
        /// The version, within the range of the hello.
        version: u16,
    },
    /// Host to agent: run a command.
    ExecRequest(ExecRequest),
    /// Agent to host: how the command ended.
    ExecReply(ExecReply),
    /// Host to agent: answer at once.
    Ping {
        /// Comes back in the answer.
        id: u32,
    },
    /// Agent to host: the answer to a ping.
    Pong {
        /// As in the ping.
        id: u32,
    },
    /// Host to agent: end.
    Shutdown(ShutdownHow),
    /// Agent to host: the last frame before it ends as told.
    Bye,
    /// Agent to host: why it gives up. It ends after this.
    Error {
        /// One line for people.
        text: String,
    },
    /// Host to agent: start the application.
    StartRequest(StartRequest),
    /// Agent to host: whether it was started.
    StartReply(StartReply),
    /// Host to agent: wait until the application is ready.
    AwaitRequest(AwaitRequest),
    /// Agent to host: how the wait ended.
    AwaitReply(AwaitReply),
    /// Host to agent: end the application.
    EndRequest(EndRequest),
    /// Agent to host: how it ended.
    EndReply(EndReply),
    /// Host to agent: keep these bytes in memory, in place of those kept before. Answered by a [`Message::Memory`].
    Remember {
        /// Comes back in the answer.
        id: u32,
        /// What to keep; at most [`crate::MAX_EVIDENCE`] bytes.
        bytes: Vec<u8>,
    },
    /// Host to agent: give back what is kept. What lived only in memory and comes back proves a restored memory.
    Recall {
        /// Comes back in the answer.
        id: u32,
    },
    /// Agent to host: what is kept.
    Memory {
        /// As in the request.
        id: u32,
        /// The bytes; empty if nothing is kept.
        bytes: Vec<u8>,
        /// How often the agent has been asked to keep or to give back before: a counter that goes on after a restore.
        recalls: u64,
    },
}

/// The kind byte of a frame. The numbers are fixed for all versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// [`Message::Hello`].
    Hello = 1,
    /// [`Message::Welcome`].
    Welcome = 2,
    /// [`Message::ExecRequest`].
    ExecRequest = 3,
    /// [`Message::ExecReply`].
    ExecReply = 4,
    /// [`Message::Ping`].
    Ping = 5,
    /// [`Message::Pong`].
    Pong = 6,
    /// [`Message::Shutdown`].
    Shutdown = 7,
    /// [`Message::Bye`].
    Bye = 8,
    /// [`Message::Error`].
    Error = 9,
    /// [`Message::StartRequest`].
    StartRequest = 10,
    /// [`Message::StartReply`].
    StartReply = 11,
    /// [`Message::AwaitRequest`].
    AwaitRequest = 12,
    /// [`Message::AwaitReply`].
    AwaitReply = 13,
    /// [`Message::EndRequest`].
    EndRequest = 14,
    /// [`Message::EndReply`].
    EndReply = 15,
    /// [`Message::Remember`].
    Remember = 16,
    /// [`Message::Recall`].
    Recall = 17,
    /// [`Message::Memory`].
    Memory = 18,
}

impl Kind {
    /// The kind with this number.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Hello,
            2 => Self::Welcome,
            3 => Self::ExecRequest,
            4 => Self::ExecReply,
            5 => Self::Ping,
            6 => Self::Pong,
            7 => Self::Shutdown,
            8 => Self::Bye,
            9 => Self::Error,
            10 => Self::StartRequest,
            11 => Self::StartReply,
            12 => Self::AwaitRequest,
            13 => Self::AwaitReply,
            14 => Self::EndRequest,
            15 => Self::EndReply,
            16 => Self::Remember,
            17 => Self::Recall,
            18 => Self::Memory,
            _ => return None,
        })
    }

    /// The name, for messages to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Welcome => "welcome",
            Self::ExecRequest => "exec request",
            Self::ExecReply => "exec reply",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Shutdown => "shutdown",
            Self::Bye => "bye",
            Self::Error => "error",
            Self::StartRequest => "start request",
            Self::StartReply => "start reply",
            Self::AwaitRequest => "await request",
            Self::AwaitReply => "await reply",
            Self::EndRequest => "end request",
            Self::EndReply => "end reply",
            Self::Remember => "remember",
            Self::Recall => "recall",
            Self::Memory => "memory",
        }
    }

    /// The largest payload that a frame of this kind may have.
    pub fn limit(self) -> usize {
        match self {
            Self::ExecRequest | Self::ExecReply | Self::StartRequest => crate::MAX_DATA_PAYLOAD,
            _ => crate::MAX_CONTROL_PAYLOAD,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Message {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Hello(_) => Kind::Hello,
            Self::Welcome { .. } => Kind::Welcome,
            Self::ExecRequest(_) => Kind::ExecRequest,
            Self::ExecReply(_) => Kind::ExecReply,
            Self::Ping { .. } => Kind::Ping,
            Self::Pong { .. } => Kind::Pong,
            Self::Shutdown(_) => Kind::Shutdown,
            Self::Bye => Kind::Bye,
            Self::Error { .. } => Kind::Error,
            Self::StartRequest(_) => Kind::StartRequest,
            Self::StartReply(_) => Kind::StartReply,
            Self::AwaitRequest(_) => Kind::AwaitRequest,
            Self::AwaitReply(_) => Kind::AwaitReply,
            Self::EndRequest(_) => Kind::EndRequest,
            Self::EndReply(_) => Kind::EndReply,
            Self::Remember { .. } => Kind::Remember,
            Self::Recall { .. } => Kind::Recall,
            Self::Memory { .. } => Kind::Memory,
        }
    }
}

/// Who the agent is. The two versions stand first in every version of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The newest version of the protocol that the agent speaks.
    pub newest: u16,
    /// The oldest version of the protocol that the agent speaks.
    pub oldest: u16,
    /// The agent's own version (`0.1.0`).
    pub agent_version: String,
    /// Its process id, as it sees it.
    pub pid: u32,
    /// Whether it is the first process of a machine of its own: it mounted, loaded modules, and will power off.
    pub is_init: bool,
    /// The kernel's release as the agent sees it.
    pub kernel_release: String,
    /// The machine as the kernel names it (`x86_64`).
    pub machine: String,
    /// Nanoseconds that the guest's kernel says it has been up, on the guest's own clock.
    pub uptime_ns: u64,
    /// Nanoseconds from the agent's first instruction to this hello, on the guest's own clock.
    pub prepared_ns: u64,
}

impl Hello {
    /// The newest version that both sides speak; `None` if there is none.
    pub fn common_version(&self) -> Option<u16> {
        let newest = self.newest.min(crate::VERSION_NEWEST);
        (newest >= self.oldest && newest >= crate::VERSION_OLDEST).then_some(newest)
    }
}

/// A command to run. It gets a process group of its own; what is left of that group when the command has ended is
/// killed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecRequest {
    /// Comes back in the reply. [`Message::ExecRequest`]s of one channel have different ones.
    pub id: u32,
    /// Program and arguments; a program without a slash is looked up in `PATH`.
    pub argv: Vec<Vec<u8>>,
    /// `KEY=VALUE` entries that are put on top of the agent's own environment.
    pub env: Vec<Vec<u8>>,
    /// What the command reads from its standard input; empty is `/dev/null`.
    pub stdin: Vec<u8>,
    /// Milliseconds after which the command is killed; 0 is the agent's own patience.
    pub timeout_ms: u32,
    /// Bytes of standard output and of standard error (each) that are kept; the rest is read and dropped. At most
    /// [`crate::MAX_OUTPUT`].
    pub output_limit: u32,
}

/// How a command ended, and what it used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecReply {
    /// As in the request.
    pub id: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The first bytes of its standard output.
    pub stdout: Vec<u8>,
    /// The first bytes of its standard error.
    pub stderr: Vec<u8>,
    /// Whether there was more standard output.
    pub stdout_truncated: bool,
    /// Whether there was more standard error.
    pub stderr_truncated: bool,
    /// CPU time in user mode, in microseconds, of the command and the children it waited for.
    pub user_us: u64,
    /// CPU time in the kernel, in microseconds, of the command and the children it waited for.
    pub system_us: u64,
    /// The largest resident set of the command or a child it waited for.
    pub peak_rss_bytes: u64,
    /// From before fork to reaped, on the guest's own clock: a duration, never to be set against a host stamp.
    pub elapsed_ns: u64,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ended by itself with this code.
    Exited(u8),
    /// A signal ended it.
    Signalled(u8),
    /// There is no such program.
    NotFound,
    /// The program may not be executed.
    NotPermitted,
    /// It ran longer than it might and was killed.
    TimedOut,
    /// The guest's kernel refused something else; the error number.
    Error(u32),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signalled(signal) => write!(f, "ended by signal {signal}"),
            Self::NotFound => f.write_str("not found"),
            Self::NotPermitted => f.write_str("not permitted"),
            Self::TimedOut => f.write_str("killed after its timeout"),
            Self::Error(errno) => write!(f, "not run: error number {errno}"),
        }
    }
}

/// What the agent does when it is told to shut down. Only an agent that is a machine's init powers off or reboots; any
/// other one just exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownHow {
    /// End in the way that it was started for: exit as a process, the machine's stated end as init.
    Exit,
    /// Power the machine off.
    PowerOff,
    /// Reboot the machine (for VMMs that end on a reset).
    Reboot,
}
