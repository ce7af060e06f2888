//! Properties that hold for any bytes; called by fuzzers, and by tests with seeds and small changes of them.

use crate::image::{self, Kind};
use crate::{Checkpoint, InMemory, statistics};

/// A checkpoint whose files are given as blocks: a name's length, the name, four bytes of length, the content; `/` for a
/// name begins the round before. What is cut off counts as far as it goes.
pub fn unpacked(mut bytes: &[u8]) -> InMemory {
    let mut rounds = vec![InMemory::default()];
    while let Some((length, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at((*length as usize).min(rest.len()));
        bytes = rest;
        if name == b"/" {
            rounds.push(InMemory::default());
            continue;
        }
        let Some((length, rest)) = rest.split_first_chunk() else { break };
        let (content, rest) = rest.split_at((u32::from_le_bytes(*length) as usize).min(rest.len()));
        bytes = rest;
        if let Some(round) = rounds.last_mut() {
            round.files.insert(String::from_utf8_lossy(name).into_owned(), content.to_vec());
        }
    }
    let join = |older: Option<Box<InMemory>>, newer: InMemory| Some(Box::new(InMemory { parent: older, ..newer }));
    rounds.into_iter().rev().fold(None, join).map(|images| *images).unwrap_or_default()
}

/// As [`unpacked`] takes it.
pub fn packed(images: &InMemory) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in &images.files {
        bytes.push(name.len() as u8);
        bytes.extend(name.as_bytes());
        bytes.extend((content.len() as u32).to_le_bytes());
        bytes.extend(content);
    }
    if let Some(parent) = &images.parent {
        bytes.extend([1, b'/']);
        bytes.extend(packed(parent));
    }
    bytes
}

/// A whole checkpoint of foreign images.
///
/// # Panics
/// Something that must hold does not: descriptors lead to files, a process comes after its parent, areas do not overlap
/// and have no more pages than fit.
pub fn checkpoint(bytes: &[u8]) {
    let images = unpacked(bytes);
    let checkpoint = match Checkpoint::read(&images) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            assert!(error.to_string().len() < 400, "an error is a short line");
            return;
        }
    };
    let mut seen = std::collections::HashSet::from([0]);
    for process in &checkpoint.processes {
        assert!(seen.contains(&process.parent) && seen.insert(process.pid) || process.pid == 0);
        assert!(process.descriptors.iter().all(|d| d.file.is_none_or(|file| file < checkpoint.files.len())));
        if let Some(memory) = &process.memory {
            assert!(memory.areas.windows(2).all(|pair| pair[0].end <= pair[1].start));
            for area in &memory.areas {
                let pages = area.pages.present_pages.saturating_add(area.pages.parent_pages);
                assert!(pages <= (area.end - area.start) / memory.page_bytes);
            }
        }
        let _ = checkpoint.arguments(&images, process);
        let _ = checkpoint.environment(&images, process);
    }
}

/// A single image of any kind: its entries, and a checkpoint that has it under each name under which it would be read.
///
/// # Panics
/// Something that must hold does not.
pub fn single(bytes: &[u8]) {
    if let Ok(statistics) = statistics(bytes) {
        assert!(statistics.metrics().iter().all(|(_, value)| value.is_finite() && *value >= 0.0));
    }
    let Some((kind, rest)) = image::recognise(bytes) else { return };
    let entries = image::entries(bytes, kind).map(Iterator::count).unwrap_or_default();
    assert!(entries <= rest.len() / 4 + 1);
    let mut images = InMemory::default();
    for (name, content) in frame() {
        images.files.insert(name.to_owned(), content);
    }
    for name in names(kind) {
        images.files.insert((*name).to_owned(), bytes.to_vec());
    }
    checkpoint(&packed(&images));
}

/// The least around a single image: an inventory and a process with the number 1.
fn frame() -> [(&'static str, Vec<u8>); 2] {
    let image = |kind: Kind, entry: &[u8]| {
        let mut bytes = kind.magic().to_le_bytes().to_vec();
        bytes.extend((entry.len() as u32).to_le_bytes());
        bytes.extend(entry);
        bytes
    };
    [
        ("inventory.img", image(Kind::Inventory, &[0x08, 1])),
        ("pstree.img", image(Kind::ProcessTree, &[0x08, 1, 0x10, 0, 0x18, 1, 0x20, 1, 0x28, 1, 0x28, 2])),
    ]
}

/// Under which names an image of a kind is read for that process.
fn names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Inventory => &["inventory.img"],
        Kind::ProcessTree => &["pstree.img"],
        Kind::Core => &["core-1.img", "core-2.img"],
        Kind::Identities => &["ids-1.img"],
        Kind::Memory => &["mm-1.img"],
        Kind::Areas => &["vmas-1.img"],
        Kind::PageMap => &["pagemap-1.img", "pagemap-shmem-1.img"],
        Kind::Descriptors => &["fdinfo-1.img"],
        Kind::Files => &["files.img"],
        Kind::RegularFiles => &["reg-files.img"],
        Kind::Pipes => &["pipes.img"],
        Kind::PipesData => &["pipes-data.img"],
        Kind::Fifos => &["fifo.img"],
        Kind::FifosData => &["fifo-data.img"],
        Kind::InternetSockets => &["inetsk.img"],
        Kind::UnixSockets => &["unixsk.img"],
        Kind::PacketSockets => &["packetsk.img"],
        Kind::NetlinkSockets => &["netlinksk.img"],
        Kind::SocketQueues => &["sk-queues.img"],
        Kind::TcpStream => &["tcp-stream-1.img"],
        Kind::EventCounters => &["eventfd.img"],
        Kind::EventPolls => &["eventpoll.img"],
        Kind::EventPollMembers => &["eventpoll-tfd.img"],
        Kind::SignalFiles => &["signalfd.img"],
        Kind::Inotify => &["inotify.img"],
        Kind::Fanotify => &["fanotify.img"],
        Kind::TimerFiles => &["timerfd.img"],
        Kind::Terminals => &["tty.img"],
        Kind::TerminalStates => &["tty-info.img"],
        Kind::NamespaceFiles => &["ns-files.img"],
        Kind::Tunnels => &["tunfile.img"],
        Kind::ExternalFiles => &["ext-files.img"],
        Kind::MemoryFiles => &["memfd.img"],
        Kind::Directories => &["fs-1.img"],
        Kind::Credentials => &["creds-1.img"],
        Kind::Mounts => &["mountpoints-1.img"],
        Kind::NetworkDevices => &["netdev-1.img"],
        Kind::NetworkNamespace => &["netns-1.img"],
        Kind::HostName => &["utsns-1.img"],
        Kind::GhostFile => &["ghost-file-1.img"],
        Kind::FileLocks => &["filelocks.img"],
        Kind::Statistics => &["stats-dump"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use proptest::test_runner::{Config, TestRunner};

    /// A change: where, what sort of, and a byte for it.
    type Change = (Index, u8, u8);

    fn changed(seed: &[u8], changes: &[Change]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for (at, sort, byte) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            let end = (at + usize::from(*byte % 16)).min(bytes.len());
            match sort % 5 {
                0 => bytes[at] = *byte,
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => drop(bytes.drain(at..end)),
                3 => bytes.truncate(at),
                _ => {
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes
    }

    const WHOLE: &[u8] = include_bytes!("../../../fuzz/seeds/criu_checkpoint/process");

    #[test]
    fn what_must_hold_holds_for_every_image_and_small_changes_of_it() {
        single(b"");
        for (_, image) in crate::checkpoint::tests::IMAGES.iter().chain(crate::checkpoint::tests::CONTAINER) {
            single(image);
            let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
            let changes = proptest::collection::vec(any::<Change>(), 1..4);
            let check = |changes: Vec<Change>| {
                single(&changed(image, &changes));
                Ok(())
            };
            TestRunner::new(config).run(&changes, check).unwrap();
        }
    }

    proptest! {
        #[test]
        fn what_must_hold_holds_for_checkpoints_with_small_changes(
            changes in proptest::collection::vec(any::<Change>(), 0..6),
        ) {
            checkpoint(&changed(WHOLE, &changes));
        }

        #[test]
        fn what_must_hold_holds_for_any_bytes(bytes: Vec<u8>) {
            checkpoint(&bytes);
            single(&bytes);
        }
    }

    #[test]
    fn a_seed_of_a_checkpoint_holds_all_of_it() {
        assert!(Checkpoint::read(&unpacked(WHOLE)).is_ok());
        let images = crate::checkpoint::tests::fixture();
        assert_eq!(unpacked(&packed(&images)).files, images.files);
        let parent = Some(Box::new(images.clone()));
        let both = unpacked(&packed(&InMemory { parent, ..images.clone() }));
        assert_eq!(both.parent.unwrap().files, images.files);
    }
}
