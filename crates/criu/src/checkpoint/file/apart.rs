//! The images of versions before there was one for all open files.

use crate::checkpoint::reader::Reader;
use crate::image::Kind;
use crate::message::Inner;
use crate::messages::file::{EventPollMember, FileEntry};
use std::collections::HashMap;

/// Their entries, as `files.img` would have them.
pub(super) fn apart(reader: &mut Reader<'_>) -> Vec<FileEntry> {
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
