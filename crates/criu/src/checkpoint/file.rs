//! Open files of all kinds, from the one image of newer versions or the many of older ones.

use super::bits;
use super::reader::Reader;
use super::socket::{self, SocketAddress, TcpQueues};
use crate::image::Kind;
use crate::message::{Inner, Message};
use crate::messages::file::{
    self as messages, DescriptorEntry, EventPollMember, FileEntry, FileLock, MemoryInode, PipeData, TerminalState,
};
use serde::Serialize;
use std::collections::HashMap;
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

/// A lock of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lock {
    /// `posix`, `flock`, `ofd` or `lease`.
    pub kind: &'static str,
    /// `read` or `write`.
    pub mode: &'static str,
    /// Who holds it.
    pub pid: i32,
    /// By which descriptor.
    pub descriptor: i32,
}

/// Writes a text that is shared.
pub(super) fn shared_text<S: serde::Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}

/// The open files, and how they are found.
pub(super) struct Files {
    /// In the order of the images.
    pub list: Vec<File>,
    places: HashMap<(u32, u32), usize>,
    /// The paths of regular files, shared: a foreign image can name a long one a million times.
    paths: HashMap<u32, Arc<str>>,
}

/// `fd_types` of CRIU.
const REGULAR: u32 = 1;

/// What lies in images of its own.
struct Beside {
    pipes: HashMap<u32, u64>,
    fifos: HashMap<u32, u64>,
    queued: HashMap<u32, u64>,
    inodes: HashMap<u64, MemoryInode>,
    terminals: HashMap<u32, TerminalState>,
    paths: HashMap<u32, String>,
}

impl Files {
    /// Reads `files.img`, or the images of versions before there was one.
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut entries: Vec<FileEntry> = reader.messages("files.img", Kind::Files).unwrap_or_default();
        entries.extend(apart(reader));
        let beside = Beside::read(reader, &entries);
        let mut files = Self { list: Vec::new(), places: HashMap::new(), paths: HashMap::new() };
        for entry in entries {
            let place = (entry.kind, entry.id);
            if let Some(file) = entry.regular.0.as_ref().filter(|_| entry.kind == REGULAR) {
                files.paths.insert(entry.id, file.name.as_str().into());
            }
            files.places.insert(place, files.list.len());
            files.list.push(file(reader, entry, &beside));
        }
        files
    }

    /// The place of a file in the list.
    pub(super) fn find(&self, kind: u32, id: u32) -> Option<usize> {
        self.places.get(&(kind, id)).copied()
    }

    /// The path of a regular file.
    pub(super) fn path(&self, id: u32) -> Option<Arc<str>> {
        self.paths.get(&id).cloned()
    }

    /// Reads a table of descriptors.
    pub(super) fn descriptors(&self, reader: &mut Reader<'_>, name: &str) -> Option<Vec<Descriptor>> {
        let entries: Vec<DescriptorEntry> = reader.messages(name, Kind::Descriptors)?;
        let mut descriptors: Vec<Descriptor> = entries
            .into_iter()
            .map(|entry| Descriptor {
                number: entry.number,
                file: self.find(entry.kind, entry.id),
                close_on_exec: entry.flags & 1 != 0,
            })
            .collect();
        descriptors.sort_by_key(|descriptor| descriptor.number);
        if let Some(lost) = descriptors.iter().find(|descriptor| descriptor.file.is_none()) {
            reader.note(name, format!("descriptor {} leads to a file that no image holds", lost.number));
        }
        Some(descriptors)
    }
}

/// The images of versions before `files.img`, one a kind.
fn apart(reader: &mut Reader<'_>) -> Vec<FileEntry> {
    let mut entries = Vec::new();
    macro_rules! add {
        ($($name:literal, $kind:ident, $number:literal, $field:ident;)*) => { $(
            let found = reader.messages($name, Kind::$kind).unwrap_or_default();
            entries.extend(found.into_iter().map(|value| {
                let mut entry = FileEntry { kind: $number, ..FileEntry::default() };
                entry.$field = Inner(Some(value));
                entry.id = entry.$field.0.as_ref().map_or(0, |value| value.id);
                entry
            }));
        )* };
    }
    add! {
        "reg-files.img", RegularFiles, 1, regular;
        "pipes.img", Pipes, 2, pipe;
        "fifo.img", Fifos, 3, fifo;
        "inetsk.img", InternetSockets, 4, internet;
        "unixsk.img", UnixSockets, 5, unix;
        "eventfd.img", EventCounters, 6, event_counter;
        "eventpoll.img", EventPolls, 7, event_poll;
        "inotify.img", Inotify, 8, inotify;
        "signalfd.img", SignalFiles, 9, signals;
        "packetsk.img", PacketSockets, 10, packet;
        "tty.img", Terminals, 11, terminal;
        "fanotify.img", Fanotify, 12, fanotify;
        "netlinksk.img", NetlinkSockets, 13, netlink;
        "ns-files.img", NamespaceFiles, 14, namespace;
        "tunfile.img", Tunnels, 15, tunnel;
        "ext-files.img", ExternalFiles, 16, external;
        "timerfd.img", TimerFiles, 17, timer;
    }
    let mut members: HashMap<u32, Vec<EventPollMember>> = HashMap::new();
    for member in reader.messages::<EventPollMember>("eventpoll-tfd.img", Kind::EventPollMembers).unwrap_or_default() {
        members.entry(member.id).or_default().push(member);
    }
    for poll in entries.iter_mut().filter_map(|entry| entry.event_poll.0.as_mut()) {
        poll.members.0.extend(members.remove(&poll.id).unwrap_or_default());
    }
    entries
}

impl Beside {
    fn read(reader: &mut Reader<'_>, entries: &[FileEntry]) -> Self {
        let paths = entries.iter().filter_map(|entry| entry.regular.0.as_ref());
        let inodes: Vec<MemoryInode> = reader.messages("memfd.img", Kind::MemoryFiles).unwrap_or_default();
        let terminals: Vec<TerminalState> = reader.messages("tty-info.img", Kind::TerminalStates).unwrap_or_default();
        Self {
            pipes: buffered(reader, "pipes-data.img", Kind::PipesData),
            fifos: buffered(reader, "fifo-data.img", Kind::FifosData),
            queued: socket::queued(reader),
            inodes: inodes.into_iter().map(|inode| (inode.inode, inode)).collect(),
            terminals: terminals.into_iter().map(|terminal| (terminal.id, terminal)).collect(),
            paths: paths.map(|file| (file.id, file.name.clone())).collect(),
        }
    }
}

/// How many bytes are inside of each pipe.
fn buffered(reader: &mut Reader<'_>, name: &str, kind: Kind) -> HashMap<u32, u64> {
    let mut buffered = HashMap::new();
    reader.walk(name, kind, &mut |entry| {
        let data = PipeData::read(entry)?;
        *buffered.entry(data.pipe).or_default() += u64::from(data.bytes);
        Ok(data.bytes.into())
    });
    buffered
}

/// One of the fields of an entry as a file.
fn file(reader: &mut Reader<'_>, entry: FileEntry, beside: &Beside) -> File {
    let mut flags = None;
    let kind = kind(reader, &entry, beside, &mut flags);
    File { id: entry.id, flags: flags.map(bits::open_flags).unwrap_or_default(), kind }
}

fn kind(reader: &mut Reader<'_>, entry: &FileEntry, beside: &Beside, flags: &mut Option<u32>) -> FileKind {
    if let Some(file) = &entry.regular.0 {
        *flags = Some(file.flags);
        return FileKind::Regular {
            path: file.name.clone(),
            offset: file.offset,
            size_bytes: file.size,
            mode: file.mode,
            external: file.external.unwrap_or(false),
        };
    }
    if let Some(pipe) = &entry.pipe.0 {
        *flags = Some(pipe.flags);
        return FileKind::Pipe { pipe: pipe.pipe, buffered_bytes: inside(&beside.pipes, pipe.pipe) };
    }
    if let Some(fifo) = &entry.fifo.0 {
        let path = beside.paths.get(&fifo.file.unwrap_or(fifo.id)).cloned();
        return FileKind::Fifo { pipe: fifo.pipe, path, buffered_bytes: inside(&beside.fifos, fifo.pipe) };
    }
    if let Some(socket) = &entry.internet.0 {
        *flags = Some(socket.flags);
        return socket::internet(reader, socket.clone());
    }
    if let Some(socket) = &entry.unix.0 {
        *flags = Some(socket.flags);
        return socket::unix(socket.clone(), &beside.queued);
    }
    if let Some(socket) = &entry.netlink.0 {
        *flags = Some(socket.flags);
        return socket::netlink(socket);
    }
    if let Some(socket) = &entry.packet.0 {
        *flags = Some(socket.flags);
        return socket::packet(socket);
    }
    if let Some(terminal) = &entry.terminal.0 {
        *flags = Some(terminal.flags);
        let state = beside.terminals.get(&terminal.state);
        return FileKind::Terminal {
            terminal: state.map_or("unknown", |state| bits::terminal(state.kind)),
            index: state.and_then(|state| state.pty.0.as_ref()).map(|pty| pty.index),
            path: terminal.file.and_then(|id| beside.paths.get(&id)).cloned(),
        };
    }
    if let Some(file) = &entry.memory_file.0 {
        *flags = Some(file.flags);
        let inode = beside.inodes.get(&file.inode.into());
        return FileKind::MemoryFile {
            name: inode.map(|inode| inode.name.clone()),
            size_bytes: inode.map(|inode| inode.size),
            offset: file.offset,
        };
    }
    simple(entry, flags).unwrap_or(FileKind::Unknown { number: entry.kind })
}

/// Kinds that need nothing but their entry.
fn simple(entry: &FileEntry, flags: &mut Option<u32>) -> Option<FileKind> {
    if let Some(event) = &entry.event_counter.0 {
        *flags = Some(event.flags);
        return Some(FileKind::EventCounter { counter: event.counter });
    }
    if let Some(poll) = &entry.event_poll.0 {
        *flags = Some(poll.flags);
        return Some(FileKind::EventPoll { watched: poll.members.0.iter().map(|member| member.descriptor).collect() });
    }
    if let Some(file) = &entry.signals.0 {
        *flags = Some(file.flags);
        return Some(FileKind::Signals { signals: (1..=64).filter(|n| file.mask >> (n - 1) & 1 != 0).collect() });
    }
    if let Some(timer) = &entry.timer.0 {
        *flags = Some(timer.flags);
        return Some(FileKind::Timer { time: time(timer) });
    }
    if let Some(file) = &entry.inotify.0 {
        *flags = Some(file.flags);
        return Some(FileKind::Inotify { watches: file.watches.0.len() as u64 });
    }
    if let Some(file) = &entry.fanotify.0 {
        *flags = Some(file.flags);
        return Some(FileKind::Fanotify { marks: file.marks.0.len() as u64 });
    }
    if let Some(file) = &entry.namespace.0 {
        *flags = Some(file.flags);
        return Some(FileKind::Namespace { namespace: bits::namespace(file.kind) });
    }
    if let Some(tunnel) = &entry.tunnel.0 {
        return Some(FileKind::Tunnel { device: tunnel.device.clone() });
    }
    if let Some(map) = &entry.bpf_map.0 {
        *flags = Some(map.flags);
        return Some(FileKind::BpfMap { name: map.name.clone() });
    }
    if let Some(process) = &entry.process.0 {
        *flags = Some(process.flags);
        return Some(FileKind::Process { pid: process.pid });
    }
    entry.external.0.as_ref().map(|_| FileKind::External)
}

fn inside(pipes: &HashMap<u32, u64>, pipe: u32) -> u64 {
    pipes.get(&pipe).copied().unwrap_or(0)
}

fn time(timer: &messages::TimerFile) -> Clock {
    let ns = |s: u64, ns: u64| s.saturating_mul(1_000_000_000).saturating_add(ns);
    Clock {
        clock: bits::clock(timer.clock),
        value_ns: ns(timer.value_s, timer.value_ns),
        interval_ns: ns(timer.interval_s, timer.interval_ns),
    }
}

/// Reads `filelocks.img`.
pub(super) fn locks(reader: &mut Reader<'_>) -> Vec<Lock> {
    let entries: Vec<FileLock> = reader.messages("filelocks.img", Kind::FileLocks).unwrap_or_default();
    let lock = |entry: FileLock| Lock {
        // CRIU's own FL_*.
        kind: match entry.flag {
            1 => "posix",
            2 => "flock",
            4 => "ofd",
            8 => "lease",
            _ => "unknown",
        },
        // F_RDLCK and F_WRLCK, for locks of all kinds.
        mode: match entry.kind & 3 {
            0 => "read",
            1 => "write",
            _ => "unknown",
        },
        pid: entry.pid,
        descriptor: entry.descriptor,
    };
    entries.into_iter().map(lock).collect()
}
