//! QEMU's state, which is a migration: sections of devices, one after another, without lengths.
//!
//! A reader that does not have QEMU's tables cannot walk it. What can be read: the beginning up to the list of memory
//! blocks, and the description in JSON that QEMU puts at the end, with the devices' names and versions.

use super::{Device, LIST_LIMIT, Machine, MemoryBlock};
use serde_json::Value;

/// What a state begins with, and the one version of the format that there has been since 2008.
const MAGIC: &[u8] = b"QEVM\0\0\0\x03";
/// The section with the type of the machine.
const CONFIGURATION: u8 = 0x07;
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

/// Reads the beginning of a state; `None` if it is none of QEMU's.
pub fn beginning(bytes: &[u8]) -> Option<Machine> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let mut machine = Machine { monitor: "qemu".to_owned(), format: Some("3".to_owned()), ..Machine::default() };
    machine.model = model(rest);
    match blocks(rest) {
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

/// Blocks follow the sum of their lengths. Where memory that is shared is left out, each has an address as well; the one
/// form whose lengths have that sum is the right one.
fn blocks(rest: &[u8]) -> Option<Vec<MemoryBlock>> {
    let at = rest.windows(MEMORY.len()).position(|window| window == MEMORY)?;
    let rest = &rest[at + MEMORY.len()..];
    let (total, rest) = rest.split_first_chunk()?;
    let total = u64::from_be_bytes(*total);
    if total & PAGE_MASK != SIZE_FLAG {
        return None;
    }
    let total = total & !PAGE_MASK;
    [0, 8].into_iter().find_map(|extra| list(rest, total, extra))
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
        let mut machine = beginning(STATE).unwrap();
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
        let machine = beginning(&state).unwrap();
        assert_eq!((machine.blocks.len(), machine.memory_bytes), (2, Some(0x2000)));
        assert_eq!(machine.unreadable, ["the type of the machine"]);
    }

    #[test]
    fn what_is_cut_off_is_said_to_be() {
        for length in 0..STATE.len() {
            let Some(mut machine) = beginning(&STATE[..length]) else {
                assert!(length < MAGIC.len());
                continue;
            };
            end(&mut machine, &STATE[..length]);
            assert!(machine.devices.is_empty() && !machine.unreadable.is_empty());
        }
        assert_eq!(beginning(b"\x19CVT"), None);
    }
}
