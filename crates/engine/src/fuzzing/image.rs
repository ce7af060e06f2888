//! Files that a guest is made from: kernels, modules, packages.

use crate::image::package::{KernelFiles, read_archive};
use crate::image::{compression, kernel as kernels, modules};

/// No test and no fuzzer needs more; what is larger is only to be refused.
const LIMIT: usize = 4 << 20;

/// Kernels and modules: recognised or refused, and never more than is there.
pub fn kernel(bytes: &[u8]) {
    let format = kernels::recognise(bytes);
    if let Ok(elf) = kernels::elf_of_bzimage(bytes) {
        assert_eq!(format, Ok(kernels::KernelFormat::BzImage));
        assert_eq!(kernels::recognise(&elf), Ok(kernels::KernelFormat::PvhElf));
    }
    if let Some(release) = kernels::release_of_bzimage(bytes) {
        assert!(!release.is_empty() && release.len() <= 200);
    }
    // Two modules with what is stated in the bytes: the order is found, or the reason why there is none.
    let needs = modules::depends_of(bytes);
    assert!(needs.iter().all(|name| !name.is_empty() && !name.contains([',', '\0'])));
    let mut available = modules::Modules::from([("a".to_owned(), bytes.to_vec())]);
    if let Some(needed) = needs.first() {
        available.insert(needed.clone(), b"\0depends=a\0".to_vec());
    }
    if let Ok(order) = modules::order(&["a"], &available, &|name| name.starts_with('v')) {
        assert_eq!(order.last().map(String::as_str), Some("a"));
    }
}

/// Compressed streams: unpacked within the limit, or refused.
pub fn unpack(bytes: &[u8]) {
    if let Ok(unpacked) = compression::unpack_within(bytes, LIMIT) {
        assert!(unpacked.len() <= LIMIT || unpacked == bytes);
    }
}

/// The tar of a package. Checksums are made right first: a fuzzer would not get behind them.
pub fn archive(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    checksummed(&mut bytes);
    let mut files = KernelFiles::default();
    let _ = read_archive(bytes.as_slice(), &mut files);
    assert!(!files.release.contains('\0'));
    assert!(files.modules.keys().all(|name| !name.is_empty() && !name.contains(['/', '-'])));
}

/// Gives every header of a tar the checksum that it should have, in the way a reader goes from one to the next.
pub(super) fn checksummed(tar: &mut [u8]) {
    let mut at = 0;
    while let Some(block) = tar.get_mut(at..at + 512) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = block[124..136].iter().take_while(|byte| (b'0'..=b'7').contains(byte));
        let size = digits.fold(0_usize, |size, digit| size.saturating_mul(8).saturating_add(usize::from(digit - b'0')));
        at = at.saturating_add(512).saturating_add(size.min(1 << 40).next_multiple_of(512));
    }
}
