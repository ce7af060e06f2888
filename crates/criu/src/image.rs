//! The form of an image: magic numbers, then entries, each with its length in front.
//!
//! Since images of version 1.1 a file begins with a common magic number (statistics with one of their own) and then
//! with the magic number of its kind; older files, and `inventory.img` in all versions, begin with the latter alone.

use crate::ImageError;
use crate::message::Message;

/// What images begin with.
const COMMON: u32 = 0x5456_4319;
/// What statistics begin with.
const SERVICE: u32 = 0x5510_5940;

/// The most entries of one image that are read.
pub const ENTRIES_LIMIT: usize = 1 << 20;

/// The largest entry that is read, in bytes. The largest that CRIU writes holds all memory areas of a process.
pub const ENTRY_LIMIT: usize = 64 << 20;

macro_rules! kinds {
    ($( $(#[$said:meta])* $kind:ident = $magic:literal, $name:literal; )*) => {
        /// A kind of image.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $( $(#[$said])* $kind, )*
        }

        impl Kind {
            /// Every kind that is read.
            pub const ALL: &[Self] = &[$( Self::$kind, )*];

            /// Its magic number.
            pub const fn magic(self) -> u32 {
                match self { $( Self::$kind => $magic, )* }
            }

            /// The name that CRIU's own tool gives it.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$kind => $name, )* }
            }
        }
    };
}

kinds! {
    /// What the checkpoint is as a whole.
    Inventory = 0x5831_3116, "INVENTORY";
    /// The tree of processes.
    ProcessTree = 0x5027_3030, "PSTREE";
    /// A thread's registers and, for the first of a process, the process.
    Core = 0x5505_3847, "CORE";
    /// Which objects of the kernel a process shares with others.
    Identities = 0x5443_2030, "IDS";
    /// A process's address space.
    Memory = 0x5749_2820, "MM";
    /// Memory areas, in versions that kept them apart.
    Areas = 0x5412_3737, "VMAS";
    /// Which pages of memory are kept.
    PageMap = 0x5608_4025, "PAGEMAP";
    /// A process's table of file descriptors.
    Descriptors = 0x5621_3732, "FDINFO";
    /// Open files of all kinds.
    Files = 0x5630_3138, "FILES";
    /// Regular files.
    RegularFiles = 0x5036_3636, "REG_FILES";
    /// Pipes.
    Pipes = 0x5651_3555, "PIPES";
    /// What is inside pipes.
    PipesData = 0x5645_3709, "PIPES_DATA";
    /// Named pipes.
    Fifos = 0x5836_4939, "FIFO";
    /// What is inside named pipes.
    FifosData = 0x5933_3054, "FIFO_DATA";
    /// Sockets of the Internet families.
    InternetSockets = 0x5644_3851, "INETSK";
    /// Sockets of the Unix family.
    UnixSockets = 0x5437_3943, "UNIXSK";
    /// Sockets of the packet family.
    PacketSockets = 0x6045_4618, "PACKETSK";
    /// Sockets of the netlink family.
    NetlinkSockets = 0x5800_5614, "NETLINK_SK";
    /// What waits inside sockets.
    SocketQueues = 0x5626_4026, "SK_QUEUES";
    /// An established TCP connection.
    TcpStream = 0x5146_5506, "TCP_STREAM";
    /// Counters for events.
    EventCounters = 0x4452_3722, "EVENTFD_FILE";
    /// Sets of descriptors that are waited for.
    EventPolls = 0x4502_3858, "EVENTPOLL_FILE";
    /// Members of such sets, in versions that kept them apart.
    EventPollMembers = 0x4443_3746, "EVENTPOLL_TFD";
    /// Descriptors for signals.
    SignalFiles = 0x5732_3820, "SIGNALFD";
    /// Watches of files.
    Inotify = 0x4842_4431, "INOTIFY_FILE";
    /// Watches of file systems.
    Fanotify = 0x5509_6122, "FANOTIFY_FILE";
    /// Timers that are files.
    TimerFiles = 0x5049_3712, "TIMERFD";
    /// Terminals.
    Terminals = 0x5943_3025, "TTY_FILES";
    /// The state of terminals.
    TerminalStates = 0x5945_3036, "TTY_INFO";
    /// Files of namespaces.
    NamespaceFiles = 0x6139_4011, "NS_FILES";
    /// Network tunnels.
    Tunnels = 0x5714_3751, "TUNFILE";
    /// Files that a plug-in keeps.
    ExternalFiles = 0x5925_5641, "EXT_FILES";
    /// Nameless files in memory.
    MemoryFiles = 0x4845_3499, "MEMFD_INODE";
    /// Working and root directory of a process.
    Directories = 0x5140_3912, "FS";
    /// A process's owner and rights, in versions that kept them apart.
    Credentials = 0x5402_3547, "CREDS";
    /// Mounts of a namespace.
    Mounts = 0x5556_3928, "MNTS";
    /// Network devices.
    NetworkDevices = 0x5737_3951, "NETDEV";
    /// Network namespaces.
    NetworkNamespace = 0x5593_3752, "NETNS";
    /// Names of a host.
    HostName = 0x5447_3203, "UTSNS";
    /// Files that have no name any more.
    GhostFile = 0x5258_3605, "GHOST_FILE";
    /// Locks of files.
    FileLocks = 0x5432_3616, "FILE_LOCKS";
    /// Statistics of a dump or a restore.
    Statistics = 0x5709_3306, "STATS";
}

/// The kind of an image by its first bytes, and what follows the magic numbers; `None` if it is none that is known.
pub fn recognise(bytes: &[u8]) -> Option<(Kind, &[u8])> {
    let known = |magic: u32| Kind::ALL.iter().copied().find(|kind| kind.magic() == magic);
    let (first, rest) = word(bytes)?;
    if first == COMMON || first == SERVICE {
        let (second, rest) = word(rest)?;
        return Some((known(second)?, rest));
    }
    Some((known(first)?, rest))
}

/// The entries of an image that must be of a kind.
///
/// # Errors
/// It is of another kind.
pub fn entries(bytes: &[u8], kind: Kind) -> Result<Entries<'_>, ImageError> {
    match recognise(bytes) {
        Some((found, rest)) if found == kind => Ok(Entries { rest, left: ENTRIES_LIMIT }),
        _ => {
            let (first, rest) = word(bytes).ok_or(ImageError::Cut("its magic number"))?;
            let found = match first {
                COMMON | SERVICE => word(rest).ok_or(ImageError::Cut("its magic number"))?.0,
                other => other,
            };
            Err(ImageError::Magic { found, wanted: kind.name() })
        }
    }
}

/// The entries of an image, in place. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Entries<'a> {
    fn entry(&mut self) -> Result<&'a [u8], ImageError> {
        if self.left == 0 {
            return Err(ImageError::Limit { what: "entries", limit: ENTRIES_LIMIT });
        }
        self.left -= 1;
        let (length, rest) = word(self.rest).ok_or(ImageError::Cut("the length of an entry"))?;
        let length = length as usize;
        if length > ENTRY_LIMIT {
            return Err(ImageError::Limit { what: "bytes of an entry", limit: ENTRY_LIMIT });
        }
        let (entry, rest) = rest.split_at_checked(length).ok_or(ImageError::Cut("an entry"))?;
        self.rest = rest;
        Ok(entry)
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<&'a [u8], ImageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.entry();
        if entry.is_err() {
            self.rest = &[];
        }
        Some(entry)
    }
}

/// All entries of an image as messages.
pub(crate) fn messages<T: Message>(bytes: &[u8], kind: Kind) -> Result<Vec<T>, ImageError> {
    entries(bytes, kind)?.map(|entry| T::read(entry?)).collect()
}

/// The one entry of an image as a message. Nothing may follow it.
pub(crate) fn message<T: Message>(bytes: &[u8], kind: Kind) -> Result<T, ImageError> {
    let mut entries = entries(bytes, kind)?;
    let entry = entries.next().ok_or(ImageError::Nonsense("it has no entry"))??;
    if !entries.rest().is_empty() {
        return Err(ImageError::Nonsense("something follows its entry"));
    }
    T::read(entry)
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*word), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_all_versions_are_told_apart() {
        let magic = Kind::ProcessTree.magic().to_le_bytes();
        let new = [&COMMON.to_le_bytes()[..], &magic, &[1, 0, 0, 0, 7]].concat();
        let old = [&magic[..], &[1, 0, 0, 0, 7]].concat();
        for bytes in [&new, &old] {
            assert_eq!(entries(bytes, Kind::ProcessTree).unwrap().collect::<Result<Vec<_>, _>>().unwrap(), [&[7]]);
            assert_eq!(recognise(bytes).unwrap().0, Kind::ProcessTree);
            let wanted = ImageError::Magic { found: Kind::ProcessTree.magic(), wanted: "MM" };
            assert_eq!(entries(bytes, Kind::Memory).unwrap_err(), wanted);
        }
        assert_eq!(recognise(&[1, 2, 3, 4, 5]), None);
        assert_eq!(entries(&[1], Kind::Core).unwrap_err(), ImageError::Cut("its magic number"));
    }

    #[test]
    fn entries_that_are_cut_off_are_no_entries() {
        let image = |rest: &[u8]| [&Kind::Core.magic().to_le_bytes()[..], rest].concat();
        let cut = |rest: &[u8]| entries(&image(rest), Kind::Core).unwrap().last().unwrap().unwrap_err();
        assert_eq!(cut(&[2, 0, 0, 0, 1]), ImageError::Cut("an entry"));
        assert_eq!(cut(&[2, 0]), ImageError::Cut("the length of an entry"));
        assert!(matches!(cut(&[0xff, 0xff, 0xff, 0xff]), ImageError::Limit { .. }));
        assert!(matches!(cut(&vec![0; 4 * ENTRIES_LIMIT + 4]), ImageError::Limit { .. }));
    }

    #[test]
    fn every_magic_number_is_of_one_kind() {
        let mut magics: Vec<u32> = Kind::ALL.iter().map(|kind| kind.magic()).collect();
        magics.sort_unstable();
        magics.dedup();
        assert_eq!(magics.len(), Kind::ALL.len());
    }
}
