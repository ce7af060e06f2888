//! How the kernel has mapped a device's memory, by its own list of memory types.

use super::Mapping;
use crate::sys::{device, file, machine};
use alloc::vec::Vec;

const LIST: &[u8] = b"/sys/kernel/debug/x86/pat_memtype_list";
/// A list of a machine with many devices is not longer.
const LIST_BYTES_MOST: usize = 64 << 10;

/// The type that a physical address is mapped with now; nothing where the list is not to be had.
pub(super) fn of(address: u64) -> Option<Mapping> {
    parse(&list()?, address)
}

fn list() -> Option<Vec<u8>> {
    let read = || file::read_small(LIST, LIST_BYTES_MOST).ok();
    read().or_else(|| {
        // The file system is there to be mounted: for this process alone, so that nobody else finds it changed.
        device::own_mounts().ok()?;
        machine::mount(c"debugfs", c"/sys/kernel/debug", 0, c"").ok()?;
        read()
    })
}

/// Reads `PAT: [mem 0x00000000fd000000-0x00000000fe000000] uncached-minus`; newer kernels name the type first.
fn parse(list: &[u8], address: u64) -> Option<Mapping> {
    core::str::from_utf8(list).ok()?.lines().find_map(|line| {
        let (before, rest) = line.split_once("0x")?;
        let (start, rest) = rest.split_once("-0x")?;
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (end, after) = rest.split_at_checked(digits)?;
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        if !(start..end).contains(&address) {
            return None;
        }
        let has = |word| before.contains(word) || after.contains(word);
        // `uncached-minus` is uncached as long as the machine's own ranges do not say better, which QEMU's do not.
        [
            ("uncached", Mapping::Uncached),
            ("write-combining", Mapping::WriteCombining),
            ("write-back", Mapping::WriteBack),
        ]
        .into_iter()
        .find_map(|(word, mapping)| has(word).then_some(mapping))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_is_read() {
        let list = b"PAT memtype list:\n\
            PAT: [mem 0x000000007ffe0000-0x0000000080000000] write-back\n\
            PAT: [mem 0x00000000fd000000-0x00000000fe000000] write-combining\n\
            uncached-minus @ 0xfebd1000-0xfebd2000\n";
        assert_eq!(parse(list, 0xfd00_0000), Some(Mapping::WriteCombining));
        assert_eq!(parse(list, 0x7fff_0000), Some(Mapping::WriteBack));
        assert_eq!(parse(list, 0xfebd_1000), Some(Mapping::Uncached));
        assert_eq!(parse(list, 0xfe00_0000), None);
        assert_eq!(parse(b"\xff", 0), None);
    }
}
