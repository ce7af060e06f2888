//! Threads, and memory of one's own.
//!
//! The agent has one thread; the subject that it can become has more. They share everything, have no storage of their own,
//! and must not allocate: the allocator is for one thread.

use super::{Result, call};
use linux_raw_sys::general as k;

const STACK_BYTES: usize = 64 << 10;

/// Fresh memory of zero bytes, for the rest of the process's life.
pub(crate) fn map_fresh(length: usize) -> Result<*mut u8> {
    // SAFETY: a fresh private mapping touches nothing that exists.
    let answer = unsafe {
        call!(__NR_mmap, 0, length, k::PROT_READ | k::PROT_WRITE, k::MAP_PRIVATE | k::MAP_ANONYMOUS, usize::MAX, 0)
    };
    answer.map(core::ptr::with_exposed_provenance_mut)
}

/// Gives a part of a mapping back.
///
/// # Safety
/// Nothing may use it afterwards.
pub(crate) unsafe fn unmap(start: *mut u8, length: usize) -> Result<()> {
    // SAFETY: the caller vouches that nobody uses it.
    unsafe { call!(__NR_munmap, start, length) }.map(drop)
}

/// Starts a thread that runs `body` for ever, with one argument.
///
/// # Safety
/// `body` must never return and never allocate, and the argument must mean to it what it takes it for.
pub(crate) unsafe fn spawn(body: extern "C" fn(usize) -> !, argument: usize) -> Result<()> {
    let flags = k::CLONE_VM | k::CLONE_FS | k::CLONE_FILES | k::CLONE_SIGHAND | k::CLONE_THREAD | k::CLONE_SYSVSEM;
    let stack = map_fresh(STACK_BYTES)?;
    // SAFETY: the last two words of the stack, which is a mapping of our own and aligned to pages.
    let top = unsafe { stack.add(STACK_BYTES - 16).cast::<usize>() };
    // SAFETY: as above.
    unsafe {
        top.write(body as usize);
        top.add(1).write(argument);
    }
    // SAFETY: the new thread starts on a stack of its own, which begins with what it runs and its argument.
    super::answer(unsafe { clone_onto(flags as usize, top) }).map(drop)
}

/// # Safety
/// The stack must begin with the address of a function that does not return, and its argument; behind them it must be
/// aligned to 16 bytes.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_onto(flags: usize, stack: *mut usize) -> isize {
    let answer: isize;
    // SAFETY: the parent goes on behind the block; the child takes what its stack begins with and never comes back.
    unsafe {
        core::arch::asm!(
            "syscall", "test rax, rax", "jnz 2f", "xor ebp, ebp", "pop rax", "pop rdi", "call rax", "ud2", "2:",
            inlateout("rax") k::__NR_clone as usize => answer, in("rdi") flags, in("rsi") stack,
            in("rdx") 0_usize, in("r10") 0_usize, in("r8") 0_usize,
            lateout("rcx") _, lateout("r11") _);
    }
    answer
}

/// # Safety
/// As for x86_64.
#[cfg(target_arch = "aarch64")]
unsafe fn clone_onto(flags: usize, stack: *mut usize) -> isize {
    let answer: isize;
    // SAFETY: as for x86_64.
    unsafe {
        core::arch::asm!(
            "svc 0", "cbnz x0, 2f", "mov x29, xzr", "ldp x9, x0, [sp], #16", "blr x9", "brk #1", "2:",
            in("x8") k::__NR_clone as usize, inlateout("x0") flags => answer, in("x1") stack,
            in("x2") 0_usize, in("x3") 0_usize, in("x4") 0_usize, lateout("x9") _);
    }
    answer
}
