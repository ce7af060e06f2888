//! Files, sockets and pages in words.

use crate::escape::plain;
use isodyne_core::checkpoint::inspection::Texts;
use isodyne_core::unit::{DisplayBytes, DisplayNs};
use isodyne_criu::{AreaKind, File, FileKind, Process, SocketAddress, State};

pub(super) fn bytes(count: u64) -> String {
    DisplayBytes(count as f64).to_string()
}

/// Whether it belongs to the sockets.
pub(super) fn is_socket(kind: &FileKind) -> bool {
    matches!(
        kind,
        FileKind::Internet { .. } | FileKind::Unix { .. } | FileKind::Netlink { .. } | FileKind::Packet { .. }
    )
}

/// What a process was doing.
pub(super) fn state(process: &Process) -> String {
    let word = match process.state {
        Some(State::Alive) => "alive",
        Some(State::Dead | State::Zombie) => "ended",
        Some(State::Stopped) => "stopped",
        Some(State::Unknown) => "unknown",
        None => "not readable",
    };
    match process.exit_code {
        Some(code) => format!("{word} ({code})"),
        None => word.to_owned(),
    }
}

/// A process's name.
pub(super) fn name(process: &Process) -> String {
    plain(process.name.as_deref().unwrap_or("?"))
}

/// Its command line or, where that is not there, its program.
pub(super) fn command(process: &Process, texts: Option<&Texts>) -> String {
    match texts.and_then(|texts| texts.arguments.as_ref()) {
        Some(arguments) => plain(&arguments.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")),
        None => plain(process.program.as_deref().unwrap_or("-")),
    }
}

/// A word as a shell would need it.
fn quoted(word: &str) -> String {
    let simple = |c: char| c.is_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(simple) { word.to_owned() } else { format!("'{word}'") }
}

/// A file's kind, and which one it is.
pub(super) fn file(file: &File) -> (&'static str, String) {
    let (kind, which) = match &file.kind {
        FileKind::Regular { path, offset, size_bytes, mode, external } => {
            // S_IFMT, S_IFDIR, S_IFCHR, S_IFBLK
            let kind = match mode.map(|mode| mode & 0o170_000) {
                Some(0o040_000) => "directory",
                Some(0o020_000) => "device",
                Some(0o060_000) => "disk",
                _ => "file",
            };
            let place = match (kind, size_bytes) {
                ("file", Some(size)) => format!(", at {offset} of {size} B"),
                ("file", None) if *offset > 0 => format!(", at {offset}"),
                _ => String::new(),
            };
            let outside = if *external { ", from outside" } else { "" };
            (kind, format!("{}{place}{outside}", plain(path)))
        }
        FileKind::Pipe { pipe, buffered_bytes } => ("pipe", format!("{pipe}, {buffered_bytes} B inside")),
        FileKind::Fifo { path, buffered_bytes, .. } => {
            ("fifo", format!("{}, {buffered_bytes} B inside", optional(path.as_deref())))
        }
        FileKind::EventCounter { counter } => ("eventfd", format!("counter {counter}")),
        FileKind::EventPoll { watched } => {
            let list: Vec<String> = watched.iter().take(32).map(u32::to_string).collect();
            let more = if watched.len() > 32 { ", …" } else { "" };
            ("epoll", format!("waits for {}{more}", if list.is_empty() { "none".to_owned() } else { list.join(", ") }))
        }
        FileKind::Signals { signals } => {
            ("signalfd", format!("signals {}", signals.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")))
        }
        FileKind::Timer { time } => {
            let left = if time.value_ns == 0 {
                "not set".to_owned()
            } else {
                format!("fires in {}", DisplayNs(time.value_ns as f64))
            };
            ("timerfd", format!("{}, {left}", time.clock))
        }
        FileKind::Inotify { watches } => ("inotify", format!("{watches} watches")),
        FileKind::Fanotify { marks } => ("fanotify", format!("{marks} marks")),
        FileKind::Terminal { terminal, index, path } => {
            let which = index.map(|index| format!(" {index}")).unwrap_or_default();
            ("terminal", format!("{terminal}{which} {}", optional(path.as_deref())))
        }
        FileKind::Namespace { namespace } => ("namespace", (*namespace).to_owned()),
        FileKind::Tunnel { device } => ("tunnel", optional(device.as_deref())),
        FileKind::External => ("external", "kept by a plug-in of CRIU".to_owned()),
        FileKind::MemoryFile { name, size_bytes, .. } => {
            let size = size_bytes.map(|size| format!(", {size} B")).unwrap_or_default();
            ("memfd", format!("{}{size}", optional(name.as_deref())))
        }
        FileKind::BpfMap { name } => ("bpf map", plain(name)),
        FileKind::Process { pid } => ("pidfd", format!("process {pid}")),
        FileKind::Unknown { number } => ("unknown", format!("CRIU's type {number}")),
        FileKind::Internet { .. } | FileKind::Unix { .. } | FileKind::Netlink { .. } | FileKind::Packet { .. } => {
            let socket = socket(file);
            return ("socket", format!("{} {} {}", socket.protocol, socket.state, socket.local));
        }
    };
    (kind, which)
}

fn optional(text: Option<&str>) -> String {
    plain(text.unwrap_or("not known"))
}

/// A socket in the columns of a table.
pub(super) struct SocketWords {
    pub protocol: String,
    pub state: &'static str,
    pub local: String,
    pub remote: String,
    pub inside: String,
}

/// A socket in words.
pub(super) fn socket(file: &File) -> SocketWords {
    let none = || "-".to_owned();
    match &file.kind {
        FileKind::Internet { family, socket, protocol, state, source, destination, tcp, backlog, .. } => SocketWords {
            protocol: if *protocol == "unknown" {
                format!("{family} {socket}")
            } else {
                format!("{protocol}{}", if *family == "ipv6" { "6" } else { "" })
            },
            state: if *state == "closed" && *protocol == "udp" { "open" } else { state },
            local: source.as_ref().map_or_else(none, end),
            remote: destination.as_ref().map_or_else(none, end),
            inside: match (tcp, backlog) {
                (Some(tcp), _) => format!("{} B in, {} B out", tcp.received_bytes, tcp.sending_bytes),
                (None, Some(backlog)) => format!("at most {backlog} waiting"),
                (None, None) if *protocol == "tcp" && *state == "established" => "not kept".to_owned(),
                (None, None) => none(),
            },
        },
        FileKind::Unix { socket, state, address, inode, peer, backlog, queued_bytes } => SocketWords {
            protocol: format!("unix {socket}"),
            state,
            local: address.as_deref().map_or_else(|| format!("#{inode}"), plain),
            remote: peer.map_or_else(none, |peer| format!("#{peer}")),
            inside: match backlog {
                Some(backlog) => format!("at most {backlog} waiting"),
                None => format!("{queued_bytes} B in"),
            },
        },
        FileKind::Netlink { protocol, port } => SocketWords {
            protocol: "netlink".to_owned(),
            state: "-",
            local: format!("{protocol}:{port}"),
            remote: none(),
            inside: none(),
        },
        FileKind::Packet { socket } => SocketWords {
            protocol: format!("packet {socket}"),
            state: "-",
            local: none(),
            remote: none(),
            inside: none(),
        },
        _ => SocketWords { protocol: none(), state: "-", local: none(), remote: none(), inside: none() },
    }
}

fn end(end: &SocketAddress) -> String {
    if end.address.contains(':') {
        format!("[{}]:{}", end.address, end.port)
    } else {
        format!("{}:{}", end.address, end.port)
    }
}

/// What an area of memory is, if it shows no file.
pub(super) fn area(kind: AreaKind) -> &'static str {
    match kind {
        AreaKind::Anonymous => "-",
        AreaKind::AnonymousShared => "[shared]",
        AreaKind::File => "a file that is not known",
        AreaKind::Stack => "[stack]",
        AreaKind::Heap => "[heap]",
        AreaKind::Vdso => "[vdso]",
        AreaKind::Vvar => "[vvar]",
        AreaKind::Vsyscall => "[vsyscall]",
        AreaKind::SystemV => "[system v]",
        AreaKind::MemoryFile => "[memfd]",
        AreaKind::Socket => "[socket]",
        AreaKind::Aio => "[aio]",
        AreaKind::Other => "[other]",
    }
}
