//! Copies into and out of memory that another party writes at the same time.
//!
//! They are machine instructions that the compiler cannot look into, so that it can neither split a copy nor read its
//! source a second time; what a racing copy yields is some mixture of old and new bytes, which the checks find.

mod past;

/// How bytes are moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyBy {
    /// The processor's string instruction: the fastest for ordinary cached memory that its caches hold.
    #[default]
    Strings,
    /// Registers of 16 bytes: fewest transactions on a mapping without cache, and quick where a processor is emulated.
    Vectors,
    /// The same with stores that go past the caches (`movntdq`, `stnp`), over four pages at a time. The quickest for what
    /// the caches do not keep: the target's lines are neither read first nor kept, and four streams are fetched ahead of
    /// the copy where one would wait at the end of every page. All stores are visible when the copy is over.
    Past,
}

impl CopyBy {
    /// In words, behind "copied".
    pub fn words(self) -> &'static str {
        match self {
            Self::Strings => "by the processor's string instruction",
            Self::Vectors => "by registers of 16 bytes",
            Self::Past => "by stores past the caches",
        }
    }
}

/// Copies `count` bytes.
///
/// # Safety
/// Both ranges must be mapped, `to` for writing; they must not overlap. Others may write to either meanwhile, if only by
/// atomic operations, by functions such as this, or from outside of this program.
pub(crate) unsafe fn copy(to: *mut u8, from: *const u8, count: usize, by: CopyBy) {
    // SAFETY: the caller vouches for the ranges.
    unsafe {
        match by {
            CopyBy::Strings => strings(to, from, count),
            CopyBy::Vectors => vectors(to, from, count),
            CopyBy::Past => past::copy(to, from, count),
        }
    }
}

/// What a buffer must have beside its length for [`on_a_line`].
pub const LINE_SPARE: usize = 63;

/// So many bytes of a buffer from the boundary of a line on, as slots have it: where source and target differ, each line
/// takes two. Empty if the buffer has not [`LINE_SPARE`] bytes more.
pub fn on_a_line(buffer: &mut [u8], length: usize) -> &mut [u8] {
    let skip = buffer.as_ptr().addr().wrapping_neg() % 64;
    skip.checked_add(length).and_then(|end| buffer.get_mut(skip..end)).unwrap_or_default()
}

/// Copies from one private buffer to another, as much as both hold.
pub fn copy_private(to: &mut [u8], from: &[u8], by: CopyBy) {
    // SAFETY: two slices are mapped, and the one that is written is this function's alone.
    unsafe { copy(to.as_mut_ptr(), from.as_ptr(), to.len().min(from.len()), by) };
}

/// # Safety
/// As of [`copy`].
#[cfg(target_arch = "x86_64")]
unsafe fn strings(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: the instruction touches the two ranges only, which the caller vouches for; the direction flag is clear, as
    // it is between all functions.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags)
        );
    }
}

/// # Safety
/// As of [`copy`].
#[cfg(not(target_arch = "x86_64"))]
unsafe fn strings(to: *mut u8, from: *const u8, count: usize) {
    use core::ptr::{read_volatile, write_volatile};
    let aligned = to.addr() % 8 == 0 && from.addr() % 8 == 0;
    let words = if aligned { count / 8 } else { 0 };
    // SAFETY: all accesses lie within the ranges that the caller vouches for, and words only at their alignment.
    unsafe {
        for index in 0..words {
            write_volatile(to.cast::<u64>().add(index), read_volatile(from.cast::<u64>().add(index)));
        }
        for index in words * 8..count {
            write_volatile(to.add(index), read_volatile(from.add(index)));
        }
    }
}

/// # Safety
/// As of [`copy`].
#[cfg(target_arch = "x86_64")]
unsafe fn vectors(mut to: *mut u8, mut from: *const u8, mut count: usize) {
    // SAFETY: 64 bytes of each range at a time, which the caller vouches for.
    unsafe {
        while count >= 64 {
            core::arch::asm!(
                "movdqu {a}, [{from}]",
                "movdqu {b}, [{from} + 16]",
                "movdqu {c}, [{from} + 32]",
                "movdqu {d}, [{from} + 48]",
                "movdqu [{to}], {a}",
                "movdqu [{to} + 16], {b}",
                "movdqu [{to} + 32], {c}",
                "movdqu [{to} + 48], {d}",
                from = in(reg) from, to = in(reg) to,
                a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
                options(nostack, preserves_flags)
            );
            from = from.add(64);
            to = to.add(64);
            count -= 64;
        }
        strings(to, from, count);
    }
}

/// # Safety
/// As of [`copy`].
#[cfg(not(target_arch = "x86_64"))]
unsafe fn vectors(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: the caller vouches for the ranges.
    unsafe { strings(to, from, count) };
}

/// Asks for the line that holds this address, which may lie anywhere: nothing is read, and nothing can go wrong.
#[inline]
pub(crate) fn fetch_ahead(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, whatever the address is.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{address}]", address = in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

/// Writes a range back to memory and out of all caches, line by line; `false` where this program cannot do it.
///
/// # Safety
/// The range must be mapped.
pub(crate) unsafe fn evict(from: *const u8, count: usize) -> bool {
    const LINE: usize = 64;
    let first = from.addr() % LINE;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every line has a byte of the range; the instruction changes no value.
    unsafe {
        use core::arch::x86_64::{_mm_clflush, _mm_mfence};
        _mm_mfence();
        for offset in (0..count + first).step_by(LINE) {
            _mm_clflush(from.wrapping_add(offset).wrapping_sub(first));
        }
        _mm_mfence();
        true
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        for offset in (0..count + first).step_by(LINE) {
            let line = from.wrapping_add(offset).wrapping_sub(first);
            core::arch::asm!("dc civac, {line}", line = in(reg) line, options(nostack, preserves_flags));
        }
        core::arch::asm!("dsb sy", options(nostack, preserves_flags));
        true
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let _ = first;
        false
    }
}

/// Takes a private buffer out of all caches; `false` where this program cannot do it.
pub fn evict_private(bytes: &[u8]) -> bool {
    // SAFETY: a slice is mapped.
    unsafe { evict(bytes.as_ptr(), bytes.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    proptest! {
        // Whole blocks of four pages, lines, and odd ends, at every alignment.
        #[test]
        fn every_way_copies_every_byte_and_no_other(
            count in 0_usize..40_000, to_offset in 0_usize..130, from_offset in 0_usize..130, way in 0_usize..3,
        ) {
            let by = [CopyBy::Strings, CopyBy::Vectors, CopyBy::Past][way];
            let from: Vec<u8> = (0..count + 130).map(|index| (index % 251) as u8).collect();
            let mut to = vec![0xee; count + 260];
            let end = to_offset + count;
            copy_private(&mut to[to_offset..end], &from[from_offset..], by);
            prop_assert_eq!(&to[to_offset..end], &from[from_offset..from_offset + count]);
            prop_assert!(to[..to_offset].iter().chain(&to[end..]).all(|byte| *byte == 0xee));
        }
    }
}
