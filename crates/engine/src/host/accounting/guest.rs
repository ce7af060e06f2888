//! The guest's memory in a VMM's address space: the mapping that is the guest's RAM, against the rest.

use super::text::kib_of_line;
use crate::host::root::HostRoot;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// A VMM's map of memory can be long, but not this long.
const SMAPS_LIMIT_BYTES: u64 = 16 << 20;
/// A mapping that is taken for the guest's RAM by its size may be this much larger (the kernel joins neighbours).
const SIZE_SLACK_BYTES: u64 = 2 << 20;

/// A part of the name of memory that a guest shares through a device.
const SHARED_BY_A_DEVICE: &str = "memfd:isodyne-ivshmem";

/// How to know the mapping that is the guest's RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestMapping<'a> {
    /// By a part of its name: the path of a file, or `memory-backend-memfd`. All mappings with it are counted.
    Name(&'a str),
    /// By its size in bytes: the smallest writable mapping of at least this size, and at most 2 MiB more. Mappings that
    /// can be executed (a translator's buffer) and memory that a device shares are not the guest's.
    Size(u64),
}

/// The guest's RAM as mapped by a VMM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuestMemory {
    /// How much is mapped.
    pub mapped_bytes: u64,
    /// How much of it is resident: what the guest has touched and was not given back.
    pub rss_bytes: u64,
    /// How much of it is resident and counted once over all processes that share it.
    pub pss_bytes: u64,
}

/// What is resident of the guest's RAM in a VMM; `None` if no such mapping is seen, or it may not be looked at. The rest
/// of the VMM's resident memory is its own.
pub fn guest_memory(pid: u32, wanted: GuestMapping<'_>) -> Option<GuestMemory> {
    guest_memory_under(&HostRoot::default(), pid, wanted)
}

fn guest_memory_under(root: &HostRoot, pid: u32, wanted: GuestMapping<'_>) -> Option<GuestMemory> {
    let file = File::open(root.path(format!("/proc/{pid}/smaps"))).ok()?;
    choose(mappings(BufReader::new(file.take(SMAPS_LIMIT_BYTES))), wanted)
}

#[derive(Clone, Debug, Default)]
struct Mapping {
    size: u64,
    permissions: String,
    name: String,
    memory: GuestMemory,
}

fn choose(mappings: Vec<Mapping>, wanted: GuestMapping<'_>) -> Option<GuestMemory> {
    let is_data = |mapping: &&Mapping| mapping.permissions.starts_with("rw-");
    match wanted {
        GuestMapping::Name(part) => {
            mappings.iter().filter(is_data).filter(|mapping| mapping.name.contains(part)).fold(None, |sum, mapping| {
                let sum: GuestMemory = sum.unwrap_or_default();
                Some(GuestMemory {
                    mapped_bytes: sum.mapped_bytes + mapping.memory.mapped_bytes,
                    rss_bytes: sum.rss_bytes + mapping.memory.rss_bytes,
                    pss_bytes: sum.pss_bytes + mapping.memory.pss_bytes,
                })
            })
        }
        GuestMapping::Size(size) => mappings
            .iter()
            .filter(is_data)
            .filter(|mapping| !mapping.name.contains(SHARED_BY_A_DEVICE))
            .filter(|mapping| (size..=size.saturating_add(SIZE_SLACK_BYTES)).contains(&mapping.size))
            .min_by_key(|mapping| mapping.size)
            .map(|mapping| mapping.memory),
    }
}

fn mappings(text: impl BufRead) -> Vec<Mapping> {
    let mut found: Vec<Mapping> = Vec::new();
    // A process that vanishes in the middle ends the text; what was read until then is not the whole, but a VMM that is
    // gone has no memory anyway and its caller notices.
    for line in text.lines().map_while(Result::ok) {
        if let Some(mapping) = header(&line) {
            found.push(mapping);
        } else if let Some(mapping) = found.last_mut() {
            if let Some(bytes) = kib_of_line(&line, "Rss") {
                mapping.memory.rss_bytes = bytes;
            } else if let Some(bytes) = kib_of_line(&line, "Pss") {
                mapping.memory.pss_bytes = bytes;
            } else if let Some(bytes) =
                ["Private_Hugetlb", "Shared_Hugetlb"].iter().find_map(|key| kib_of_line(&line, key))
            {
                // Reserved huge pages are in no process's resident memory, neither as a whole nor as a share.
                mapping.memory.rss_bytes += bytes;
            }
        }
    }
    found
}

/// Reads `7f0c-7f1c rw-p 00000000 00:00 0   /some name`.
fn header(line: &str) -> Option<Mapping> {
    let (range, rest) = line.split_once(' ')?;
    let (begin, end) = range.split_once('-')?;
    let (begin, end) = (u64::from_str_radix(begin, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
    let size = end.checked_sub(begin)?;
    let mut fields = rest.splitn(5, ' ');
    let permissions = fields.next()?.to_owned();
    let name = fields.nth(3).unwrap_or_default().trim().to_owned();
    Some(Mapping { size, permissions, name, memory: GuestMemory { mapped_bytes: size, ..GuestMemory::default() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    const QEMU: &str = "\
5591a000-5591b000 r-xp 00000000 fe:00 1234                       /usr/bin/qemu-system-x86_64
Size:                  4 kB
Rss:                   4 kB
Pss:                   1 kB
7f1000000000-7f1010000000 rwxp 00000000 00:00 0 
Size:             262144 kB
Rss:               30000 kB
Pss:               30000 kB
7f2000000000-7f2010000000 rw-p 00000000 00:00 0 
Size:             262144 kB
Rss:               81920 kB
Pss:               81920 kB
VmFlags: rd wr mr mw me dc ac sd
7f3000000000-7f3020000000 rw-s 00000000 00:01 2048                       /memfd:memory-backend-memfd (deleted)
Size:             524288 kB
Rss:                1024 kB
Pss:                 512 kB
Pss_Dirty:           512 kB
";

    #[test]
    fn the_guests_ram_is_found_by_size_and_by_name() {
        let found = mappings(QEMU.as_bytes());
        assert_eq!(found.len(), 4);
        let by_size = choose(found.clone(), GuestMapping::Size(256 << 20)).unwrap();
        assert_eq!(by_size, GuestMemory { mapped_bytes: 256 << 20, rss_bytes: 80 << 20, pss_bytes: 80 << 20 });
        let by_name = choose(found.clone(), GuestMapping::Name("memory-backend-memfd")).unwrap();
        assert_eq!(by_name, GuestMemory { mapped_bytes: 512 << 20, rss_bytes: 1 << 20, pss_bytes: 512 << 10 });
        assert_eq!(choose(found.clone(), GuestMapping::Size(128 << 20)), None);
        assert_eq!(choose(found, GuestMapping::Name("other")), None);
    }

    #[test]
    fn reserved_huge_pages_are_resident_and_no_share() {
        let text = "7f3000000000-7f3008000000 rw-p 00000000 00:0f 77                         /anon_hugepage (deleted)\n\
                    Size:             131072 kB\nRss:                   0 kB\nPss:                   0 kB\n\
                    Shared_Hugetlb:        0 kB\nPrivate_Hugetlb:   79872 kB\n";
        let found = choose(mappings(text.as_bytes()), GuestMapping::Size(128 << 20)).unwrap();
        assert_eq!(found, GuestMemory { mapped_bytes: 128 << 20, rss_bytes: 78 << 20, pss_bytes: 0 });
    }

    #[test]
    fn ones_own_large_mapping_is_found() {
        let size = 37 << 20;
        let mut memory = vec![0_u8; size];
        memory[..1 << 20].fill(1);
        let found = guest_memory(std::process::id(), GuestMapping::Size(size as u64)).unwrap();
        assert!(found.rss_bytes >= 1 << 20 && found.mapped_bytes >= size as u64, "{found:?}");
        drop(memory);
        assert_eq!(guest_memory(u32::MAX, GuestMapping::Size(1)), None);
    }
}
