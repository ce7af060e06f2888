//! A kernel that never runs. QEMU makes the same devices and memory for any kernel of one kind, and a guest that comes
//! back has its own in its memory: reading a real one of 50 MB would only take time.

/// Where the stub says that it lies. It is never written there: what a guest's memory holds comes from what was kept.
const ADDRESS: u64 = 1 << 20;
/// The type of the note that holds the entry for PVH, and the name of its owner.
const ENTRY_NOTE: u32 = 18;
const OWNER: [u8; 4] = *b"Xen\0";
/// `hlt`, and a jump back to it.
const CODE: [u8; 4] = [0xf4, 0xeb, 0xfd, 0x90];

const HEADER_BYTES: u16 = 64;
const SEGMENT_BYTES: u16 = 56;
const LOAD: u32 = 1;
const NOTE: u32 = 4;

/// The smallest ELF that QEMU enters by PVH.
pub(super) fn pvh_kernel() -> Vec<u8> {
    let mut note = Vec::new();
    for word in [OWNER.len() as u32, 8, ENTRY_NOTE] {
        note.extend(word.to_le_bytes());
    }
    note.extend(OWNER);
    note.extend(ADDRESS.to_le_bytes());

    let data_at = u64::from(HEADER_BYTES) + 2 * u64::from(SEGMENT_BYTES);
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    elf.resize(16, 0);
    // An executable for x86-64, of version 1.
    elf.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for offset in [ADDRESS, u64::from(HEADER_BYTES), 0] {
        elf.extend(offset.to_le_bytes());
    }
    elf.extend([0; 4]);
    // The sizes of header and segment, two segments, and no section.
    for half in [HEADER_BYTES, SEGMENT_BYTES, 2, 64, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    let code_bytes = CODE.len() as u64;
    let mut segment = |kind: u32, at: u64, bytes: u64| {
        elf.extend(kind.to_le_bytes());
        // Readable and executable.
        elf.extend(5_u32.to_le_bytes());
        let address = ADDRESS + (at - data_at);
        for word in [at, address, address, bytes, bytes, 4] {
            elf.extend(word.to_le_bytes());
        }
    };
    segment(LOAD, data_at, code_bytes);
    segment(NOTE, data_at + code_bytes, note.len() as u64);
    elf.extend(CODE);
    elf.extend(note);
    elf
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::kernel::{KernelFormat, recognise};

    #[test]
    fn it_is_a_kernel_with_an_entry_for_pvh() {
        let elf = pvh_kernel();
        assert!(elf.len() < 256);
        assert_eq!(recognise(&elf), Ok(KernelFormat::PvhElf));
    }
}
