//! Copies whose stores go past the caches.

/// Bytes of a line, which is stored as a whole.
const LINE: usize = 64;
/// No processor fetches ahead beyond the end of a page.
const PAGE: usize = 4096;
/// Pages that are copied side by side.
const STREAMS: usize = 4;

/// # Safety
/// As of [`copy`](super::copy).
pub(super) unsafe fn copy(mut to: *mut u8, mut from: *const u8, mut count: usize) {
    // A line that is stored in parts would be read first after all.
    let head = (to.addr().wrapping_neg() % LINE).min(count);
    // SAFETY: all pieces lie within the two ranges, which the caller vouches for.
    unsafe {
        super::strings(to, from, head);
        (to, from, count) = (to.add(head), from.add(head), count - head);
        while count >= STREAMS * PAGE {
            for offset in (0..PAGE).step_by(LINE) {
                for stream in 0..STREAMS {
                    let place = stream * PAGE + offset;
                    line(to.add(place), from.add(place));
                }
            }
            (to, from, count) = (to.add(STREAMS * PAGE), from.add(STREAMS * PAGE), count - STREAMS * PAGE);
        }
        while count >= LINE {
            line(to, from);
            (to, from, count) = (to.add(LINE), from.add(LINE), count - LINE);
        }
        super::strings(to, from, count);
    }
    settle();
}

/// One line.
///
/// # Safety
/// Both must be mapped, and `to` must be on the boundary of a line.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn line(to: *mut u8, from: *const u8) {
    // SAFETY: the caller vouches for both; `to` is on a boundary of 16 bytes, as the stores must be.
    unsafe {
        core::arch::asm!(
            "movdqu {a}, [{from}]",
            "movdqu {b}, [{from} + 16]",
            "movdqu {c}, [{from} + 32]",
            "movdqu {d}, [{from} + 48]",
            "movntdq [{to}], {a}",
            "movntdq [{to} + 16], {b}",
            "movntdq [{to} + 32], {c}",
            "movntdq [{to} + 48], {d}",
            from = in(reg) from, to = in(reg) to,
            a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
            options(nostack, preserves_flags)
        );
    }
}

/// One line.
///
/// # Safety
/// Both must be mapped.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
unsafe fn line(to: *mut u8, from: *const u8) {
    // SAFETY: the caller vouches for both.
    unsafe {
        core::arch::asm!(
            "ldp {a:q}, {b:q}, [{from}]",
            "ldp {c:q}, {d:q}, [{from}, #32]",
            "stnp {a:q}, {b:q}, [{to}]",
            "stnp {c:q}, {d:q}, [{to}, #32]",
            from = in(reg) from, to = in(reg) to,
            a = out(vreg) _, b = out(vreg) _, c = out(vreg) _, d = out(vreg) _,
            options(nostack, preserves_flags)
        );
    }
}

/// One line, without a way past the caches.
///
/// # Safety
/// Both must be mapped.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline(always)]
unsafe fn line(to: *mut u8, from: *const u8) {
    // SAFETY: the caller vouches for both.
    unsafe { super::strings(to, from, LINE) };
}

/// Waits until all stores past the caches are where others see them. x86-64 orders them with no later store, not even one
/// that releases; on AArch64 a store that releases comes after them as after any other.
fn settle() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction orders stores, and touches nothing.
    unsafe {
        core::arch::x86_64::_mm_sfence();
    }
    #[cfg(not(target_arch = "x86_64"))]
    core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
}
