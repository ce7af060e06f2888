//! `fdinfo.proto` and the files that descriptors lead to.

use super::socket::{InternetSocket, NetlinkSocket, PacketSocket, UnixSocket};
use crate::ImageError;
use crate::message::{Inner, List, Message, Signed, message};

message! {
    pub(crate) struct DescriptorEntry ("fdinfo_entry") {
        pub id: u32 = 1 needed,
        pub flags: u32 = 2 needed,
        pub kind: u32 = 3 needed,
        pub number: u32 = 4 needed,
    }
}

message! {
    /// One of the fields from 3 on is set.
    pub(crate) struct FileEntry ("file_entry") {
        pub kind: u32 = 1 needed,
        pub id: u32 = 2 needed,
        pub regular: Inner<RegularFile> = 3,
        pub internet: Inner<InternetSocket> = 4,
        pub namespace: Inner<NamespaceFile> = 5,
        pub packet: Inner<PacketSocket> = 6,
        pub netlink: Inner<NetlinkSocket> = 7,
        pub event_counter: Inner<EventCounter> = 8,
        pub event_poll: Inner<EventPoll> = 9,
        pub signals: Inner<SignalFile> = 10,
        pub tunnel: Inner<Tunnel> = 11,
        pub timer: Inner<TimerFile> = 12,
        pub inotify: Inner<Inotify> = 13,
        pub fanotify: Inner<Fanotify> = 14,
        pub external: Inner<ExternalFile> = 15,
        pub unix: Inner<UnixSocket> = 16,
        pub fifo: Inner<Fifo> = 17,
        pub pipe: Inner<Pipe> = 18,
        pub terminal: Inner<Terminal> = 19,
        pub memory_file: Inner<MemoryFile> = 20,
        pub bpf_map: Inner<BpfMap> = 21,
        pub process: Inner<ProcessFile> = 22,
    }
}

message! {
    pub(crate) struct RegularFile ("reg_file_entry") {
        pub id: u32 = 1 needed,
        pub flags: u32 = 2 needed,
        pub offset: u64 = 3 needed,
        pub name: String = 6 needed,
        pub mount: Option<Signed> = 7,
        pub size: Option<u64> = 8,
        pub external: Option<bool> = 9,
        pub mode: Option<u32> = 10,
    }
}

message! {
    pub(crate) struct Pipe ("pipe_entry") {
        pub id: u32 = 1 needed,
        pub pipe: u32 = 2 needed,
        pub flags: u32 = 3 needed,
    }
}

message! {
    pub(crate) struct PipeData ("pipe_data_entry") {
        pub pipe: u32 = 1 needed,
        pub bytes: u32 = 2 needed,
        pub size: Option<u32> = 3,
    }
}

message! {
    pub(crate) struct Fifo ("fifo_entry") {
        pub id: u32 = 1 needed,
        pub pipe: u32 = 2 needed,
        pub file: Option<u32> = 3,
    }
}

message! {
    pub(crate) struct EventCounter ("eventfd_file_entry") {
        pub id: u32 = 1 needed,
        pub flags: u32 = 2 needed,
        pub counter: u64 = 4 needed,
    }
}

message! {
    pub(crate) struct EventPoll ("eventpoll_file_entry") {
        pub id: u32 = 1 needed,
        pub flags: u32 = 2 needed,
        pub members: List<EventPollMember> = 4,
    }
}

message! {
    pub(crate) struct EventPollMember ("eventpoll_tfd_entry") {
        pub id: u32 = 1 needed,
        pub descriptor: u32 = 2 needed,
        pub events: u32 = 3 needed,
    }
}

message! {
    pub(crate) struct SignalFile ("signalfd_entry") {
        pub id: u32 = 1 needed,
        pub flags: u32 = 2 needed,
        pub mask: u64 = 4 needed,
    }
}

message! {
    pub(crate) struct TimerFile ("timerfd_entry") {
        pub id: u32 = 1 needed,
        pub flags: u32 = 2 needed,
        pub clock: u32 = 4 needed,
        pub ticks: u64 = 5 needed,
        pub value_s: u64 = 7 needed,
        pub value_ns: u64 = 8 needed,
        pub interval_s: u64 = 9 needed,
        pub interval_ns: u64 = 10 needed,
    }
}

/// Something of which only the number matters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counted;

impl Message for Counted {
    fn read(_: &[u8]) -> Result<Self, ImageError> {
        Ok(Self)
    }
}

message! {
    pub(crate) struct Inotify ("inotify_file_entry") {
        pub id: u32 = 1 needed,
        pub flags: u32 = 2 needed,
        pub watches: List<Counted> = 5,
    }
}

message! {
    pub(crate) struct Fanotify ("fanotify_file_entry") {
        pub id: u32 = 1 needed,
        pub flags: u32 = 2 needed,
        pub marks: List<Counted> = 6,
    }
}

message! {
    pub(crate) struct Terminal ("tty_file_entry") {
        pub id: u32 = 1 needed,
        pub state: u32 = 2 needed,
        pub flags: u32 = 3 needed,
        pub file: Option<u32> = 6,
    }
}

message! {
    pub(crate) struct TerminalState ("tty_info_entry") {
        pub id: u32 = 1 needed,
        pub kind: u32 = 2 needed,
        pub session: u32 = 6 needed,
        pub pty: Inner<TerminalIndex> = 12,
    }
}

message! {
    pub(crate) struct TerminalIndex ("tty_pty_entry") {
        pub index: u32 = 1 needed,
    }
}

message! {
    pub(crate) struct NamespaceFile ("ns_file_entry") {
        pub id: u32 = 1 needed,
        pub namespace: u32 = 2 needed,
        pub kind: u32 = 3 needed,
        pub flags: u32 = 4 needed,
    }
}

message! {
    pub(crate) struct Tunnel ("tunfile_entry") {
        pub id: u32 = 1 needed,
        pub device: Option<String> = 2,
    }
}

message! {
    pub(crate) struct ExternalFile ("ext_file_entry") {
        pub id: u32 = 1 needed,
    }
}

message! {
    pub(crate) struct MemoryFile ("memfd_file_entry") {
        pub id: u32 = 1 needed,
        pub flags: u32 = 2 needed,
        pub offset: u64 = 3 needed,
        pub inode: u32 = 5 needed,
    }
}

message! {
    pub(crate) struct MemoryInode ("memfd_inode_entry") {
        pub name: String = 1 needed,
        pub size: u64 = 4 needed,
        pub object: u32 = 5 needed,
        pub inode: u64 = 7 needed,
    }
}

message! {
    pub(crate) struct BpfMap ("bpfmap_file_entry") {
        pub id: u32 = 1 needed,
        pub flags: u32 = 2 needed,
        pub name: String = 13 needed,
    }
}

message! {
    pub(crate) struct ProcessFile ("pidfd_entry") {
        pub id: u32 = 1 needed,
        pub flags: u32 = 3 needed,
        pub pid: i32 = 4 needed,
    }
}

message! {
    pub(crate) struct FileLock ("file_lock_entry") {
        pub flag: u32 = 1 needed,
        pub kind: u32 = 2 needed,
        pub pid: i32 = 3 needed,
        pub descriptor: i32 = 4 needed,
        pub start: u64 = 5 needed,
        pub length: u64 = 6 needed,
    }
}
