//! Kernels: what a file is, whether it can boot, and the ELF that a bzImage carries.
//!
//! A bzImage unpacks itself in the guest. An ELF with an entry for PVH starts at once, so the lab unpacks the
//! distribution's bzImage on the host, where it is done once and outside any measured time.

use crate::image::compression::{self, UnpackError};

/// No kernel is larger.
pub const SIZE_LIMIT: u64 = 512 << 20;
/// The Xen note that holds the 32-bit entry point of PVH.
const NOTE_PHYS32_ENTRY: u32 = 18;

/// What a file that can be booted is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelFormat {
    /// The compressed image with the Linux boot protocol.
    BzImage,
    /// An uncompressed ELF with an entry for PVH.
    PvhElf,
}

/// Why a file is no kernel that can be booted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// Neither format.
    #[error("it is neither a bzImage nor an ELF (first bytes {0:02x?})")]
    NotAKernel(Vec<u8>),
    /// A bzImage that ends before its header says.
    #[error("the bzImage is cut short: its header promises {expected_bytes} bytes, the file has {found_bytes}")]
    CutShort {
        /// What the header says.
        expected_bytes: u64,
        /// What is there.
        found_bytes: u64,
    },
    /// An ELF whose headers point out of the file.
    #[error("the ELF is damaged: {0}")]
    DamagedElf(&'static str),
    /// An ELF for another machine.
    #[error("the ELF is not for x86-64")]
    OtherMachine,
    /// An ELF without the note that QEMU needs.
    #[error("the ELF has no entry for PVH (CONFIG_PVH)")]
    NoPvh,
    /// The payload of a bzImage cannot be unpacked.
    #[error("the kernel inside the bzImage cannot be unpacked")]
    Payload(#[from] UnpackError),
    /// The boot protocol is too old to say where the payload is.
    #[error("the bzImage has boot protocol {major}.{minor:02}; 2.08 or newer is needed")]
    OldProtocol {
        /// The major version.
        major: u8,
        /// The minor version.
        minor: u8,
    },
}

/// Says what a kernel file is, and checks that it is whole as far as its headers tell.
///
/// # Errors
/// [`KernelError`] says in what way it cannot be booted.
pub fn recognise(bytes: &[u8]) -> Result<KernelFormat, KernelError> {
    if bytes.starts_with(b"\x7fELF") {
        return has_pvh_entry(bytes)?.then_some(KernelFormat::PvhElf).ok_or(KernelError::NoPvh);
    }
    payload(bytes)?;
    Ok(KernelFormat::BzImage)
}

/// The ELF that a bzImage carries, if it can be booted by PVH.
///
/// # Errors
/// [`KernelError`] if it cannot be unpacked or has no entry for PVH: the bzImage itself may still boot.
pub fn elf_of_bzimage(bytes: &[u8]) -> Result<Vec<u8>, KernelError> {
    let elf = compression::unpack(payload(bytes)?)?;
    if has_pvh_entry(&elf)? { Ok(elf) } else { Err(KernelError::NoPvh) }
}

/// The compressed payload of a bzImage, by the boot protocol's header.
fn payload(bytes: &[u8]) -> Result<&[u8], KernelError> {
    let not_a_kernel = || KernelError::NotAKernel(bytes.iter().take(8).copied().collect());
    if bytes.get(0x202..0x206) != Some(b"HdrS") {
        return Err(not_a_kernel());
    }
    let [minor, major] = [bytes.get(0x206), bytes.get(0x207)].map(|byte| byte.copied().unwrap_or(0));
    if (major, minor) < (2, 8) {
        return Err(KernelError::OldProtocol { major, minor });
    }
    let setup_sectors = match bytes[0x1f1] {
        // The header's own rule: 0 means 4.
        0 => 4,
        sectors => u64::from(sectors),
    };
    let setup_bytes = (setup_sectors + 1) * 512;
    let protected_mode_bytes = u64::from(u32_at(bytes, 0x1f4).ok_or_else(not_a_kernel)?) * 16;
    let found_bytes = bytes.len() as u64;
    if setup_bytes + protected_mode_bytes > found_bytes {
        return Err(KernelError::CutShort { expected_bytes: setup_bytes + protected_mode_bytes, found_bytes });
    }
    let begin = setup_bytes + u64::from(u32_at(bytes, 0x248).ok_or_else(not_a_kernel)?);
    let length = u64::from(u32_at(bytes, 0x24c).ok_or_else(not_a_kernel)?);
    // The last four bytes are the unpacked size (gzip has them as its own).
    let end = begin + length.saturating_sub(if bytes.get(begin as usize) == Some(&0x1f) { 0 } else { 4 });
    bytes.get(begin as usize..end as usize).ok_or(KernelError::CutShort { expected_bytes: end, found_bytes })
}

/// Whether an ELF has the PVH note; checks that its segments are inside the file.
fn has_pvh_entry(elf: &[u8]) -> Result<bool, KernelError> {
    if !elf.starts_with(b"\x7fELF") {
        return Err(KernelError::DamagedElf("it does not begin like one"));
    }
    if elf.get(4..6) != Some(&[2, 1]) || u16_at(elf, 18) != Some(62) {
        return Err(KernelError::OtherMachine);
    }
    let headers = u64_at(elf, 32).ok_or(KernelError::DamagedElf("it has no program headers"))?;
    let (size, count) = (u16_at(elf, 54).unwrap_or(0), u16_at(elf, 56).unwrap_or(0));
    if size < 56 || count == 0 {
        return Err(KernelError::DamagedElf("it has no program headers"));
    }
    let mut found = false;
    for index in 0..u64::from(count) {
        let header = usize::try_from(headers.saturating_add(index * u64::from(size))).unwrap_or(usize::MAX);
        let field = |offset| u64_at(elf, header.saturating_add(offset));
        let outside = KernelError::DamagedElf("a segment lies outside the file");
        let (Some(kind), Some(offset), Some(length)) = (u32_at(elf, header), field(8), field(32)) else {
            return Err(outside);
        };
        let (Ok(offset), Ok(length)) = (usize::try_from(offset), usize::try_from(length)) else { return Err(outside) };
        let Some(segment) = elf.get(offset..offset.saturating_add(length)) else { return Err(outside) };
        // 4 is PT_NOTE.
        found |= kind == 4 && notes(segment).any(|(name, kind)| name == b"Xen\0" && kind == NOTE_PHYS32_ENTRY);
    }
    Ok(found)
}

/// Owner and type of each note of a segment.
fn notes(segment: &[u8]) -> impl Iterator<Item = (&[u8], u32)> {
    let mut rest = segment;
    std::iter::from_fn(move || {
        let (name_size, data_size, kind) = (u32_at(rest, 0)?, u32_at(rest, 4)?, u32_at(rest, 8)?);
        let name_end = 12_usize.checked_add(name_size as usize)?;
        let name = rest.get(12..name_end)?;
        let end = name_end.next_multiple_of(4).checked_add((data_size as usize).checked_next_multiple_of(4)?)?;
        rest = rest.get(end..).unwrap_or(&[]);
        Some((name, kind))
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// The release that a bzImage's header names (`6.1.0-56-cloud-amd64`).
pub fn release_of_bzimage(bytes: &[u8]) -> Option<String> {
    if bytes.get(0x202..0x206) != Some(b"HdrS") {
        return None;
    }
    let begin = usize::from(u16_at(bytes, 0x20e)?).checked_add(0x200)?;
    let line = bytes.get(begin..)?.split(|byte| *byte == 0).next()?;
    let text = std::str::from_utf8(line.get(..line.len().min(200))?).ok()?;
    text.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small ELF with one note segment.
    pub(crate) fn elf(note_kind: u32) -> Vec<u8> {
        let mut elf = vec![0; 64 + 56 + 24];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[18] = 62;
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        elf[64] = 4;
        elf[64 + 8] = 120;
        elf[64 + 32] = 24;
        elf[120] = 4;
        elf[124] = 8;
        elf[128..132].copy_from_slice(&note_kind.to_le_bytes());
        elf[132..136].copy_from_slice(b"Xen\0");
        elf
    }

    /// A small bzImage around a payload.
    pub(crate) fn bzimage(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[0x1f1] = 1;
        image[0x1f4..0x1f8].copy_from_slice(&((payload.len() + 4).div_ceil(16) as u32).to_le_bytes());
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&[15, 2]);
        image[0x20e..0x210].copy_from_slice(&0x80_u16.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32 + 4).to_le_bytes());
        image[0x280..0x28a].copy_from_slice(b"6.1.0-9 x\0");
        image.extend_from_slice(payload);
        image.resize((image.len() + 4).next_multiple_of(16), 0);
        image
    }

    /// A gzip stream of stored bytes.
    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn formats_are_recognised() {
        assert_eq!(recognise(&elf(18)), Ok(KernelFormat::PvhElf));
        assert_eq!(recognise(&elf(17)), Err(KernelError::NoPvh));
        let image = bzimage(&elf(18));
        assert_eq!(recognise(&image), Ok(KernelFormat::BzImage));
        assert_eq!(elf_of_bzimage(&image), Ok(elf(18)));
        assert_eq!(release_of_bzimage(&image).as_deref(), Some("6.1.0-9"));
    }

    #[test]
    fn damage_is_named() {
        let image = bzimage(&elf(18));
        assert!(matches!(recognise(&image[..1100]), Err(KernelError::CutShort { .. })));
        assert!(matches!(recognise(b"#!/bin/sh\n"), Err(KernelError::NotAKernel(_))));
        assert!(matches!(recognise(b""), Err(KernelError::NotAKernel(_))));
        assert!(matches!(recognise(&elf(18)[..130]), Err(KernelError::DamagedElf(_))));
        assert!(matches!(elf_of_bzimage(&bzimage(b"nonsense here")), Err(KernelError::Payload(_))));
        // Found by the fuzzer: what a bzImage carries may be anything that unpacks.
        assert_eq!(elf_of_bzimage(&bzimage(&packed(&elf(18)))), Ok(elf(18)));
        let nearly = [b"XELF", &elf(18)[4..]].concat();
        assert!(matches!(elf_of_bzimage(&bzimage(&packed(&nearly))), Err(KernelError::DamagedElf(_))));
        let mut other = elf(18);
        other[18] = 183;
        assert_eq!(recognise(&other), Err(KernelError::OtherMachine));
    }
}
