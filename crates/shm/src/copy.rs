//! Copies into and out of memory that another party writes at the same time.
//!
//! They are machine instructions that the compiler cannot look into, so that it can neither split a copy nor read its
//! source a second time; what a racing copy yields is some mixture of old and new bytes, which the checks find.

/// How bytes are moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyBy {
    /// The processor's string instruction: the fastest for ordinary cached memory on today's processors.
    #[default]
    Strings,
    /// Registers of 16 bytes: fewest transactions on a mapping without cache, and quick where a processor is emulated.
    Vectors,
}

/// Copies `count` bytes.
///
/// # Safety
/// Both ranges must be mapped, `to` for writing; they must not overlap. Others may write to either meanwhile, if only by
/// atomic operations, by functions such as this, or from outside of this program.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn copy(mut to: *mut u8, mut from: *const u8, mut count: usize, by: CopyBy) {
    use core::arch::asm;
    // SAFETY: the instructions touch the two ranges only, which the caller vouches for; the direction flag is clear, as
    // it is between all functions.
    unsafe {
        if by == CopyBy::Vectors {
            while count >= 64 {
                asm!(
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
        }
        asm!(
            "rep movsb",
            inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags)
        );
    }
}

/// Copies `count` bytes.
///
/// # Safety
/// Both ranges must be mapped, `to` for writing; they must not overlap. Others may write to either meanwhile, if only by
/// atomic operations, by functions such as this, or from outside of this program.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) unsafe fn copy(to: *mut u8, from: *const u8, count: usize, by: CopyBy) {
    use core::ptr::{read_volatile, write_volatile};
    let _ = by;
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
