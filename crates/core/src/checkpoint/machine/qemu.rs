//! QEMU's state, which is a migration: sections of devices, one after another, without lengths.
//!
//! A reader that does not have QEMU's tables cannot walk it. What can be read: the beginning up to the list of memory
//! blocks, and the description in JSON that QEMU puts at the end, with the devices' names and versions. Where each page
//! has a place of its own in the file (`mapped-ram`, QEMU 9.0), each block says where the next one begins.

use super::{Device, LIST_LIMIT, Machine, MemoryBlock};
use serde_json::Value;

/// What a state begins with, and the one version of the format that there has been since 2008.
const MAGIC: &[u8] = b"QEVM\0\0\0\x03";
/// The section with the type of the machine.
const CONFIGURATION: u8 = 0x07;
/// The section's part that says which of the optional forms the state has: its mark, its name, its only version.
const CAPABILITIES: &[u8] = b"\x05\x1aconfiguration/capabilities\0\0\0\x01";
/// QEMU has 22 of them in version 10.0.
const CAPABILITIES_MOST: u32 = 64;
/// The form in which each page has its place.
const MAPPED_RAM: &str = "mapped-ram";
/// The form that leaves out memory that is shared.
const IGNORE_SHARED: &str = "x-ignore-shared";
/// The one version of a block's head in that form, and how long such a head is: version, size of a page, place of the
/// bitmap, place of the pages.
const HEAD_VERSION: u32 = 1;
const HEAD_BYTES: usize = 4 + 8 + 8 + 8;
/// The description at the end.
const DESCRIPTION: u8 = 0x06;
/// The beginning of the section with the memory: its name, its only instance, version 4.
const MEMORY: &[u8] = b"\x03ram\0\0\0\0\0\0\0\x04";
/// In the low bits of the memory's first number: the rest is the sum of all blocks.
const SIZE_FLAG: u64 = 0x04;
/// Where numbers have flags in their low bits.
const PAGE_MASK: u64 = 0xfff;
/// The names under which machines have the guest's own memory.
const OWN: [&str; 4] = ["pc.ram", "ram", "mach-virt.ram", "mem"];

/// Reads the beginning of a state; `None` if it is none of QEMU's. `read` fills its second argument from a place of the
/// file, and says whether it could: heads of blocks may lie anywhere in it.
pub fn beginning(bytes: &[u8], read: impl FnMut(u64, &mut [u8]) -> bool) -> Option<Machine> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let mut machine = Machine { monitor: "qemu".to_owned(), ..Machine::default() };
    machine.model = model(rest);
    let capabilities = capabilities(rest);
    let forms: Vec<&str> = std::iter::once("3").chain(capabilities.iter().flatten().map(String::as_str)).collect();
    machine.format = Some(forms.join(" with "));
    if capabilities.is_none() {
        machine.unreadable.push("which forms the state has".to_owned());
    }
    let has = |form: &str| capabilities.iter().flatten().any(|name| name == form);
    let blocks = match &capabilities {
        None => None,
        Some(_) if has(MAPPED_RAM) => mapped_blocks(bytes, if has(IGNORE_SHARED) { 8 } else { 0 }, read),
        Some(_) => blocks(rest),
    };
    match blocks {
        Some(blocks) => {
            machine.memory_bytes =
                blocks.iter().find(|block| OWN.contains(&block.name.as_str())).map(|block| block.bytes);
            machine.blocks = blocks;
        }
        None => machine.unreadable.push("the list of memory blocks".to_owned()),
    }
    if machine.model.is_none() {
        machine.unreadable.push("the type of the machine".to_owned());
    }
    Some(machine)
}

fn model(rest: &[u8]) -> Option<String> {
    let rest = rest.strip_prefix(&[CONFIGURATION])?;
    let (length, rest) = rest.split_first_chunk()?;
    let name = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let plain = name.len() < 256 && name.iter().all(u8::is_ascii_graphic);
    plain.then(|| String::from_utf8_lossy(name).into_owned())
}

/// The optional forms of a state: none where it does not list any; `None` if it lists what cannot be read.
fn capabilities(rest: &[u8]) -> Option<Vec<String>> {
    let section = rest.windows(MEMORY.len()).position(|window| window == MEMORY).map_or(rest, |at| &rest[..at]);
    let Some(at) = section.windows(CAPABILITIES.len()).position(|window| window == CAPABILITIES) else {
        return Some(Vec::new());
    };
    let (count, mut rest) = section[at + CAPABILITIES.len()..].split_first_chunk()?;
    let count = u32::from_be_bytes(*count);
    if count > CAPABILITIES_MOST {
        return None;
    }
    let mut names = Vec::new();
    for _ in 0..count {
        let (length, behind) = rest.split_first()?;
        let (name, behind) = behind.split_at_checked(usize::from(*length))?;
        let plain = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        names.push(plain.then(|| String::from_utf8_lossy(name).into_owned())?);
        rest = behind;
    }
    Some(names)
}

/// Each block's head lies behind the pages of the block before it.
fn mapped_blocks(bytes: &[u8], extra: usize, mut read: impl FnMut(u64, &mut [u8]) -> bool) -> Option<Vec<MemoryBlock>> {
    let section = bytes.windows(MEMORY.len()).position(|window| window == MEMORY)? + MEMORY.len();
    let total = total(bytes.get(section..)?)?;
    let mut at = section as u64 + 8;
    let (mut blocks, mut sum) = (Vec::new(), 0_u64);
    while sum < total && blocks.len() < LIST_LIMIT {
        let mut length = [0];
        read(at, &mut length).then_some(())?;
        let name_bytes = usize::from(length[0]);
        let mut head = vec![0; name_bytes + 8 + extra + HEAD_BYTES];
        read(at.checked_add(1)?, &mut head).then_some(())?;
        let (name, rest) = head.split_at(name_bytes);
        let (block_bytes, rest) = rest.split_first_chunk()?;
        let (version, rest) = rest.get(extra..)?.split_first_chunk()?;
        let pages = u64::from_be_bytes(*rest.last_chunk()?);
        let behind = at.checked_add(1 + head.len() as u64)?;
        let plain = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        if !plain || u32::from_be_bytes(*version) != HEAD_VERSION || pages < behind {
            return None;
        }
        let block_bytes = u64::from_be_bytes(*block_bytes);
        sum = sum.checked_add(block_bytes)?;
        at = pages.checked_add(block_bytes)?;
        blocks.push(MemoryBlock { name: String::from_utf8_lossy(name).into_owned(), bytes: block_bytes });
    }
    (sum == total && !blocks.is_empty()).then_some(blocks)
}

/// The sum of all blocks, which the memory's section begins with.
fn total(section: &[u8]) -> Option<u64> {
    let total = u64::from_be_bytes(*section.first_chunk()?);
    (total & PAGE_MASK == SIZE_FLAG).then_some(total & !PAGE_MASK)
}

/// Blocks follow the sum of their lengths. Where memory that is shared is left out, each has an address as well; the one
/// form whose lengths have that sum is the right one.
fn blocks(rest: &[u8]) -> Option<Vec<MemoryBlock>> {
    let at = rest.windows(MEMORY.len()).position(|window| window == MEMORY)?;
    let rest = &rest[at + MEMORY.len()..];
    let total = total(rest)?;
    [0, 8].into_iter().find_map(|extra| list(&rest[8..], total, extra))
}

fn list(mut rest: &[u8], total: u64, extra: usize) -> Option<Vec<MemoryBlock>> {
    let (mut blocks, mut sum) = (Vec::new(), 0_u64);
    while sum < total && blocks.len() < LIST_LIMIT {
        let (length, behind) = rest.split_first()?;
        let (name, behind) = behind.split_at_checked(usize::from(*length))?;
        let (bytes, behind) = behind.split_first_chunk()?;
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let bytes = u64::from_be_bytes(*bytes);
        sum = sum.checked_add(bytes)?;
        blocks.push(MemoryBlock { name: String::from_utf8_lossy(name).into_owned(), bytes });
        rest = behind.get(extra..)?;
    }
    (sum == total && !blocks.is_empty()).then_some(blocks)
}

/// Reads the description from the end of a state into a machine.
pub fn end(machine: &mut Machine, bytes: &[u8]) {
    match description(bytes) {
        Some(found) => {
            let devices = found.get("devices").and_then(Value::as_array);
            machine.devices = devices.into_iter().flatten().take(LIST_LIMIT).filter_map(device).collect();
            let processors = machine.devices.iter().filter(|device| device.name == "cpu_common").count();
            machine.processors = (processors > 0).then_some(processors as u64);
        }
        None => machine.unreadable.push("the description of the devices at the end".to_owned()),
    }
}

/// The last thing in a state: a mark, a length, and JSON of that length. The length is what makes it certain.
fn description(bytes: &[u8]) -> Option<Value> {
    let begins = |at: &usize| {
        let length = bytes[at + 1..].first_chunk().map(|length| u32::from_be_bytes(*length) as usize);
        length == Some(bytes.len() - at - 5) && bytes.get(at + 5) == Some(&b'{')
    };
    let at = (0..bytes.len().saturating_sub(5)).find(|at| bytes[*at] == DESCRIPTION && begins(at))?;
    serde_json::from_slice(&bytes[at + 5..]).ok()
}

fn device(value: &Value) -> Option<Device> {
    let name = value.get("name")?.as_str()?;
    let number = |key: &str| value.get(key).and_then(Value::as_u64);
    Some(Device {
        name: name.chars().take(256).collect(),
        instance: number("instance_id"),
        version: number("version"),
        backing: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state of `pc-q35-7.2` of QEMU 7.2.22 with 64 MiB and no network, of which the pages and most devices have been
    /// taken out.
    const STATE: &[u8] = include_bytes!("../../../tests/machine/qemu-7.2.state");

    #[test]
    fn memory_and_devices_of_a_real_state_are_read() {
        let mut machine = beginning(STATE, nowhere).unwrap();
        end(&mut machine, STATE);
        assert_eq!(machine.unreadable, Vec::<String>::new());
        assert_eq!(machine.model.as_deref(), Some("pc-q35-7.2"));
        assert_eq!((machine.memory_bytes, machine.processors), (Some(64 << 20), Some(1)));
        let blocks: Vec<_> = machine.blocks.iter().map(|block| (block.name.as_str(), block.bytes)).collect();
        assert_eq!(blocks[0], ("pc.ram", 64 << 20));
        assert_eq!(blocks[1], ("0000:00:01.0/vga.vram", 16 << 20));
        assert_eq!(blocks.len(), 8);
        assert_eq!(blocks.iter().map(|(_, bytes)| bytes).sum::<u64>(), 0x0509_2000);
        assert!(machine.devices.iter().any(|device| device.name == "globalstate" && device.version == Some(1)));
    }

    /// A state of `pc-q35-10.0` of QEMU 10.0.13 with 64 MiB and two processors: where what lies in the file, without the
    /// pages, and with less of each device.
    const MAPPED: &[u8] = include_bytes!("../../../tests/machine/qemu-10.0-mapped-ram.pieces");

    fn nowhere(_: u64, _: &mut [u8]) -> bool {
        false
    }

    /// Place and content of each piece of a file with holes.
    fn pieces(mut packed: &[u8]) -> Vec<(u64, &[u8])> {
        let mut pieces = Vec::new();
        while let Some((at, rest)) = packed.split_first_chunk() {
            let (length, rest) = rest.split_first_chunk().unwrap();
            let (content, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
            pieces.push((u64::from_be_bytes(*at), content));
            packed = rest;
        }
        pieces
    }

    fn read_pieces(pieces: &[(u64, &[u8])], at: u64, into: &mut [u8]) -> bool {
        let held = pieces.iter().find_map(|(begin, content)| {
            let from = usize::try_from(at.checked_sub(*begin)?).ok()?;
            content.get(from..from.checked_add(into.len())?)
        });
        held.map(|held| into.copy_from_slice(held)).is_some()
    }

    #[test]
    fn blocks_of_a_real_mapped_state_are_found_behind_each_others_pages() {
        let pieces = pieces(MAPPED);
        let (first, ending) = (pieces[0].1, pieces[pieces.len() - 1].1);
        let mut machine = beginning(first, |at, into| read_pieces(&pieces, at, into)).unwrap();
        end(&mut machine, ending);
        assert_eq!(machine.unreadable, Vec::<String>::new());
        assert_eq!(machine.format.as_deref(), Some("3 with mapped-ram"));
        assert_eq!(machine.model.as_deref(), Some("pc-q35-10.0"));
        assert_eq!((machine.memory_bytes, machine.processors), (Some(64 << 20), Some(2)));
        let blocks: Vec<_> = machine.blocks.iter().map(|block| (block.name.as_str(), block.bytes)).collect();
        let roms = [("/rom@etc/acpi/tables", 128 << 10), ("pc.bios", 256 << 10), ("pc.rom", 128 << 10)];
        let tables = [("/rom@etc/table-loader", 4096), ("/rom@etc/acpi/rsdp", 4096)];
        assert_eq!(blocks, [&[("pc.ram", 64 << 20)], &roms[..], &tables].concat());
        assert_eq!(machine.devices.len(), 33);
        // Where one of the heads cannot be read, none of the memory is shown.
        for lost in 1..pieces.len() - 1 {
            let mut pieces = pieces.clone();
            pieces.remove(lost);
            let machine = beginning(first, |at, into| read_pieces(&pieces, at, into)).unwrap();
            assert_eq!(machine.unreadable, ["the list of memory blocks"]);
            assert!(machine.blocks.is_empty() && machine.memory_bytes.is_none());
        }
    }

    #[test]
    fn a_mapped_state_that_leads_astray_is_not_followed() {
        let pieces = pieces(MAPPED);
        let first = pieces[0].1;
        let section = first.windows(MEMORY.len()).position(|window| window == MEMORY).unwrap() + MEMORY.len();
        // The sum, the length of the name, the version of the head, the place of the pages (back to the beginning).
        for (at, value) in [(section + 6, 0x40), (section + 8, 200), (section + 26, 9), (first.len() - 3, 0)] {
            let mut changed = first.to_vec();
            assert_ne!(changed[at], value);
            changed[at] = value;
            let mut all = pieces.clone();
            all[0].1 = &changed;
            let machine = beginning(&changed, |at, into| read_pieces(&all, at, into)).unwrap();
            assert_eq!(machine.unreadable, ["the list of memory blocks"], "{at}");
            assert!(machine.blocks.is_empty());
        }
    }

    #[test]
    fn addresses_beside_the_lengths_are_told_apart() {
        let mut state = MAGIC.to_vec();
        state.extend([2, 0, 0, 0, 2]);
        state.extend(MEMORY);
        state.extend((0x3000_u64 | SIZE_FLAG).to_be_bytes());
        for (name, bytes) in [("mem", 0x2000_u64), ("rom", 0x1000)] {
            state.push(3);
            state.extend(name.bytes());
            state.extend(bytes.to_be_bytes());
            state.extend(0xfffc_0000_u64.to_be_bytes());
        }
        let machine = beginning(&state, nowhere).unwrap();
        assert_eq!((machine.blocks.len(), machine.memory_bytes), (2, Some(0x2000)));
        assert_eq!(machine.unreadable, ["the type of the machine"]);
    }

    #[test]
    fn what_is_cut_off_is_said_to_be() {
        for length in 0..STATE.len() {
            let Some(mut machine) = beginning(&STATE[..length], nowhere) else {
                assert!(length < MAGIC.len());
                continue;
            };
            end(&mut machine, &STATE[..length]);
            assert!(machine.devices.is_empty() && !machine.unreadable.is_empty());
        }
        assert_eq!(beginning(b"\x19CVT", nowhere), None);
    }
}
