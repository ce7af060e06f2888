//! What an open file is: one of the fields of its entry.

use super::beside::Beside;
use super::{Clock, File, FileKind};
use crate::checkpoint::reader::Reader;
use crate::checkpoint::{bits, socket};
use crate::messages::file::{FileEntry, TimerFile};
use std::collections::HashMap;

/// One of the fields of an entry as a file.
pub(super) fn file(reader: &mut Reader<'_>, entry: FileEntry, beside: &Beside) -> File {
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

fn time(timer: &TimerFile) -> Clock {
    let ns = |s: u64, ns: u64| s.saturating_mul(1_000_000_000).saturating_add(ns);
    Clock {
        clock: bits::clock(timer.clock),
        value_ns: ns(timer.value_s, timer.value_ns),
        interval_ns: ns(timer.interval_s, timer.interval_ns),
    }
}
