//! The device on the bus, as the kernel's files show it.

use crate::sys::file::{self, Access};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const BUS: &[u8] = b"/sys/bus/pci/devices/";
/// Vendor and device, as QEMU publishes them.
const IDENTITY: [u64; 2] = [0x1af4, 0x1110];
/// In the flags of a resource.
const PREFETCHABLE: u64 = 0x2000;
const MEMORY: u64 = 0x200;

/// A function of the bus.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) address: Vec<u8>,
}

/// A part of the machine's physical memory that a device answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) start: u64,
    pub(super) length: usize,
    pub(super) prefetchable: bool,
}

/// The first device on the bus, or the first one with interrupts.
pub(super) fn find(interrupts: bool) -> Result<Function, String> {
    let mut names = file::names(c"/sys/bus/pci/devices").map_err(|errno| match errno {
        crate::sys::Errno::NOENT => String::from("the guest's kernel has no PCI"),
        errno => format!("/sys/bus/pci/devices: {errno}"),
    })?;
    names.sort();
    let mut without = false;
    for address in names {
        let function = Function { address };
        if [function.number("vendor"), function.number("device")] != IDENTITY.map(Some) {
            continue;
        }
        // Only a device with interrupts has a table of them, in its second resource.
        if !interrupts || function.resource(1).is_some() {
            return Ok(function);
        }
        without = true;
    }
    Err(if without { "the shared memory device has no interrupts" } else { "there is no shared memory device" }.into())
}

impl Function {
    pub(super) fn path(&self, name: &str) -> Vec<u8> {
        [BUS, &self.address, b"/", name.as_bytes()].concat()
    }

    fn number(&self, name: &str) -> Option<u64> {
        hexadecimal(file::read_small(&self.path(name), 64).ok()?.trim_ascii())
    }

    fn resource(&self, index: usize) -> Option<Resource> {
        parse_resource(&file::read_small(&self.path("resource"), 4096).ok()?, index)
    }

    /// The shared memory.
    pub(super) fn memory(&self) -> Result<Resource, String> {
        let missing = "the kernel has found no place for the device's memory: give the guest less of it";
        self.resource(2).ok_or_else(|| missing.into())
    }

    /// Has the device answer at its addresses.
    pub(super) fn enable(&self) -> Result<(), String> {
        self.write("enable", b"1")
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let path = self.path(name);
        let file = file::open_bytes(&path, Access::ReadWrite).or_else(|_| file::open_to_write(&path));
        file.and_then(|file| file.write(bytes))
            .map(drop)
            .map_err(|errno| format!("{}: {errno}", String::from_utf8_lossy(&path)))
    }
}

/// A line of `resource`: first address, last address and flags; all zero where there is none.
fn parse_resource(text: &[u8], index: usize) -> Option<Resource> {
    let line = text.split(|byte| *byte == b'\n').nth(index)?;
    let mut numbers = line.split(|byte| *byte == b' ').map(hexadecimal);
    let (start, end, flags) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let length = usize::try_from(end.checked_sub(start)?.checked_add(1)?).ok()?;
    (start > 0 && flags & MEMORY != 0).then_some(Resource { start, length, prefetchable: flags & PREFETCHABLE != 0 })
}

fn hexadecimal(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"0x").filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u64::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_read_or_refused() {
        let text = b"0x00000000febd1000 0x00000000febd10ff 0x0000000000040200\n\
                     0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
                     0x00000000fd000000 0x00000000fdffffff 0x000000000014220c\n";
        assert_eq!(parse_resource(text, 0).map(|found| found.length), Some(256));
        assert_eq!(parse_resource(text, 1), None);
        let memory = Resource { start: 0xfd00_0000, length: 16 << 20, prefetchable: true };
        assert_eq!(parse_resource(text, 2), Some(memory));
        assert_eq!(parse_resource(text, 3), None);
        for wrong in ["", "0x1", "0x2 0x1 0x200", "0x1 0xffffffffffffffffff 0x200", "1 2 3", "0x1 0x2 0x+200"] {
            assert_eq!(parse_resource(wrong.as_bytes(), 0), None, "{wrong}");
        }
    }
}
