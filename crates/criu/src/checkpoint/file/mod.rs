//! Open files of all kinds, from the one image of newer versions or the many of older ones.

mod apart;
mod beside;
mod kinds;
mod lock;
mod table;

pub use lock::Lock;
pub(super) use lock::locks;
pub(super) use table::Files;

use super::socket::{SocketAddress, TcpQueues};
use serde::Serialize;
use std::sync::Arc;

/// A descriptor of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Descriptor {
    /// Its number.
    pub number: u32,
    /// Which of the checkpoint's files it leads to; `None` if the images do not hold it.
    pub file: Option<usize>,
    /// Whether it is closed when the process runs another program.
    pub close_on_exec: bool,
}

/// An open file. Several descriptors can lead to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct File {
    /// The number that CRIU gave it.
    pub id: u32,
    /// How it was opened.
    pub flags: Vec<&'static str>,
    /// What it is.
    #[serde(flatten)]
    pub kind: FileKind,
}

/// A timer's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Clock {
    /// Which clock.
    pub clock: &'static str,
    /// What was left until it fires, in nanoseconds; 0 if it was not set.
    pub value_ns: u64,
    /// How often it fires then, in nanoseconds; 0 for once.
    pub interval_ns: u64,
}

/// What an open file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FileKind {
    /// A file, directory or device with a path.
    Regular {
        /// Its path as the process saw it.
        path: String,
        /// Where the next read begins.
        offset: u64,
        /// Its length.
        size_bytes: Option<u64>,
        /// Its type and permissions, as `st_mode`.
        mode: Option<u32>,
        /// Whether it comes from outside of what was kept.
        external: bool,
    },
    /// An end of a pipe.
    Pipe {
        /// Which pipe.
        pipe: u32,
        /// What is inside.
        buffered_bytes: u64,
    },
    /// An end of a pipe with a path.
    Fifo {
        /// Which pipe.
        pipe: u32,
        /// Its path.
        path: Option<String>,
        /// What is inside.
        buffered_bytes: u64,
    },
    /// A socket of the Internet families.
    Internet {
        /// `ipv4` or `ipv6`.
        family: &'static str,
        /// `stream`, `datagram`, …
        socket: &'static str,
        /// `tcp`, `udp`, …
        protocol: &'static str,
        /// The state of its connection.
        state: &'static str,
        /// Its own end.
        source: Option<SocketAddress>,
        /// The other end, where it is connected.
        destination: Option<SocketAddress>,
        /// How many connections may wait, for one that listens.
        backlog: Option<u32>,
        /// The device that it is bound to.
        interface: Option<String>,
        /// What is inside, for an established connection that was kept.
        tcp: Option<TcpQueues>,
    },
    /// A socket of the Unix family.
    Unix {
        /// `stream`, `datagram`, …
        socket: &'static str,
        /// The state of its connection.
        state: &'static str,
        /// Its name.
        address: Option<String>,
        /// Its number in the kernel.
        inode: u32,
        /// The number of the socket at the other end.
        peer: Option<u32>,
        /// How many connections may wait, for one that listens.
        backlog: Option<u32>,
        /// What waits to be read.
        queued_bytes: u64,
    },
    /// A socket to the kernel.
    Netlink {
        /// To which part.
        protocol: &'static str,
        /// Its address.
        port: u32,
    },
    /// A socket for raw packets.
    Packet {
        /// `raw` or `datagram`.
        socket: &'static str,
    },
    /// A counter for events.
    EventCounter {
        /// Its value.
        counter: u64,
    },
    /// A set of descriptors that are waited for.
    EventPoll {
        /// The descriptors.
        watched: Vec<u32>,
    },
    /// Signals that are read.
    Signals {
        /// Their numbers.
        signals: Vec<u32>,
    },
    /// A timer that is read.
    Timer {
        /// Its time.
        #[serde(flatten)]
        time: Clock,
    },
    /// Watches of files.
    Inotify {
        /// How many.
        watches: u64,
    },
    /// Watches of file systems.
    Fanotify {
        /// How many.
        marks: u64,
    },
    /// A terminal.
    Terminal {
        /// What sort of.
        terminal: &'static str,
        /// Which one.
        index: Option<u32>,
        /// Its path.
        path: Option<String>,
    },
    /// A namespace.
    Namespace {
        /// What sort of.
        namespace: &'static str,
    },
    /// A network tunnel.
    Tunnel {
        /// Its device.
        device: Option<String>,
    },
    /// Something that a plug-in of CRIU keeps.
    External,
    /// A nameless file in memory.
    MemoryFile {
        /// The name that it was made with.
        name: Option<String>,
        /// Its length.
        size_bytes: Option<u64>,
        /// Where the next read begins.
        offset: u64,
    },
    /// A map of BPF.
    BpfMap {
        /// Its name.
        name: String,
    },
    /// A process as a file.
    Process {
        /// Which one.
        pid: i32,
    },
    /// Something that this program does not know.
    Unknown {
        /// The number of its type in CRIU.
        number: u32,
    },
}

/// Writes a text that is shared.
pub(super) fn shared_text<S: serde::Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}
