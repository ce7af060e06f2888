//! What the state of a kept machine says of itself: as much as can be read without the monitor that wrote it.
//!
//! Pure: beginnings and ends of files become values. What a monitor does not describe is not guessed.

mod cloud_hypervisor;
mod firecracker;
mod qemu;

pub use cloud_hypervisor::{config, devices};
pub use firecracker::firecracker;
pub use qemu::{beginning, end};

use serde::Serialize;

/// How much of the beginning and of the end of a state is looked at, in bytes.
pub const LOOKED_AT: u64 = 4 << 20;

/// A kept machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Machine {
    /// The monitor whose format it is: `qemu`, `firecracker`, `cloud-hypervisor`.
    pub monitor: String,
    /// The format: the state's own version, as the monitor writes it.
    pub format: Option<String>,
    /// The architecture, where the format says it.
    pub architecture: Option<String>,
    /// The type of machine (`pc-q35-7.2`).
    pub model: Option<String>,
    /// How many processors.
    pub processors: Option<u64>,
    /// The memory of the guest.
    pub memory_bytes: Option<u64>,
    /// The parts of its memory, with what belongs to devices.
    pub blocks: Vec<MemoryBlock>,
    /// Its devices, in the order of the state.
    pub devices: Vec<Device>,
    /// What the state does not say, or what cannot be read of it.
    pub unreadable: Vec<String>,
}

/// A part of a machine's memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryBlock {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// A device whose state is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Which one of several.
    pub instance: Option<u64>,
    /// The version of its state.
    pub version: Option<u64>,
    /// What it is connected to: a file, a socket, an address.
    pub backing: Option<String>,
}

/// The most parts and devices of a machine that are read.
const LIST_LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATE: &[u8] = include_bytes!("../../../tests/machine/qemu-7.2.state");
    /// The beginning of a state whose pages have places of their own; behind the first head there are no pages here.
    const MAPPED: &[u8] = include_bytes!("../../../tests/machine/qemu-10.0-mapped-ram.pieces").split_at(12).1;

    fn from(bytes: &[u8]) -> impl FnMut(u64, &mut [u8]) -> bool {
        |at, into| {
            let begin = usize::try_from(at).ok();
            let held = begin.and_then(|begin| bytes.get(begin..begin.checked_add(into.len())?));
            held.map(|held| into.copy_from_slice(held)).is_some()
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            at in 0..STATE.len(),
            head in 0..3_usize,
        ) {
            let heads = [&b"QEVM\0\0\0\x03"[..], &[0, 0, 0x64, 0x86, 0x84, 0x19, 0x10, 0x07], b""];
            let foreign = [heads[head], &bytes].concat();
            let mut changed = STATE.to_vec();
            changed.splice(at..at, bytes.iter().copied().take(4));
            let mut mapped = MAPPED.to_vec();
            let at = at % mapped.len();
            mapped.splice(at..at, bytes.iter().copied().take(4));
            for bytes in [&foreign, &changed, &mapped] {
                let read = [beginning(bytes, from(bytes)), firecracker(bytes), config(bytes).ok()];
                for mut machine in read.into_iter().flatten() {
                    end(&mut machine, bytes);
                    let sum = machine.blocks.iter().fold(0_u64, |sum, block| sum.saturating_add(block.bytes));
                    prop_assert!(machine.memory_bytes.is_none_or(|bytes| bytes <= sum) || machine.blocks.is_empty());
                }
                let _ = devices(bytes);
            }
        }
    }
}
