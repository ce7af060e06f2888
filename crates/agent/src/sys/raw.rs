//! The system call instruction.

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the agent knows how to make system calls on x86_64 and aarch64 only");

/// Makes a system call and gives the kernel's raw answer.
///
/// # Safety
/// The arguments must be valid for the call: pointers to memory of the size and kind that the kernel reads or writes.
#[inline]
pub(crate) unsafe fn system_call(number: u32, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let answer: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: this is the kernel's calling convention; the kernel clobbers rcx and r11 only, and the caller vouches for
    // the arguments.
    unsafe {
        core::arch::asm!("syscall", inlateout("rax") number as usize => answer,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _, options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: this is the kernel's calling convention, and the caller vouches for the arguments.
    unsafe {
        core::arch::asm!("svc 0", in("x8") number as usize, inlateout("x0") a => answer,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f, options(nostack));
    }
    answer
}
